/* Answers that keep no state (RFC 3261 8.2.7): to malformed requests, to a CANCEL of nothing, and beyond the limits. A request that comes again
 * gets the same answer, tag included. */
#include "base/siphash.h"
#include "base/text.h"
#include "sip/transaction_core.h"

void sip_server_make_tag(const struct sip_layer *l, const struct sip_message *request, char tag[TAG_OCTETS + 1])
{
    uint64_t seed[2] = {siphash(l->secret, request->via.whole), l->secret[1]};
    uint64_t hash = siphash(seed, request->call_id);
    hex_format(slice_of(&hash, sizeof hash), tag);
}

void sip_server_refuse(struct sip_layer *l, const struct inbound *in, unsigned status, unsigned retry_after_s)
{
    char tag[TAG_OCTETS + 1];
    if (!in->has_via)
        return;
    sip_server_make_tag(l, &in->message, tag);
    buf_clear(&l->scratch);
    sip_begin_answer(&l->scratch, &in->message, status, NULL, slice_str(tag));
    if (retry_after_s)
        sip_put_text(&l->scratch, SIP_RETRY_AFTER, "%u", retry_after_s);
    sip_end(&l->scratch, slice_of(NULL, 0));
    if (l->scratch.err)
        return;
    struct packet *response = sip_packet_new(l, &in->hop, buf_slice(&l->scratch));
    if (!response)
        return;
    l->counters.responses_out++;
    sip_packet_send(response);
    sip_packet_drop(response);
}
