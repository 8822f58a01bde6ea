/* Loss of a stream: each trace is counted here by its own means, and what struct quality makes of it is compared. */
#include "testing.h"

#include "stream.h"

/* What a trace is when one looks at it from above: one entry for each packet that was sent. */
struct pattern {
    bool lost[STREAM_PACKETS_MAX];
    unsigned count;
};

static unsigned count_lost(const struct pattern *p, unsigned from, unsigned to)
{
    unsigned lost = 0;
    for (unsigned i = from; i < to; i++)
        lost += p->lost[i];
    return lost;
}

static unsigned longest_run(const struct pattern *p)
{
    unsigned run = 0, longest = 0;
    for (unsigned i = 0; i < p->count; i++) {
        run = p->lost[i] ? run + 1 : 0;
        longest = run > longest ? run : longest;
    }
    return longest;
}

/* RFC 3611 4.7.2 by its definition: losses with fewer than 16 packets between them belong together. */
struct bursts {
    unsigned bursts, packets, lost, gap_lost, longest;
};

static struct bursts find_bursts(const struct pattern *p)
{
    struct bursts b = {0};
    for (unsigned i = 0; i < p->count;) {
        if (!p->lost[i]) {
            i++;
            continue;
        }
        unsigned last = i, lost = 1;
        for (unsigned j = i + 1; j < p->count && j - last <= 16; j++)
            if (p->lost[j]) {
                last = j;
                lost++;
            }
        if (lost == 1) {
            b.gap_lost++;
        } else {
            unsigned span = last - i + 1;
            b.bursts++;
            b.packets += span;
            b.lost += lost;
            b.longest = span > b.longest ? span : b.longest;
        }
        i = last + 1;
    }
    return b;
}

/* The pattern begins and ends with packets that arrive: what is lost at the ends nobody can see. The first packet is on probation. */
static void send_pattern(struct stream *s, const struct pattern *p)
{
    stream_next(s, false, 0);
    for (unsigned i = 0; i < p->count; i++)
        stream_next(s, p->lost[i], (int64_t)(i + 1) * PTIME_US);
    stream_give_all(s);
}

static void expect_pattern(struct stream *s, const struct pattern *p)
{
    int64_t end_us = (int64_t)p->count * PTIME_US;
    struct quality_figures f;
    unsigned window = QUALITY_WINDOW_US / PTIME_US;
    quality_sample(&s->q, at(end_us), &f);
    /* The oldest slot leaves as a whole: the window is short of up to one slot. */
    unsigned slot = QUALITY_SLOT_US / PTIME_US + 1;
    assert_in_range(f.expected, window - slot - 1, window + 1);
    unsigned from = p->count - f.expected;
    assert_near(f.loss_ratio, (double)count_lost(p, from, p->count) / f.expected, 1.5 / f.expected);
    assert_near(f.late_ratio, 0, 0);
    quality_end(&s->q, at(end_us));

    const struct quality_totals *t = &s->q.totals;
    unsigned lost = count_lost(p, 0, p->count);
    struct bursts b = find_bursts(p);
    assert_int_equal(t->expected, p->count);
    assert_int_equal(t->received, p->count - lost);
    assert_int_equal(quality_lost(t), lost);
    assert_int_equal(t->settled, p->count);
    assert_int_equal(t->longest_run, longest_run(p));
    assert_int_equal(t->bursts, b.bursts);
    assert_int_equal(t->burst_packets, b.packets);
    assert_int_equal(t->burst_lost, b.lost);
    assert_int_equal(t->gap_lost, b.gap_lost);
    assert_int_equal(t->longest_burst, b.longest);
    assert_near(quality_burst_density(t), b.packets ? (double)b.lost / b.packets : 0, 1e-12);
    assert_near(quality_gap_density(t), (double)b.gap_lost / (p->count - b.packets), 1e-12);

    /* seconds: of 50 packets each, as they were sent */
    unsigned concealed = 0, severe = 0;
    for (unsigned i = 0; i < p->count; i += 50) {
        unsigned in_second = count_lost(p, i, i + 50 < p->count ? i + 50 : p->count);
        concealed += in_second > 0;
        severe += in_second * PTIME_US > 50000;
    }
    assert_int_equal(t->total_s, p->count / 50);
    assert_int_equal(t->concealed_s, concealed);
    assert_int_equal(t->severely_concealed_s, severe);
}

