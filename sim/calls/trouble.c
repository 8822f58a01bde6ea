/* Trouble: trouble.h. */
#include "calls/trouble.h"

#include "alloc.h"
#include "base/mem.h"
#include "calls/border.h"
#include "calls/exchange.h"
#include "calls/office.h"
#include "calls/pbx.h"

#include <stdlib.h>

#define HEAVY_LOSS_PPM 330000
#define SILENT_ONE_OF 3
#define LOSS_MIN_PPM 30000
#define LOSS_MAX_PPM 400000
#define DELAY_MAX_US (150 * SIM_MS)
#define JITTER_MAX_US (120 * SIM_MS)

static const char *const texts[] = {
#define TROUBLE_TEXT_(name, text) text,
    SIM_TROUBLES(TROUBLE_TEXT_)
#undef TROUBLE_TEXT_
};

/* How often in 24 hours at one company, in days whose phones are not heard and in others, and for how long. */
static const struct recipe {
    double a_day, a_day_with_media;
    int64_t min_us, max_us;
} recipes[SIM_TROUBLE_KINDS] = {
    [SIM_TROUBLE_AGENT_CRASH] = {2.5, 4, SIM_SECOND, 90 * SIM_SECOND},
    [SIM_TROUBLE_AGENT_RESTART] = {1.5, 2, 7 * SIM_SECOND, 60 * SIM_SECOND},
    [SIM_TROUBLE_IME_AWAY] = {2, 8, 20 * SIM_SECOND, 10 * SIM_MINUTE},
    [SIM_TROUBLE_IME_SILENT] = {2, 8, 20 * SIM_SECOND, 10 * SIM_MINUTE},
    [SIM_TROUBLE_IME_CUT] = {4, 12, SIM_SECOND, SIM_SECOND},
    [SIM_TROUBLE_TRUNK_AWAY] = {1.5, 8, 10 * SIM_SECOND, 5 * SIM_MINUTE},
    [SIM_TROUBLE_CARRIER_AWAY] = {1.5, 6, 10 * SIM_SECOND, 15 * SIM_MINUTE},
    [SIM_TROUBLE_PBX_CRASH] = {1.5, 2, SIM_SECOND, 2 * SIM_MINUTE},
    [SIM_TROUBLE_PBX_SILENT] = {1.5, 2, 5 * SIM_SECOND, 2 * SIM_MINUTE},
    [SIM_TROUBLE_LOSS] = {1, 6, 30 * SIM_SECOND, 3 * SIM_MINUTE},
    [SIM_TROUBLE_SERVER_CRASH] = {1.5, 1.5, SIM_SECOND, 5 * SIM_MINUTE},
    [SIM_TROUBLE_NET_BAD] = {0, 60, 15 * SIM_SECOND, 4 * SIM_MINUTE},
    [SIM_TROUBLE_NET_DEAD] = {0, 16, 2 * SIM_SECOND, 5 * SIM_MINUTE},
    [SIM_TROUBLE_SOUND_DEAD] = {0, 16, 2 * SIM_SECOND, 4 * SIM_MINUTE},
    [SIM_TROUBLE_EDGE_CRASH] = {0, 8, SIM_SECOND, 60 * SIM_SECOND},
    [SIM_TROUBLE_WORKER_CRASH] = {0, 8, SIM_SECOND, 5 * SIM_SECOND},
    [SIM_TROUBLE_FALLBACK_BUSY] = {0, 8, 10 * SIM_SECOND, 3 * SIM_MINUTE},
    [SIM_TROUBLE_DIGITS_LOST] = {0, 4, 10 * SIM_SECOND, 3 * SIM_MINUTE},
    [SIM_TROUBLE_CALLERS_LOST] = {0, 8, 10 * SIM_SECOND, 5 * SIM_MINUTE},
    [SIM_TROUBLE_CALLERS_SPOILED] = {0, 8, SIM_MINUTE, 10 * SIM_MINUTE},
};

const char *sim_trouble_text(enum sim_trouble_kind kind)
{
    return texts[kind];
}

/* ---- carrying it out ---- */

static void block(struct sim_wire_socket *socket, uint64_t groups, bool blocked)
{
    socket->blocked = blocked ? socket->blocked | groups : socket->blocked & ~groups;
}

