/* Keys, bounds and defaults of edge.conf; the edge itself, served domains, the IME server. */
#include "settings.h"

#include "base/mem.h"
#include "base/text.h"
#include "bin/daemon/keys.h"
#include "ticket/keyring.h"

#include <stdio.h>

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

static const struct conf_section sections[] = {
    {"edge", false, "This edge."},
    {"inside", false, "The side of the call agents: SIP over TCP or TLS, RTP."},
    {"outside", false, "The side of other companies: SIP over TLS with certificates on both sides, SRTP."},
    {"tls", false, "Whose certificates are believed outside."},
    {"domain", true,
     "A domain that calls are taken for. Its certificate is shown to who asks for it by SNI, and when we connect on "
     "behalf of it; the first domain's to who asks for none."},
    {"agent", true,
     "A call agent. Requests from inside are taken from these addresses only; calls from outside go to the first one "
     "of "
     "the called domain that can be reached."},
    {"server", false,
     "The IME server that the keys of tickets come from, over VAP and TLS. Its server.conf has a [client] for us, with "
     "ticket-keys. While it is away, tickets are checked with what it has said last. Several servers of a company "
     "share "
     "the ticket password (their [domain])."},
    {"media", false, "Media of calls: relayed by worker processes."},
    {"mapping", false,
     "The mapping service of an edge that is off-path: agents ask it for an address that stands for the company they "
     "call (doc/mapping.md). Without it agents say in a Route where a call goes."},
    {"quality", false, "When a call is so bad that its call agent is told: doc/quality.md."},
    {"level", true,
     "The thresholds of one sensitivity level: utility, accommodative, nominal, moderate or aggressive. A stream is "
     "bad as "
     "soon as one of them is reached; 0: not looked at. What is not given stays as doc/quality.md has it."},
    {"limits", false,
     "What others may take. What is over a limit is refused or ended, counted (imectl show counters) and logged at a "
     "bounded rate."},
};

/* clang-format off */
#define MEDIA_KEYS(side, example) \
    {side, "media-address", CONF_ADDR, CONF_LIST, NULL, 1, 0, NULL, example, \
     "Where media is relayed, one address for each of IPv4 and IPv6; ports are those of [media]. If absent: where SIP is listened for."}, \
    {side, "media-advertised", CONF_ADDR, CONF_LIST, NULL, 1, 0, NULL, "203.0.113.9", \
     "What others are told in their place (static NAT); ports stay."}