static void test_random(void **state)
{
    (void)state;
    static const double ratios[] = {0, 0.01, 0.02, 0.05, 0.10, 0.5};
    static struct pattern p;
    for (unsigned r = 0; r < sizeof ratios / sizeof ratios[0]; r++) {
        struct stream *s = stream_new(100 + r);
        p.count = 6000;
        for (unsigned i = 0; i < p.count; i++)
            p.lost[i] = i > 0 && i < p.count - 1 && chance(s) < ratios[r];
        send_pattern(s, &p);
        expect_pattern(s, &p);
        struct quality_figures f;
        quality_sample(&s->q, at(6000 * PTIME_US), &f);
        if (ratios[r] > 0 && ratios[r] < 0.2)
            assert_near(f.burst_ratio, 1, 0.35); /* random loss is what 1 stands for */
        free(s);
    }
}

/* Gilbert: two states, all or nothing; the mean length of a run of losses is 1/q. */
static void test_bursts(void **state)
{
    (void)state;
    static struct pattern p;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct stream *s = stream_new(seed);
        bool is_bad = false;
        p.count = 30000;
        for (unsigned i = 0; i < p.count; i++) {
            is_bad = is_bad ? chance(s) >= 0.25 : chance(s) < 0.0132; /* q 0.25, p 0.0132: 5 % lost, runs of 4 */
            p.lost[i] = is_bad && i > 0 && i < p.count - 1;
        }
        send_pattern(s, &p);
        expect_pattern(s, &p);
        assert_near((double)s->q.totals.run_packets / (double)s->q.totals.runs, 4, 0.4);
        free(s);
    }
}

static void test_burst_ratio(void **state)
{
    (void)state;
    struct stream *s = stream_new(1);
    struct quality_figures f;
    int64_t t = stream_clean(s, 0, 100);
    for (unsigned i = 0; i < 20; i++) { /* five of 50 lost, in a row: 10 % */
        t = stream_clean(s, t, 45);
        for (unsigned j = 0; j < 5; j++, t += PTIME_US)
            stream_next(s, true, 0);
    }
    t = stream_clean(s, t, 1);
    stream_give_all(s);
    quality_sample(&s->q, at(t), &f);
    assert_near(f.loss_ratio, 0.1, 0.01);
    assert_near(f.burst_ratio, 5 * 0.9, 0.3); /* runs that lie on the edge of the window */
    assert_int_equal(f.run_us, 5 * PTIME_US);
    free(s);
}

/* Reordering within the time of playout is no loss, whatever came between; a duplicate is no packet. */
static void test_reordered(void **state)
{
    (void)state;
    struct stream *s = stream_new(7);
    struct quality_figures f;
    int64_t t = 0;
    for (unsigned i = 0; i < 1000; i++, t += PTIME_US) {
        bool late = i % 10 == 5;
        if (i % 7 == 3)
            stream_add(s, t + 1000); /* twice */
        stream_next(s, false, late ? t + PTIME_US + 5000 : t);
    }
    stream_give_all(s);
    quality_sample(&s->q, at(t), &f);
    assert_near(f.loss_ratio + f.late_ratio, 0, 1e-9);
    quality_end(&s->q, at(t));
    assert_int_equal(s->q.totals.expected, 999);
    assert_int_equal(s->q.totals.received, 999);
    assert_int_equal(s->q.totals.runs, 0);
    assert_int_equal(s->q.totals.concealed_s, 0);
    assert_int_equal(s->q.totals.duplicates, 143);
    free(s);
}

/* What comes after its time is lost to the listener, and said to be late. */
static void test_late(void **state)
{
    (void)state;
    struct stream *s = stream_new(7);
    struct quality_figures f;
    int64_t t = 0;
    for (unsigned i = 0; i <= 500; i++, t += PTIME_US)
        stream_next(s, false, i % 50 == 25 ? t + 190000 : t); /* jitter makes the buffer deeper, but not by so much */
    stream_give_all(s);
    quality_sample(&s->q, at(t), &f);
    assert_near(f.loss_ratio, 0, 0);
    assert_near(f.late_ratio, 0.02, 0.002);
    quality_end(&s->q, at(t));
    assert_int_equal(s->q.totals.late, 10);
    assert_int_equal(s->q.totals.received, 500);
    assert_int_equal(quality_lost(&s->q.totals), 0);
    assert_int_equal(s->q.totals.concealed_s, 10);
    assert_int_equal(s->q.totals.severely_concealed_s, 0);
    free(s);
}