static uint64_t groups_of_others(const struct sim_day *day, uint32_t company)
{
    uint64_t groups = 0;
    for (uint32_t c = 0; c < day->companies; c++)
        groups |= c == company ? 0 : UINT64_C(1) << SIM_GROUP_OF_IME(c);
    return groups;
}

/* What a company shows to others. */
static struct sim_wire_host *front_host(const struct sim_day *day, uint32_t company)
{
    return day->borders ? &day->borders[company].host : &day->offices[company].host;
}

static struct sim_wire_socket *front_socket(const struct sim_day *day, uint32_t company)
{
    return day->borders ? &day->borders[company].sockets[EDGE_OUTSIDE] : &day->offices[company].sockets[AGENT_IME];
}

static void cut(struct sim_day *day, uint32_t company)
{
    for (uint32_t c = 0; c < day->companies; c++)
        if (c != company)
            sim_wire_cut(&day->wire, front_host(day, company), front_host(day, c));
}

/* ---- the ways of sound, and what carriers do: reckoned anew from all that goes on ---- */

static void worsen(struct sim_media_way *way, const struct sim_trouble_one *one, bool dead)
{
    way->dead = way->dead || dead;
    way->loss_ppm = one->loss_ppm > way->loss_ppm ? one->loss_ppm : way->loss_ppm;
    way->delay_us = one->delay_us > way->delay_us ? one->delay_us : way->delay_us;
    way->jitter_us = one->jitter_us > way->jitter_us ? one->jitter_us : way->jitter_us;
}

static void apply(const struct sim_day *day, const struct sim_trouble_one *one)
{
    struct pstn_numbers *busy = &day->exchange->options.busy;
    const bool dead = one->kind != SIM_TROUBLE_NET_BAD;
    for (unsigned from = 0; from < 2; from++) {
        if (one->kind == SIM_TROUBLE_TRUNK_AWAY)
            sim_media_trunk(&day->media, one->company, from)->dead = true;
        else if (one->kind == SIM_TROUBLE_LOSS)
            sim_media_trunk(&day->media, one->company, from)->loss_ppm = HEAVY_LOSS_PPM;
    }
    for (uint32_t c = 0; c < day->companies && (one->from || one->to); c++) {
        if (one->from)
            worsen(sim_media_internet(&day->media, one->company, c), one, dead);
        if (one->to)
            worsen(sim_media_internet(&day->media, c, one->company), one, dead);
    }
    if (one->kind == SIM_TROUBLE_FALLBACK_BUSY)
        busy->numbers[busy->n++] = sim_phone_fallback(day, one->company);
}

static void reckon(const struct sim_trouble *t)
{
    const struct sim_day *day = t->day;
    sim_media_heal(&day->media);
    day->exchange->options.busy.n = 0;
    uint32_t kinds = 0;
    for (uint32_t i = 0; i < t->n; i++) {
        if (!t->ones[i].is_active)
            continue;
        apply(day, &t->ones[i]);
        kinds |= 1u << t->ones[i].kind;
    }
    sim_exchange_lose(day->exchange, kinds & SIM_TROUBLE_BIT(CALLERS_LOST), kinds & SIM_TROUBLE_BIT(DIGITS_LOST),
                      kinds & SIM_TROUBLE_BIT(CALLERS_SPOILED));
}