static const struct conf_key keys[] = {
    DAEMON_KEY_DATA("edge", "/var/lib/ime-edge", "Folder of the database. Created with mode 0700."),
    DAEMON_KEY_CONTROL("edge"),
    DAEMON_KEY_LOG_LEVEL("edge"),
    {"edge", "ring-timeout", CONF_DURATION, 0, "3m", 10 * SECOND, HOUR, NULL, NULL, "A call that nobody answers ends after it."},
    {"edge", "idle-check", CONF_DURATION, 0, "15m", 10 * SECOND, DAY, NULL, NULL,
     "Both ends of a call without any request for so long are asked whether they are still there."},
    {"edge", "trunk-idle", CONF_DURATION, 0, "10m", 10 * SECOND, DAY, NULL, NULL, "A connection to a far domain without calls is closed after it."},
    {"edge", "agent-retry", CONF_DURATION, 0, "10s", SECOND, HOUR, NULL, NULL, "An agent that could not be reached is tried last for so long."},

    {"inside", "tcp", CONF_ADDR, CONF_LIST, NULL, SIP_PORT, 0, NULL, "10.0.0.9:5060", "Listens for agents over TCP."},
    {"inside", "tls", CONF_ADDR, CONF_LIST, NULL, SIP_TLS_PORT, 0, NULL, "10.0.0.9:5061", "Listens for agents over TLS."},
    {"inside", "name", CONF_TEXT, 0, NULL, 1, SIP_HOST_OCTETS_MAX, NULL, "edge.corp.example.com",
     "Host that agents see in Via and Contact; if absent the address listened at."},
    {"inside", "certificate", CONF_PATH, 0, NULL, 0, 0, NULL, "/etc/ime/edge-inside.pem", "For TLS with agents (PEM, own one first)."},
    {"inside", "key", CONF_PATH, 0, NULL, 0, 0, NULL, "/etc/ime/edge-inside.key", "Its private key; mode 0600."},
    {"inside", "ca", CONF_PATH, 0, NULL, 0, 0, NULL, "/etc/ime/inside-ca.pem", "Authorities of the agents' certificates (PEM)."},
    {"inside", "demand-certificates", CONF_BOOLEAN, 0, "no", 0, 0, NULL, NULL, "Agents that connect over TLS must show a certificate."},
    MEDIA_KEYS("inside", "10.0.0.9"),
    {"inside", "networks", CONF_TEXT, CONF_LIST, NULL, 3, 64, NULL, "10.0.0.0/8",
     "Networks that nobody outside may make us send to, by a route, a contact or a session description. Addresses that are never right (loopback, link-local, multicast) are refused anyway, private ones unless they are of [outside] networks."},

    {"outside", "tls", CONF_ADDR, CONF_LIST, NULL, SIP_TLS_PORT, 0, NULL, "192.0.2.9:5061", "Listens for other companies."},
    {"outside", "name", CONF_TEXT, 0, NULL, 1, SIP_HOST_OCTETS_MAX, NULL, "edge.example.com",
     "Host that others see in Via and Contact: a name that leads here, or behind static NAT the address that does; if absent the address listened at."},
    {"outside", "port", CONF_INTEGER, 0, NULL, 1, 65535, NULL, "5061", "The port that goes with it, where NAT changes it; if absent the one listened at."},
    MEDIA_KEYS("outside", "192.0.2.9"),
    {"outside", "networks", CONF_TEXT, CONF_LIST, NULL, 3, 64, NULL, "198.51.100.0/24",
     "Networks of other companies whatever kind their addresses are of: private ones behind a common VPN, loopback in a lab. [inside] networks come first."},
    {"outside", "private", CONF_BOOLEAN, 0, "no", 0, 0, NULL, NULL, "Private addresses are those of other companies, too, but for [inside] networks."},

    {"tls", "ca", CONF_PATH, CONF_LIST, NULL, 0, 0, NULL, "/etc/ime/partners-ca.pem", "Authorities (PEM files), besides those of the system."},
    {"tls", "system-store", CONF_BOOLEAN, 0, "yes", 0, 0, NULL, NULL, "Public authorities are believed (/etc/ssl/certs/ca-certificates.crt). no: those of `ca` only."},
    {"tls", "crl", CONF_PATH, CONF_LIST, NULL, 0, 0, NULL, "/etc/ime/partners.crl", "Revocation lists (PEM or DER files). Read again within a minute after they were written; connections whose certificate is revoked end."},
    {"tls", "crl-required", CONF_BOOLEAN, 0, "no", 0, 0, NULL, NULL, "A certificate is refused whose authority has no list among them."},
    {"tls", "crl-stale", CONF_CHOICE, 0, "refuse", 0, 0, "refuse|take", NULL, "What a list is to judge that should have been replaced by a newer one."},
    {"tls", "resume", CONF_DURATION, 0, "1h", 0, DAY, NULL, NULL, "For so long a connection may go on with what an earlier one has agreed on. 0: never."},

    {"domain", "certificate", CONF_PATH, CONF_REQUIRED, NULL, 0, 0, NULL, "/etc/ime/example.com.pem", "Certificate for this domain (PEM, own one first)."},
    {"domain", "key", CONF_PATH, CONF_REQUIRED, NULL, 0, 0, NULL, "/etc/ime/example.com.key", "Its private key; mode 0600."},
    {"domain", "ticket-password", CONF_TEXT, CONF_SECRET, NULL, 10, 64, NULL, NULL, "Better in a file: ticket-password-file."},
    {"domain", "ticket-password-file", CONF_PATH, 0, NULL, 0, 0, NULL, "/etc/ime/ticket.password",
     "The ticket password of the IME servers, instead of keys from [server]: typed on both sides; mode 0600."},
    {"domain", "ticket-epoch", CONF_INTEGER, 0, "1", 1, 255, NULL, NULL, "The epoch that goes with it. A new password needs another one, here and at the servers."},

    {"agent", "address", CONF_ADDR, CONF_REQUIRED, NULL, SIP_PORT, 0, NULL, "10.0.0.5:5080", "Where it listens, and where it calls from."},
    {"agent", "transport", CONF_CHOICE, 0, "tcp", 0, 0, "tcp|tls", NULL, "How it is reached."},
    {"agent", "tls-name", CONF_TEXT, 0, NULL, 1, SIP_HOST_OCTETS_MAX, NULL, "agent.corp.example.com", "The name that its certificate is for; if absent any that [inside] ca vouches for."},
    {"agent", "domain", CONF_DOMAIN, 0, NULL, 0, 0, NULL, "example.com", "The domain whose calls it takes; if absent those of all."},

    {"server", "server", CONF_TEXT, CONF_LIST, NULL, 1, 260, NULL, "ime1.example.com, ime2.example.com:5620", "HOST or HOST:PORT; a second one is the backup."},
    {"server", "ca", CONF_PATH, 0, NULL, 0, 0, NULL, "/etc/ime/ring-ca.pem", "The authority of its certificate."},
    {"server", "tls-name", CONF_TEXT, 0, NULL, 1, SIP_HOST_OCTETS_MAX, NULL, "ime1.example.com", "The name in its certificate; if absent HOST."},
    {"server", "user", CONF_TEXT, 0, NULL, 1, 128, NULL, "edge", "VAP user name."},
    {"server", "password", CONF_TEXT, CONF_SECRET, NULL, 8, 128, NULL, NULL, "Better in a file: password-file."},
    {"server", "password-file", CONF_PATH, 0, NULL, 0, 0, NULL, "/etc/ime/vap.password", "Its first line is the VAP password; mode 0600."},
    {"server", "reconnect", CONF_DURATION, 0, "60s", SECOND, 10 * MINUTE, NULL, NULL, "Longest pause between attempts to connect. Shorter than the server's edge-wait, or tickets of a new epoch may come before its key."},
    {"server", "transaction-timeout", CONF_DURATION, 0, "39500ms", SECOND, HOUR, NULL, NULL, "How long it has to answer (Ti)."},
    {"server", "stale-after", CONF_DURATION, 0, "1h", MINUTE, 365 * DAY, NULL, NULL, "Keys that it has not confirmed for so long are warned of, daily; they are used all the same."},

    {"media", "workers", CONF_INTEGER, 0, "0", 0, MEDIA_HOST_WORKERS_MAX, NULL, NULL, "Processes that relay media. 0: one for each processor."},
    {"media", "port-min", CONF_INTEGER, 0, "16384", 1024, 65534, NULL, NULL, "First port for media, on each address."},
    {"media", "port-max", CONF_INTEGER, 0, "32767", 1025, 65535, NULL, NULL, "Last one. A stream takes two on each side."},
    {"media", "suites", CONF_TEXT, CONF_LIST, NULL, 1, 64, NULL, "AEAD_AES_128_GCM, AES_CM_128_HMAC_SHA1_80",
     "How SRTP is protected (RFC 4568, RFC 7714), best first; if absent AEAD_AES_256_GCM, AEAD_AES_128_GCM, AES_CM_128_HMAC_SHA1_80, AES_CM_128_HMAC_SHA1_32."},
    {"media", "inside-srtp", CONF_BOOLEAN, 0, "no", 0, 0, NULL, NULL, "SRTP is offered to the agents, too, instead of RTP."},
    {"media", "t38", CONF_CHOICE, 0, "relay", 0, 0, "relay|refuse", NULL, "Fax over IP in a call: relayed (it is not protected on the way), or refused, so that it goes by phone network."},
    {"media", "silence", CONF_DURATION, 0, "1m", 0, DAY, NULL, NULL, "A side of a call that should send media and has sent none for so long is asked whether it is still there; 0: not."},

    {"mapping", "listen", CONF_ADDR, 0, NULL, MAPPING_PORT, 0, NULL, "10.0.0.9:8060", "Where agents ask, over TCP."},
    {"mapping", "pool", CONF_ADDR, 0, NULL, 20000, 0, NULL, "10.0.0.9:20000",
     "The first of the inside addresses that stand for others; the others have the same IP and the ports behind. SIP is taken there as at [inside]: over TCP if that has tcp, else over TLS."},
    {"mapping", "size", CONF_INTEGER, 0, "256", 1, MAPPINGS_MAX, NULL, NULL, "How many there are: far edges that are called at a time."},
    {"mapping", "timeout", CONF_DURATION, 0, "10m", SECOND, DAY, NULL, NULL, "An address that nobody asked for or called for so long stands for nobody any more."},

    {"quality", "sensitivity", CONF_CHOICE, 0, "nominal", 0, 0, "off|utility|accommodative|nominal|moderate|aggressive", NULL, "Which level holds for calls of which the agent names none. off: quality is measured and shown, agents are told nothing."},
    {"quality", "interval", CONF_DURATION, 0, "100ms", QUALITY_INTERVAL_MS_MIN, QUALITY_INTERVAL_MS_MAX, NULL, NULL, "How often it is looked at."},
    {"quality", "hold-down", CONF_DURATION, 0, "20s", QUALITY_HOLD_DOWN_MS_MIN, QUALITY_HOLD_DOWN_MS_MAX, NULL, NULL, "How long it must have been bad before the call agent is told."},
    {"quality", "recovery", CONF_DURATION, 0, "20s", QUALITY_HOLD_DOWN_MS_MIN, QUALITY_HOLD_DOWN_MS_MAX, NULL, NULL, "How long it must have been good again."},

    {"level", "loss", CONF_TEXT, 0, NULL, 1, 8, NULL, "5", "Percent of packets that are lost or late."},
    {"level", "run", CONF_DURATION, 0, NULL, 0, 10 * SECOND, NULL, "500ms", "Without sound in a row."},
    {"level", "jitter", CONF_DURATION, 0, NULL, 0, 10 * SECOND, NULL, "60ms", "Interarrival jitter."},
    {"level", "mos", CONF_TEXT, 0, NULL, 1, 8, NULL, "3.1", "Less than this, of 1 to 4.5, is bad."},

    {"limits", "calls", CONF_INTEGER, 0, "20000", 1, 1000000, NULL, NULL, "Calls at a time; beyond, new ones get 503."},
    {"limits", "calls-per-domain", CONF_INTEGER, 0, "5000", 1, 1000000, NULL, NULL, "With one far domain."},
    {"limits", "requests-per-second", CONF_INTEGER, 0, "2000", 1, 1000000, NULL, NULL, "Of one far domain, outside of dialogs."},
    {"limits", "trunks", CONF_INTEGER, 0, "4096", 1, 1000000, NULL, NULL, "Far domains at a time."},
    {"limits", "memory", CONF_OCTETS, 0, "512M", 1024 * 1024, INT64_C(1) << 36, NULL, NULL, "For messages and transactions."},
    {"limits", "late", CONF_DURATION, 0, "500ms", 10, MINUTE, NULL, NULL,
     "Timers that come so late, and again right after that, show that the machine is too busy: for a second new calls from outside get 503."},
    {"limits", "connections", CONF_INTEGER, 0, "8192", 64, SIP_CONNS_MAX, NULL, NULL, "TCP and TLS connections at a time, in all."},
    {"limits", "connections-reserved", CONF_INTEGER, 0, "1024", 0, SIP_CONNS_MAX, NULL, NULL, "How many of these are kept for agents and for connections of our own."},
    {"limits", "connections-per-source", CONF_INTEGER, 0, "64", 1, SIP_CONNS_MAX, NULL, NULL, "From one address outside (IPv6: from one /64)."},
    {"limits", "handshakes", CONF_INTEGER, 0, NULL, 1, 1000000, NULL, "1000", "TLS handshakes of strangers under way or waiting at a time; if absent, as the program has it."},
    {"limits", "handshakes-per-second", CONF_INTEGER, 0, NULL, 1, 1000000, NULL, "500", "Of strangers, in all. Each costs about a millisecond of a processor."},
    {"limits", "handshake-timeout", CONF_DURATION, 0, "10s", 100, MINUTE, NULL, NULL, "For TLS to complete on a connection that came in."},
    {"limits", "first-timeout", CONF_DURATION, 0, "30s", 100, HOUR, NULL, NULL, "For the first message on it."},
    {"limits", "message-timeout", CONF_DURATION, 0, "10s", 100, MINUTE, NULL, NULL, "From the first octet of a message to its last."},
    {"limits", "idle-timeout", CONF_DURATION, 0, "10m", 10 * SECOND, DAY, NULL, NULL, "A connection without any message for so long ends."},
    {"limits", "partial-messages", CONF_OCTETS, 0, "32M", 1024 * 1024, INT64_C(1) << 32, NULL, NULL, "Memory for messages that have not come whole, of all connections together."},
    {"limits", "queue", CONF_OCTETS, 0, "1M", 128 * 1024, INT64_C(1) << 28, NULL, NULL, "What waits for one slow reader; beyond, its connection ends."},
};
/* clang-format on */

