/* Keys, bounds and defaults of agent.conf. */
#include "settings.h"

#include "base/mem.h"
#include "base/text.h"
#include "bin/daemon/keys.h"

#include <stdio.h>

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

static const struct conf_section sections[] = {
    {"agent", false, "This call agent."},
    {"pbx-side", false, "Where PBXs reach the agent."},
    {"pstn-side", false, "Where trunks to the phone network reach the agent."},
    {"ime-side", false,
     "Where other companies' agents, or the edge, reach the agent. Other agents show a certificate for their domain."},
    {"pbx", true, "One PBX; the section's name is shown to people. Several are tried in the order of the file."},
    {"trunk", true, "One trunk to the phone network. Several are tried in the order of the file."},
    {"limits", false,
     "What strangers and slow or broken peers may take. What is over a limit is refused or ended, counted (imectl show "
     "counters net., "
     "connections., agent.) and logged at a bounded rate."},
    AGENT_CONF_SECTIONS,
    {"ticket", false,
     "Checking the tickets of callers, needed when the ime-side listens and no edge does it in the agent's place."},
};

/* clang-format off */
#define SIDE_KEYS(side, who, example_port, example_tls) \
    {side, "udp", CONF_ADDR, 0, NULL, SIP_PORT, 0, NULL, "192.0.2.1:" example_port, "Listens over UDP."}, \
    {side, "tcp", CONF_ADDR, 0, NULL, SIP_PORT, 0, NULL, "192.0.2.1:" example_port, "Listens over TCP."}, \
    {side, "tls", CONF_ADDR, 0, NULL, SIP_TLS_PORT, 0, NULL, "192.0.2.1:" example_tls, "Listens over TLS."}, \
    {side, "name", CONF_TEXT, 0, NULL, 1, SIP_HOST_OCTETS_MAX, NULL, "sip.example.com", \
     "Host that " who " see in Via and Contact; if absent the address listened at."}, \
    {side, "certificate", CONF_PATH, 0, NULL, 0, 0, NULL, "/etc/ime/agent.pem", "Certificate for TLS (PEM, own one first)."}, \
    {side, "key", CONF_PATH, 0, NULL, 0, 0, NULL, "/etc/ime/agent.key", "Its private key; mode 0600."}, \
    {side, "ca", CONF_PATH, 0, NULL, 0, 0, NULL, "/etc/ime/ca.pem", "Authorities whose certificates are believed (PEM)."}, \
    {side, "media-address", CONF_ADDR, CONF_LIST, NULL, 1, 0, NULL, "192.0.2.1", \
     "What " who " are told as our address for the agent's own sound (one for each of IPv4 and IPv6, behind NAT those outside; ports are those of media-ports); if absent `name` if that is an address, else the address listened at."}

#define PEER_KEYS(peer) \
    {peer, "host", CONF_TEXT, 0, NULL, 1, SIP_HOST_OCTETS_MAX, NULL, "sip.example.net", \
     "A name (NAPTR, SRV and address records are followed) or an address."}, \
    {peer, "port", CONF_INTEGER, 0, NULL, 1, 65535, NULL, "5060", "If absent: what DNS says, else the transport's own port."}, \
    {peer, "transport", CONF_CHOICE, 0, "udp", 0, 0, "udp|tcp|tls|dns", NULL, "dns: as its records say."}, \
    {peer, "domain", CONF_TEXT, 0, NULL, 1, SIP_HOST_OCTETS_MAX, NULL, "example.net", "Host of URIs in requests to it; if absent `host`."}, \
    {peer, "source", CONF_ADDR, CONF_LIST, NULL, SIP_PORT, 0, NULL, "198.51.100.7", \
     "Further addresses that its requests come from; ports do not matter."}, \
    {peer, "user", CONF_TEXT, 0, NULL, 1, 128, NULL, "49301", "User name of the registration, and of the password."}, \
    {peer, "password", CONF_TEXT, CONF_SECRET, NULL, 1, 128, NULL, NULL, "Better in a file: password-file."}, \
    {peer, "password-file", CONF_PATH, 0, NULL, 0, 0, NULL, "/etc/ime/trunk.password", "Its first line is the password; mode 0600."}, \
    {peer, "calls", CONF_INTEGER, 0, NULL, 1, 1000000, NULL, "200", \
     "Calls at a time that it has begun; beyond, it gets 503. If absent: as many as the agent takes."}, \
    AGENT_CONF_DIALING_KEYS(peer)