static void carry_out(struct sim_day *day, const struct sim_trouble_one *one, bool begins)
{
    struct sim_office *office = &day->offices[one->company];
    struct sim_pbx *pbx = &day->pbxs[one->company];
    const uint64_t carriers = (1u << SIM_CARRIERS) - 1;
    switch ((enum sim_trouble_kind)one->kind) {
    case SIM_TROUBLE_AGENT_CRASH:
        if (begins)
            sim_office_crash(office, one->silent, one->until_us);
        break;
    case SIM_TROUBLE_AGENT_RESTART:
        if (begins)
            sim_office_restart(office, one->until_us);
        break;
    case SIM_TROUBLE_IME_AWAY:
        *(day->borders ? &day->borders[one->company].refuses : &office->refuses) = begins;
        if (begins)
            cut(day, one->company);
        break;
    case SIM_TROUBLE_IME_SILENT:
        block(front_socket(day, one->company), groups_of_others(day, one->company), begins);
        break;
    case SIM_TROUBLE_IME_CUT:
        if (begins)
            cut(day, one->company);
        break;
    case SIM_TROUBLE_TRUNK_AWAY:
        block(&office->sockets[AGENT_PSTN], carriers, begins);
        break;
    case SIM_TROUBLE_CARRIER_AWAY:
        block(&office->sockets[AGENT_PSTN], UINT64_C(1) << SIM_GROUP_OF_CARRIER(one->company % SIM_CARRIERS), begins);
        break;
    case SIM_TROUBLE_PBX_CRASH:
        begins ? sim_pbx_end(pbx, one->silent) : sim_pbx_start(pbx);
        break;
    case SIM_TROUBLE_PBX_SILENT:
        block(&pbx->socket, UINT64_C(1) << SIM_GROUP_OF_PBX, begins);
        break;
    case SIM_TROUBLE_LOSS:
        office->sockets[AGENT_PSTN].loss_ppm = begins ? HEAVY_LOSS_PPM : SIM_TRUNK_LOSS_PPM;
        break;
    case SIM_TROUBLE_SERVER_CRASH:
        if (begins)
            sim_node_end(office->node, SIM_END_CRASH);
        else
            sim_office_start_server(office);
        break;
    case SIM_TROUBLE_NET_DEAD:
        block(front_socket(day, one->company), groups_of_others(day, one->company), begins);
        break;
    case SIM_TROUBLE_EDGE_CRASH:
        if (begins)
            sim_border_crash(&day->borders[one->company], one->silent, one->until_us);
        break;
    case SIM_TROUBLE_WORKER_CRASH:
        if (begins)
            sim_border_crash_worker(&day->borders[one->company], !one->silent);
        else
            sim_border_start_worker(&day->borders[one->company]);
        break;
    case SIM_TROUBLE_NET_BAD:
    case SIM_TROUBLE_SOUND_DEAD:
    case SIM_TROUBLE_FALLBACK_BUSY:
    case SIM_TROUBLE_DIGITS_LOST:
    case SIM_TROUBLE_CALLERS_LOST:
    case SIM_TROUBLE_CALLERS_SPOILED: /* reckon */
    case SIM_TROUBLE_KINDS:
        break;
    }
}

struct step {
    struct sim_trouble *trouble;
    struct sim_trouble_one *one;
};

static void begin(void *ctx, struct sim_world *world);

static void set_next(struct sim_trouble *t)
{
    if (t->next < t->n)
        sim_world_at(t->day->world, t->ones[t->next].from_us, begin, t);
}

static void finish(void *ctx, struct sim_world *world)
{
    struct step *step = ctx;
    (void)world;
    step->one->is_active = false;
    carry_out(step->trouble->day, step->one, false);
    reckon(step->trouble);
    mem_free(step);
}

static void begin(void *ctx, struct sim_world *world)
{
    struct sim_trouble *t = ctx;
    struct sim_trouble_one *one = &t->ones[t->next++];
    struct step *step = sim_alloc(sizeof *step);
    *step = (struct step){t, one};
    t->day->result->troubles++;
    one->is_active = true;
    carry_out(t->day, one, true);
    reckon(t);
    sim_world_at(world, one->until_us, finish, step);
    set_next(t);
}

/* ---- drawing it ---- */

static int by_beginning(const void *a, const void *b)
{
    const struct sim_trouble_one *x = a, *y = b;
    if (x->from_us != y->from_us)
        return x->from_us < y->from_us ? -1 : 1;
    return (x->company > y->company) - (x->company < y->company);
}

/* The same does not befall a company twice at once. */
static bool is_free(const struct sim_trouble *t, const struct sim_trouble_one *one)
{
    for (uint32_t i = 0; i < t->n; i++) {
        const struct sim_trouble_one *other = &t->ones[i];
        if (other->kind == one->kind && other->company == one->company &&
            other->from_us <= one->until_us + SIM_MINUTE && one->from_us <= other->until_us + SIM_MINUTE)
            return false;
    }
    return true;
}

