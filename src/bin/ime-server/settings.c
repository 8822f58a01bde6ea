/* Keys, bounds and defaults of server.conf. The defaults are written once, in the table; server_options_default serves tests. */
#include "settings.h"

#include "base/mem.h"
#include "base/text.h"
#include "bin/daemon/keys.h"
#include "crypt/cert.h"
#include "io/file.h"

#include <stdio.h>

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

#define PASSWORD_FILE_OCTETS_MAX 4096

static const struct conf_section sections[] = {
    {"server", false, "This server."},
    {"enroll", false, "Where the certificate and the ring's configuration come from."},
    {"ring", false, "The peer-to-peer ring (RELOAD)."},
    {"vap", false, "Call agents: the VAP listener."},
    {"client", true,
     "One call agent that may register; the section's name is its user name unless `user` says otherwise."},
    {"pvp", false, "The listener for validations."},
    {"validator", false, "How calls become learned routes."},
    {"ticket", false, "What is granted to others."},
    {"domain", true, "One domain of a company with several servers: what they have to have alike."},
};

/* clang-format off */
static const struct conf_key keys[] = {
    {"server", "id", CONF_DOMAIN, CONF_REQUIRED, NULL, 0, 0, NULL, "ime1.example.com",
     "The server ID that the enrollment server accepted."},
    DAEMON_KEY_DATA("server", "/var/lib/ime-server", "Folder of the database, the key and the certificate. Created with mode 0700."),
    DAEMON_KEY_CONTROL("server"),
    DAEMON_KEY_LOG_LEVEL("server"),

    {"enroll", "url", CONF_TEXT, CONF_REQUIRED, NULL, 0, 0, NULL, "https://enroll.example.net:8443",
     "The enrollment server; the ring's configuration is at /.well-known/reload-config below it."},
    {"enroll", "ca", CONF_PATH, CONF_REQUIRED, NULL, 0, 0, NULL, "/etc/ime/ca.pem",
     "The certificate of the enrollment server's authority (PEM)."},
    {"enroll", "token-file", CONF_PATH, 0, NULL, 0, 0, NULL, "/etc/ime/token",
     "File with the one-time token of `imectl enroll token add`; needed for the first start only."},
    {"enroll", "renew-before", CONF_DURATION, 0, "30d", HOUR, 365 * DAY, NULL, NULL,
     "How long before its end the certificate is renewed. The alert DistributedCacheCertificateExpiring comes 14 days before its end."},

    {"enroll", "poll", CONF_DURATION, 0, NULL, SECOND, 30 * DAY, NULL, "30s",
     "How often the enrollment server is asked for a newer configuration of the ring. If absent: every 30s by a bootstrap server, which the others learn it from, else every 6h; by a banned server every 60s at least."},

    {"ring", "listen", CONF_ADDR, CONF_LIST | CONF_REQUIRED, NULL, 6084, 0, NULL, "192.0.2.1:6084",
     "Where other servers connect: an address of IPv4, of IPv6, or one of each. All servers of a ring need a family in common; in a mixed ring a server should have both."},
    {"ring", "address", CONF_ADDR, CONF_LIST, NULL, 6084, 0, NULL, "192.0.2.1:6084",
     "The addresses that others are told, if they differ from `listen`."},
    {"ring", "node-ids", CONF_INTEGER, 0, "1", 1, SERVER_NODES_MAX, NULL, NULL,
     "Places in the ring. Each further one carries the load of one more server, has a certificate of its own, and listens at the next port: 6085, 6086, … The enrollment server must allow them."},
    {"ring", "bootstrap", CONF_BOOLEAN, 0, "no", 0, 0, NULL, NULL,
     "Whether this is a bootstrap server: it may start the ring when nobody answers."},
    {"ring", "store-rate", CONF_INTEGER, 0, "30", 1, 10000, NULL, NULL,
     "Number records stored per second at most; each published number is three."},
    {"ring", "read-rate", CONF_INTEGER, 0, "30", 1, 10000, NULL, NULL,
     "Numbers looked up per second at most; each is three reads."},

    {"vap", "listen", CONF_ADDR, CONF_LIST | CONF_REQUIRED, NULL, 5620, 0, NULL, "192.0.2.1:5620",
     "TLS listeners for call agents."},
    {"vap", "plain-listen", CONF_ADDR, CONF_LIST, NULL, 5620, 0, NULL, "127.0.0.1:5620",
     "Listeners without TLS: authenticated, but readable on the way. For loopback and trusted networks."},
    {"vap", "keepalive", CONF_DURATION, 0, "60s", SECOND, HOUR, NULL, NULL,
     "A client that is silent for so long is taken to be gone."},
    {"vap", "transaction-timeout", CONF_DURATION, 0, "39500ms", 100, HOUR, NULL, NULL,
     "How long a client has to answer (Ti)."},
    {"vap", "connections", CONF_INTEGER, 0, "256", 1, 100000, NULL, NULL, "Connections at most."},
    {"vap", "vcrs-per-second", CONF_INTEGER, 0, "500", 1, 1000000, NULL, NULL,
     "Call records that one client may upload per second."},
    {"vap", "publishes-queued", CONF_INTEGER, 0, "10000", 1, 1000000, NULL, NULL,
     "Numbers that may wait for their place in the ring."},

    {"client", "user", CONF_TEXT, 0, NULL, 1, 128, NULL, "pbx1", "VAP user name; the section's name if absent."},
    {"client", "password", CONF_TEXT, CONF_SECRET, NULL, 8, 128, NULL, NULL,
     "VAP password. Better kept in a file of its own: password-file."},
    {"client", "password-file", CONF_PATH, 0, NULL, 0, 0, NULL, "/etc/ime/pbx1.password",
     "File with the password in its first line; readable by this user only."},

    {"client", "ticket-keys", CONF_DOMAIN, CONF_LIST, NULL, 0, 0, NULL, "example.com",
     "Makes it the account of an edge: it gets the keys of these domains' tickets, over TLS only, and may do nothing else."},

    {"pvp", "listen", CONF_ADDR, CONF_LIST | CONF_REQUIRED, NULL, 8470, 0, NULL, "192.0.2.1:8470",
     "Where other servers connect to prove their calls."},
    {"pvp", "address", CONF_ADDR, 0, NULL, 8470, 0, NULL, "192.0.2.1:8470",
     "The address that others are told, if it differs from `listen`."},
    {"pvp", "originating-sessions", CONF_INTEGER, 0, "32", 1, 10000, NULL, NULL,
     "Validations of our calls at the same time."},
    {"pvp", "terminating-sessions", CONF_INTEGER, 0, "128", 1, 10000, NULL, NULL,
     "Connections of others that prove their calls, at the same time."},

    {"validator", "delay-min", CONF_DURATION, 0, "30s", 0, 30 * DAY, NULL, NULL,
     "A call record waits a random time before its validation, so that nobody can tell from it when calls were made: at least this."},
    {"validator", "delay-max", CONF_DURATION, 0, "10m", 0, 30 * DAY, NULL, NULL, "And at most this."},
    {"validator", "minimum-interval", CONF_DURATION, 0, "1h", 0, 30 * DAY, NULL, NULL,
     "Between two validations of the same called number, as the asking and as the answering side."},
    {"validator", "minimum-call", CONF_DURATION, 0, "10s", SECOND, DAY, NULL, NULL,
     "Shorter calls are not used: their times are too easy to guess."},
    {"validator", "vcr-lifetime", CONF_DURATION, 0, "2d", MINUTE, 365 * DAY, NULL, NULL,
     "How long the record of a received call is kept for its proof; more than the other side's delay-max."},
    {"validator", "retry", CONF_DURATION, 0, "10m", 100, 30 * DAY, NULL, NULL,
     "After a validation that met nobody (unreachable or overloaded: neither success nor failure), it is tried again."},
    {"validator", "retries", CONF_INTEGER, 0, "6", 0, 1000, NULL, NULL, "How often."},
    {"validator", "bucketentropy", CONF_INTEGER, 0, "24", 1, 255, NULL, NULL,
     "Proofs are worth 12 (with caller ID) or 8; routes are learned when their sum exceeds this. imectl can change it."},
    {"validator", "claimants", CONF_INTEGER, 0, "8", 1, 100, NULL, NULL,
     "Servers that claim the same number and are tried, the oldest claims first."},
    {"validator", "pending-alert", CONF_INTEGER, 0, "100", 1, 1000000, NULL, NULL,
     "More waiting validations raise the alert ValidationsPendingExceeded."},
    {"validator", "vcrs", CONF_INTEGER, 0, "1000000", 1000, 100000000, NULL, NULL,
     "Call records kept at most; an upload beyond is refused, never dropped silently."},
    {"validator", "route-lifetime", CONF_DURATION, 0, "1y", MINUTE, 3650 * DAY, NULL, NULL,
     "Learned routes are forgotten after this time, or when their ticket ends."},

    {"ticket", "lifetime", CONF_DURATION, 0, "1y", MINUTE, 3650 * DAY, NULL, NULL, "Of the tickets that we grant."},
    {"ticket", "grace", CONF_DURATION, 0, "1y", 0, 3650 * DAY, NULL, NULL,
     "How long tickets of an earlier epoch stay valid after the epoch has changed."},
    {"ticket", "edge-wait", CONF_DURATION, 0, "10m", 0, DAY, NULL, NULL,
     "A new epoch is used for new tickets as soon as all edges (clients with ticket-keys) have its key, so that none refuses such a ticket; one that is away is waited for this long. 0, or a grace that is shorter: nobody is waited for."},

    {"domain", "ticket-password-file", CONF_PATH, CONF_REQUIRED, NULL, 0, 0, NULL, "/etc/ime/ticket-password",
     "File with the password (10 to 64 printable characters without spaces) that the key of this domain's tickets is made of: with the same one on all of the company's servers, each takes the tickets that another has granted. Mode 0600."},
    {"domain", "ticket-epoch", CONF_INTEGER, 0, "1", 1, 255, NULL, NULL,
     "The epoch that begins with this password. A new password needs a greater one."},
};
/* clang-format on */

