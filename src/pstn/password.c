/* Passwords that others ask for (RFC 3261 22.2, 22.3). */
#include "pstn/leg.h"

void ua_password_init(struct ua_password *p, const char *user, const char *secret)
{
    *p = (struct ua_password){.user = user, .secret = secret};
    sip_digest_client_init(&p->digest);
}

void ua_password_fini(struct ua_password *p)
{
    sip_digest_client_fini(&p->digest);
}

static void put_credentials(struct ua *u, struct ua_password *p, const struct sip_message *m, enum sip_header header,
                            struct sip_edit *e)
{
    buf_clear(&u->text);
    if (!sip_digest_answer(&p->digest, u->entropy, header, slice_str(p->user), slice_str(p->secret), m->method_text,
                           m->uri, m->body, &u->text))
        sip_edit_set(e, header, region_copy(&u->scratch, buf_slice(&u->text)));
}

bool ua_password_answer(struct ua *u, struct ua_password *p, struct slice sent, uint32_t cseq,
                        const struct sip_message *response)
{
    struct sip_message m;
    if (!p || !p->secret || sip_parse(&u->scratch, sent, SIP_STREAM, &m, NULL) < 0 ||
        sip_digest_challenged(&p->digest, &m, response) < 0)
        return false;
    struct sip_edit *e = sip_edit_new(&u->scratch, &m);
    if (!e)
        return false;
    sip_edit_set(e, SIP_CSEQ, ua_print(u, "%u %.*s", cseq, SLICE_PRINT(m.method_text)));
    put_credentials(u, p, &m, SIP_AUTHORIZATION, e);
    put_credentials(u, p, &m, SIP_PROXY_AUTHORIZATION, e);
    buf_clear(&u->octets);
    return !sip_edit_write(e, &u->octets) && !u->octets.err;
}
