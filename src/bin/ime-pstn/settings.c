/* Keys, bounds and defaults of pstn.conf: a phone network. */
#include "keys.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define RTP_PORT 20000
#define PRICE_MAX INT64_C(1000000000)

static const struct conf_section sections[] = {
    {"pstn", false, "The phone network."},
    {"carrier", true, "One carrier; the section's name is shown to people. Each listens at an address of its own."},
    {"trunk", true, "One trunk of a carrier, to a PBX or a call agent, with the numbers that it has."},
};

/* clang-format off */
#define DELAY_KEYS(name, low, high, doc) \
    {"carrier", name "-min", CONF_DURATION, 0, low, 0, MINUTE, NULL, NULL, doc}, \
    {"carrier", name "-max", CONF_DURATION, 0, high, 0, MINUTE, NULL, NULL, "A time between both is drawn for each call."}

static const struct conf_key keys[] = {
    DAEMON_KEY_CONTROL("pstn"),
    DAEMON_KEY_LOG_LEVEL("pstn"),
    {"pstn", "seed", CONF_INTEGER, 0, "0", 0, INT64_MAX, NULL, NULL,
     "What is drawn is drawn from it: the same calls at the same times have the same fate. 0: each run is another one."},
    {"pstn", "ring-timeout", CONF_DURATION, 0, "60s", SECOND, HOUR, NULL, NULL, "A call that nobody answers ends after it."},
    {"pstn", "calls", CONF_INTEGER, 0, "1000", 1, 100000, NULL, NULL, "Calls at a time; beyond, new ones get 503."},
    {"pstn", "call-records", CONF_INTEGER, 0, "1000", 1, 1000000, NULL, NULL, "Calls kept for `imectl show calls`."},
    {"pstn", "busy", CONF_NUMBER, CONF_LIST, NULL, 0, 0, NULL, "+493020000486", "Numbers that are always busy."},
    {"pstn", "unanswered", CONF_NUMBER, CONF_LIST, NULL, 0, 0, NULL, "+493020000480", "Numbers that ring, and nobody comes."},

    POINT_KEYS("carrier"),
    DELAY_KEYS("setup-delay", "200ms", "800ms", "From the caller's INVITE to the called side's, at least."),
    DELAY_KEYS("answer-delay", "20ms", "120ms", "From the called side's answer to the caller's, at least."),
    DELAY_KEYS("release-delay", "20ms", "120ms", "From one side's BYE to the other's, at least."),
    {"carrier", "withheld", CONF_INTEGER, 0, "0", 0, 100, NULL, NULL, "Of a hundred callers so many want to be unknown."},
    {"carrier", "lost", CONF_INTEGER, 0, "0", 0, 100, NULL, NULL, "Of a hundred callers the number of so many is lost."},
    {"carrier", "shortened", CONF_INTEGER, 0, "0", 0, 100, NULL, NULL, "Of a hundred callers so many are shown by their last five digits alone."},
    {"carrier", "rewritten", CONF_INTEGER, 0, "0", 0, 100, NULL, NULL, "Of a hundred callers so many are shown as the number of a gateway with their last five digits behind it."},
    {"carrier", "busy", CONF_INTEGER, 0, "0", 0, 100, NULL, NULL, "Of a hundred calls so many find the line busy."},
    {"carrier", "unanswered", CONF_INTEGER, 0, "0", 0, 100, NULL, NULL, "Of a hundred calls so many ring, and nobody comes."},
    {"carrier", "rtp", CONF_ADDR, 0, NULL, RTP_PORT, 0, NULL, "192.0.2.1:20000",
     "Relays the audio of its customers' calls, from this port on, and answers changes of a call itself; if absent audio goes between the ends."},
    {"carrier", "rtp-calls", CONF_INTEGER, 0, "16", 1, PSTN_MEDIA_CALLS_MAX, NULL, NULL, "So many at a time, with two even ports each; beyond, new calls get 503."},
    {"carrier", "rtp-lost", CONF_INTEGER, 0, "0", 0, 100, NULL, NULL, "Of a hundred packets so many are lost on the way."},
    {"carrier", "rtp-delay", CONF_DURATION, 0, "0s", 0, 10 * SECOND, NULL, NULL, "Each packet takes so long on its way through."},
    {"carrier", "digits-lost", CONF_INTEGER, 0, "0", 0, 100, NULL, NULL, "Of a hundred digits in a call (RFC 4733) so many are lost."},
    {"carrier", "caller-form", CONF_CHOICE, 0, "national", 0, 0, "national|e164", NULL,
     "How its callers are shown: 030… and 0033…, or +49…"},
    {"carrier", "price-call", CONF_INTEGER, 0, "0", 0, PRICE_MAX, NULL, NULL,
     "Of each answered call, in thousandths of the currency's unit. The caller's carrier is paid."},
    {"carrier", "price-minute", CONF_INTEGER, 0, "10", 0, PRICE_MAX, NULL, NULL, "Of each minute that has begun."},

    {"trunk", "carrier", CONF_TEXT, CONF_REQUIRED, NULL, 1, PSTN_NAME_OCTETS - 1, NULL, "one", "Name of its carrier."},
    {"trunk", "address", CONF_ADDR, 0, NULL, SIP_PORT, 0, NULL, "192.0.2.7:5060", "Where it is; if absent it registers, as `user`."},
    TRUNK_KEYS("trunk", "If given, REGISTER and INVITE are challenged."),
    {"trunk", "country", CONF_TEXT, 0, "49", 1, 3, NULL, NULL, "Country code of the trunk, without +."},
    {"trunk", "area", CONF_TEXT, 0, NULL, 1, 6, NULL, "30", "Area code, without the leading 0: numbers may be dialed without it then."},
    {"trunk", "range", CONF_TEXT, CONF_LIST, NULL, 2, PSTN_PATTERN_OCTETS_MAX, NULL, "+4930100XXXX, +4930200*",
     "Its numbers: X is any digit, * whatever follows. The range that says most of a number has it."},
    {"trunk", "shown-as", CONF_NUMBER, 0, NULL, 0, 0, NULL, "+493010000", "Its callers are shown as this number; if absent as their own."},
    {"trunk", "ported", CONF_NUMBER, CONF_LIST, NULL, 0, 0, NULL, "+493020005678", "Single numbers that came here from another trunk."},
};
/* clang-format on */

