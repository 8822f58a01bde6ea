/* What an INVITE costs on its way through the agent: parsed, checked, edited as for the next hop and written. Beside it the least that anybody could do (look for the
 * line ends, copy the octets), and osip2, which also parses, changes and writes it. */
#include "bench.h"

#include "sip/edit.h"

#include <osipparser2/osip_parser.h>

static const char head[] =
    "INVITE sip:+4930123456@agent.a.example;user=phone SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bK-524287-1---a5d1f0c3e7b29846;rport\r\n"
    "Via: SIP/2.0/TCP phone.a.example:49170;branch=z9hG4bK776asdhds;received=192.0.2.44\r\n"
    "Max-Forwards: 68\r\n"
    "Record-Route: <sip:192.0.2.7;transport=udp;lr;ftag=88sja8x>\r\n"
    "Contact: <sip:alice@192.0.2.44:49170;transport=tcp;ob>;+sip.instance=\"<urn:uuid:f81d4fae-7dec-11d0-a765>\"\r\n"
    "To: <sip:+4930123456@agent.a.example;user=phone>\r\n"
    "From: \"Alice Example\" <sip:+498912345678@pbx.a.example>;tag=88sja8x\r\n"
    "Call-ID: 987asjd97y7atg-7e2f1b@phone.a.example\r\n"
    "CSeq: 986759 INVITE\r\n"
    "Session-Expires: 1800;refresher=uac\r\n"
    "Min-SE: 90\r\n"
    "Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY, INFO, SUBSCRIBE, UPDATE, PRACK\r\n"
    "Supported: replaces, 100rel, timer, norefersub\r\n"
    "User-Agent: Example PBX 18.4 (Debian)\r\n"
    "P-Asserted-Identity: \"Alice Example\" <sip:+498912345678@pbx.a.example>\r\n"
    "Content-Type: application/sdp\r\n"
    "Content-Length: 250\r\n"
    "\r\n";
static const char body[] = "v=0\r\n"
                           "o=alice 2890844526 2890844526 IN IP4 192.0.2.44\r\n"
                           "s=-\r\n"
                           "c=IN IP4 192.0.2.44\r\n"
                           "t=0 0\r\n"
                           "m=audio 49172 RTP/AVP 8 0 9 101\r\n"
                           "a=rtpmap:8 PCMA/8000\r\n"
                           "a=rtpmap:0 PCMU/8000\r\n"
                           "a=rtpmap:9 G722/8000\r\n"
                           "a=rtpmap:101 telephone-event/8000\r\n"
                           "a=fmtp:101 0-16\r\n"
                           "a=sendrecv\r\n";

struct passage {
    struct slice octets;
    struct buf out;
};

static void pass_ours(void *arg, unsigned long times)
{
    struct passage *x = arg;
    for (unsigned long i = 0; i < times; i++) {
        struct region region;
        struct sip_message m;
        region_init(&region, 65536);
        buf_clear(&x->out);
        bench_need(sip_parse(&region, x->octets, SIP_DATAGRAM, &m, NULL) == 0 && sip_check(&m, NULL, NULL) == 0,
                   "parsing");
        struct sip_edit *e = sip_edit_new(&region, &m);
        bench_need(e != NULL, "memory");
        sip_edit_uri(e, slice_str("sip:+4930123456@edge.b.example"));
        sip_edit_prepend(e, SIP_VIA, slice_str("SIP/2.0/TLS agent.a.example;branch=z9hG4bKag1"));
        sip_edit_set(e, SIP_MAX_FORWARDS, slice_str("67"));
        sip_edit_set(e, SIP_CONTACT, slice_str("<sip:agent.a.example;transport=tls>"));
        sip_edit_remove_all(e, SIP_RECORD_ROUTE);
        bench_need(sip_edit_write(e, &x->out) == 0, "writing");
        region_fini(&region);
    }
}

/* A pass over the octets for the line ends, and a copy. */
static void pass_bare(void *arg, unsigned long times)
{
    struct passage *x = arg;
    size_t lines = 0;
    for (unsigned long i = 0; i < times; i++) {
        const uint8_t *p = x->octets.p, *end = p + x->octets.n;
        while ((p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
            p++;
            lines++;
        }
        buf_clear(&x->out);
        buf_slice_put(&x->out, x->octets);
    }
    bench_need(lines != 0, "lines");
}

static void pass_osip(void *arg, unsigned long times)
{
    struct passage *x = arg;
    for (unsigned long i = 0; i < times; i++) {
        osip_message_t *m;
        char *text = NULL;
        size_t octets;
        bench_need(osip_message_init(&m) == 0 && osip_message_parse(m, (const char *)x->octets.p, x->octets.n) == 0,
                   "osip2's parsing");
        osip_uri_free(m->req_uri);
        bench_need(osip_uri_init(&m->req_uri) == 0 && osip_uri_parse(m->req_uri, "sip:+4930123456@edge.b.example") == 0,
                   "osip2's URI");
        bench_need(osip_message_append_via(m, "SIP/2.0/TLS agent.a.example;branch=z9hG4bKag1") == 0, "osip2's Via");
        osip_list_special_free(&m->record_routes, (void (*)(void *)) & osip_record_route_free);
        bench_need(osip_message_force_update(m) == 0 && osip_message_to_str(m, &text, &octets) == 0, "osip2's writing");
        osip_free(text);
        osip_message_free(m);
    }
}

int main(void)
{
    struct buf message;
    struct passage x = {0};
    buf_init(&message, 65536);
    buf_init(&x.out, 65536);
    buf_str(&message, head);
    buf_str(&message, body);
    buf_text(&message); /* osip2 wants a NUL */
    x.octets = buf_slice(&message);
    bench_need(sizeof body - 1 == 250 && parser_init() == 0, "osip2");
    struct bench_side ours = {"INVITE parsed, edited, written", pass_ours, &x, 1};
    struct bench_side bare = {"line ends and a copy", pass_bare, &x, 1};
    struct bench_side osip = {"the same with osip2", pass_osip, &x, 1};
    bool good = bench_compare(&ours, &bare, COST_AT_MOST, 20, 2);
    good &= bench_compare(&ours, &osip, RATE_AT_LEAST, 5, 2);
    buf_fini(&message);
    buf_fini(&x.out);
    return !good;
}