/* A second with 40 ms concealed is not severe, one with 60 ms is. */
static void test_severe(void **state)
{
    (void)state;
    static struct pattern p;
    struct stream *s = stream_new(1);
    p.count = 250;
    memset(p.lost, 0, sizeof p.lost);
    p.lost[60] = p.lost[70] = true;                 /* second 1 */
    p.lost[110] = p.lost[120] = p.lost[130] = true; /* second 2 */
    for (unsigned i = 190; i < 240; i++)            /* ten of second 3, forty of second 4 */
        p.lost[i] = true;
    send_pattern(s, &p);
    quality_end(&s->q, at(251 * PTIME_US));
    assert_int_equal(s->q.totals.total_s, 5);
    assert_int_equal(s->q.totals.concealed_s, 4);
    assert_int_equal(s->q.totals.severely_concealed_s, 3);
    assert_int_equal(s->q.totals.longest_run, 50);
    free(s);
}

/* ---- senders ---- */

static void test_probation(void **state)
{
    (void)state;
    struct stream *s = stream_new(1);
    for (unsigned i = 0; i < 10; i++) { /* never two in sequence */
        stream_add(s, i * PTIME_US);
        s->sequence = (uint16_t)(s->sequence + 2);
    }
    stream_give_all(s);
    assert_int_equal(s->q.totals.expected, 0);
    assert_int_equal(s->q.totals.sources, 0);
    int64_t t = stream_clean(s, SECOND, 10);
    stream_give_all(s);
    assert_int_equal(s->q.totals.sources, 1);
    assert_int_equal(s->q.totals.expected, 9);
    quality_end(&s->q, at(t));
    assert_int_equal(s->q.totals.runs, 0);
    free(s);
}

/* The same sender counts anew: two packets in sequence tell, a single stray one does not. Neither is a loss. */
static void test_restart(void **state)
{
    (void)state;
    struct stream *s = stream_new(1);
    struct quality_figures f;
    int64_t t = stream_clean(s, 0, 300);
    uint16_t kept = s->sequence;
    s->sequence = (uint16_t)(kept + 20000);
    stream_add(s, t - PTIME_US / 2); /* the stray one */
    s->sequence = kept;
    t = stream_clean(s, t, 100);
    for (unsigned i = 0; i < 2; i++) { /* the second time its time is a second behind */
        s->sequence = (uint16_t)(s->sequence - 5000);
        s->timestamp += i == 0 ? 12345678 : (uint32_t)-8000;
        t = stream_clean(s, t, 300);
    }
    stream_give_all(s);
    quality_sample(&s->q, at(t), &f);
    assert_near(f.loss_ratio + f.late_ratio, 0, 1e-9);
    quality_end(&s->q, at(t));
    assert_int_equal(s->q.totals.late, 0);
    assert_int_equal(s->q.totals.restarts, 2);
    assert_int_equal(s->q.totals.sources, 1);
    assert_int_equal(s->q.totals.expected, 299 + 100 + 2 * 299);
    assert_int_equal(quality_lost(&s->q.totals), 0);
    assert_int_equal(s->q.totals.runs, 0);
    assert_int_equal(s->q.totals.starved_us, 0);
    free(s);
}

static void test_new_source(void **state)
{
    (void)state;
    struct stream *s = stream_new(1);
    struct quality_figures f;
    int64_t t = 0;
    for (unsigned i = 0; i < 10; i++) { /* more than there are places */
        t = stream_clean(s, t, 100);
        s->ssrc += 77;
        s->sequence = (uint16_t)(s->sequence * 31 + 7);
        s->timestamp *= 17;
    }
    stream_give_all(s);
    quality_sample(&s->q, at(t), &f);
    assert_near(f.loss_ratio + f.late_ratio, 0, 1e-9);
    assert_int_equal(s->q.totals.sources, 10);
    assert_int_equal(s->q.totals.expected, 10 * 99);
    assert_int_equal(quality_lost(&s->q.totals), 0);
    quality_end(&s->q, at(t));
    assert_int_equal(s->q.totals.settled, 10 * 99);
    assert_int_equal(s->q.totals.total_s, 10 * 99 / 50);
    free(s);
}