const struct conf_table settings_table = {
    .intro =
        "Configuration of ime-pstn. Lines that begin with # or ; are comments; what is commented out is the default.",
    .sections = sections,
    .section_count = sizeof sections / sizeof sections[0],
    .keys = keys,
    .key_count = sizeof keys / sizeof keys[0],
};

/* ---- the network ---- */

static void load_numbers(const struct conf_group *g, const char *key, struct pstn_numbers *to)
{
    for (size_t i = 0; i < conf_count(g, key) && to->n < PSTN_ENTRIES_MAX; i++)
        to->n += e164_parse(slice_str(conf_text_at(g, key, i)), &to->numbers[to->n]);
}

static void load_network(struct settings *s)
{
    const struct conf_group *g = conf_section(s->conf, "pstn");
    struct pstn_options *o = &s->network;
    s->seed = (uint64_t)conf_integer(g, "seed");
    o->ring_ms = conf_ms(g, "ring-timeout");
    o->calls_max = (size_t)conf_integer(g, "calls");
    o->records_max = (size_t)conf_integer(g, "call-records");
    load_numbers(g, "busy", &o->busy);
    load_numbers(g, "unanswered", &o->unanswered);
}

/* ---- carriers ---- */

static int load_span(const struct conf_group *g, const char *name, struct pstn_span *to, struct buf *errors)
{
    char low[32], high[32];
    snprintf(low, sizeof low, "%s-min", name);
    snprintf(high, sizeof high, "%s-max", name);
    *to = (struct pstn_span){conf_ms(g, low), conf_ms(g, high)};
    if (to->low_ms <= to->high_ms)
        return 0;
    buf_printf(errors, "[carrier %s] %s: it is longer than %s\n", conf_group_name(g), low, high);
    return ERR_RANGE;
}