const struct conf_table settings_table = {
    .intro =
        "Configuration of ime-edge. Lines that begin with # or ; are comments; what is commented out is the default.",
    .sections = sections,
    .section_count = sizeof sections / sizeof sections[0],
    .keys = keys,
    .key_count = sizeof keys / sizeof keys[0],
};

static size_t count_of(const struct conf_group *g, const char *key)
{
    return (size_t)conf_integer(g, key);
}

static void load_edge(struct settings *s)
{
    const struct conf_group *g = conf_section(s->conf, "edge"), *tls = conf_section(s->conf, "tls");
    struct edge_options *o = &s->edge;
    o->ring_ms = conf_ms(g, "ring-timeout");
    o->idle_ms = conf_ms(g, "idle-check");
    o->trunk_idle_ms = conf_ms(g, "trunk-idle");
    o->retry_agent_ms = conf_ms(g, "agent-retry");
    s->system_store = conf_boolean(tls, "system-store");
    s->crl_demanded = conf_boolean(tls, "crl-required");
    s->crl_stale_taken = conf_choice(tls, "crl-stale") == 1;
    s->resume_ms = conf_ms(tls, "resume");
}

static int load_limits(struct settings *s, struct buf *errors)
{
    const struct conf_group *g = conf_section(s->conf, "limits");
    struct edge_options *o = &s->edge;
    struct sip_net_config *n = &s->net;
    o->calls_max = count_of(g, "calls");
    o->calls_per_domain_max = count_of(g, "calls-per-domain");
    o->requests_per_domain_max = (unsigned)conf_integer(g, "requests-per-second");
    o->trunks_max = count_of(g, "trunks");
    o->octets_max = count_of(g, "memory");
    o->late_ms = conf_ms(g, "late");
    sip_net_config_init(n);
    n->conns_max = count_of(g, "connections");
    n->conns_reserved = count_of(g, "connections-reserved");
    n->conns_per_source_max = count_of(g, "connections-per-source");
    n->accept_ms = conf_ms(g, "handshake-timeout");
    n->first_ms = conf_ms(g, "first-timeout");
    n->message_ms = conf_ms(g, "message-timeout");
    n->idle_ms = conf_ms(g, "idle-timeout");
    n->partial_octets_max = count_of(g, "partial-messages");
    s->queue_octets_max = count_of(g, "queue");
    handshakes_config_init(&s->handshakes);
    if (conf_has(g, "handshakes"))
        s->handshakes.at_once_max = count_of(g, "handshakes");
    if (conf_has(g, "handshakes-per-second"))
        s->handshakes.per_second = (unsigned)conf_integer(g, "handshakes-per-second");
    if (n->conns_reserved < n->conns_max)
        return 0;
    buf_printf(errors, "[limits] connections-reserved: it must be less than connections\n");
    return ERR_RANGE;
}

