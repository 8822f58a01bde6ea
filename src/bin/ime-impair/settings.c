/* Keys of impair.conf. */
#include "bin/daemon/keys.h"
#include "program.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct conf_section sections[] = {
    {"impair", false, "The relay."},
    {"end", true,
     "An end of the network, for example an edge; others know it at one address, and it is at another one."},
};

/* clang-format off */
static const struct conf_key keys[] = {
    DAEMON_KEY_CONTROL("impair"),
    DAEMON_KEY_LOG_LEVEL("impair"),
    {"impair", "seed", CONF_INTEGER, 0, "0", 0, INT64_MAX, NULL, NULL,
     "What is drawn is drawn from it: the same packets at the same times have the same fate. 0: each run is another one."},

    {"end", "known", CONF_ADDR, CONF_REQUIRED, NULL, 1, 0, NULL, "198.51.100.9", "Where others believe it to be: the relay is there. The port does not count."},
    {"end", "real", CONF_ADDR, CONF_REQUIRED, NULL, 1, 0, NULL, "172.16.0.9", "Where it is, with the same ports."},
    {"end", "tcp", CONF_INTEGER, CONF_LIST, NULL, 1, 65535, NULL, "5061", "Ports at which it takes connections."},
    {"end", "udp-min", CONF_INTEGER, 0, "16384", 1, 65535, NULL, NULL, "Its ports for packets: the first one."},
    {"end", "udp-count", CONF_INTEGER, 0, "400", 0, END_UDP_MAX, NULL, NULL, "How many there are."},
};
/* clang-format on */

const struct conf_table settings_table = {
    .intro =
        "Configuration of ime-impair. Lines that begin with # or ; are comments; what is commented out is the default.",
    .sections = sections,
    .section_count = sizeof sections / sizeof sections[0],
    .keys = keys,
    .key_count = sizeof keys / sizeof keys[0],
};

void settings_free(struct settings *s)
{
    mem_free(s);
}

static bool is_taken(const struct settings *s, const struct end_options *e)
{
    for (size_t i = 0; i < s->end_count; i++) {
        const struct end_options *o = &s->ends[i];
        if (!strcmp(o->name, e->name) || addr_eq_ip(&o->known, &e->known) || addr_eq_ip(&o->real, &e->real) ||
            addr_eq_ip(&o->known, &e->real) || addr_eq_ip(&o->real, &e->known))
            return true;
    }
    return !strcmp(e->name, "others");
}

static int load_end(struct settings *s, const struct conf_group *g, struct buf *errors)
{
    const char *why = NULL, *name = conf_group_name(g);
    struct end_options *e = &s->ends[s->end_count];
    if (s->end_count == ENDS_MAX || strlen(name) >= sizeof e->name) {
        buf_printf(errors, "[end %s]: at most %d ends, with names of at most %d characters\n", name, ENDS_MAX,
                   END_NAME_OCTETS - 1);
        return ERR_LIMIT;
    }
    *e = (struct end_options){.known = conf_addr(g, "known"), .real = conf_addr(g, "real")};
    e->known.port = e->real.port = 0;
    snprintf(e->name, sizeof e->name, "%s", name);
    e->udp_first = (uint16_t)conf_integer(g, "udp-min");
    e->udp_count = (size_t)conf_integer(g, "udp-count");
    if (e->known.family != e->real.family || addr_eq_ip(&e->known, &e->real))
        why = "`known` and `real` must be two addresses of one family";
    else if (is_taken(s, e))
        why = "its name or one of its addresses is another end's";
    else if (e->udp_first + e->udp_count > 65536)
        why = "udp-min and udp-count go beyond port 65535";
    else if (conf_count(g, "tcp") > END_TCP_MAX)
        why = "it has too many ports for TCP";
    if (why) {
        buf_printf(errors, "[end %s]: %s\n", name, why);
        return ERR_RANGE;
    }
    for (; e->tcp_count < conf_count(g, "tcp"); e->tcp_count++)
        e->tcp[e->tcp_count] = (uint16_t)conf_integer_at(g, "tcp", e->tcp_count);
    s->end_count++;
    return 0;
}

int settings_load(const struct conf *conf, struct buf *errors, struct settings **ret_settings)
{
    struct settings *s = mem_alloc(sizeof *s);
    if (!s)
        return ERR_NO_MEMORY;
    s->conf = conf;
    s->seed = (uint64_t)conf_integer(conf_section(conf, "impair"), "seed");
    int err = 0;
    for (const struct conf_group *g = NULL; !err && (g = conf_next(conf, "end", g));)
        err = load_end(s, g, errors);
    if (!err && s->end_count < 2) {
        buf_printf(errors, "there must be two sections [end NAME] at least\n");
        err = ERR_RANGE;
    }
    if (err)
        settings_free(s);
    else
        *ret_settings = s;
    return err;
}