/* Two senders at once, one of them with losses. */
static void test_two_sources(void **state)
{
    (void)state;
    struct stream *s = stream_new(1);
    uint16_t other = 100;
    int64_t t = 0;
    for (unsigned i = 0; i < 1000; i++, t += PTIME_US) {
        stream_next(s, i % 10 == 9, t);
        struct rtp_view *v = stream_add(s, t + 3000);
        v->ssrc = 999;
        v->sequence = other++;
    }
    stream_next(s, false, t);
    stream_give_all(s);
    quality_end(&s->q, at(t));
    assert_int_equal(s->q.totals.sources, 2);
    assert_int_equal(s->q.totals.expected, 1000 + 999);
    assert_int_equal(quality_lost(&s->q.totals), 100);
    assert_int_equal(s->q.totals.longest_run, 1);
    assert_int_equal(s->q.totals.runs, 100);
    free(s);
}

/* One sender stays while eight others come and go: its place is not given away. */
static void test_steady_source(void **state)
{
    (void)state;
    struct stream *s = stream_new(1);
    uint16_t other = 100;
    int64_t t = 0;
    for (unsigned i = 0; i < 800; i++, t += PTIME_US) {
        stream_next(s, false, t);
        struct rtp_view *v = stream_add(s, t - 3000);
        v->ssrc = 1000 + i / 100;
        v->sequence = other++;
    }
    stream_give_all(s);
    assert_int_equal(s->q.totals.sources, 9);
    assert_int_equal(s->q.totals.expected, 799 + 8 * 99);
    assert_int_equal(quality_lost(&s->q.totals), 0);
    free(s);
}

/* Losses fall into the time in which nothing came, not into the moment at which that was noticed. */
static void test_when_lost(void **state)
{
    (void)state;
    for (unsigned gap = 100; gap <= 500; gap += 200) {
        struct stream *s = stream_new(1);
        struct quality_figures f;
        int64_t t = stream_clean(s, 0, 500);
        for (unsigned i = 0; i < gap; i++, t += PTIME_US)
            stream_next(s, true, 0);
        t = stream_clean(s, t, 125);
        stream_give_all(s);
        quality_sample(&s->q, at(t), &f);
        assert_near(f.loss_ratio, gap == 100 ? 100.0 / 250 : 0.5, 0.05);
        t = stream_clean(s, t, 100);
        stream_give_all(s);
        quality_sample(&s->q, at(t), &f);
        assert_near(f.loss_ratio, 0.1, 0.05); /* the window has 0.5 s of it left */
        free(s);
    }
}

/* Many packets in a row: up to 2,999 are a loss, more than that a sender that counts anew. */
static void test_dropout(void **state)
{
    (void)state;
    static const struct {
        unsigned gap;
        uint64_t lost;
        uint32_t restarts;
    } rows[] = {{63, 63, 0}, {64, 64, 0}, {65, 65, 0}, {500, 500, 0}, {2998, 2998, 0}, {2999, 0, 1}, {40000, 0, 1}};
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct stream *s = stream_new(1);
        int64_t t = stream_clean(s, 0, 100);
        s->sequence = (uint16_t)(s->sequence + rows[i].gap);
        s->timestamp += PTIME_TICKS * rows[i].gap;
        t = stream_clean(s, t + (int64_t)rows[i].gap * PTIME_US, 200);
        stream_give_all(s);
        quality_end(&s->q, at(t));
        assert_int_equal(quality_lost(&s->q.totals), rows[i].lost);
        assert_int_equal(s->q.totals.restarts, rows[i].restarts);
        if (rows[i].lost)
            assert_int_equal(s->q.totals.longest_run, rows[i].lost);
        assert_int_equal(s->q.totals.late, 0);
        /* The silence counts the same, whether packets tell its length or the clock. */
        assert_in_range(s->q.totals.concealed_s, rows[i].gap / 50, rows[i].gap / 50 + 2);
        free(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),      cmocka_unit_test(test_bursts),  cmocka_unit_test(test_burst_ratio),
        cmocka_unit_test(test_reordered),   cmocka_unit_test(test_late),    cmocka_unit_test(test_severe),
        cmocka_unit_test(test_probation),   cmocka_unit_test(test_restart), cmocka_unit_test(test_new_source),
        cmocka_unit_test(test_two_sources), cmocka_unit_test(test_dropout), cmocka_unit_test(test_steady_source),
        cmocka_unit_test(test_when_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