static const struct conf_key keys[] = {
    {"agent", "domain", CONF_DOMAIN, CONF_REQUIRED, NULL, 0, 0, NULL, "example.com", "The company's domain: what tickets are granted to."},
    DAEMON_KEY_DATA("agent", "/var/lib/ime-agent", "Folder of the database. Created with mode 0700."),
    DAEMON_KEY_CONTROL("agent"),
    DAEMON_KEY_LOG_LEVEL("agent"),
    {"agent", "mode", CONF_CHOICE, 0, "calls", 0, 0, "calls|redirect", NULL,
     "calls: places them. redirect: answers a PBX's INVITE with 302 and the ticket, or 404 if there is no direct way."},
    {"agent", "connect-timeout", CONF_DURATION, 0, "4s", 100, MINUTE, NULL, NULL, "An attempt without any response goes another way after it."},
    {"agent", "setup-timeout", CONF_DURATION, 0, "8s", SECOND, MINUTE, NULL, NULL, "An attempt that neither rings nor is answered likewise."},
    {"agent", "ring-timeout", CONF_DURATION, 0, "3m", 10 * SECOND, HOUR, NULL, NULL, "A call that nobody answers ends after it."},
    {"agent", "idle-check", CONF_DURATION, 0, "15m", 10 * SECOND, DAY, NULL, NULL,
     "Both ends of a call without any request for so long are asked whether they are still there."},
    {"agent", "keepalive", CONF_DURATION, 0, "30s", 0, HOUR, NULL, NULL, "OPTIONS to PBXs and trunks; three without an answer: it is down. 0: none."},
    {"agent", "register-expires", CONF_DURATION, 0, "1h", MINUTE, DAY, NULL, NULL, "Asked for when registering at a trunk, granted to a PBX at most."},
    {"agent", "dns", CONF_ADDR, CONF_LIST, NULL, 53, 0, NULL, "192.0.2.53", "Servers that names are asked of; if absent those of /etc/resolv.conf, which is read again when it changes."},
    {"agent", "calls", CONF_INTEGER, 0, "10000", 1, 1000000, NULL, NULL, "Calls at a time; beyond, new ones get 503."},
    {"agent", "direct-setups", CONF_INTEGER, 0, "500", 0, 1000000, NULL, NULL,
     "Direct calls that are being set up at a time; beyond, calls go to the phone network at once."},
    {"agent", "late", CONF_DURATION, 0, "200ms", 10, MINUTE, NULL, NULL,
     "Timers that come so late, and again right after that, show that the machine is too busy: for a second no direct ways are tried."},
    {"agent", "requests", CONF_INTEGER, 0, "5000", 1, 1000000, NULL, NULL, "Messages, subscriptions and the like at a time."},
    {"agent", "media-ports", CONF_TEXT, 0, "14000-14999", 3, 11, NULL, NULL,
     "UDP ports of the agent's own sound: digits and silence, while a call moves to the phone network (doc/fallback.md). Each such call takes up to four of the even ones for seconds; one that is to return, two as long as it lasts."},
    {"agent", "call-records", CONF_INTEGER, 0, "10000", 100, 10000000, NULL, NULL, "Records kept for `imectl agent explain`."},

    SIDE_KEYS("pbx-side", "PBXs", "5060", "5061"),
    SIDE_KEYS("pstn-side", "trunks", "5070", "5071"),
    SIDE_KEYS("ime-side", "others", "5080", "5081"),
    {"ime-side", "edge", CONF_ADDR, 0, NULL, SIP_TLS_PORT, 0, NULL, "192.0.2.9:5061",
     "The edge that all direct calls go through; if absent they go straight to the address of the route."},
    {"ime-side", "mapping-service", CONF_ADDR, 0, NULL, MAPPING_PORT, 0, NULL, "192.0.2.9:8060",
     "The edge's mapping service, if the edge is off-path: it gives an address for each company that is called. The edge takes calls at its own address, and ours come from there."},
    {"ime-side", "edge-transport", CONF_CHOICE, 0, "tls", 0, 0, "tcp|tls", NULL, "How the edge is reached. Without an edge it is always TLS."},

    PEER_KEYS("pbx"),
    {"pbx", "registers", CONF_BOOLEAN, 0, "no", 0, 0, NULL, NULL, "The PBX registers here, as `user`, with the password, or without one from an address of `source`. It is reached at the Contacts that it registers, best first; over TCP and TLS by the connection that it made."},
    {"pbx", "digest", CONF_CHOICE, 0, "any", 0, 0, "any|md5", NULL, "What a PBX that registers may prove its password with. md5: for old ones that give up when SHA-256 is offered, too."},
    PEER_KEYS("trunk"),
    {"trunk", "registers", CONF_BOOLEAN, 0, "no", 0, 0, NULL, NULL, "The agent registers there, as `user`."},

    {"limits", "strangers", CONF_INTEGER, 0, "500", 1, 1000000, NULL, NULL,
     "Requests per second from addresses that no PBX, trunk or edge has, which may only register; beyond, they are dropped unread."},
    {"limits", "strangers-per-source", CONF_INTEGER, 0, "50", 1, 1000000, NULL, NULL, "The same from one address (IPv6: from one /64)."},
    {"limits", "connections", CONF_INTEGER, 0, "8192", 64, SIP_CONNS_MAX, NULL, NULL, "TCP and TLS connections at a time, in all."},
    {"limits", "connections-reserved", CONF_INTEGER, 0, "1024", 0, SIP_CONNS_MAX, NULL, NULL,
     "How many of these are kept for PBXs, trunks, the edge, and connections of our own. No stranger gets them."},
    {"limits", "connections-per-source", CONF_INTEGER, 0, "64", 1, SIP_CONNS_MAX, NULL, NULL, "From one stranger's address (IPv6: from one /64)."},
    {"limits", "connections-per-peer", CONF_INTEGER, 0, "1024", 1, SIP_CONNS_MAX, NULL, NULL, "From one PBX, trunk or edge."},
    {"limits", "handshake-timeout", CONF_DURATION, 0, "10s", 100, MINUTE, NULL, NULL, "For TLS to complete on a connection that came in."},
    {"limits", "first-timeout", CONF_DURATION, 0, "30s", 100, HOUR, NULL, NULL, "For the first message on it."},
    {"limits", "message-timeout", CONF_DURATION, 0, "10s", 100, MINUTE, NULL, NULL, "From the first octet of a message to its last."},
    {"limits", "idle-timeout", CONF_DURATION, 0, "10m", 10 * SECOND, DAY, NULL, NULL, "A connection without any message for so long ends."},
    {"limits", "spare-after", CONF_DURATION, 0, "1m", SECOND, HOUR, NULL, NULL,
     "When there are as many connections as there may be, one without any message for so long gives way to a new one."},
    {"limits", "partial-messages", CONF_OCTETS, 0, "32M", 1024 * 1024, INT64_C(1) << 32, NULL, NULL,
     "Memory for messages that have not come whole, of all connections together. A quarter is not for strangers."},
    {"limits", "queue", CONF_OCTETS, 0, "1M", 128 * 1024, INT64_C(1) << 28, NULL, NULL,
     "What waits for one slow reader; beyond, its connection ends."},

    AGENT_CONF_KEYS,

    {"ticket", "password", CONF_TEXT, CONF_SECRET, NULL, 10, 64, NULL, NULL, "Better in a file: password-file."},
    {"ticket", "password-file", CONF_PATH, 0, NULL, 0, 0, NULL, "/etc/ime/ticket.password", "The ticket password of our IME servers; mode 0600."},
    {"ticket", "epoch", CONF_INTEGER, 0, "1", 1, 255, NULL, NULL, "The epoch that goes with it."},
};
/* clang-format on */

