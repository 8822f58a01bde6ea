/* A datagram on a media port, behind an octet of choices: whatever it is, every view into it stays inside, and says the same when read again. */
#include "media/rtcp.h"
#include "media/rtp.h"
#include "media/udptl.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool good)
{
    if (!good)
        abort();
}

static void need_inside(struct slice part, struct slice whole)
{
    need(part.n == 0 || (part.p >= whole.p && part.p + part.n <= whole.p + whole.n));
}

static void try_rtp(struct slice octets)
{
    struct rtp_view v;
    struct rtp_element element;
    struct fault fault = {0};
    size_t position = 0, before = 0;
    int more;
    int err = rtp_read(octets, &v, &fault);
    need(!err || (fault.rule && fault.octet <= octets.n));
    if (rtp_read_header(octets, &v, &fault)) {
        need(err);
        return;
    }
    need_inside(v.csrc, octets);
    need_inside(v.extension, octets);
    need_inside(v.payload, octets);
    need(RTP_HEADER_OCTETS + v.csrc.n + (v.has_extension ? 4 + v.extension.n : 0) + v.payload.n == octets.n);
    while ((more = rtp_element_next(&v, &position, &element)) > 0) {
        need_inside(element.value, v.extension);
        need(position > before && position <= v.extension.n);
        before = position;
    }
    need(more == 0 || more == ERR_TRUNCATED);
}

static void try_rtcp(struct slice octets, bool reduced)
{
    struct rtcp_walk w;
    struct rtcp_packet p;
    struct rtcp_sender sender;
    struct rtcp_report report;
    struct fault fault = {0};
    struct rtcp_round_trip trip = {0};
    int64_t us;
    int more;
    unsigned count = 0;
    rtcp_walk_init(&w, octets, reduced);
    while ((more = rtcp_next(&w, &p, &fault)) > 0) {
        need(++count <= RTCP_PACKETS_MAX);
        need_inside(p.body, octets);
        if (rtcp_read_sender(&p, &sender)) {
            need(p.type == RTCP_SR);
            rtcp_round_trip_sent(&trip, (struct mono){1000000}, sender.ntp);
        }
        for (unsigned i = 0; rtcp_read_report(&p, i, &report); i++) {
            need(i < p.count);
            if (rtcp_round_trip_answer(&trip, (struct mono){9000000}, &report, &us))
                need(us >= 0 && us <= RTCP_ROUND_TRIP_MAX_US);
        }
    }
    need(more == 0 || (fault.rule && fault.octet <= octets.n));
    need(rtcp_next(&w, &p, NULL) == 0);
    need(octets.n == 0 || rtcp_check(octets, reduced, NULL) == more);
}

static void try_udptl(struct slice octets)
{
    struct udptl_view v;
    struct fault fault = {0};
    int err = udptl_read(octets, &v, &fault);
    if (err) {
        need(fault.rule && fault.octet <= octets.n);
        return;
    }
    need_inside(v.primary, octets);
    need(v.primary.n > 0 && v.secondary_count <= UDPTL_SECONDARIES_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct slice octets = slice_of(data + 1, size - 1);
    enum rtp_kind kind = rtp_classify(octets);
    need(rtp_kind_name(kind)[0] != 0);
    need((kind != RTP_MEDIA || octets.n >= RTP_HEADER_OCTETS) && (kind != RTP_RTCP || octets.n >= 8));
    try_rtp(octets);
    try_rtcp(octets, data[0] & 1);
    try_udptl(octets);
    return 0;
}
