/* What a session description costs on its way through the edge: parsed, addresses and ports changed, written. Beside it the least that anybody could do (look for the
 * line ends, copy the octets), and osip2, which also parses, changes and writes it. Then a password's check beside the hashes that it cannot do without. */
#include "bench.h"

#include "crypt/digest.h"
#include "sip/digest.h"
#include "sip/edit.h"
#include "sip/sdp.h"

#include <osipparser2/osip_parser.h>
#include <osipparser2/sdp_message.h>

static const char offer[] = "v=0\r\n"
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
                            "a=ptime:20\r\n"
                            "a=sendrecv\r\n"
                            "m=video 49174 RTP/AVP 99\r\n"
                            "a=rtpmap:99 H264/90000\r\n"
                            "a=fmtp:99 profile-level-id=42e01f;packetization-mode=1\r\n"
                            "a=sendrecv\r\n";

static void pass_ours(void *arg, unsigned long times)
{
    struct buf *out = arg;
    const struct addr relay = {.family = 4, .ip = {198, 51, 100, 7}};
    for (unsigned long i = 0; i < times; i++) {
        struct region region;
        struct sip_sdp sdp;
        region_init(&region, 65536);
        buf_clear(out);
        bench_need(sip_sdp_parse(&region, slice_str(offer), &sdp, NULL) == 0, "parsing");
        struct sip_sdp_edit *e = sip_sdp_edit_new(&region, &sdp);
        bench_need(e != NULL, "memory");
        sip_sdp_edit_connection(e, SIP_SDP_SESSION, &relay);
        sip_sdp_edit_port(e, 0, 30000);
        sip_sdp_edit_port(e, 1, 30002);
        bench_need(sip_sdp_edit_write(e, out) == 0, "writing");
        region_fini(&region);
    }
}