const struct conf_table settings_table = {
    .intro =
        "Configuration of ime-agent. Lines that begin with # or ; are comments; what is commented out is the default.",
    .sections = sections,
    .section_count = sizeof sections / sizeof sections[0],
    .keys = keys,
    .key_count = sizeof keys / sizeof keys[0],
};

static size_t count_of(const struct conf_group *g, const char *key)
{
    return (size_t)conf_integer(g, key);
}

/* "14000-14999" */
static bool parse_ports(const char *text, uint16_t *ret_min, uint16_t *ret_max)
{
    struct slice rest = slice_str(text);
    uint64_t min, max;
    if (u64_parse(text_cut(&rest, '-'), UINT16_MAX, &min) < 0 || u64_parse(rest, UINT16_MAX, &max) < 0 || !min)
        return false;
    *ret_min = (uint16_t)min;
    *ret_max = (uint16_t)max;
    return min + min % 2 < max; /* a pair fits in */
}

static int load_agent(struct settings *s, struct buf *errors)
{
    const struct conf_group *g = conf_section(s->conf, "agent");
    struct agent_options *o = &s->agent;
    o->domain = mem_strdup(conf_text(g, "domain"));
    o->redirect = conf_choice(g, "mode") == 1;
    o->connect_ms = conf_ms(g, "connect-timeout");
    o->setup_ms = conf_ms(g, "setup-timeout");
    o->ring_ms = conf_ms(g, "ring-timeout");
    o->idle_ms = conf_ms(g, "idle-check");
    o->keepalive_ms = conf_ms(g, "keepalive");
    o->register_ms = o->register_max_ms = conf_ms(g, "register-expires");
    for (size_t i = 0; i < conf_count(g, "dns") && i < DNS_SERVERS_MAX; i++)
        s->dns_servers[s->dns_server_count++] = conf_addr_at(g, "dns", i);
    o->calls_max = count_of(g, "calls");
    o->direct_max = count_of(g, "direct-setups");
    o->late_ms = conf_ms(g, "late");
    o->requests_max = count_of(g, "requests");
    o->journal_max = count_of(g, "call-records");
    int err = agent_conf_shorts(s->conf, errors, &o->shorts);
    if (!parse_ports(conf_text(g, "media-ports"), &s->media_port_min, &s->media_port_max)) {
        buf_printf(
            errors,
            "[agent] media-ports: two ports with a dash between them, an even one and the next one among them\n");
        err = err ? err : ERR_SYNTAX;
    }
    return o->domain ? err : ERR_NO_MEMORY;
}