const struct conf_table settings_table = {
    .intro = "Configuration of ime-server. Try `ime-server --check` after a change.",
    .sections = sections,
    .section_count = sizeof sections / sizeof sections[0],
    .keys = keys,
    .key_count = sizeof keys / sizeof keys[0],
};

static int load_client(const struct conf_group *g, struct settings *s, struct buf *errors)
{
    const char *name = conf_group_name(g);
    const char *user = conf_has(g, "user") ? conf_text(g, "user") : name;
    const char *password;
    char where[300];
    struct buf contents;
    snprintf(where, sizeof where, "client %s", name);
    buf_init(&contents, PASSWORD_FILE_OCTETS_MAX);
    int err = daemon_secret(g, where, "password", true, 8, 128, errors, &contents, &password);
    if (!err) {
        err = server_options_account(&s->server, name, user, password);
        if (err)
            buf_printf(errors, "[client %s]: user %s: %s\n", name, user, err_text(err));
    }
    for (size_t i = 0; !err && i < conf_count(g, "ticket-keys"); i++) {
        err = server_options_account_keys(&s->server, conf_text_at(g, "ticket-keys", i));
        if (err)
            buf_printf(errors, "[client %s] ticket-keys: %d domains at most\n", name, SERVER_KEY_DOMAINS_MAX);
    }
    buf_fini_secret(&contents);
    return err;
}

