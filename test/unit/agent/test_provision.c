/* What imectl adds beside the file: durable, joined, refused with a reason, idle when the file says otherwise. */
#include "agent/conf.h"
#include "agent/provision.h"
#include "base/mem.h"
#include "store/memory.h"
#include "testing.h"

static const struct conf_section sections[] = {AGENT_CONF_SECTIONS};
static const struct conf_key keys[] = {AGENT_CONF_KEYS};
static const struct conf_table table = {
    .intro = "A test.",
    .sections = sections,
    .section_count = sizeof sections / sizeof sections[0],
    .keys = keys,
    .key_count = sizeof keys / sizeof keys[0],
};

#define FILE_TEXT                                                                           \
    "[fallback video]\nsensitivity = aggressive\n"                                          \
    "[enrolled berlin]\npattern = +4930200XX\nfallback = video\n[excluded boss]\nnumber = " \
    "+493020001\n"                                                                          \
    "[trust bad]\ntrusted = no\ndomain = bad.example\n[trust dear]\ntrusted = no\nprefix = +1900!\n"

static struct scene {
    struct memory_store *store;
    struct agent_enrolled *file;
    struct agent_provision *provision;
    struct agent_provision_change *change;
    char why[AGENT_PROVISION_WHY_OCTETS];
    const struct agent_enrolled *watched; /* the last one */
    unsigned changes;
    bool done;
    int err;
} the_scene;

static struct agent_enrolled *read_file(const char *text)
{
    struct agent_enrolled *e = NULL;
    struct conf *c = NULL;
    struct buf errors;
    buf_init(&errors, 10000);
    if (conf_parse(&table, "agent.conf", slice_str(text), &errors, &c) < 0 || agent_conf_enrolled(c, &errors, &e) < 0)
        fail_msg("%s", buf_text(&errors));
    conf_free(c);
    buf_fini(&errors);
    return e;
}

static int watch(void *ctx, const struct agent_enrolled *enrolled)
{
    struct scene *s = ctx;
    s->watched = enrolled;
    s->changes++;
    return 0;
}

static void open_provision(struct scene *s)
{
    assert_int_equal(agent_provision_new(memory_store_kv(s->store), s->file, NULL, &s->provision), 0);
    agent_provision_watch(s->provision, watch, s);
}

/* As after a crash: what was not durable is gone. */
static void start_again(struct scene *s)
{
    agent_provision_free(s->provision);
    memory_store_crash(s->store);
    open_provision(s);
}

static int setup(void **state)
{
    struct scene *s = &the_scene;
    *s = (struct scene){.done = false};
    assert_int_equal(memory_store_new(&s->store), 0);
    s->file = read_file(FILE_TEXT);
    open_provision(s);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct scene *s = *state;
    agent_provision_free(s->provision);
    agent_enrolled_free(s->file);
    memory_store_free(s->store);
    return 0;
}

static void done(void *arg, int err)
{
    struct scene *s = arg;
    assert_false(s->done);
    s->done = true;
    s->err = err;
}

static void begin(struct scene *s)
{
    assert_int_equal(agent_provision_begin(s->provision, &s->change), 0);
}

static int add(struct scene *s, enum agent_entry_kind kind, const char *text, const char *group, bool trusted)
{
    const struct agent_provision_entry entry = {kind, text, group, "", trusted};
    s->why[0] = 0;
    return agent_provision_add(s->change, &entry, s->why);
}

/* Until it is durable; what came of it. */
static int commit(struct scene *s)
{
    s->done = false;
    agent_provision_commit(s->change, done, s);
    memory_store_turn(s->store);
    assert_true(s->done);
    return s->err;
}

static bool is_enrolled(const struct scene *s, const char *number)
{
    struct agent_enrollment found;
    struct e164 n;
    assert_true(e164_parse(slice_str(number), &n));
    return agent_enrolled_find(agent_provision_enrolled(s->provision), &n, &found);
}

static enum agent_cause check(const struct scene *s, const char *domain, const char *number)
{
    struct e164 n = {""};
    if (*number)
        assert_true(e164_parse(slice_str(number), &n));
    return agent_trust_check(agent_provision_enrolled(s->provision), slice_str(domain), &n);
}

