/* Every message: what is encoded decodes and encodes again to the same octets; every truncation and mutation is refused with an octet, or
 * is itself a message that round-trips. */
#include "testing.h"

#include "samples.h"

struct fixture {
    struct region region;
    struct buf original;
    struct buf again;
    struct buf body;
};

static int set_up(void **state)
{
    static struct fixture f;
    region_init(&f.region, RELOAD_REGION_OCTETS_MAX);
    buf_init(&f.original, RELOAD_MESSAGE_OCTETS_MAX);
    buf_init(&f.again, RELOAD_MESSAGE_OCTETS_MAX);
    buf_init(&f.body, RELOAD_MESSAGE_OCTETS_MAX);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    region_fini(&f->region);
    buf_fini(&f->original);
    buf_fini(&f->again);
    buf_fini(&f->body);
    return 0;
}

/* Decodes all of a message, and encodes it again with its body encoded again. */
static int again(struct fixture *f, struct slice octets, struct fault *fault)
{
    struct reload_models models = reload_models_default();
    struct reload_message message;
    struct reload_body body;
    buf_clear(&f->again);
    buf_clear(&f->body);
    region_fini(&f->region);
    int err = reload_message_decode(octets, &f->region, &message, fault);
    if (!err)
        err = reload_body_decode(&message, &models, &f->region, &body, fault);
    if (err)
        return err;
    assert_int_equal(reload_body_encode(&body, &f->body), 0);
    assert_slice_equal(message.contents.body, buf_slice(&f->body));
    message.contents.body = buf_slice(&f->body);
    assert_int_equal(reload_message_encode(&message, &f->again), 0);
    return 0;
}

static void every_message_round_trips(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < samples_count(); i++) {
        buf_clear(&f->original);
        samples_message(i, &f->original);
        struct fault fault = {0};
        int err = again(f, buf_slice(&f->original), &fault);
        if (err)
            print_message("%s: octet %zu: %s\n", samples_name(i), fault.octet, fault.rule);
        assert_int_equal(err, 0);
        assert_slice_equal(buf_slice(&f->original), buf_slice(&f->again));
    }
}

/* The samples hold every code that section 14.8 assigns, so none is left out above. */
static void every_code_has_a_sample(void **state)
{
    struct fixture *f = *state;
    bool seen[UINT16_MAX + 1] = {0};
    for (size_t i = 0; i < samples_count(); i++)
        seen[samples_body(i, &f->region).code] = true;
    const uint16_t experiments[] = {RELOAD_EXP_A_ANS, RELOAD_EXP_B_REQ, RELOAD_EXP_B_ANS};
    for (size_t i = 0; i < 3; i++)
        seen[experiments[i]] = true; /* opaque, as exp_a_req is */
    for (unsigned code = 0; code <= UINT16_MAX; code++)
        if (reload_code_name((uint16_t)code))
            assert_true(seen[code]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_message_round_trips, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_code_has_a_sample, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