/* Trunks are blocked and lossy by one setting each, which two troubles must not have at once; nor may two stop the agent. */
static uint32_t alike(uint8_t kind)
{
    static const uint32_t sets[] = {SIM_TROUBLE_OF_TRUNKS, SIM_TROUBLE_OF_AGENT, SIM_TROUBLE_OF_PBX, SIM_TROUBLE_OF_IME,
                                    SIM_TROUBLE_BIT(DIGITS_LOST) | SIM_TROUBLE_BIT(CALLERS_LOST)};
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++)
        if (sets[i] >> kind & 1)
            return sets[i];
    return 1u << kind;
}

static void draw_sound(struct sim_trouble_one *one, const struct entropy *e)
{
    switch ((enum sim_trouble_kind)one->kind) {
    case SIM_TROUBLE_NET_BAD:
        one->from = one->to = true;
        one->loss_ppm = (uint32_t)entropy_between(e, LOSS_MIN_PPM, LOSS_MAX_PPM);
        one->delay_us = entropy_between(e, 0, DELAY_MAX_US);
        one->jitter_us = entropy_between(e, 0, JITTER_MAX_US);
        break;
    case SIM_TROUBLE_NET_DEAD:
        one->from = one->to = true;
        break;
    case SIM_TROUBLE_SOUND_DEAD:
        one->from = entropy_below(e, 3) != 0;
        one->to = !one->from || entropy_below(e, 2);
        break;
    default:
        break;
    }
}

static void draw(struct sim_trouble *t, const struct entropy *e, uint8_t kind, uint32_t company)
{
    const struct sim_day *day = t->day;
    const struct recipe *r = &recipes[kind];
    const double wanted =
        (day->has_media ? r->a_day_with_media : r->a_day) * (double)(day->until_us - day->from_us) / (24.0 * SIM_HOUR);
    uint32_t n = (uint32_t)wanted;
    n += (double)entropy_below(e, 1000) < (wanted - n) * 1000;
    for (uint32_t i = 0; i < n; i++) {
        struct sim_trouble_one one = {.company = company, .kind = kind, .silent = entropy_below(e, SILENT_ONE_OF) == 0};
        const int64_t quarter_us = (day->until_us - day->from_us) / 4,
                      most_us = r->max_us < quarter_us ? r->max_us : quarter_us;
        const int64_t for_us = most_us > r->min_us ? entropy_between(e, r->min_us, most_us) : r->min_us;
        one.from_us = entropy_between(e, day->from_us, day->until_us - for_us);
        one.until_us = one.from_us + for_us;
        if (!is_free(t, &one) ||
            sim_trouble_met(t, alike(kind), company, one.from_us - SIM_MINUTE, one.until_us + SIM_MINUTE))
            continue;
        draw_sound(&one, e);
        t->ones = sim_resize(t->ones, (t->n + 1) * sizeof *t->ones);
        t->ones[t->n++] = one;
    }
}

struct sim_trouble *sim_trouble_new(struct sim_day *day)
{
    struct sim_trouble *t = sim_alloc(sizeof *t);
    struct seeded_entropy seed;
    sim_entropy_init(&seed, day->world->options->seed, "trouble", 0);
    const struct entropy e = seeded_entropy_port(&seed);
    t->day = day;
    for (uint32_t company = 0; company < day->companies; company++)
        for (uint8_t kind = 0; kind < SIM_TROUBLE_KINDS; kind++)
            draw(t, &e, kind, company);
    if (t->n)
        qsort(t->ones, t->n, sizeof *t->ones, by_beginning);
    set_next(t);
    return t;
}

void sim_trouble_free(struct sim_trouble *t)
{
    if (!t)
        return;
    mem_free(t->ones);
    mem_free(t);
}

bool sim_trouble_met(const struct sim_trouble *t, uint32_t kinds, uint32_t company, int64_t from_us, int64_t until_us)
{
    for (uint32_t i = 0; i < t->n; i++) {
        const struct sim_trouble_one *one = &t->ones[i];
        const bool concerns = one->company == company || SIM_TROUBLE_OF_ALL >> one->kind & 1;
        if (concerns && kinds >> one->kind & 1 && one->from_us <= until_us && one->until_us >= from_us)
            return true;
    }
    return false;
}