static void test_adds_durably(void **state)
{
    struct scene *s = *state;
    assert_false(is_enrolled(s, "+4940111"));
    begin(s);
    assert_int_equal(add(s, AGENT_ENTRY_ENROLLED, "+494011X", "hamburg", false), 0);
    assert_int_equal(add(s, AGENT_ENTRY_EXCLUDED, "+4940115", "imectl", false), 0);
    assert_int_equal(add(s, AGENT_ENTRY_DOMAIN, "Evil.Example", "more", false), 0);
    assert_int_equal(add(s, AGENT_ENTRY_PREFIX, "+1976!", "numbers", false), 0);
    s->done = false;
    agent_provision_commit(s->change, done, s);
    assert_false(s->done); /* nothing counts before it is durable */
    assert_false(is_enrolled(s, "+4940111"));
    memory_store_turn(s->store);
    assert_true(s->done && !s->err);
    assert_int_equal(s->changes, 1);
    assert_ptr_equal(s->watched, agent_provision_enrolled(s->provision));
    for (unsigned i = 0; i < 2; i++) {
        assert_true(is_enrolled(s, "+4940111") && is_enrolled(s, "+493020011"));
        assert_false(is_enrolled(s, "+4940115"));
        assert_int_equal(check(s, "evil.example", ""), AGENT_CAUSE_DOMAIN_BLOCKED);
        assert_int_equal(check(s, "good.example", "+19765550100"), AGENT_CAUSE_PREFIX_BLOCKED);
        assert_int_equal(check(s, "good.example", "+4989111"), AGENT_CAUSE_NONE);
        assert_int_equal(agent_provision_count(s->provision), 4);
        start_again(s);
    }
}

static void test_says_why_not(void **state)
{
    static const struct {
        enum agent_entry_kind kind;
        const char *text, *group;
        bool trusted;
        const char *why;
    } table_of_refusals[] = {
        {AGENT_ENTRY_ENROLLED, "4930", "g", false,
         "a pattern is + and digits, or X for any digit; the first is a digit from 1"},
        {AGENT_ENTRY_ENROLLED, "+4930200XX", "g", false, "it is enrolled already, in the group berlin of agent.conf"},
        {AGENT_ENTRY_ENROLLED, "+493020001", "g", false, "it is excluded, in the group boss of agent.conf"},
        {AGENT_ENTRY_ENROLLED, "+49", "a b", false,
         "a group's name has letters, digits, dots, underscores and dashes, 63 at most"},
        {AGENT_ENTRY_EXCLUDED, "+493X", "g", false, "a number is + and 1 to 15 digits"},
        {AGENT_ENTRY_DOMAIN, "bad.example", "g", true, "it is blocked, in the group bad of agent.conf"},
        {AGENT_ENTRY_DOMAIN, "BAD.example", "g", false, "it is blocked already, in the group bad of agent.conf"},
        {AGENT_ENTRY_DOMAIN, "x y", "g", true, "a domain has letters, digits, dots, underscores, pluses and dashes"},
        {AGENT_ENTRY_DOMAIN, "good.example", "bad", true, "the group bad is not one of trusted domains"},
        {AGENT_ENTRY_PREFIX, "+44!", "bad", false, "the group bad is not one of blocked prefixes"},
        {AGENT_ENTRY_PREFIX, "+1900!", "dear", false, "it is blocked already, in the group dear of agent.conf"},
    };
    struct scene *s = *state;
    begin(s);
    for (size_t i = 0; i < sizeof table_of_refusals / sizeof table_of_refusals[0]; i++) {
        int err = add(s, table_of_refusals[i].kind, table_of_refusals[i].text, table_of_refusals[i].group,
                      table_of_refusals[i].trusted);
        assert_true(err < 0 && err != ERR_EXISTS);
        assert_string_equal(s->why, table_of_refusals[i].why);
    }
    assert_int_equal(add(s, AGENT_ENTRY_ENROLLED, "+4940", "g", false), 0); /* the others do not harm it */
    assert_int_equal(add(s, AGENT_ENTRY_ENROLLED, "+4940", "h", false), ERR_CONFLICT);
    assert_string_equal(s->why, "imectl has added it to the group g before: remove it there first");
    assert_int_equal(commit(s), 0);
    begin(s);
    assert_int_equal(add(s, AGENT_ENTRY_ENROLLED, "+4940", "g", false), ERR_EXISTS);
    agent_provision_cancel(s->change);
    assert_int_equal(agent_provision_count(s->provision), 1);
}