static int load_domain(const struct conf_group *g, struct settings *s, struct buf *errors)
{
    struct domain_password *d = &s->domains[s->domain_count];
    const char *file = conf_text(g, "ticket-password-file");
    const char *password;
    struct buf contents;
    buf_init(&contents, PASSWORD_FILE_OCTETS_MAX);
    int err = s->domain_count < DOMAINS_MAX ? daemon_read_secret(file, 10, 64, &contents, &password) : ERR_LIMIT;
    if (err) {
        buf_printf(errors,
                   "[domain %s] ticket-password-file: %s: %s; it must hold 10 to 64 characters and have mode 0600\n",
                   conf_group_name(g), file, err_text(err));
    } else {
        *d = (struct domain_password){conf_group_name(g), (uint8_t)conf_integer(g, "ticket-epoch"),
                                      mem_strdup(password)};
        err = d->password ? 0 : ERR_NO_MEMORY;
        s->domain_count += !err;
    }
    buf_fini_secret(&contents);
    return err;
}

/* What others are told in place of an address that we listen at: the `address` of its family, if there is one. */
static struct addr address_of(const struct conf_group *g, struct addr listen)
{
    for (size_t i = 0; listen.family && i < conf_count(g, "address"); i++) {
        struct addr addr = conf_addr_at(g, "address", i);
        if (addr.family == listen.family)
            return addr;
    }
    return listen;
}