/* ---- served domains ---- */

static int load_domain(struct settings *s, const struct conf_group *g, struct buf *errors)
{
    const size_t number = s->edge.domain_count;
    const char *name = conf_group_name(g), *password;
    char where[300];
    snprintf(where, sizeof where, "domain %s", name);
    int err = edge_options_domain(&s->edge, name);
    if (err) {
        buf_printf(errors, "[%s]: %s\n", where,
                   err == ERR_EXISTS  ? "another section has this domain"
                   : err == ERR_LIMIT ? "there are too many domains"
                                      : "its name is the domain: example.com");
        return err;
    }
    struct domain_settings *d = &s->domains[number];
    struct buf contents;
    d->certificate = conf_text(g, "certificate");
    d->key = conf_text(g, "key");
    d->ticket_epoch = (uint8_t)conf_integer(g, "ticket-epoch");
    buf_init(&d->ticket_password, KEYRING_PASSWORD_OCTETS_MAX);
    buf_init(&contents, 4096);
    err = daemon_secret(g, where, "ticket-password", false, KEYRING_PASSWORD_OCTETS_MIN, KEYRING_PASSWORD_OCTETS_MAX,
                        errors, &contents, &password);
    if (!err && password)
        buf_str(&d->ticket_password, password);
    buf_fini_secret(&contents);
    return err ? err : d->ticket_password.err;
}