static void test_fallback_profiles(void **state)
{
    struct scene *s = *state;
    struct agent_provision_entry entry = {AGENT_ENTRY_ENROLLED, "+4940", "hamburg", "video", false};
    struct agent_pattern_view view;
    begin(s);
    assert_int_equal(agent_provision_add(s->change, &entry, s->why), 0);
    entry.text = "+4941";
    entry.fallback = "none";
    assert_int_equal(agent_provision_add(s->change, &entry, s->why), ERR_CONFLICT);
    assert_string_equal(s->why, "the group hamburg has the fallback profile video");
    entry.fallback = "a b";
    assert_int_equal(agent_provision_add(s->change, &entry, s->why), ERR_SYNTAX);
    entry.fallback = "none";
    entry.group = "bremen";
    assert_int_equal(agent_provision_add(s->change, &entry, s->why), ERR_NOT_FOUND);
    assert_string_equal(s->why, "agent.conf has no section [fallback none]");
    assert_int_equal(commit(s), 0);
    assert_true(agent_enrolled_pattern_at(agent_provision_enrolled(s->provision), 1, &view));
    assert_string_equal(view.profile->name, "video");
    assert_int_equal(view.source, AGENT_SOURCE_IMECTL);
}

static void test_removes_only_its_own(void **state)
{
    struct scene *s = *state;
    begin(s);
    assert_int_equal(add(s, AGENT_ENTRY_ENROLLED, "+4940", "g", false), 0);
    assert_int_equal(add(s, AGENT_ENTRY_ENROLLED, "+4941", "g", false), 0);
    assert_int_equal(add(s, AGENT_ENTRY_ENROLLED, "+4942", "h", false), 0);
    assert_int_equal(add(s, AGENT_ENTRY_DOMAIN, "evil.example", "g", false), 0);
    assert_int_equal(commit(s), 0);
    begin(s);
    assert_int_equal(agent_provision_remove(s->change, AGENT_ENTRY_ENROLLED, slice_str("+4930200XX"), s->why),
                     ERR_NOT_FOUND);
    assert_string_equal(s->why, "it stands in agent.conf, in the group berlin: take it out there, then `imectl agent "
                                "reload`");
    assert_int_equal(agent_provision_remove(s->change, AGENT_ENTRY_ENROLLED, slice_str("+4999"), s->why),
                     ERR_NOT_FOUND);
    assert_string_equal(s->why, "it is not there");
    assert_int_equal(agent_provision_remove(s->change, AGENT_ENTRY_DOMAIN, slice_str("EVIL.example"), s->why), 0);
    assert_int_equal(agent_provision_remove(s->change, AGENT_ENTRY_DOMAIN, slice_str("evil.example"), s->why),
                     ERR_NOT_FOUND);
    assert_string_equal(s->why, "it is named twice");
    assert_int_equal(agent_provision_remove_group(s->change, AGENT_ENTRY_ENROLLED, "g"), 2);
    assert_int_equal(commit(s), 0);
    for (unsigned i = 0; i < 2; i++) {
        assert_true(is_enrolled(s, "+4942") && is_enrolled(s, "+493020011"));
        assert_false(is_enrolled(s, "+4940") || is_enrolled(s, "+4941"));
        assert_int_equal(check(s, "evil.example", ""), AGENT_CAUSE_NONE);
        assert_int_equal(agent_provision_count(s->provision), 1);
        start_again(s);
    }
}

static void test_a_failed_write_changes_nothing(void **state)
{
    struct scene *s = *state;
    begin(s);
    assert_int_equal(add(s, AGENT_ENTRY_ENROLLED, "+4940", "g", false), 0);
    assert_int_equal(commit(s), 0);
    for (unsigned refuses = 0; refuses < 2; refuses++) {
        begin(s);
        assert_int_equal(add(s, AGENT_ENTRY_ENROLLED, "+4941", "g", false), 0);
        if (refuses)
            memory_store_refuse(s->store, ERR_NO_SPACE);
        else
            memory_store_fail(s->store, 1, ERR_NO_SPACE);
        assert_int_equal(commit(s), ERR_NO_SPACE);
        memory_store_refuse(s->store, 0);
        begin(s);
        assert_int_equal(agent_provision_remove(s->change, AGENT_ENTRY_ENROLLED, slice_str("+4940"), s->why), 0);
        if (refuses)
            memory_store_refuse(s->store, ERR_NO_SPACE);
        else
            memory_store_fail(s->store, 1, ERR_NO_SPACE);
        assert_int_equal(commit(s), ERR_NO_SPACE);
        memory_store_refuse(s->store, 0);
        assert_true(is_enrolled(s, "+4940"));
        assert_false(is_enrolled(s, "+4941"));
        assert_int_equal(memory_store_count(s->store, KV_AGENT_PROVISION), 1);
    }
    begin(s); /* and the next change is not in the way of anything */
    assert_int_equal(add(s, AGENT_ENTRY_ENROLLED, "+4941", "g", false), 0);
    assert_int_equal(commit(s), 0);
    start_again(s);
    assert_true(is_enrolled(s, "+4940") && is_enrolled(s, "+4941"));
}

