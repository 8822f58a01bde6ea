/* Digest: what a peer says in a challenge is answered with credentials that can be read again, and that our server finds good if the challenge was
 * its own. Challenges and credentials, a line each. */
#include "base/text.h"
#include "sip/digest.h"
#include "sip/edit.h"

#include <stdlib.h>

static void need(bool good)
{
    if (!good)
        abort();
}

static void put_common(struct buf *b)
{
    sip_put(b, SIP_VIA, slice_str("SIP/2.0/UDP a.example;branch=z9hG4bKa"));
    sip_put(b, SIP_FROM, slice_str("<sip:bob@b.example>;tag=1"));
    sip_put(b, SIP_TO, slice_str("<sip:bob@b.example>"));
    sip_put(b, SIP_CALL_ID, slice_str("c"));
    sip_put(b, SIP_CSEQ, slice_str("1 REGISTER"));
}

/* A message with these fields besides; false if nobody can read it. */
static bool parse(struct region *region, struct buf *b, struct slice fields, bool is_request, struct sip_message *m)
{
    buf_clear(b);
    if (is_request)
        sip_begin_request(b, "REGISTER", slice_str("sip:b.example"));
    else
        sip_begin_response(b, 401, NULL);
    put_common(b);
    buf_slice_put(b, fields);
    sip_end(b, (struct slice){NULL, 0});
    return !b->err && sip_parse(region, buf_slice(b), SIP_DATAGRAM, m, NULL) == 0 && sip_check(m, NULL, NULL) == 0;
}

static void put_lines(struct slice text, const char *name, struct buf *out)
{
    while (text.n) {
        buf_str(out, name);
        buf_str(out, ": ");
        buf_slice_put(out, text_cut(&text, '\n'));
        buf_str(out, "\r\n");
    }
}

static void check_answer(struct region *region, struct sip_digest_client *client, const struct entropy *entropy)
{
    struct buf fields, octets;
    struct sip_message m;
    struct sip_digest_params params;
    buf_init(&fields, 65536);
    buf_init(&octets, 131072);
    buf_str(&fields, "Authorization: ");
    int err = sip_digest_answer(client, entropy, SIP_AUTHORIZATION, slice_str("bob"), slice_str("zanzibar"),
                                slice_str("REGISTER"), slice_str("sip:b.example"), (struct slice){NULL, 0}, &fields);
    buf_str(&fields, "\r\n");
    need(err == 0 && !fields.err && parse(region, &octets, buf_slice(&fields), true, &m));
    struct sip_cursor c = sip_field_cursor(&m, sip_field_first(&m, SIP_AUTHORIZATION));
    err = sip_read_credentials(&c, &params);
    need(err == 0 || err == ERR_LIMIT); /* quotes around what had none */
    buf_fini(&octets);
    buf_fini(&fields);
}

/* Credentials that nobody made with the password are never good. */
static void check_credentials(struct sip_digest_server *server, const struct sip_message *m)
{
    struct sip_digest_params params;
    struct fault fault = {0};
    int err = sip_digest_find(server, m, SIP_AUTHORIZATION, &params, &fault);
    need(err == 0 || err == ERR_NOT_FOUND || fault.rule);
    if (!err)
        need(sip_digest_check(server, (struct now){0}, m, &params, slice_str("bob"), slice_str("zanzibar")) ==
             ERR_AUTH);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t key[SIP_DIGEST_KEY_OCTETS] = "key";
    struct seeded_entropy seeded = {1};
    struct entropy entropy = seeded_entropy_port(&seeded);
    struct sip_digest_server server;
    struct sip_digest_client client;
    struct region region;
    struct buf fields, request_octets, response_octets;
    struct sip_message request, response;
    region_init(&region, (size_t)1 << 20);
    buf_init(&fields, 65536);
    buf_init(&request_octets, 131072);
    buf_init(&response_octets, 131072);
    need(sip_digest_server_init(&server, "r", key, SIP_DIGEST_NONCE_MS, 4) == 0);
    sip_digest_client_init(&client);
    put_lines(slice_of(data, size), "Authorization", &fields);
    if (parse(&region, &request_octets, buf_slice(&fields), true, &request)) {
        check_credentials(&server, &request);
        buf_clear(&fields);
        put_lines(slice_of(data, size), "WWW-Authenticate", &fields);
        if (parse(&region, &response_octets, buf_slice(&fields), false, &response))
            for (unsigned i = 0; i < 2; i++)
                if (sip_digest_challenged(&client, &request, &response) == 0)
                    check_answer(&region, &client, &entropy);
    }
    sip_digest_client_fini(&client);
    sip_digest_server_fini(&server);
    buf_fini(&response_octets);
    buf_fini(&request_octets);
    buf_fini(&fields);
    region_fini(&region);
    return 0;
}
