/* Trunks: who a request is from, registrations, passwords. */
#include "pstn/network_private.h"

#include "base/mem.h"

#include <stdio.h>

#define REALM "phone-network"
#define DIGEST_SLOTS 256
#define REGISTER_MIN_S 10
#define REGISTER_ASK_MS 120000 /* who was away finds us again soon */

static bool is_same_host(const struct addr *a, const struct addr *b)
{
    return a->family == b->family && !memcmp(a->ip, b->ip, sizeof a->ip);
}

static bool is_there(const struct pstn_trunk *t, const struct sip_flow *flow)
{
    return addr_eq(&t->hop.addr, &flow->peer) || (flow->conn && t->hop.conn == flow->conn);
}

struct pstn_trunk *pstn_trunk_of(struct pstn_network *n, const struct sip_flow *flow)
{
    struct pstn_trunk *found = NULL;
    for (size_t i = 0; i < n->options->trunk_count; i++) {
        struct pstn_trunk *t = &n->trunks[i];
        if (!t->is_there || t->hop.side != flow->side)
            continue;
        if (is_there(t, flow))
            return t;
        if (!found && !t->options->extension &&
            is_same_host(&t->hop.addr, &flow->peer)) /* a connection from any port; several may be there */
            found = t;
    }
    return found;
}

/* Many extensions may be at one address: From says which. */
static struct pstn_trunk *extension_of(struct pstn_network *n, const struct sip_event *event)
{
    struct sip_uri from;
    if (sip_uri_parse(event->message->from.uri, &from, NULL) < 0)
        return NULL;
    for (size_t i = 0; i < n->options->trunk_count; i++) {
        struct pstn_trunk *t = &n->trunks[i];
        if (t->options->extension && t->options->carrier == event->flow->side &&
            slice_eq_str(from.user, t->options->user))
            return t;
    }
    return NULL;
}

/* A phone may be at the host of a trunk; the trunk itself is where it says, or has a connection. */
struct pstn_trunk *pstn_trunk_asking(struct pstn_network *n, const struct sip_event *event)
{
    struct pstn_trunk *t = pstn_trunk_of(n, event->flow);
    struct pstn_trunk *x = n->options->pbx ? extension_of(n, event) : NULL;
    if (x && (!t || t->options->extension || !is_there(t, event->flow)))
        return x;
    return t && !t->options->extension ? t : NULL;
}

/* ---- passwords ---- */

static void challenge(struct pstn_network *n, const struct sip_event *event, bool stale)
{
    struct ua *u = &n->ua;
    const bool registers = event->message->method == SIP_REGISTER;
    buf_clear(&u->octets);
    sip_begin_answer(&u->octets, event->message, registers ? 401 : 407, NULL, sip_server_tag(u->layer, event->server));
    sip_digest_put_challenges(&n->digest, u->now, registers ? SIP_WWW_AUTHENTICATE : SIP_PROXY_AUTHENTICATE, stale,
                              &u->octets);
    sip_end(&u->octets, (struct slice){0});
    if (!u->octets.err)
        sip_server_respond(u->layer, u->now, event->server, buf_slice(&u->octets));
}

bool pstn_trunk_admits(struct pstn_network *n, const struct pstn_trunk *t, const struct sip_event *event)
{
    const struct pstn_trunk_options *o = t->options;
    const bool registers = event->message->method == SIP_REGISTER;
    struct sip_digest_params credentials;
    if (!o->password || o->registers)
        return true;
    int err = sip_digest_find(&n->digest, event->message, registers ? SIP_AUTHORIZATION : SIP_PROXY_AUTHORIZATION,
                              &credentials, NULL);
    if (!err)
        err = sip_digest_is_user(&n->digest, &credentials, slice_str(o->user))
                  ? sip_digest_check(&n->digest, n->ua.now, event->message, &credentials, slice_str(o->user),
                                     slice_str(o->password))
                  : ERR_AUTH;
    if (!err)
        return true;
    if (err == ERR_NOT_FOUND || err == ERR_EXPIRED) {
        challenge(n, event, err == ERR_EXPIRED);
    } else {
        n->counters.refused_password++;
        ua_answer(&n->ua, event->server,
                  err == ERR_AUTH        ? 403
                  : err == ERR_NO_MEMORY ? 500
                                         : 400,
                  NULL, (struct slice){0});
    }
    return false;
}

/* ---- registrations (RFC 3261 10.3) ---- */

static void binding_end(struct pstn_trunk *t)
{
    t->is_there = false;
    t->hop.addr.family = 0;
    t->contact[0] = 0;
    t->registered_at = (struct wall){0};
    ua_timer_stop(&t->network->ua, &t->expiry);
}

static void expired(void *owner)
{
    struct pstn_trunk *t = owner;
    log_event(t->network->log, LEVEL_WARNING, "pstn.trunk.expired", "name=%s", t->options->name);
    binding_end(t);
}

static struct pstn_trunk *registering(struct pstn_network *n, const struct sip_event *event)
{
    struct sip_uri to;
    if (sip_uri_parse(event->message->to.uri, &to, NULL) < 0)
        return NULL;
    for (size_t i = 0; i < n->options->trunk_count; i++) {
        struct pstn_trunk *t = &n->trunks[i];
        if (!t->options->addr.family && t->options->carrier == event->flow->side && t->options->user &&
            slice_eq_str(to.user, t->options->user))
            return t;
    }
    return NULL;
}