static void test_one_change_at_a_time(void **state)
{
    struct scene *s = *state;
    struct agent_provision_change *other;
    begin(s);
    assert_int_equal(agent_provision_begin(s->provision, &other), ERR_WRONG_STATE);
    assert_int_equal(add(s, AGENT_ENTRY_ENROLLED, "+4940", "g", false), 0);
    agent_provision_commit(s->change, done, s);
    assert_int_equal(agent_provision_begin(s->provision, &other), ERR_WRONG_STATE);
    /* The file changes while it is being written. */
    struct agent_enrolled *file = read_file("[enrolled munich]\npattern = +4989\n");
    assert_int_equal(agent_provision_set_file(s->provision, file), 0);
    agent_enrolled_free(s->file);
    s->file = file;
    assert_true(is_enrolled(s, "+4989"));
    assert_false(is_enrolled(s, "+4940"));
    memory_store_turn(s->store);
    assert_true(s->done && !s->err);
    assert_true(is_enrolled(s, "+4989") && is_enrolled(s, "+4940"));
    assert_false(is_enrolled(s, "+493020011"));
    /* It ends before the store has answered. */
    begin(s);
    assert_int_equal(add(s, AGENT_ENTRY_ENROLLED, "+4941", "g", false), 0);
    s->done = false;
    agent_provision_commit(s->change, done, s);
    agent_provision_free(s->provision);
    assert_true(s->done && s->err == ERR_CLOSED);
    memory_store_turn(s->store);
    open_provision(s);
    assert_true(is_enrolled(s, "+4941"));
}

struct listing {
    struct buf text;
};

static bool list_entry(void *ctx, const struct agent_provision_entry *entry, const char *why)
{
    struct listing *l = ctx;
    buf_printf(&l->text, "%s: %s\n", entry->text, why);
    return true;
}

static void test_the_file_holds(void **state)
{
    struct scene *s = *state;
    struct listing l;
    begin(s);
    assert_int_equal(add(s, AGENT_ENTRY_ENROLLED, "+4940", "g", false), 0);
    assert_int_equal(add(s, AGENT_ENTRY_ENROLLED, "+4941", "g", false), 0);
    assert_int_equal(add(s, AGENT_ENTRY_DOMAIN, "b.example", "friends", true), 0);
    assert_int_equal(commit(s), 0);
    assert_int_equal(agent_provision_idle(s->provision), 0);
    struct agent_enrolled *file =
        read_file("[enrolled other]\npattern = +4941\n[excluded x]\nnumber = +4940\n[trust y]\ntrusted = "
                  "no\ndomain = b.example\n");
    assert_int_equal(agent_provision_set_file(s->provision, file), 0);
    agent_enrolled_free(s->file);
    s->file = file;
    assert_false(is_enrolled(s, "+4940"));
    assert_true(is_enrolled(s, "+4941"));
    assert_int_equal(check(s, "b.example", ""), AGENT_CAUSE_DOMAIN_BLOCKED);
    assert_int_equal(agent_provision_idle(s->provision), 2);
    buf_init(&l.text, 1000);
    agent_provision_each(s->provision, list_entry, &l);
    assert_string_equal(buf_text(&l.text), "+4940: it is excluded, in the group x of agent.conf\n"
                                           "+4941: it holds; agent.conf has it, too\n"
                                           "b.example: it is blocked, in the group y of agent.conf\n");
    buf_fini(&l.text);
    /* What has no effect can be taken away, and holds again when the file gives way. */
    begin(s);
    assert_int_equal(agent_provision_remove(s->change, AGENT_ENTRY_DOMAIN, slice_str("b.example"), s->why), 0);
    assert_int_equal(commit(s), 0);
    assert_int_equal(agent_provision_idle(s->provision), 1);
    file = read_file(FILE_TEXT);
    assert_int_equal(agent_provision_set_file(s->provision, file), 0);
    agent_enrolled_free(s->file);
    s->file = file;
    assert_true(is_enrolled(s, "+4940"));
    assert_int_equal(agent_provision_idle(s->provision), 0);
}

