/* agent.conf: where we listen, PBXs and trunks. */
#include "settings.h"

#include "bin/daemon/keys.h"

#include <stdio.h>
#include <string.h>

static const char *const transports[] = {"udp", "tcp", "tls"};

/* "name:port" or "address:port": what the other side sees. */
static int load_point(struct settings *s, const struct conf_group *g, enum agent_side side,
                      enum sip_transport transport)
{
    struct addr addr = conf_addr(g, transports[transport]);
    char text[SIP_HOST_OCTETS_MAX + ADDR_TEXT_OCTETS];
    if (conf_has(g, "name"))
        snprintf(text, sizeof text, "%s:%u", conf_text(g, "name"), addr.port);
    else
        addr_format(&addr, text);
    s->sides[side].listen[transport] = addr;
    return agent_options_point(&s->agent, side, transport, text);
}

static bool is_any(const struct addr *addr)
{
    static const uint8_t none[16];
    return !memcmp(addr->ip, none, sizeof none);
}

/* Where sound may come to, of that family. */
static bool media_told(const struct conf_group *g, const struct addr *bind, struct addr *ret_told)
{
    struct addr named;
    for (size_t i = 0; i < conf_count(g, "media-address"); i++) {
        *ret_told = conf_addr_at(g, "media-address", i);
        if (ret_told->family == bind->family)
            return true;
    }
    if (conf_has(g, "name") && addr_parse(slice_str(conf_text(g, "name")), 1, &named) == 0 &&
        named.family == bind->family) {
        *ret_told = named;
        return true;
    }
    *ret_told = *bind;
    return !is_any(bind);
}

static void load_media(const struct conf_group *g, struct side_settings *to)
{
    for (unsigned transport = SIP_UDP; transport <= SIP_TLS; transport++) {
        struct addr bind = to->listen[transport], told;
        const unsigned i = bind.family == 6;
        bind.port = 0;
        if (!bind.family || to->media[i].bind.family || !media_told(g, &bind, &told))
            continue;
        told.port = 0;
        to->media[i].bind = bind;
        to->media[i].told = told;
    }
}

static int load_side(struct settings *s, const char *section, enum agent_side side, struct buf *errors)
{
    const struct conf_group *g = conf_section(s->conf, section);
    struct side_settings *to = &s->sides[side];
    int err = 0;
    to->certificate = conf_has(g, "certificate") ? conf_text(g, "certificate") : NULL;
    to->key = conf_has(g, "key") ? conf_text(g, "key") : NULL;
    to->ca = conf_has(g, "ca") ? conf_text(g, "ca") : NULL;
    for (unsigned transport = SIP_UDP; transport <= SIP_TLS; transport++) {
        if (!conf_has(g, transports[transport]))
            continue;
        int failed = load_point(s, g, side, (enum sip_transport)transport);
        err = err ? err : failed;
        if (!failed && is_any(&to->listen[transport]) && !conf_has(g, "name")) {
            buf_printf(errors, "[%s] %s: listening at every address needs `name`, which others are told\n", section,
                       transports[transport]);
            err = ERR_RANGE;
        }
    }
    load_media(g, to);
    if (!to->certificate != !to->key || (to->listen[SIP_TLS].family && !to->certificate)) {
        buf_printf(errors, "[%s]: TLS needs `certificate` and `key`\n", section);
        err = ERR_RANGE;
    }
    if (side == AGENT_IME && to->listen[SIP_TLS].family && !to->ca) {
        buf_printf(errors, "[%s] ca: tls needs it: others prove by a certificate which domain they are\n", section);
        err = ERR_RANGE;
    }
    return err;
}

/* ---- PBXs and trunks ---- */

static char *text_or_null(const struct conf_group *g, const char *key)
{
    return conf_has(g, key) ? (char *)(uintptr_t)conf_text(g, key) : NULL; /* agent_options_trunk copies it */
}