static int load_limits(struct settings *s, struct buf *errors)
{
    const struct conf_group *g = conf_section(s->conf, "limits");
    struct sip_net_config *n = &s->net;
    sip_net_config_init(n);
    n->conns_max = count_of(g, "connections");
    n->conns_reserved = count_of(g, "connections-reserved");
    n->conns_per_source_max = count_of(g, "connections-per-source");
    n->conns_per_peer_max = count_of(g, "connections-per-peer");
    n->accept_ms = conf_ms(g, "handshake-timeout");
    n->first_ms = conf_ms(g, "first-timeout");
    n->message_ms = conf_ms(g, "message-timeout");
    n->idle_ms = conf_ms(g, "idle-timeout");
    n->spare_ms = conf_ms(g, "spare-after");
    n->partial_octets_max = count_of(g, "partial-messages");
    s->queue_octets_max = count_of(g, "queue");
    s->agent.strangers_max = (unsigned)conf_integer(g, "strangers");
    s->agent.strangers_per_source_max = (unsigned)conf_integer(g, "strangers-per-source");
    if (n->conns_reserved < n->conns_max)
        return 0;
    buf_printf(errors, "[limits] connections-reserved: it must be less than connections\n");
    return ERR_RANGE;
}

static int load_service(struct settings *s, const struct conf_group *g, struct buf *errors)
{
    struct service_settings *to = &s->services[s->service_count];
    char where[128];
    snprintf(where, sizeof where, "service %s", conf_group_name(g));
    if (s->service_count >= SERVICES_MAX) {
        buf_printf(errors, "[%s]: %d services at most\n", where, SERVICES_MAX);
        return ERR_LIMIT;
    }
    buf_init(&to->password, 4096);
    s->service_count++;
    int err = agent_conf_service(g, errors, &to->service);
    int failed = daemon_secret(g, where, "password", true, 8, 128, errors, &to->password, &to->service.config.password);
    return err ? err : failed;
}