/* What is exported and put into the file is what held. */
static void test_exports_what_the_file_can_say(void **state)
{
    struct scene *s = *state;
    struct agent_provision_entry entry = {AGENT_ENTRY_ENROLLED, "+4942", "video-group", "video", false};
    struct buf text;
    begin(s);
    assert_int_equal(add(s, AGENT_ENTRY_ENROLLED, "+494X", "g", false), 0);
    assert_int_equal(add(s, AGENT_ENTRY_EXCLUDED, "+4940", "g", false), 0);
    assert_int_equal(add(s, AGENT_ENTRY_DOMAIN, ".evil.example", "evil", false), 0);
    assert_int_equal(add(s, AGENT_ENTRY_PREFIX, "+44!", "uk", false), 0);
    assert_int_equal(add(s, AGENT_ENTRY_ENROLLED, "+4950", "g", false), 0);
    assert_int_equal(agent_provision_add(s->change, &entry, s->why), 0);
    assert_int_equal(commit(s), 0);
    buf_init(&text, 10000);
    buf_str(&text, FILE_TEXT);
    agent_provision_export(s->provision, &text);
    assert_non_null(strstr(buf_text(&text), "\n[enrolled g]\npattern = +494X\npattern = +4950\n"));
    struct agent_enrolled *file = read_file(buf_text(&text));
    buf_fini(&text);
    assert_int_equal(agent_enrolled_patterns(file), agent_enrolled_patterns(agent_provision_enrolled(s->provision)));
    assert_int_equal(agent_enrolled_excluded(file), 2);
    assert_int_equal(agent_trust_count(file), 4);
    assert_int_equal(agent_provision_set_file(s->provision, file), 0);
    agent_enrolled_free(s->file);
    s->file = file;
    assert_int_equal(agent_provision_idle(s->provision), 0);
    begin(s);
    assert_int_equal(agent_provision_remove_group(s->change, AGENT_ENTRY_ENROLLED, "g"), 2);
    assert_int_equal(commit(s), 0);
    assert_true(is_enrolled(s, "+4941") && is_enrolled(s, "+4950"));
    assert_false(is_enrolled(s, "+4940"));
}

static int add_and_remove(struct scene *s)
{
    struct agent_provision_change *c;
    int err = agent_provision_begin(s->provision, &c);
    if (err)
        return err;
    const struct agent_provision_entry entry = {AGENT_ENTRY_ENROLLED, "+4941", "g", "", false};
    s->done = false;
    agent_provision_add(c, &entry, s->why);
    agent_provision_commit(c, done, s);
    memory_store_turn(s->store);
    assert_true(s->done);
    err = s->err;
    if (agent_provision_begin(s->provision, &c) < 0)
        return err;
    agent_provision_remove(c, AGENT_ENTRY_DOMAIN, slice_str("c.example"), s->why);
    s->done = false;
    agent_provision_commit(c, done, s);
    memory_store_turn(s->store);
    assert_true(s->done);
    return err;
}

/* Whatever allocation fails: what was there holds, and a restart shows what is durable. */
static void test_lack_of_memory(void **state)
{
    struct scene *s = *state;
    begin(s);
    assert_int_equal(add(s, AGENT_ENTRY_ENROLLED, "+4940", "g", false), 0);
    assert_int_equal(add(s, AGENT_ENTRY_DOMAIN, "c.example", "bad", false), 0);
    assert_int_equal(commit(s), 0);
    for (unsigned i = 1; i < 150; i++) {
        struct agent_provision *other = NULL;
        mem_fail_at(i);
        int err = agent_provision_new(memory_store_kv(s->store), s->file, NULL, &other);
        mem_fail_at(0);
        assert_true((err == 0) == (other != NULL));
        agent_provision_free(other);
        mem_fail_at(i);
        add_and_remove(s);
        mem_fail_at(0);
        assert_true(is_enrolled(s, "+4940") && is_enrolled(s, "+493020011"));
        start_again(s);
        assert_true(is_enrolled(s, "+4940") && is_enrolled(s, "+493020011"));
        begin(s);
        agent_provision_remove(s->change, AGENT_ENTRY_ENROLLED, slice_str("+4941"), s->why);
        assert_int_equal(commit(s), 0);
        assert_false(is_enrolled(s, "+4941"));
        begin(s);
        add(s, AGENT_ENTRY_DOMAIN, "c.example", "bad", false);
        assert_int_equal(commit(s), 0);
        assert_int_equal(check(s, "c.example", ""), AGENT_CAUSE_DOMAIN_BLOCKED);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_adds_durably),
        TEST(test_says_why_not),
        TEST(test_fallback_profiles),
        TEST(test_removes_only_its_own),
        TEST(test_a_failed_write_changes_nothing),
        TEST(test_one_change_at_a_time),
        TEST(test_the_file_holds),
        TEST(test_exports_what_the_file_can_say),
        TEST(test_lack_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
