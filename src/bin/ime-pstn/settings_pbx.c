/* Keys, bounds and defaults of pbx.conf: a PBX. */
#include "keys.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define SECOND INT64_C(1000)
#define HOUR (3600 * SECOND)

static const struct conf_section sections[] = {
    {"pbx", false, "The PBX."},
    {"extension", true, "One extension; the section's name is what is dialed inside. A phone registers for it."},
    {"trunk", true, "A trunk to the outside. Calls go out over the first one that is there."},
};

/* clang-format off */
static const struct conf_key keys[] = {
    DAEMON_KEY_CONTROL("pbx"),
    DAEMON_KEY_LOG_LEVEL("pbx"),
    POINT_KEYS("pbx"),
    {"pbx", "country", CONF_TEXT, 0, "49", 1, 3, NULL, NULL, "Country code of the PBX, without +."},
    {"pbx", "area", CONF_TEXT, 0, NULL, 1, 6, NULL, "30", "Area code, without the leading 0."},
    {"pbx", "outside-line", CONF_TEXT, 0, NULL, 1, 6, NULL, "0", "What is dialed before a number outside. If absent, whatever is no extension is one."},
    {"pbx", "keep-outside-line", CONF_BOOLEAN, 0, "no", 0, 0, NULL, NULL, "It is sent out with the number, as it was dialed."},
    {"pbx", "ring-timeout", CONF_DURATION, 0, "60s", SECOND, HOUR, NULL, NULL, "A call that nobody answers ends after it."},
    {"pbx", "calls", CONF_INTEGER, 0, "100", 1, 100000, NULL, NULL, "Calls at a time; beyond, new ones get 503."},
    {"pbx", "call-records", CONF_INTEGER, 0, "1000", 1, 1000000, NULL, NULL, "Calls kept for `imectl show calls`."},

    {"extension", "number", CONF_NUMBER, 0, NULL, 0, 0, NULL, "+493010020017", "The number that reaches it from outside, and that is shown there."},
    {"extension", "user", CONF_TEXT, 0, NULL, 1, 128, NULL, "201", "User name of the phone; if absent the extension."},
    {"extension", "password", CONF_TEXT, CONF_SECRET, NULL, 1, 128, NULL, NULL, "The phone's; it is asked for with REGISTER and INVITE. Better in a file: password-file."},
    {"extension", "password-file", CONF_PATH, 0, NULL, 0, 0, NULL, "/etc/ime/phone.password", "Its first line is the password; mode 0600."},

    {"trunk", "address", CONF_ADDR, CONF_REQUIRED, NULL, SIP_PORT, 0, NULL, "192.0.2.7:5060", "Where it is."},
    TRUNK_KEYS("trunk", "What the other side asks for."),
    {"trunk", "registers", CONF_BOOLEAN, 0, "no", 0, 0, NULL, NULL, "The PBX registers there, as `user`."},
    {"trunk", "callers", CONF_CHOICE, 0, "number", 0, 0, "number|extension", NULL, "What the other side is told of callers."},
};
/* clang-format on */

const struct conf_table settings_pbx_table = {
    .intro = "Configuration of ime-pstn pbx. Lines that begin with # or ; are comments; what is commented out is the "
             "default.",
    .sections = sections,
    .section_count = sizeof sections / sizeof sections[0],
    .keys = keys,
    .key_count = sizeof keys / sizeof keys[0],
};

static int load_extension(struct settings *s, const struct conf_group *g, const struct pstn_place *place,
                          struct buf *errors)
{
    struct pstn_options *o = &s->network;
    const char *name = conf_group_name(g), *password = NULL, *why = NULL;
    char where[64];
    snprintf(where, sizeof where, "extension %s", name);
    int err = settings_load_secret(s, g, where, errors, &password);
    if (err)
        return err;
    if (o->trunk_count == PSTN_TRUNKS_MAX)
        why = "there are too many";
    else if (strlen(name) >= PSTN_NAME_OCTETS || name[strspn(name, "0123456789*#")])
        why = "the section's name is what is dialed: digits";
    else if (!password)
        why = "give `password-file`: a phone must prove who it is";
    if (why) {
        buf_printf(errors, "[%s]: %s\n", where, why);
        return ERR_RANGE;
    }
    struct pstn_trunk_options *t = &o->trunks[o->trunk_count++];
    snprintf(t->name, sizeof t->name, "%s", name);
    t->place = *place;
    t->extension = name;
    t->user = conf_has(g, "user") ? conf_text(g, "user") : name;
    t->password = password;
    if (conf_has(g, "number"))
        e164_parse(slice_str(conf_text(g, "number")), &t->number);
    return 0;
}

static int load_trunk(struct settings *s, const struct conf_group *g, const struct pstn_place *place,
                      struct buf *errors)
{
    struct pstn_trunk_options *t;
    char where[64];
    snprintf(where, sizeof where, "trunk %s", conf_group_name(g));
    int err = settings_add_trunk(s, g, where, errors, &t);
    if (err)
        return err;
    t->place = *place;
    t->registers = conf_boolean(g, "registers");
    t->shows_extension = conf_choice(g, "callers") == 1;
    if (!s->listen[0][t->transport].family || (t->registers && !t->user)) {
        buf_printf(errors, "[%s]: %s\n", where,
                   t->registers && !t->user ? "registering needs `user`"
                                            : "the PBX does not listen over that transport");
        return ERR_RANGE;
    }
    return 0;
}

static int load_pbx(struct settings *s, struct pstn_place *ret_place, struct buf *errors)
{
    const struct conf_group *g = conf_section(s->conf, "pbx");
    struct pstn_options *o = &s->network;
    s->pbx = (struct pstn_pbx_options){.outside_line = conf_has(g, "outside-line") ? conf_text(g, "outside-line") : "",
                                       .keeps_outside_line = conf_boolean(g, "keep-outside-line")};
    o->pbx = &s->pbx;
    o->ring_ms = conf_ms(g, "ring-timeout");
    o->calls_max = (size_t)conf_integer(g, "calls");
    o->records_max = (size_t)conf_integer(g, "call-records");
    snprintf(o->carriers[o->carrier_count++].name, PSTN_NAME_OCTETS, "pbx");
    *ret_place = (struct pstn_place){conf_text(g, "country"), conf_text(g, "area")};
    int err = settings_load_points(s, g, "pbx", 0, errors);
    return err || settings_place_is_good(ret_place, "pbx", errors) ? err : ERR_RANGE;
}

int settings_load_pbx(const struct conf *conf, struct buf *errors, struct settings **ret_settings)
{
    struct settings *s = mem_alloc(sizeof *s);
    struct pstn_place place;
    if (!s)
        return ERR_NO_MEMORY;
    s->conf = conf;
    pstn_options_default(&s->network);
    int err = load_pbx(s, &place, errors);
    for (const struct conf_group *g = NULL; !err && (g = conf_next(conf, "trunk", g));)
        err = load_trunk(s, g, &place, errors);
    for (const struct conf_group *g = NULL; !err && (g = conf_next(conf, "extension", g));)
        err = load_extension(s, g, &place, errors);
    if (err)
        settings_free(s);
    else
        *ret_settings = s;
    return err;
}