static void pass_bare(void *arg, unsigned long times)
{
    struct buf *out = arg;
    size_t lines = 0;
    for (unsigned long i = 0; i < times; i++) {
        const char *p = offer, *end = offer + sizeof offer - 1;
        while ((p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
            p++;
            lines++;
        }
        buf_clear(out);
        buf_put(out, offer, sizeof offer - 1);
    }
    bench_need(lines != 0, "lines");
}

static void pass_osip(void *arg, unsigned long times)
{
    (void)arg;
    for (unsigned long i = 0; i < times; i++) {
        sdp_message_t *sdp;
        char *text = NULL;
        bench_need(sdp_message_init(&sdp) == 0 && sdp_message_parse(sdp, offer) == 0, "osip2's parsing");
        sdp_connection_t *c = sdp_message_connection_get(sdp, -1, 0);
        osip_free(c->c_addr);
        c->c_addr = osip_strdup("198.51.100.7");
        sdp_message_m_port_set(sdp, 0, osip_strdup("30000"));
        sdp_message_m_port_set(sdp, 1, osip_strdup("30002"));
        bench_need(sdp_message_to_str(sdp, &text) == 0, "osip2's writing");
        osip_free(text);
        sdp_message_free(sdp);
    }
}

/* ---- a password ---- */

struct registrar {
    struct sip_digest_server digest;
    struct region region;
    struct sip_message request;
    struct buf octets;
};

static void put_request(struct buf *b, struct slice credentials)
{
    sip_begin_request(b, "REGISTER", slice_str("sip:a.example"));
    sip_put(b, SIP_VIA, slice_str("SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKa"));
    sip_put(b, SIP_FROM, slice_str("<sip:pbx@a.example>;tag=1"));
    sip_put(b, SIP_TO, slice_str("<sip:pbx@a.example>"));
    sip_put(b, SIP_CALL_ID, slice_str("c"));
    sip_put(b, SIP_CSEQ, slice_str("1 REGISTER"));
    sip_put(b, SIP_AUTHORIZATION, credentials);
    sip_end(b, (struct slice){NULL, 0});
}

/* A request with the right password, made by our own client from our own challenge. */
static void registrar_init(struct registrar *r)
{
    static const uint8_t key[SIP_DIGEST_KEY_OCTETS] = {1};
    struct seeded_entropy seeded = {1};
    struct entropy entropy = seeded_entropy_port(&seeded);
    struct sip_digest_client client;
    struct buf challenge, value;
    struct sip_message response;
    sip_digest_client_init(&client);
    region_init(&r->region, 65536);
    buf_init(&r->octets, 8192);
    buf_init(&challenge, 8192);
    buf_init(&value, 8192);
    bench_need(sip_digest_server_init(&r->digest, "a.example", key, SIP_DIGEST_NONCE_MS, 1024) == 0, "server");
    sip_begin_response(&challenge, 401, NULL);
    sip_digest_put_challenges(&r->digest, (struct now){0}, SIP_WWW_AUTHENTICATE, false, &challenge);
    sip_end(&challenge, (struct slice){NULL, 0});
    bench_need(sip_parse(&r->region, buf_slice(&challenge), SIP_DATAGRAM, &response, NULL) == 0 &&
                   sip_digest_challenged(&client, &response, &response) == 0 &&
                   sip_digest_answer(&client, &entropy, SIP_AUTHORIZATION, slice_str("pbx"), slice_str("zanzibar"),
                                     slice_str("REGISTER"), slice_str("sip:a.example"), (struct slice){NULL, 0},
                                     &value) == 0,
               "credentials");
    put_request(&r->octets, buf_slice(&value));
    bench_need(sip_parse(&r->region, buf_slice(&r->octets), SIP_DATAGRAM, &r->request, NULL) == 0, "request");
    sip_digest_client_fini(&client);
    buf_fini(&challenge);
    buf_fini(&value);
}

/* Each but the first is used up: the whole way, up to the last look. */
static void check_password(void *arg, unsigned long times)
{
    struct registrar *r = arg;
    for (unsigned long i = 0; i < times; i++) {
        struct sip_digest_params p;
        bench_need(sip_digest_find(&r->digest, &r->request, SIP_AUTHORIZATION, &p, NULL) == 0, "finding");
        int err =
            sip_digest_check(&r->digest, (struct now){0}, &r->request, &p, slice_str("pbx"), slice_str("zanzibar"));
        bench_need(err == 0 || err == ERR_EXPIRED, "checking");
    }
}

/* The name, A1, A2, the response: four of SHA-256, and the HMAC of the nonce. */
static void bare_hashes(void *arg, unsigned long times)
{
    struct registrar *r = arg;
    uint8_t hash[SHA256_OCTETS] = {0};
    for (unsigned long i = 0; i < times; i++) {
        for (unsigned j = 0; j < 3; j++)
            digest_sha256(slice_of(hash, sizeof hash), hash);
        digest_sha256(slice_of(r->octets.p, 200), hash);
        hmac_sha256(slice_of(hash, sizeof hash), slice_of(r->octets.p, 8), hash);
    }
}

int main(void)
{
    struct registrar r = {0};
    struct buf out;
    buf_init(&out, 65536);
    bench_need(parser_init() == 0, "osip2");
    registrar_init(&r);
    struct bench_side ours = {"SDP parsed, edited, written", pass_ours, &out, 1};
    struct bench_side bare = {"line ends and a copy", pass_bare, &out, 1};
    struct bench_side osip = {"the same with osip2", pass_osip, NULL, 1};
    struct bench_side check = {"digest credentials checked", check_password, &r, 1};
    struct bench_side hashes = {"the hashes alone", bare_hashes, &r, 1};
    bool good = bench_compare(&ours, &bare, COST_AT_MOST, 25, 2);
    good &= bench_compare(&ours, &osip, RATE_AT_LEAST, 2, 2);
    good &= bench_compare(&check, &hashes, COST_AT_MOST, 3, 2);
    sip_digest_server_fini(&r.digest);
    region_fini(&r.region);
    buf_fini(&r.octets);
    buf_fini(&out);
    return !good;
}
