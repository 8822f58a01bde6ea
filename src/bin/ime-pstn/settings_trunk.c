/* What configurations of networks and PBXs have in common: where they listen, trunks, passwords. */
#include "bin/daemon/keys.h"
#include "program.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define SECRET_FILE_OCTETS_MAX 4096

int settings_load_points(struct settings *s, const struct conf_group *g, const char *where, unsigned carrier,
                         struct buf *errors)
{
    static const char *const transports[] = {"udp", "tcp", "tls"};
    static const uint8_t any[16];
    struct pstn_carrier_options *c = &s->network.carriers[carrier];
    const char *why = "give `udp`, `tcp` or `tls`";
    for (unsigned t = SIP_UDP; t <= SIP_TLS; t++) {
        if (!conf_has(g, transports[t]))
            continue;
        s->listen[carrier][t] = conf_addr(g, transports[t]);
        addr_format(&s->listen[carrier][t], c->points[t]);
        why = NULL;
        if (!memcmp(s->listen[carrier][t].ip, any, sizeof any)) {
            buf_printf(errors, "[%s] %s: give one address, which others are told\n", where, transports[t]);
            return ERR_RANGE;
        }
    }
    s->tls[carrier] = (struct tls_files){conf_text(g, "certificate"), conf_text(g, "key"), conf_text(g, "ca")};
    if (!s->tls[carrier].certificate != !s->tls[carrier].key ||
        (s->listen[carrier][SIP_TLS].family && !s->tls[carrier].certificate))
        why = "TLS needs `certificate` and `key`";
    if (why)
        buf_printf(errors, "[%s]: %s\n", where, why);
    return why ? ERR_NOT_FOUND : 0;
}

int settings_load_secret(struct settings *s, const struct conf_group *g, const char *where, struct buf *errors,
                         const char **ret_secret)
{
    if (s->secret_count == PSTN_SECRETS_MAX)
        return ERR_LIMIT;
    struct buf *contents = &s->secrets[s->secret_count++];
    buf_init(contents, SECRET_FILE_OCTETS_MAX);
    return daemon_secret(g, where, "password", false, 1, 128, errors, contents, ret_secret);
}

int settings_add_trunk(struct settings *s, const struct conf_group *g, const char *where, struct buf *errors,
                       struct pstn_trunk_options **ret_trunk)
{
    struct pstn_options *o = &s->network;
    if (o->trunk_count == PSTN_TRUNKS_MAX || strlen(conf_group_name(g)) >= PSTN_NAME_OCTETS) {
        buf_printf(errors, "[%s]: %d trunks and extensions at most, with names of up to %d octets\n", where,
                   PSTN_TRUNKS_MAX, PSTN_NAME_OCTETS - 1);
        return ERR_LIMIT;
    }
    struct pstn_trunk_options *t = &o->trunks[o->trunk_count];
    const char *password = NULL;
    int err = settings_load_secret(s, g, where, errors, &password);
    if (err)
        return err;
    o->trunk_count++;
    snprintf(t->name, sizeof t->name, "%s", conf_group_name(g));
    t->addr = conf_addr(g, "address");
    t->transport = (enum sip_transport)conf_choice(g, "transport");
    t->tls_name = conf_text(g, "tls-name");
    t->user = conf_text(g, "user");
    t->password = password;
    if (t->password && !t->user) {
        buf_printf(errors, "[%s]: a password needs `user`\n", where);
        return ERR_RANGE;
    }
    *ret_trunk = t;
    return 0;
}

bool settings_place_is_good(const struct pstn_place *place, const char *where, struct buf *errors)
{
    const char *const texts[] = {place->country, place->area};
    for (size_t i = 0; i < 2; i++) {
        if (texts[i] && texts[i][strspn(texts[i], "0123456789")]) {
            buf_printf(errors, "[%s]: country and area are digits\n", where);
            return false;
        }
    }
    return true;
}

void settings_free(struct settings *s)
{
    for (size_t i = 0; i < s->secret_count; i++)
        buf_fini_secret(&s->secrets[i]);
    mem_free(s);
}