/* One address of each family at most, and no `address` of a family in which nobody listens. */
static int load_listen(const struct conf_group *g, const char *section, struct buf *errors, struct addr ret_listen[2])
{
    const char *problem = NULL;
    size_t n = conf_count(g, "listen");
    ret_listen[1] = (struct addr){0};
    for (size_t i = 0; i < n && i < 2; i++)
        ret_listen[i] = conf_addr_at(g, "listen", i);
    if (n > 2 || (n == 2 && ret_listen[0].family == ret_listen[1].family))
        problem = "listen: give one address, or one of IPv4 and one of IPv6";
    for (size_t i = 0; i < conf_count(g, "address"); i++) {
        uint8_t family = conf_addr_at(g, "address", i).family;
        if (family != ret_listen[0].family && family != ret_listen[1].family)
            problem = "address: there is no `listen` of this family of addresses";
    }
    if (problem)
        buf_printf(errors, "[%s] %s\n", section, problem);
    return problem ? ERR_RANGE : 0;
}

static uint32_t count_of(const struct conf_group *g, const char *key)
{
    return (uint32_t)conf_integer(g, key);
}

static void load_server_options(struct settings *s)
{
    struct server_options *o = &s->server;
    const struct conf_group *ring = conf_section(s->conf, "ring");
    const struct conf_group *vap = conf_section(s->conf, "vap");
    const struct conf_group *pvp = conf_section(s->conf, "pvp");
    const struct conf_group *validator = conf_section(s->conf, "validator");
    const struct conf_group *ticket = conf_section(s->conf, "ticket");

    o->server_id = conf_text(conf_section(s->conf, "server"), "id");
    o->ring_address = address_of(ring, s->ring_listen[0]);
    o->ring_other_address = address_of(ring, s->ring_listen[1]);
    o->pvp_address = address_of(pvp, s->pvp_listen[0]);
    o->pvp_other_address = address_of(pvp, s->pvp_listen[1]);
    o->bootstrap = conf_boolean(ring, "bootstrap");
    o->store_rate = count_of(ring, "store-rate");
    o->read_rate = count_of(ring, "read-rate");
    o->vap_keepalive_ms = (uint32_t)conf_ms(vap, "keepalive");
    o->vap_transaction_ms = (uint32_t)conf_ms(vap, "transaction-timeout");
    o->vap_connections_max = count_of(vap, "connections");
    o->vap_vcrs_per_second = count_of(vap, "vcrs-per-second");
    o->vap_publishes_queued_max = count_of(vap, "publishes-queued");
    o->originating_sessions_max = count_of(pvp, "originating-sessions");
    o->terminating_sessions_max = count_of(pvp, "terminating-sessions");
    o->delay_min_ms = conf_ms(validator, "delay-min");
    o->delay_max_ms = conf_ms(validator, "delay-max");
    o->minimum_interval_ms = conf_ms(validator, "minimum-interval");
    o->minimum_call_ms = conf_ms(validator, "minimum-call");
    o->vcr_lifetime_ms = conf_ms(validator, "vcr-lifetime");
    o->retry_ms = conf_ms(validator, "retry");
    o->retries_max = count_of(validator, "retries");
    o->bucket_entropy = count_of(validator, "bucketentropy");
    o->claimants_max = count_of(validator, "claimants");
    o->pending_alert = count_of(validator, "pending-alert");
    o->vcrs_max = count_of(validator, "vcrs");
    o->route_lifetime_ms = conf_ms(validator, "route-lifetime");
    o->ticket_lifetime_ms = conf_ms(ticket, "lifetime");
    o->ticket_grace_ms = conf_ms(ticket, "grace");
    o->ticket_edge_wait_ms = conf_ms(ticket, "edge-wait");
}

