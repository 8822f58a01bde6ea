/* When a call is so bad that its call agent must know, and when it is good again. Figures of quality.h come in at every monitoring interval, each verdict goes
 * out once. doc/quality.md explains the levels to operators. */
#ifndef MEDIA_JUDGE_H
#define MEDIA_JUDGE_H

#include "media/quality.h"

#define QUALITY_LEVELS 6 /* 0 off, 1 utility, 2 accommodative, 3 nominal, 4 moderate, 5 aggressive */
#define QUALITY_LEVEL_DEFAULT 3
extern const char *const quality_level_names[QUALITY_LEVELS];

/* A stream is bad as soon as one of these is reached or exceeded (MOS: not reached). 0: not looked at. */
struct quality_thresholds {
    double loss_ratio; /* lost and late together */
    uint32_t run_us;   /* without sound in a row */
    uint32_t jitter_us;
    double mos;
};

struct quality_policy {
    uint32_t interval_ms;  /* monitoring, 10 to 600 */
    uint32_t hold_down_ms; /* 10 to 360 s */
    uint32_t recovery_ms;  /* 10 to 360 s */
    struct quality_thresholds levels[QUALITY_LEVELS];
};

#define QUALITY_INTERVAL_MS 100
#define QUALITY_INTERVAL_MS_MIN 10
#define QUALITY_INTERVAL_MS_MAX 600
#define QUALITY_HOLD_DOWN_MS 20000
#define QUALITY_HOLD_DOWN_MS_MIN 10000
#define QUALITY_HOLD_DOWN_MS_MAX 360000

/* The defaults, which configuration changes field by field. */
extern const struct quality_policy quality_policy_default;

/* Brings what configuration says into its bounds: times, ratios up to 1, MOS up to 4.5. True: nothing had to be changed. */
bool quality_policy_bound(struct quality_policy *p);

/* Once bad, a stream must be better than its thresholds by this much to be good again: it does not flap around them. */
#define QUALITY_CLEAR_SHARE 0.75 /* of loss, run, jitter */
#define QUALITY_CLEAR_MOS 0.15

/* Without a sample for so long the time between does not count. */
#define QUALITY_SAMPLE_GAP_US 2000000

/* Bits: why. */
#define QUALITY_BY_LOSS 0x01
#define QUALITY_BY_RUN 0x02
#define QUALITY_BY_JITTER 0x04
#define QUALITY_BY_MOS 0x08
#define QUALITY_BY_SILENCE 0x10

enum quality_verdict { QUALITY_UNCHANGED, QUALITY_BAD, QUALITY_GOOD };

struct quality_judge {
    bool is_impaired;        /* now */
    bool is_bad;             /* told */
    uint32_t impaired_count; /* how many times it became impaired */
    uint32_t bad_count;      /* how many times that was told */
    int64_t counted_us;      /* how long it has been impaired, or, after BAD, unimpaired */
    struct mono sampled;
    bool has_sampled;
    unsigned reasons;               /* of the last BAD: QUALITY_BY_… */
    struct quality_figures figures; /* of the last verdict */
    double worst_loss_ratio;        /* of all samples, lost and late */
    double worst_mos;               /* 0: none yet */
};

void quality_judge_init(struct quality_judge *j);

/* Takes a sample and says what follows. Level 0: figures are kept, nothing is ever told, and a BAD that was told is taken back by GOOD at once. */
enum quality_verdict quality_judge_sample(struct quality_judge *j, const struct quality_policy *policy, unsigned level,
                                          const struct quality *q, struct mono now);

/* The stream is off: nothing is heard, and nothing is bad any longer. What was told to be bad is told to be good after the recovery time. */
enum quality_verdict quality_judge_off(struct quality_judge *j, const struct quality_policy *policy, struct mono now);

/* An end is somewhere else (quality_renew): times are counted from here, what was told holds. */
void quality_judge_renew(struct quality_judge *j);

/* "loss=0.052;late=0.003;run=180;jitter=12;delay=95;mos=2.91;why=loss,mos", times in ms; always terminated. Returns text. */
#define QUALITY_TEXT_OCTETS 192
const char *quality_judge_format(const struct quality_judge *j, char *text);

#endif
