/* Companies learn each other's routes, as timed traces: proofs, pools, penalty box, lists, spacing. */
#include "testing.h"
#include "trace/scene.h"

static void test_proof_by_a(void **state)
{
    (void)state;
    struct scene *scene = scene_of(3, 1);
    struct company *a = scene_company(scene, 'A'), *b = scene_company(scene, 'B');
    agent_publishes(b, "+492211001");
    scene_call(scene, &(struct call){.from = 'A', .to = 'B', .calling = "+4930555", .called = "+492211001"});
    scene_expect(scene, 10000, "A validation.proved", "number=+492211001");
    scene_expect(scene, 1000, "A pool.credited", "domain=b.example fill=12 threshold=24");
    assert_true(scene_saw(scene, "B pvp.inbound", "event=proved number=+492211001"));
    assert_int_equal(scene_count(scene, "A connects", "to=B username=1;A;"), 1);
    assert_int_equal(company_pool(a, "b.example", "default"), 12);
    assert_string_equal(company_vcr(a, "+492211001", PVP_ORIGINATING), "done");
    assert_string_equal(company_vcr(b, "+492211001", PVP_TERMINATING), "done");
    company_shows(a, "+492211001");
    company_shows(b, "+492211001");
    scene_free(scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_proof_by_a),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