static int load_peer(struct settings *s, const struct conf_group *g, const char *section, enum agent_side side,
                     struct buf *errors)
{
    const size_t transport = conf_choice(g, "transport");
    struct agent_trunk_options t = {.name = (char *)(uintptr_t)conf_group_name(g),
                                    .side = side,
                                    .transport = transport <= SIP_TLS ? (enum sip_transport)transport : SIP_UDP,
                                    .any_transport = transport > SIP_TLS,
                                    .host = text_or_null(g, "host"),
                                    .port = (uint16_t)conf_integer(g, "port"),
                                    .domain = text_or_null(g, "domain"),
                                    .user = text_or_null(g, "user")};
    char where[128];
    snprintf(where, sizeof where, "%s %s", section, t.name);
    int err = agent_conf_dialing(g, where, errors, &t.plan);
    struct buf contents;
    const char *password = NULL;
    buf_init(&contents, 4096);
    int failed = daemon_secret(g, where, "password", false, 1, 128, errors, &contents, &password);
    err = err ? err : failed;
    t.password = (char *)(uintptr_t)password;
    t.registers = conf_boolean(g, "registers");
    t.calls_max = (size_t)conf_integer(g, "calls");
    t.only_md5 = side == AGENT_PBX && conf_choice(g, "digest") == 1;
    for (size_t i = 0; i < conf_count(g, "source") && i < AGENT_SOURCES_MAX; i++)
        t.sources[t.source_count++] = conf_addr_at(g, "source", i);
    if (!t.host && (!t.registers || side == AGENT_PSTN)) {
        buf_printf(errors, "[%s %s]: give `host`%s\n", section, t.name,
                   side == AGENT_PBX ? ", or registers = yes" : "");
        err = ERR_NOT_FOUND;
    }
    if (t.registers && (!t.user || (side == AGENT_PBX && (t.host || (!t.source_count && !t.password))))) {
        buf_printf(errors, "[%s %s]: %s\n", section, t.name,
                   side == AGENT_PBX ? "a PBX that registers needs `user`, and a password or `source`; it has no `host`"
                                     : "registering needs `user`");
        err = ERR_RANGE;
    }
    int added = agent_options_trunk(&s->agent, &t);
    buf_fini_secret(&contents);
    if (added)
        buf_printf(errors, "[%s %s]: %s\n", section, t.name,
                   added == ERR_EXISTS ? "another section has this name" : err_text(added));
    return err ? err : added;
}

int settings_load_sides(struct settings *s, struct buf *errors)
{
    static const char *const names[AGENT_SIDES] = {"pbx-side", "pstn-side", "ime-side"};
    const struct conf_group *ime = conf_section(s->conf, "ime-side");
    int err = 0;
    for (unsigned side = 0; side < AGENT_SIDES; side++) {
        int failed = load_side(s, names[side], (enum agent_side)side, errors);
        err = err ? err : failed;
    }
    s->agent.edge = conf_addr(ime, "edge");
    s->agent.mapping_service = conf_addr(ime, "mapping-service");
    if (s->agent.mapping_service.family && !s->agent.edge.family) {
        buf_printf(errors,
                   "[ime-side]: mapping-service is that of an edge: give `edge`, too, the address that its calls "
                   "come from\n");
        err = ERR_NOT_FOUND;
    }
    s->agent.ime_transport = s->agent.edge.family && conf_choice(ime, "edge-transport") == 0 ? SIP_TCP : SIP_TLS;
    for (const struct conf_group *g = NULL; (g = conf_next(s->conf, "pbx", g));) {
        int failed = load_peer(s, g, "pbx", AGENT_PBX, errors);
        err = err ? err : failed;
    }
    for (const struct conf_group *g = NULL; (g = conf_next(s->conf, "trunk", g));) {
        int failed = load_peer(s, g, "trunk", AGENT_PSTN, errors);
        err = err ? err : failed;
    }
    return err;
}
