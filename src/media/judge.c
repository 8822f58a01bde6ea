/* Levels of sensitivity, and the way from figures to a verdict. */
#include "media/judge.h"

#include <stdio.h>

const char *const quality_level_names[QUALITY_LEVELS] = {"off",     "utility",  "accommodative",
                                                         "nominal", "moderate", "aggressive"};

/* The MOS of levels 2, 3 and 5 are limits of G.107 Annex B: nearly all users dissatisfied, many users, some users. */
const struct quality_policy quality_policy_default = {
    .interval_ms = QUALITY_INTERVAL_MS,
    .hold_down_ms = QUALITY_HOLD_DOWN_MS,
    .recovery_ms = QUALITY_HOLD_DOWN_MS,
    .levels =
        {
            {0},
            {.loss_ratio = 0.20, .run_us = 2000000, .jitter_us = 150000, .mos = 2.0},
            {.loss_ratio = 0.10, .run_us = 1000000, .jitter_us = 100000, .mos = 2.58},
            {.loss_ratio = 0.05, .run_us = 500000, .jitter_us = 60000, .mos = 3.1},
            {.loss_ratio = 0.03, .run_us = 300000, .jitter_us = 40000, .mos = 3.35},
            {.loss_ratio = 0.015, .run_us = 150000, .jitter_us = 25000, .mos = 3.6},
        },
};

/* ---- policy ---- */

static bool bound_u32(uint32_t *value, uint32_t least, uint32_t most)
{
    uint32_t given = *value;
    *value = given < least ? least : given > most ? most : given;
    return *value == given;
}

static bool bound_double(double *value, double most)
{
    double given = *value;
    *value = given >= 0 ? (given <= most ? given : most) : 0; /* also what is no number */
    return *value == given;
}

bool quality_policy_bound(struct quality_policy *p)
{
    bool is_good = bound_u32(&p->interval_ms, QUALITY_INTERVAL_MS_MIN, QUALITY_INTERVAL_MS_MAX);
    is_good &= bound_u32(&p->hold_down_ms, QUALITY_HOLD_DOWN_MS_MIN, QUALITY_HOLD_DOWN_MS_MAX);
    is_good &= bound_u32(&p->recovery_ms, QUALITY_HOLD_DOWN_MS_MIN, QUALITY_HOLD_DOWN_MS_MAX);
    for (unsigned i = 0; i < QUALITY_LEVELS; i++) {
        struct quality_thresholds *t = &p->levels[i];
        is_good &= bound_double(&t->loss_ratio, 1);
        is_good &= bound_double(&t->mos, 4.5);
        is_good &= bound_u32(&t->run_us, 0, QUALITY_WINDOW_US);
        is_good &= bound_u32(&t->jitter_us, 0, QUALITY_STEP_MAX_US);
    }
    return is_good;
}

/* ---- verdicts ---- */

void quality_judge_init(struct quality_judge *j)
{
    *j = (struct quality_judge){0};
}

/* Which thresholds are reached; 0: none. */
static unsigned reasons(const struct quality_thresholds *t, const struct quality_figures *f)
{
    unsigned why = 0;
    if (t->loss_ratio > 0 && f->loss_ratio + f->late_ratio >= t->loss_ratio)
        why |= QUALITY_BY_LOSS;
    if (t->run_us > 0 && f->run_us >= t->run_us)
        why |= QUALITY_BY_RUN;
    if (t->jitter_us > 0 && f->jitter_us >= t->jitter_us)
        why |= QUALITY_BY_JITTER;
    if (t->mos > 0 && f->mos > 0 && f->mos < t->mos)
        why |= QUALITY_BY_MOS;
    if (why && f->silent_us > 0)
        why |= QUALITY_BY_SILENCE;
    return why;
}

/* What an impaired stream must be better than. Without any loss the codec's best is good enough. */
static struct quality_thresholds clear_thresholds(const struct quality_thresholds *t, const struct quality_figures *f)
{
    bool is_lossless = f->loss_ratio + f->late_ratio == 0;
    return (struct quality_thresholds){
        .loss_ratio = t->loss_ratio * QUALITY_CLEAR_SHARE,
        .run_us = (uint32_t)(t->run_us * QUALITY_CLEAR_SHARE),
        .jitter_us = (uint32_t)(t->jitter_us * QUALITY_CLEAR_SHARE),
        .mos = t->mos > 0 && !is_lossless ? t->mos + QUALITY_CLEAR_MOS : t->mos,
    };
}

static int64_t since_last_sample(struct quality_judge *j, struct mono now)
{
    int64_t us = j->has_sampled ? mono_since_us(now, j->sampled) : 0;
    j->sampled = now;
    j->has_sampled = true;
    return us < 0 || us > QUALITY_SAMPLE_GAP_US ? 0 : us;
}

