/* Free ports: pairs, each once, and at rest before they are used again. */
#include "io/media_ports.h"
#include "testing.h"

static struct media_ports *ports_of(uint16_t min, uint16_t max, int expected)
{
    struct addr address = {.family = 4, .ip = {127, 0, 0, 1}, .port = 99};
    struct seeded_entropy seed = {7};
    struct entropy entropy = seeded_entropy_port(&seed);
    struct media_ports *p = NULL;
    const struct media_ports_range range = {.port_min = min, .port_max = max, .shares = 1};
    assert_int_equal(media_ports_new(&address, &range, &entropy, &p), expected);
    return p;
}

/* One, closed before. */
static int take(struct media_ports *p, int64_t now_us, uint16_t *ret_port)
{
    bool is_open = false;
    int err = media_ports_take(p, (struct mono){now_us}, ret_port, &is_open);
    assert_false(is_open);
    return err;
}

static void pairs_begin_with_an_even_port_and_stay_in_the_range(void **state)
{
    (void)state;
    ports_of(2001, 2002, ERR_RANGE);
    ports_of(2000, 2000, ERR_RANGE);
    ports_of(0, 2000, ERR_RANGE);
    struct media_ports *p = ports_of(65531, 65535, 0); /* 65532, 65534 */
    uint16_t a, b, c;
    assert_int_equal(take(p, 0, &a), 0);
    assert_int_equal(take(p, 0, &b), 0);
    assert_int_equal(a + b, 65532 + 65534);
    assert_true(a != b && a % 2 == 0);
    assert_int_equal(take(p, 0, &c), ERR_LIMIT);
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
        assert_int_equal(take(p, 5, &port), 0);
        assert_false(seen[(port - 1000) / 2]);
        seen[(port - 1000) / 2] = true;
        ascending += port == before + 2;
        before = port;
    }
    assert_int_equal(take(p, 5, &port), ERR_LIMIT);
    assert_true(ascending < 20);
    media_ports_free(p);
}

static void what_was_given_back_rests(void **state)
{
    (void)state;
    struct media_ports *p = ports_of(1000, 1003, 0);
    uint16_t a, b, c;
    assert_int_equal(take(p, 0, &a), 0);
    assert_int_equal(take(p, 0, &b), 0);
    media_ports_give_back(p, b, (struct mono){100}, false);
    media_ports_give_back(p, a, (struct mono){150}, false);
    assert_int_equal(take(p, 99, &c), ERR_LIMIT);
    assert_int_equal(take(p, 100, &c), 0);
    assert_int_equal(c, b);
    assert_int_equal(take(p, 100, &c), ERR_LIMIT);
    assert_int_equal(take(p, 150, &c), 0);
    assert_int_equal(c, a);
    media_ports_free(p);
}

static void each_worker_has_a_share(void **state)
{
    (void)state;
    struct addr address = {.family = 4, .ip = {127, 0, 0, 1}};
    struct seeded_entropy seed = {7};
    struct entropy entropy = seeded_entropy_port(&seed);
    bool seen[8] = {false};
    for (unsigned share = 0; share < 3; share++) {
        struct media_ports *p;
        const struct media_ports_range range = {1000, 1015, share, 3};
        uint16_t port;
        assert_int_equal(media_ports_new(&address, &range, &entropy, &p), 0);
        while (take(p, 0, &port) == 0) {
            assert_true(port % 2 == 0 && port >= 1000 && port < 1016 && !seen[(port - 1000) / 2]);
            seen[(port - 1000) / 2] = true;
        }
        media_ports_free(p);
    }
    for (unsigned i = 0; i < 8; i++)
        assert_true(seen[i]);
    struct media_ports *none;
    assert_int_equal(media_ports_new(&address, &(struct media_ports_range){1000, 1003, 2, 3}, &entropy, &none),
                     ERR_RANGE);
}

static void what_is_open_comes_first_and_is_closed_when_nobody_wants_it(void **state)
{
    (void)state;
    struct media_ports *p = ports_of(1000, 1009, 0);
    uint16_t a, b, c, d, port;
    bool is_open;
    take(p, 0, &a);
    take(p, 0, &b);
    take(p, 0, &c);
    media_ports_give_back(p, a, (struct mono){100}, true);
    media_ports_give_back(p, b, (struct mono){110}, false);
    media_ports_give_back(p, c, (struct mono){120}, true);
    assert_int_equal(take(p, 99, &d), 0); /* none that is open has rested */
    assert_int_equal(media_ports_take(p, (struct mono){130}, &port, &is_open), 0);
    assert_true(port == a && is_open);
    assert_false(media_ports_close_idle(p, (struct mono){119}, &port));
    assert_true(media_ports_close_idle(p, (struct mono){120}, &port));
    assert_int_equal(port, c);
    assert_false(media_ports_close_idle(p, (struct mono){120}, &port));
    media_ports_give_back(p, d, (struct mono){150}, true);
    media_ports_give_back(p, a, (struct mono){160}, true);
    media_ports_all_closed(p); /* their worker has died */
    assert_false(media_ports_close_idle(p, (struct mono){900}, &port));
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(take(p, 900, &port), 0);
    assert_int_equal(port, a);
    assert_int_equal(media_ports_take(p, (struct mono){900}, &port, &is_open), ERR_LIMIT);
    media_ports_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_begin_with_an_even_port_and_stay_in_the_range),
        cmocka_unit_test(each_is_handed_out_once_and_in_no_guessable_order),
        cmocka_unit_test(what_was_given_back_rests),
        cmocka_unit_test(each_worker_has_a_share),
        cmocka_unit_test(what_is_open_comes_first_and_is_closed_when_nobody_wants_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
