/* Registering, again and again. */
#include "pstn/registration.h"

#define CHALLENGES_MAX 2
#define RETRY_FIRST_MS 500
#define RETRY_MAX_MS 30000
#define GRANTED_S_MAX (7 * 86400)

static void heard(struct ua_client *client, unsigned status, const struct sip_message *response);

static void failed(struct ua_registration *r, unsigned status)
{
    if (r->is_good || r->status != status)
        log_event(r->ua->log, LEVEL_WARNING, "pstn.not_registered", "user=%s at=%s status=%u", r->options.user,
                  r->options.domain, status);
    r->is_good = false;
    r->status = status;
    if (r->ending)
        return;
    ua_timer(r->ua, &r->timer, r->retry_ms);
    r->retry_ms = 2 * r->retry_ms < RETRY_MAX_MS ? 2 * r->retry_ms : RETRY_MAX_MS;
}

/* What stands in ua.octets. */
static void send_octets(struct ua_registration *r)
{
    buf_clear(&r->sent);
    buf_slice_put(&r->sent, buf_slice(&r->ua->octets));
    if (r->sent.err || ua_send(r->ua, &r->client, &r->options.hop) < 0)
        failed(r, 503);
}

static void ask(struct ua_registration *r, int64_t expires_ms)
{
    struct ua *u = r->ua;
    const struct ua_registration_options *o = &r->options;
    char tag[LEG_TAG_OCTETS];
    ua_tag(u, tag);
    buf_clear(&u->octets);
    sip_begin_request(&u->octets, "REGISTER", ua_print(u, "sip:%s", o->domain));
    sip_put(&u->octets, SIP_MAX_FORWARDS, slice_str("70"));
    sip_put_text(&u->octets, SIP_FROM, "<sip:%s@%s>;tag=%s", o->user, o->domain, tag);
    sip_put_text(&u->octets, SIP_TO, "<sip:%s@%s>", o->user, o->domain);
    sip_put_text(&u->octets, SIP_CALL_ID, "%s", r->call_id);
    sip_put_text(&u->octets, SIP_CSEQ, "%u REGISTER", ++r->cseq);
    ua_put_contact(u, o->user, o->hop.side, o->hop.transport);
    sip_put_text(&u->octets, SIP_EXPIRES, "%lld", (long long)(expires_ms / 1000));
    sip_end(&u->octets, (struct slice){0});
    r->challenges = 0;
    send_octets(r);
}

static void due(void *owner)
{
    struct ua_registration *r = owner;
    ask(r, r->options.expires_ms);
}

/* At the Contact, or in Expires; else what was asked for. */
static int64_t granted_ms(const struct ua_registration *r, const struct sip_message *response)
{
    const struct sip_field *f = sip_field_first(response, SIP_EXPIRES), *at = sip_field_first(response, SIP_CONTACT);
    struct sip_address contact;
    struct sip_cursor c;
    struct slice text = f ? f->value : (struct slice){0};
    uint32_t seconds = 0;
    if (at) {
        c = sip_field_cursor(response, at);
        if (sip_read_address(&c, &contact))
            sip_param_find(contact.params, "expires", &text);
    }
    sip_cursor_init(&c, response->octets, text);
    if (!text.n || sip_read_number(&c, GRANTED_S_MAX, &seconds) < 0 || !seconds)
        return r->options.expires_ms;
    return seconds * INT64_C(1000);
}

/* It was too short for them (RFC 3261 10.2.8). False: it was not, or that is no good answer. */
static bool lengthen(struct ua_registration *r, const struct sip_message *response)
{
    const struct sip_field *f = sip_field_first(response, SIP_MIN_EXPIRES);
    struct sip_cursor c;
    uint32_t seconds;
    if (!f || r->ending)
        return false;
    c = sip_field_cursor(response, f);
    if (sip_read_number(&c, GRANTED_S_MAX, &seconds) < 0 || seconds * INT64_C(1000) <= r->options.expires_ms)
        return false;
    r->options.expires_ms = seconds * INT64_C(1000);
    return true;
}

static void heard(struct ua_client *client, unsigned status, const struct sip_message *response)
{
    struct ua_registration *r = CONTAINER_OF(client, struct ua_registration, client);
    struct ua_password *password = r->options.password;
    if (status < 200)
        return;
    if ((status == 401 || status == 407) && response && r->challenges < CHALLENGES_MAX &&
        ua_password_answer(r->ua, password, buf_slice(&r->sent), r->cseq + 1, response)) {
        r->cseq++;
        r->challenges++;
        send_octets(r);
        return;
    }
    if (status == 423 && response && lengthen(r, response)) {
        ask(r, r->options.expires_ms);
        return;
    }
    if (status >= 300 || !response) {
        failed(r, status);
        return;
    }
    if (password)
        sip_digest_accepted(&password->digest);
    r->is_good = !r->ending;
    r->status = status;
    r->retry_ms = RETRY_FIRST_MS;
    if (r->is_good)
        ua_timer(r->ua, &r->timer, granted_ms(r, response) / 2);
}

/* ---- life ---- */

void ua_registration_init(struct ua_registration *r, struct ua *u, const struct ua_registration_options *options)
{
    *r = (struct ua_registration){.ua = u,
                                  .options = *options,
                                  .client = {.heard = heard},
                                  .timer = {.fire = due, .owner = r},
                                  .retry_ms = RETRY_FIRST_MS};
    buf_init(&r->sent, SIP_MESSAGE_OCTETS_MAX);
    ua_tag(u, r->call_id);
}

void ua_registration_fini(struct ua_registration *r)
{
    if (!r->ua)
        return;
    ua_timer_stop(r->ua, &r->timer);
    ua_forget(r->ua, &r->client);
    buf_fini(&r->sent);
}

void ua_registration_start(struct ua_registration *r)
{
    if (!r->client.token && !r->ending)
        ask(r, r->options.expires_ms);
}

void ua_registration_stop(struct ua_registration *r)
{
    if (r->ending)
        return;
    r->ending = true;
    ua_timer_stop(r->ua, &r->timer);
    ua_forget(r->ua, &r->client);
    if (r->is_good)
        ask(r, 0);
}