static unsigned highest_port(const struct settings *s)
{
    const uint16_t ports[] = {s->ring_listen[0].port, s->ring_listen[1].port, s->server.ring_address.port,
                              s->server.ring_other_address.port};
    unsigned highest = 0;
    for (size_t i = 0; i < sizeof ports / sizeof ports[0]; i++)
        highest = ports[i] > highest ? ports[i] : highest;
    return highest;
}

static int load_all(struct settings *s, struct buf *errors)
{
    const struct conf_group *enroll = conf_section(s->conf, "enroll");
    const struct conf_group *vap = conf_section(s->conf, "vap");
    s->enroll_url = conf_text(enroll, "url");
    s->enroll_ca = conf_text(enroll, "ca");
    s->enroll_token_file = conf_has(enroll, "token-file") ? conf_text(enroll, "token-file") : NULL;
    s->renew_before_ms = conf_ms(enroll, "renew-before");
    s->poll_ms = conf_has(enroll, "poll") ? conf_ms(enroll, "poll") : 0;
    s->node_ids = s->server.node_ids = count_of(conf_section(s->conf, "ring"), "node-ids");
    int err = load_listen(conf_section(s->conf, "ring"), "ring", errors, s->ring_listen);
    int pvp_err = load_listen(conf_section(s->conf, "pvp"), "pvp", errors, s->pvp_listen);
    err = err ? err : pvp_err;
    s->vap_listen_count = conf_count(vap, "listen");
    s->vap_plain_count = conf_count(vap, "plain-listen");
    load_server_options(s);

    if (s->server.delay_max_ms < s->server.delay_min_ms) {
        buf_printf(errors, "[validator]: delay-max is less than delay-min\n");
        err = ERR_RANGE;
    }
    if (highest_port(s) + s->node_ids > 65536) {
        buf_printf(errors, "[ring] node-ids: there are not so many ports behind the first one\n");
        err = ERR_RANGE;
    }
    for (const struct conf_group *g = NULL; (g = conf_next(s->conf, "client", g));) {
        int failed = load_client(g, s, errors);
        if (failed)
            err = failed;
    }
    for (const struct conf_group *g = NULL; (g = conf_next(s->conf, "domain", g));) {
        int failed = load_domain(g, s, errors);
        if (failed)
            err = failed;
    }
    return err;
}

int settings_check(const struct settings *s, const char *path, struct buf *errors)
{
    struct cert *cert = NULL;
    struct buf pem;
    buf_init(&pem, CONF_FILE_OCTETS_MAX);
    int err = file_read(s->enroll_ca, &pem);
    if (err)
        buf_printf(errors, "%s: [enroll] ca: %s: %s\n", path, s->enroll_ca,
                   err == ERR_NOT_FOUND ? "there is no such file" : err_text(err));
    else if ((err = cert_from_pem(buf_slice(&pem), &cert)) != 0)
        buf_printf(errors, "%s: [enroll] ca: %s: there is no certificate in it\n", path, s->enroll_ca);
    cert_free(cert);
    buf_fini(&pem);
    return err;
}

int settings_load(const struct conf *conf, struct buf *errors, struct settings **ret_settings)
{
    struct settings *s = mem_alloc(sizeof *s);
    if (!s)
        return ERR_NO_MEMORY;
    s->conf = conf;
    server_options_default(&s->server);
    int err = load_all(s, errors);
    if (err)
        settings_free(s);
    else
        *ret_settings = s;
    return err;
}

void settings_free(struct settings *s)
{
    server_options_fini(&s->server);
    for (size_t i = 0; i < s->domain_count; i++) {
        mem_wipe(s->domains[i].password, strlen(s->domains[i].password));
        mem_free(s->domains[i].password);
    }
    mem_free(s);
}

struct addr settings_behind(struct addr addr, unsigned node)
{
    if (addr.family)
        addr.port = (uint16_t)(addr.port + node);
    return addr;
}

struct addr settings_vap_listen(const struct settings *s, size_t i)
{
    return conf_addr_at(conf_section(s->conf, "vap"), "listen", i);
}

struct addr settings_vap_plain(const struct settings *s, size_t i)
{
    return conf_addr_at(conf_section(s->conf, "vap"), "plain-listen", i);
}
