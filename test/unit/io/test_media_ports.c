/* Free ports: pairs, each once, and at rest before they are used again. */
#include "io/media_ports.h"
#include "testing.h"

static struct media_ports *ports_of(uint16_t min, uint16_t max, int expected)
{
    struct addr address = {.family = 4, .ip = {127, 0, 0, 1}, .port = 99};
    struct seeded_entropy seed = {7};
    struct entropy entropy = seeded_entropy_port(&seed);
    struct media_ports *p = NULL;
    assert_int_equal(media_ports_new(&address, min, max, &entropy, &p), expected);
    return p;
}

static void pairs_begin_with_an_even_port_and_stay_in_the_range(void **state)
{
    (void)state;
    ports_of(2001, 2002, ERR_RANGE);
    ports_of(2000, 2000, ERR_RANGE);
    ports_of(0, 2000, ERR_RANGE);
    struct media_ports *p = ports_of(65531, 65535, 0); /* 65532, 65534 */
    uint16_t a, b, c;
    struct mono now = {0};
    assert_int_equal(media_ports_take(p, now, &a), 0);
    assert_int_equal(media_ports_take(p, now, &b), 0);
    assert_int_equal(a + b, 65532 + 65534);
    assert_true(a != b && a % 2 == 0);
    assert_int_equal(media_ports_take(p, now, &c), ERR_LIMIT);
    assert_int_equal(media_ports_address(p).port, 0);
    media_ports_free(p);
}

static void each_is_handed_out_once_and_in_no_guessable_order(void **state)
{
    (void)state;
    struct media_ports *p = ports_of(1000, 2999, 0);
    bool seen[1000] = {false};
    unsigned ascending = 0;
    uint16_t port, before = 0;
    for (unsigned i = 0; i < 1000; i++) {
        assert_int_equal(media_ports_take(p, (struct mono){5}, &port), 0);
        assert_false(seen[(port - 1000) / 2]);
        seen[(port - 1000) / 2] = true;
        ascending += port == before + 2;
        before = port;
    }
    assert_int_equal(media_ports_take(p, (struct mono){5}, &port), ERR_LIMIT);
    assert_true(ascending < 20);
    media_ports_free(p);
}

static void what_was_given_back_rests(void **state)
{
    (void)state;
    struct media_ports *p = ports_of(1000, 1003, 0);
    uint16_t a, b, c;
    assert_int_equal(media_ports_take(p, (struct mono){0}, &a), 0);
    assert_int_equal(media_ports_take(p, (struct mono){0}, &b), 0);
    media_ports_give_back(p, b, (struct mono){100});
    media_ports_give_back(p, a, (struct mono){150});
    assert_int_equal(media_ports_take(p, (struct mono){99}, &c), ERR_LIMIT);
    assert_int_equal(media_ports_take(p, (struct mono){100}, &c), 0);
    assert_int_equal(c, b);
    assert_int_equal(media_ports_take(p, (struct mono){100}, &c), ERR_LIMIT);
    assert_int_equal(media_ports_take(p, (struct mono){150}, &c), 0);
    assert_int_equal(c, a);
    media_ports_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_begin_with_an_even_port_and_stay_in_the_range),
        cmocka_unit_test(each_is_handed_out_once_and_in_no_guessable_order),
        cmocka_unit_test(what_was_given_back_rests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