static int load_domains(struct settings *s, struct buf *errors)
{
    int err = 0;
    for (const struct conf_group *g = NULL; (g = conf_next(s->conf, "domain", g));) {
        int failed = load_domain(s, g, errors);
        err = err ? err : failed;
    }
    if (!s->edge.domain_count && !err) {
        buf_printf(errors, "there is no [domain NAME]: an edge serves at least one\n");
        err = ERR_NOT_FOUND;
    }
    for (size_t i = 0; i < s->edge.domain_count; i++) {
        if (s->domains[i].ticket_password.n || s->server.count)
            continue;
        buf_printf(errors, "[domain %s]: its tickets need [server], or ticket-password-file\n",
                   s->edge.domains[i].name);
        err = ERR_NOT_FOUND;
    }
    return err;
}

/* ---- the IME server ---- */

/* HOST, HOST:PORT, [IPv6]:PORT. */
static bool parse_server(const char *text, char ret_host[SIP_HOST_OCTETS_MAX + 1], uint16_t *ret_port)
{
    struct slice host = slice_str(text), port = {NULL, 0};
    uint64_t number = VAP_PORT;
    const char *end = text[0] == '[' ? strchr(text, ']') : strrchr(text, ':');
    if (text[0] == '[') {
        if (!end || (end[1] && end[1] != ':'))
            return false;
        host = slice_of(text + 1, (size_t)(end - text) - 1);
        if (end[1])
            port = slice_str(end + 2);
    } else if (end) {
        host = slice_of(text, (size_t)(end - text));
        port = slice_str(end + 1);
    }
    if (port.p && (u64_parse(port, 65535, &number) < 0 || !number))
        return false;
    if (!host.n || host.n > SIP_HOST_OCTETS_MAX)
        return false;
    memcpy(ret_host, host.p, host.n);
    ret_host[host.n] = 0;
    *ret_port = (uint16_t)number;
    return true;
}