static int load_numbers(struct settings *s, struct buf *errors)
{
    agent_conf_routes(s->conf, &s->routes);
    agent_conf_records(s->conf, &s->records);
    int err = agent_conf_enrolled(s->conf, errors, &s->enrolled);
    for (const struct conf_group *g = NULL; (g = conf_next(s->conf, "service", g));) {
        int failed = load_service(s, g, errors);
        err = err ? err : failed;
    }
    return err;
}

static bool listens(const struct side_settings *side)
{
    return side->listen[SIP_UDP].family || side->listen[SIP_TCP].family || side->listen[SIP_TLS].family;
}

/* Whoever may call us directly needs a ticket, and somebody who looks at it. */
static int load_ticket(struct settings *s, struct buf *errors)
{
    const struct conf_group *g = conf_section(s->conf, "ticket");
    const char *text = NULL;
    struct buf contents;
    buf_init(&contents, 4096);
    int err = daemon_secret(g, "ticket", "password", false, 10, 64, errors, &contents, &text);
    if (!err && text)
        buf_str(&s->ticket_password, text);
    buf_fini_secret(&contents);
    s->ticket_epoch = (uint8_t)conf_integer(g, "epoch");
    if (!err && !s->ticket_password.n && !s->agent.edge.family && listens(&s->sides[AGENT_IME])) {
        buf_printf(errors, "[ime-side]: without an edge callers reach us directly, and nobody would look at their "
                           "tickets: give [ticket] password-file, or [ime-side] edge\n");
        err = ERR_NOT_FOUND;
    }
    return err;
}

static int load_post(struct settings *s, struct buf *errors)
{
    const struct conf_group *g = conf_section(s->conf, "records");
    struct post_settings *p = &s->post;
    const char *token = NULL;
    struct buf contents;
    if (!conf_has(g, "listen"))
        return 0;
    p->listen = conf_addr(g, "listen");
    p->files.certificate = conf_text(g, "certificate");
    p->files.key = conf_text(g, "key");
    buf_init(&contents, 4096);
    int err = daemon_secret(g, "records", "token", true, 16, 128, errors, &contents, &token);
    if (!err)
        buf_str(&p->token, token);
    buf_fini_secret(&contents);
    if (!p->files.certificate || !p->files.key) {
        buf_printf(errors, "[records] listen: it needs `certificate` and `key`\n");
        return ERR_SYNTAX;
    }
    return err ? err : p->token.err;
}

int settings_load(const struct conf *conf, struct buf *errors, struct settings **ret_settings)
{
    struct settings *s = mem_alloc(sizeof *s);
    if (!s)
        return ERR_NO_MEMORY;
    s->conf = conf;
    buf_init(&s->ticket_password, 128);
    buf_init(&s->post.token, 256);
    agent_options_default(&s->agent);
    int (*const steps[])(struct settings *, struct buf *) = {load_agent,   settings_load_sides, load_limits,
                                                             load_numbers, load_post,           load_ticket};
    int err = 0;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        int failed = steps[i](s, errors);
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
    agent_options_fini(&s->agent);
    agent_enrolled_free(s->enrolled);
    buf_fini_secret(&s->ticket_password);
    buf_fini_secret(&s->post.token);
    for (size_t i = 0; i < s->service_count; i++)
        buf_fini_secret(&s->services[i].password);
    mem_free(s);
}