static bool read_seconds(const struct sip_message *m, struct slice text, uint32_t *ret_seconds)
{
    struct sip_cursor c;
    sip_cursor_init(&c, m->octets, text);
    return !sip_read_number(&c, UINT32_MAX, ret_seconds);
}

void pstn_trunk_register(struct pstn_network *n, const struct sip_event *event)
{
    const struct sip_message *m = event->message;
    const struct sip_field *f = sip_field_first(m, SIP_CONTACT), *expires = sip_field_first(m, SIP_EXPIRES);
    struct pstn_trunk *t = registering(n, event);
    struct sip_address contact;
    struct slice text;
    uint32_t seconds = (uint32_t)(n->options->register_ms / 1000);
    const uint32_t most = seconds;
    if (!t) {
        n->counters.refused_source++;
        ua_answer(&n->ua, event->server, 404, NULL, (struct slice){0});
        return;
    }
    if (!pstn_trunk_admits(n, t, event))
        return;
    struct sip_cursor c;
    sip_cursor_init(&c, m->octets, f ? f->value : (struct slice){0});
    if (!f || !sip_read_address(&c, &contact) || contact.uri.n >= PSTN_CONTACT_OCTETS) {
        ua_answer(&n->ua, event->server, f ? 400 : 200, NULL, (struct slice){0});
        return;
    }
    if ((expires && !read_seconds(m, expires->value, &seconds)) ||
        (sip_param_find(contact.params, "expires", &text) && !read_seconds(m, text, &seconds))) {
        ua_answer(&n->ua, event->server, 400, NULL, (struct slice){0});
        return;
    }
    if (!seconds || contact.is_star) {
        binding_end(t);
        ua_answer(&n->ua, event->server, 200, NULL, (struct slice){0});
        return;
    }
    seconds = seconds < REGISTER_MIN_S ? REGISTER_MIN_S : seconds > most ? most : seconds;
    t->hop = (struct sip_hop){.transport = event->flow->transport,
                              .side = event->flow->side,
                              .addr = event->flow->peer,
                              .conn = event->flow->conn};
    t->is_there = !ua_timer(&n->ua, &t->expiry, seconds * INT64_C(1000));
    if (t->options->extension)
        snprintf(t->contact, sizeof t->contact, "%.*s", SLICE_PRINT(contact.uri));
    t->registered_at = n->ua.now.wall;
    n->counters.registrations++;
    ua_answer(&n->ua, event->server, t->is_there ? 200 : 500, "Contact",
              ua_print(&n->ua, "<%.*s>;expires=%u", SLICE_PRINT(contact.uri), seconds));
}

bool pstn_trunk_is_usable(const struct pstn_trunk *t)
{
    return t->is_there && (!t->options->registers || t->registration.is_good);
}

/* ---- life ---- */

static void trunk_init(struct pstn_network *n, struct pstn_trunk *t, const struct pstn_trunk_options *o)
{
    t->network = n;
    t->options = o;
    t->expiry = (struct ua_timer){.fire = expired, .owner = t};
    t->is_there = o->addr.family != 0;
    t->hop = (struct sip_hop){.transport = o->transport, .side = o->carrier, .addr = o->addr};
    if (o->tls_name)
        snprintf(t->hop.host, sizeof t->hop.host, "%s", o->tls_name);
    ua_password_init(&t->password, o->user, o->password);
    if (!o->registers)
        return;
    addr_format(&o->addr, t->domain);
    const struct ua_registration_options registration = {
        .hop = t->hop, .domain = t->domain, .user = o->user, .password = &t->password, .expires_ms = REGISTER_ASK_MS};
    ua_registration_init(&t->registration, &n->ua, &registration);
}

int pstn_trunks_init(struct pstn_network *n)
{
    uint8_t key[SIP_DIGEST_KEY_OCTETS];
    for (size_t i = 0; i < n->options->trunk_count; i++)
        trunk_init(n, &n->trunks[i], &n->options->trunks[i]);
    entropy_fill(n->entropy, key, sizeof key);
    int err = sip_digest_server_init(&n->digest, REALM, key, SIP_DIGEST_NONCE_MS, DIGEST_SLOTS);
    mem_wipe(key, sizeof key);
    return err;
}

void pstn_trunks_start(struct pstn_network *n)
{
    for (size_t i = 0; i < n->options->trunk_count; i++) {
        if (n->trunks[i].options->registers)
            ua_registration_start(&n->trunks[i].registration);
    }
}

void pstn_trunks_stop(struct pstn_network *n)
{
    for (size_t i = 0; i < n->options->trunk_count; i++) {
        if (n->trunks[i].options->registers)
            ua_registration_stop(&n->trunks[i].registration);
    }
}

bool pstn_trunks_are_quiet(const struct pstn_network *n)
{
    for (size_t i = 0; i < n->options->trunk_count; i++) {
        if (!ua_registration_is_quiet(&n->trunks[i].registration))
            return false;
    }
    return true;
}

void pstn_trunks_fini(struct pstn_network *n)
{
    for (size_t i = 0; i < n->options->trunk_count; i++) {
        struct pstn_trunk *t = &n->trunks[i];
        if (!t->network)
            continue;
        ua_timer_stop(&n->ua, &t->expiry);
        ua_registration_fini(&t->registration);
        ua_password_fini(&t->password);
    }
    sip_digest_server_fini(&n->digest);
}