static const char *text_or_null(const struct conf_group *g, const char *key)
{
    return conf_has(g, key) ? conf_text(g, key) : NULL;
}

static int load_server(struct settings *s, struct buf *errors)
{
    const struct conf_group *g = conf_section(s->conf, "server");
    struct server_settings *v = &s->server;
    const size_t n = conf_count(g, "server");
    v->ca = text_or_null(g, "ca");
    v->tls_name = text_or_null(g, "tls-name");
    v->user = text_or_null(g, "user");
    v->reconnect_ms = conf_ms(g, "reconnect");
    v->transaction_ms = conf_ms(g, "transaction-timeout");
    v->stale_ms = conf_ms(g, "stale-after");
    if (!n)
        return 0;
    for (size_t i = 0; i < n && i < VAP_SERVERS_MAX; i++) {
        v->names[i] = conf_text_at(g, "server", i);
        if (!parse_server(v->names[i], v->hosts[i], &v->ports[i])) {
            buf_printf(errors, "[server] server: %s: it is HOST or HOST:PORT\n", v->names[i]);
            return ERR_SYNTAX;
        }
        v->count++;
    }
    if (n > VAP_SERVERS_MAX) {
        buf_printf(errors, "[server] server: there is one primary, and at most one backup\n");
        return ERR_LIMIT;
    }
    if (!v->ca || !v->user) {
        buf_printf(errors, "[server]: give `ca` and `user`: keys come over TLS only\n");
        return ERR_NOT_FOUND;
    }
    return daemon_secret(g, "server", "password", true, 8, 128, errors, &v->password_contents, &v->password);
}

int settings_load(const struct conf *conf, struct buf *errors, struct settings **ret_settings)
{
    struct settings *s = mem_alloc(sizeof *s);
    if (!s)
        return ERR_NO_MEMORY;
    s->conf = conf;
    edge_options_default(&s->edge);
    buf_init(&s->server.password_contents, 4096);
    load_edge(s);
    int (*const parts[])(struct settings *, struct buf *) = {load_server, load_domains, settings_load_sides,
                                                             settings_load_media, load_limits};
    int err = 0;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        int failed = parts[i](s, errors);
        err = err ? err : failed;
    }
    if (err)
        settings_free(s);
    else
        *ret_settings = s;
    return err;
}

void settings_free(struct settings *s)
{
    if (!s)
        return;
    edge_options_fini(&s->edge);
    for (size_t i = 0; i < EDGE_DOMAINS_MAX; i++)
        buf_fini_secret(&s->domains[i].ticket_password);
    buf_fini_secret(&s->server.password_contents);
    mem_free(s);
}
