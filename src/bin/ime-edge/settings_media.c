/* edge.conf: media, and when a call is so bad that its agent is told. */
#include "settings.h"

#include "base/text.h"

#include <stdio.h>

/* "5", "1.5": up to so much, three decimals. */
static bool parse_decimal(const char *text, double most, double *ret_value)
{
    struct slice rest = slice_str(text), whole = text_cut(&rest, '.');
    uint64_t n, thousandths = 0;
    double unit = 1;
    if (u64_parse(whole, 1000, &n) || rest.n > 3 || (rest.p && u64_parse(rest, 999, &thousandths)))
        return false;
    for (size_t i = 0; i < rest.n; i++)
        unit /= 10;
    double value = (double)n + (double)thousandths * unit;
    if (value > most)
        return false;
    *ret_value = value;
    return true;
}

static int load_level(struct quality_policy *policy, const struct conf_group *g, struct buf *errors)
{
    const char *name = conf_group_name(g);
    struct quality_thresholds *t = NULL;
    double percent;
    for (unsigned level = 1; level < QUALITY_LEVELS; level++)
        if (strcmp(quality_level_names[level], name) == 0)
            t = &policy->levels[level];
    if (!t) {
        buf_printf(errors, "[level %s]: it is utility, accommodative, nominal, moderate or aggressive\n", name);
        return ERR_NOT_FOUND;
    }
    if (conf_has(g, "run"))
        t->run_us = (uint32_t)(conf_ms(g, "run") * 1000);
    if (conf_has(g, "jitter"))
        t->jitter_us = (uint32_t)(conf_ms(g, "jitter") * 1000);
    if (conf_has(g, "loss") && parse_decimal(conf_text(g, "loss"), 100, &percent)) {
        t->loss_ratio = percent / 100;
    } else if (conf_has(g, "loss")) {
        buf_printf(errors, "[level %s] loss: it is percent: 5, or 1.5\n", name);
        return ERR_RANGE;
    }
    if (conf_has(g, "mos") && !parse_decimal(conf_text(g, "mos"), 4.5, &t->mos)) {
        buf_printf(errors, "[level %s] mos: it is 0 to 4.5: 3.1\n", name);
        return ERR_RANGE;
    }
    return 0;
}

static int load_quality(struct settings *s, struct buf *errors)
{
    const struct conf_group *g = conf_section(s->conf, "quality");
    struct quality_policy *policy = &s->media.relay.quality;
    int err = 0;
    s->edge.sensitivity = (unsigned)conf_choice(g, "sensitivity");
    policy->interval_ms = (uint32_t)conf_ms(g, "interval");
    policy->hold_down_ms = (uint32_t)conf_ms(g, "hold-down");
    policy->recovery_ms = (uint32_t)conf_ms(g, "recovery");
    for (const struct conf_group *level = NULL; (level = conf_next(s->conf, "level", level));) {
        int failed = load_level(policy, level, errors);
        err = err ? err : failed;
    }
    if (!err && !quality_policy_bound(policy)) {
        buf_printf(errors, "[level]: a threshold is out of its bounds: doc/quality.md\n");
        err = ERR_RANGE;
    }
    return err;
}

static int load_suites(struct settings *s, const struct conf_group *g, struct buf *errors)
{
    static const enum srtp_suite all[] = {SUITE_AEAD_AES_256_GCM, SUITE_AEAD_AES_128_GCM, SUITE_AES_CM_128_HMAC_SHA1_80,
                                          SUITE_AES_CM_128_HMAC_SHA1_32};
    struct edge_options *o = &s->edge;
    for (size_t i = 0; !conf_count(g, "suites") && i < sizeof all / sizeof all[0]; i++)
        o->suites[o->suite_count++] = (uint8_t)all[i];
    for (size_t i = 0; i < conf_count(g, "suites"); i++) {
        const char *text = conf_text_at(g, "suites", i);
        enum srtp_suite suite = srtp_suite_find(slice_str(text));
        if (!suite || o->suite_count == sizeof o->suites) {
            buf_printf(errors,
                       "[media] suites: %s: it is one of AES_CM_128_HMAC_SHA1_80, AES_CM_128_HMAC_SHA1_32, "
                       "AEAD_AES_128_GCM, AEAD_AES_256_GCM\n",
                       text);
            return ERR_UNSUPPORTED;
        }
        o->suites[o->suite_count++] = (uint8_t)suite;
    }
    return 0;
}

int settings_load_media(struct settings *s, struct buf *errors)
{
    const struct conf_group *g = conf_section(s->conf, "media");
    struct media_host_options *m = &s->media;
    m->workers = (unsigned)conf_integer(g, "workers");
    m->port_min = (uint16_t)conf_integer(g, "port-min");
    m->port_max = (uint16_t)conf_integer(g, "port-max");
    m->relay.silence_ms = (uint32_t)conf_ms(g, "silence");
    m->sessions_max = m->relay.sessions_max = (uint32_t)conf_integer(conf_section(s->conf, "limits"), "calls");
    s->edge.inside_srtp = conf_boolean(g, "inside-srtp");
    s->edge.t38 = conf_choice(g, "t38") == 1 ? EDGE_T38_REFUSE : EDGE_T38_RELAY;
    int err = load_suites(s, g, errors);
    int failed = load_quality(s, errors);
    if (m->port_max < m->port_min + 3) {
        buf_printf(errors, "[media] port-max: a stream takes two ports, from an even one on: it must be greater\n");
        failed = ERR_RANGE;
    }
    return err ? err : failed;
}