static void note_worst(struct quality_judge *j, const struct quality_figures *f)
{
    if (f->loss_ratio + f->late_ratio > j->worst_loss_ratio)
        j->worst_loss_ratio = f->loss_ratio + f->late_ratio;
    if (f->mos > 0 && (j->worst_mos <= 0 || f->mos < j->worst_mos))
        j->worst_mos = f->mos;
}

static enum quality_verdict tell(struct quality_judge *j, bool is_bad, unsigned why, const struct quality_figures *f)
{
    j->is_bad = is_bad;
    j->bad_count += is_bad;
    j->reasons = why;
    j->figures = *f;
    return is_bad ? QUALITY_BAD : QUALITY_GOOD;
}

/* Nothing speaks against it. */
static enum quality_verdict recover(struct quality_judge *j, const struct quality_policy *policy, int64_t elapsed_us,
                                    const struct quality_figures *f)
{
    j->counted_us = j->is_impaired ? 0 : j->counted_us + elapsed_us;
    j->is_impaired = false;
    return j->is_bad && j->counted_us >= (int64_t)policy->recovery_ms * 1000 ? tell(j, false, 0, f) : QUALITY_UNCHANGED;
}

enum quality_verdict quality_judge_off(struct quality_judge *j, const struct quality_policy *policy, struct mono now)
{
    static const struct quality_figures nothing;
    return recover(j, policy, since_last_sample(j, now), &nothing);
}

void quality_judge_renew(struct quality_judge *j)
{
    j->is_impaired = false;
    j->counted_us = 0;
}

enum quality_verdict quality_judge_sample(struct quality_judge *j, const struct quality_policy *policy, unsigned level,
                                          const struct quality *q, struct mono now)
{
    const struct quality_thresholds *t = &policy->levels[level < QUALITY_LEVELS ? level : QUALITY_LEVEL_DEFAULT];
    struct quality_figures f, recent;
    int64_t elapsed_us = since_last_sample(j, now);
    quality_sample(q, now, &f);
    if (f.is_known)
        note_worst(j, &f);
    if (level == 0) {
        j->is_impaired = false;
        j->counted_us = 0;
        return j->is_bad ? tell(j, false, 0, &f) : QUALITY_UNCHANGED;
    }
    if (!q->flows) { /* on hold: what was bad before may not be so afterwards */
        j->is_impaired = false;
        j->counted_us = 0;
        return QUALITY_UNCHANGED;
    }
    if (!f.is_known) /* a pause: neither way; video that is not sent is not bad */
        return q->is_audio ? QUALITY_UNCHANGED : recover(j, policy, elapsed_us, &f);

    unsigned why = reasons(t, &f);
    struct quality_thresholds clear = clear_thresholds(t, &f);
    bool is_impaired = why || (j->is_impaired && reasons(&clear, &f));
    j->counted_us = is_impaired == j->is_impaired ? j->counted_us + elapsed_us : 0;
    j->impaired_count += is_impaired && !j->is_impaired;
    j->is_impaired = is_impaired;
    if (!is_impaired) {
        bool is_over = j->is_bad && j->counted_us >= (int64_t)policy->recovery_ms * 1000;
        return is_over ? tell(j, false, 0, &f) : QUALITY_UNCHANGED;
    }
    if (j->is_bad || !why || j->counted_us < (int64_t)policy->hold_down_ms * 1000)
        return QUALITY_UNCHANGED;
    /* The window remembers five seconds: it must be bad still, not only have been. */
    quality_sample_recent(q, now, &recent);
    if (recent.expected == 0 || !reasons(t, &recent))
        return QUALITY_UNCHANGED;
    return tell(j, true, why, &f);
}

const char *quality_judge_format(const struct quality_judge *j, char *text)
{
    static const struct {
        unsigned bit;
        const char *name;
    } words[] = {
        {QUALITY_BY_LOSS, "loss"}, {QUALITY_BY_RUN, "run"},         {QUALITY_BY_JITTER, "jitter"},
        {QUALITY_BY_MOS, "mos"},   {QUALITY_BY_SILENCE, "silence"},
    };
    const struct quality_figures *f = &j->figures;
    char why[40] = "";
    size_t n = 0;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (j->reasons & words[i].bit)
            n += (size_t)snprintf(why + n, sizeof why - n, "%s%s", n ? "," : "", words[i].name);
    snprintf(text, QUALITY_TEXT_OCTETS, "loss=%.3f;late=%.3f;run=%u;jitter=%u;delay=%u;mos=%.2f%s%s", f->loss_ratio,
             f->late_ratio, f->run_us / 1000, f->jitter_us / 1000, f->delay_us / 1000, f->mos, n ? ";why=" : "", why);
    return text;
}
