/* The E-model against G.107 written out in full, with nothing left to constants, and against the values that the Recommendation prints. */
#include "testing.h"

#include "media/emodel.h"

#include <math.h>

#define assert_near(value, expected, tolerance)                                    \
    do {                                                                           \
        double near_value_ = (double)(value), near_expected_ = (double)(expected); \
        if (!(fabs(near_value_ - near_expected_) <= (double)(tolerance)))          \
            fail_msg("%s is %.6f, not %.6f", #value, near_value_, near_expected_); \
    } while (0)

/* G.107 7.2 to 7.4 with the defaults of table 2, without loss. */
static double full_rating(double t)
{
    const double slr = 8, rlr = 2, stmr = 15, lstr = 18, ds = 3, telr = 65, wepl = 110, ps = 35, pr = 35, nc = -70,
                 nfor = -64, qdu = 1, olr = slr + rlr;
    double nos = ps - slr - ds - 100 + 0.004 * pow(ps - olr - ds - 14, 2);
    double pre = pr + 10 * log10(1 + pow(10, (10 - lstr) / 10));
    double nor = rlr - 121 + pre + 0.008 * pow(pre - 35, 2);
    double no = 10 * log10(pow(10, nc / 10) + pow(10, nos / 10) + pow(10, nor / 10) + pow(10, (nfor + rlr) / 10));
    double ro = 15 - 1.5 * (slr + no);

    double xolr = olr + 0.2 * (64 + no - rlr);
    double iolr = 20 * (pow(1 + pow(xolr / 8, 8), 1.0 / 8) - xolr / 8);
    double stmro = -10 * log10(pow(10, -stmr / 10) + exp(-t / 4) * pow(10, -telr / 10));
    double ist = 12 * pow(1 + pow((stmro - 13) / 6, 8), 1.0 / 8) - 28 * pow(1 + pow((stmro + 1) / 19.4, 35), 1.0 / 35) -
                 13 * pow(1 + pow((stmro - 3) / 33, 13), 1.0 / 13) + 29;
    double q = 37 - 15 * log10(qdu), g = 1.07 + 0.258 * q + 0.0602 * q * q;
    double iq = 15 * log10(1 + pow(10, (ro - 100) / 15 + 46 / 8.4 - g / 9) + pow(10, 46.0 / 30 - g / 40));

    double terv = telr - 40 * log10((1 + t / 10) / (1 + t / 150)) + 6 * exp(-0.3 * t * t);
    double roe = -1.5 * (no - rlr), re = 80 + 2.5 * (terv - 14);
    double idte = ((roe - re) / 2 + sqrt(pow(roe - re, 2) / 4 + 100) - 1) * (1 - exp(-t));
    double rle = 10.5 * (wepl + 7) * pow(2 * t + 1, -0.25);
    double idle = (ro - rle) / 2 + sqrt(pow(ro - rle, 2) / 4 + 169);
    double x = t > 100 ? log(t / 100) / log(2) : 0;
    double idd = t > 100 ? 25 * (pow(1 + pow(x, 6), 1.0 / 6) - 3 * pow(1 + pow(x / 3, 6), 1.0 / 6) + 2) : 0;
    return ro - iolr - ist - iq - idte - idle - idd;
}

static void test_delay(void **state)
{
    (void)state;
    const struct emodel_codec *g711 = emodel_codec_at(EMODEL_G711);
    assert_near(full_rating(0), 93.2, 0.05); /* what G.107 says about its defaults */
    assert_near(emodel_rating(g711, 0, 1, 0), 93.2, 0.05);
    for (double t = 0; t <= 2000; t += 7)
        assert_near(emodel_rating(g711, 0, 1, t), fmax(full_rating(t), 0), 0.25);
}

/* Annex B, table B.1 */
static void test_mos(void **state)
{
    (void)state;
    static const struct {
        double rating, mos;
    } rows[] = {{90, 4.34}, {80, 4.03}, {70, 3.60}, {60, 3.10}, {50, 2.58}, {0, 1}, {100, 4.5}, {-20, 1}, {150, 4.5}};
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_near(emodel_mos(rows[i].rating), rows[i].mos, 0.007);
    for (double r = 0, last = 1; r <= 100; r += 0.5) {
        double mos = emodel_mos(r);
        assert_true(mos >= last && mos <= 4.5); /* the polynomial dips below 1 near 0; we do not */
        last = mos;
    }
}

/* 7.5, worked by hand: G.711 with concealment, 25.1: 1 % → 95/26.1, and so on. */
static void test_loss(void **state)
{
    (void)state;
    const struct emodel_codec *g711 = emodel_codec_at(EMODEL_G711), *bare = emodel_codec_at(EMODEL_G711_BARE);
    const struct emodel_codec *g729 = emodel_codec_at(emodel_find("G729", 8000));
    assert_near(emodel_loss_impairment(g711, 0, 1), 0, 0);
    assert_near(emodel_loss_impairment(g711, 0.01, 1), 3.6398, 1e-3);
    assert_near(emodel_loss_impairment(g711, 0.05, 1), 15.7807, 1e-3);
    assert_near(emodel_loss_impairment(g711, 0.05, 2), 17.2101, 1e-3);
    assert_near(emodel_loss_impairment(bare, 0.01, 1), 17.9245, 1e-3);
    assert_near(emodel_loss_impairment(g729, 0, 1), 11, 0);
    assert_near(emodel_loss_impairment(g729, 0.02, 1), 19, 1e-3);
    /* more loss, longer bursts, more delay: never better */
    for (unsigned i = 0; emodel_codec_at(i); i++) {
        const struct emodel_codec *c = emodel_codec_at(i);
        double last = 101;
        for (double loss = 0; loss <= 1; loss += 0.01) {
            double r = emodel_rating(c, loss, 1, 50);
            assert_true(r <= last && r >= 0);
            assert_true(emodel_rating(c, loss, 4, 50) <= r);
            assert_true(emodel_rating(c, loss, 1, 300) <= r);
            last = r;
        }
        assert_true(emodel_mos(emodel_rating(c, 0, 1, 50)) > 3.4);
        assert_true(c->source[0] && c->bpl > 0 && c->ie >= 0);
    }
}

static void test_find(void **state)
{
    (void)state;
    assert_int_equal(emodel_find("pcma", 8000), EMODEL_G711);
    assert_int_equal(emodel_find("something", 8000), EMODEL_G711);
    assert_string_equal(emodel_codec_at(emodel_find("OPUS", 48000))->name, "opus");
    assert_true(emodel_codec_at(emodel_find("speex", 16000))->is_wideband);
    assert_false(emodel_codec_at(emodel_find("speex", 8000))->is_wideband);
    assert_string_equal(emodel_codec_at(emodel_find("L16", 44100))->name, "L16");
    assert_null(emodel_codec_at(1000));
    /* wideband without loss is not worse than the telephone */
    assert_true(emodel_rating(emodel_codec_at(emodel_find("opus", 48000)), 0, 1, 0) >
                emodel_rating(emodel_codec_at(EMODEL_G711), 0, 1, 0));
}

static void test_nonsense(void **state)
{
    (void)state;
    static const double values[] = {-1, 0, 2, 1e300, -1e300, INFINITY, -INFINITY, NAN};
    const unsigned n = sizeof values / sizeof values[0];
    for (unsigned i = 0; i < n * n * n; i++) {
        double r = emodel_rating(emodel_codec_at(i % 3), values[i % n], values[i / n % n], values[i / n / n]);
        double mos = emodel_mos(r);
        assert_true(r >= 0 && r <= 100 && mos >= 1 && mos <= 4.5);
        assert_true(emodel_mos(values[i % n]) >= 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_delay), cmocka_unit_test(test_mos),      cmocka_unit_test(test_loss),
        cmocka_unit_test(test_find),  cmocka_unit_test(test_nonsense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