static int load_carrier(struct settings *s, const struct conf_group *g, struct buf *errors)
{
    const unsigned i = (unsigned)s->network.carrier_count;
    if (i == PSTN_CARRIERS_MAX || strlen(conf_group_name(g)) >= PSTN_NAME_OCTETS) {
        buf_printf(errors, "[carrier %s]: %d carriers at most, with names of up to %d octets\n", conf_group_name(g),
                   PSTN_CARRIERS_MAX, PSTN_NAME_OCTETS - 1);
        return ERR_LIMIT;
    }
    struct pstn_carrier_options *c = &s->network.carriers[s->network.carrier_count++];
    snprintf(c->name, sizeof c->name, "%s", conf_group_name(g));
    c->withheld_percent = (unsigned)conf_integer(g, "withheld");
    c->lost_percent = (unsigned)conf_integer(g, "lost");
    c->shortened_percent = (unsigned)conf_integer(g, "shortened");
    c->rewritten_percent = (unsigned)conf_integer(g, "rewritten");
    c->busy_percent = (unsigned)conf_integer(g, "busy");
    c->unanswered_percent = (unsigned)conf_integer(g, "unanswered");
    c->media = conf_addr(g, "rtp");
    c->media_calls = (unsigned)conf_integer(g, "rtp-calls");
    c->media_lost_percent = (unsigned)conf_integer(g, "rtp-lost");
    c->media_delay_ms = conf_ms(g, "rtp-delay");
    c->digits_lost_percent = (unsigned)conf_integer(g, "digits-lost");
    c->shows_e164 = conf_choice(g, "caller-form") == 1;
    c->tariff = (struct pstn_tariff){conf_integer(g, "price-call"), conf_integer(g, "price-minute")};
    char where[64];
    snprintf(where, sizeof where, "carrier %s", c->name);
    const int results[] = {settings_load_points(s, g, where, i, errors), load_span(g, "setup-delay", &c->setup, errors),
                           load_span(g, "answer-delay", &c->answer, errors),
                           load_span(g, "release-delay", &c->release, errors)};
    int err = 0;
    for (size_t k = 0; k < sizeof results / sizeof results[0]; k++)
        err = err ? err : results[k];
    return err;
}

/* ---- trunks ---- */

static int load_ranges(const struct conf_group *g, unsigned trunk, const char *key, struct pstn_range *to, size_t *n,
                       struct buf *errors)
{
    for (size_t i = 0; i < conf_count(g, key); i++) {
        const char *text = conf_text_at(g, key, i);
        if (*n == PSTN_ENTRIES_MAX || !pstn_pattern_is_valid(slice_str(text))) {
            buf_printf(errors, "[trunk %s] %s: %s\n", conf_group_name(g), key,
                       *n == PSTN_ENTRIES_MAX ? "too many of them"
                                              : "it is +, digits, then X for each more digit, or *");
            return ERR_SYNTAX;
        }
        snprintf(to[*n].pattern, sizeof to[*n].pattern, "%s", text);
        to[(*n)++].trunk = trunk;
    }
    return 0;
}

static int find_carrier(const struct settings *s, const char *name, unsigned *ret_carrier)
{
    for (unsigned i = 0; i < s->network.carrier_count; i++) {
        if (!strcmp(s->network.carriers[i].name, name)) {
            *ret_carrier = i;
            return 0;
        }
    }
    return ERR_NOT_FOUND;
}

static int load_trunk(struct settings *s, const struct conf_group *g, struct buf *errors)
{
    struct pstn_options *o = &s->network;
    const unsigned index = (unsigned)o->trunk_count;
    struct pstn_trunk_options *t;
    char where[64];
    snprintf(where, sizeof where, "trunk %s", conf_group_name(g));
    int err = settings_add_trunk(s, g, where, errors, &t);
    if (err)
        return err;
    t->place = (struct pstn_place){conf_text(g, "country"), conf_text(g, "area")};
    if (conf_has(g, "shown-as"))
        e164_parse(slice_str(conf_text(g, "shown-as")), &t->shown_as);
    const char *why = NULL;
    if (find_carrier(s, conf_text(g, "carrier"), &t->carrier))
        why = "there is no carrier of that name";
    else if (!t->addr.family && !t->user)
        why = "give `address`, or `user` for one that registers";
    else if (t->addr.family && !s->listen[t->carrier][t->transport].family)
        why = "its carrier does not listen over that transport";
    if (!why && !settings_place_is_good(&t->place, where, errors))
        return ERR_RANGE;
    if (why) {
        buf_printf(errors, "[%s]: %s\n", where, why);
        return ERR_RANGE;
    }
    err = load_ranges(g, index, "range", o->ranges, &o->range_count, errors);
    return err ? err : load_ranges(g, index, "ported", o->ported, &o->ported_count, errors);
}

/* ---- all of it ---- */

int settings_load(const struct conf *conf, struct buf *errors, struct settings **ret_settings)
{
    struct settings *s = mem_alloc(sizeof *s);
    if (!s)
        return ERR_NO_MEMORY;
    s->conf = conf;
    pstn_options_default(&s->network);
    int err = 0;
    load_network(s);
    for (const struct conf_group *g = NULL; (g = conf_next(conf, "carrier", g));) {
        int failed = load_carrier(s, g, errors);
        err = err ? err : failed;
    }
    for (const struct conf_group *g = NULL; !err && (g = conf_next(conf, "trunk", g));)
        err = load_trunk(s, g, errors);
    if (err)
        settings_free(s);
    else
        *ret_settings = s;
    return err;
}
