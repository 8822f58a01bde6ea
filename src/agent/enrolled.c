/* Enrolled patterns, exclusions, fallback profiles, trust groups. */
#include "agent/enrolled.h"

#include "agent/digit_trie.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"

#define NAMES_SEED UINT64_C(0x656e726f6c6c6564) /* the texts are an operator's: nobody chooses them against us */

struct pattern {
    char text[AGENT_PATTERN_OCTETS_MAX + 1];
    uint8_t source;
    uint32_t group;
    uint32_t numbers; /* that it stands for */
};

struct group {
    char name[AGENT_NAME_OCTETS_MAX + 1];
    size_t profile;
};

/* Of excluded numbers, and of domains or prefixes. */
struct group_name {
    char text[AGENT_NAME_OCTETS_MAX + 1];
    uint8_t kind; /* of its first domain or prefix; 0: it has none */
    bool trusted;
};

/* An excluded number, or a domain or prefix that is trusted or blocked. */
struct listed {
    char *text;
    uint32_t group; /* of group_names */
    uint8_t kind, source;
    bool trusted;
};

struct listing {
    struct listed *entries;
    size_t n, capacity;
};

struct agent_enrolled {
    enum agent_source source;       /* of what is added now */
    uint32_t group_now;             /* the same of group_names */
    struct group_name *group_names; /* the first one is "" */
    size_t group_name_count, group_name_capacity;
    struct agent_fallback_profile profiles[AGENT_GROUPS_MAX];
    size_t profile_count;
    struct group groups[AGENT_GROUPS_MAX];
    size_t group_count;
    struct pattern *patterns;
    size_t pattern_count;
    size_t pattern_capacity;
    size_t numbers;         /* that all patterns stand for */
    struct agent_trie trie; /* value: place of the pattern, and 1 */
    struct listing excluded;
    struct map excluded_map; /* number → place, and 1, as a pointer */
    struct listing trust;
    size_t domain_count, domains_trusted;
    struct map domain_map; /* lower-case domain → place, and 1, as a pointer */
    size_t prefix_count, prefixes_trusted;
    struct agent_trie prefixes; /* value and open: place, and 1 */
};

const char *agent_source_name(enum agent_source source)
{
    static const char *const names[] = {"agent.conf", "imectl"};
    return names[source];
}

const char *agent_quality_name(enum agent_quality quality)
{
    static const char *const names[] = {"off", "utility", "accommodative", "nominal", "moderate", "aggressive"};
    return names[quality];
}

/* ---- fallback profiles ---- */

void agent_fallback_profile_init(struct agent_fallback_profile *p)
{
    *p = (struct agent_fallback_profile){
        .quality = AGENT_QUALITY_NOMINAL,
        .answer_ms = 6000,
        .caller_id_digits = 5,
        .dtmf_digits = 6,
        .simultaneous_calls = 1000,
        .return_ms = 30000,
        .release_ms = 10000,
        .collection_ms = 10000,
        .inter_digit_ms = 3000,
    };
}

int agent_fallback_profile_check(const struct agent_fallback_profile *p, const char **ret_reason)
{
    uint64_t told_apart = 1;
    *ret_reason = "the answer timer is 1 to 10 seconds";
    if (p->answer_ms < 1000 || p->answer_ms > 10000)
        return ERR_RANGE;
    *ret_reason = "4 to 15 digits of the caller ID are compared";
    if (p->caller_id_digits < 4 || p->caller_id_digits > 15)
        return ERR_RANGE;
    *ret_reason = "there are at most 16 correlation digits";
    if (p->dtmf_digits > 16)
        return ERR_RANGE;
    for (unsigned i = 0; i < p->dtmf_digits; i++)
        told_apart *= 10;
    *ret_reason = "the correlation digits must tell ten times the simultaneous calls apart";
    if (p->dtmf_digits && told_apart / 10 < p->simultaneous_calls)
        return ERR_RANGE;
    *ret_reason = "a call returns after 5 seconds to 10 minutes";
    if (p->return_ms && (p->return_ms < 5000 || p->return_ms > 600000))
        return ERR_RANGE;
    *ret_reason = "the release delay is at most 10 minutes";
    if (p->release_ms < 0 || p->release_ms > 600000)
        return ERR_RANGE;
    *ret_reason = "the collection timer is 1 to 60 seconds";
    if (p->collection_ms < 1000 || p->collection_ms > 60000)
        return ERR_RANGE;
    *ret_reason = "the inter-digit timer is half a second at least, and no longer than the collection timer";
    if (p->inter_digit_ms < 500 || p->inter_digit_ms > p->collection_ms)
        return ERR_RANGE;
    return 0;
}

/* ---- life ---- */

int agent_enrolled_new(struct agent_enrolled **ret_enrolled)
{
    struct agent_enrolled *e = mem_alloc(sizeof *e);
    if (!e)
        return ERR_NO_MEMORY;
    agent_trie_init(&e->trie);
    agent_trie_init(&e->prefixes);
    map_init(&e->excluded_map, AGENT_PATTERNS_MAX, NAMES_SEED);
    map_init(&e->domain_map, AGENT_TRUST_ENTRIES_MAX, NAMES_SEED);
    *ret_enrolled = e;
    return 0;
}

static void listing_fini(struct listing *l)
{
    for (size_t i = 0; i < l->n; i++)
        mem_free(l->entries[i].text);
    mem_free(l->entries);
}

void agent_enrolled_free(struct agent_enrolled *e)
{
    if (!e)
        return;
    listing_fini(&e->excluded);
    listing_fini(&e->trust);
    mem_free(e->patterns);
    mem_free(e->group_names);
    map_fini(&e->excluded_map);
    map_fini(&e->domain_map);
    agent_trie_fini(&e->trie);
    agent_trie_fini(&e->prefixes);
    mem_free(e);
}

void agent_enrolled_set_source(struct agent_enrolled *e, enum agent_source source)
{
    e->source = source;
}

/* Room for one more element in an array. */
static int reserve(void *array, size_t element_octets, size_t n, size_t *capacity)
{
    void **at = array;
    size_t grown = *capacity ? 2 * *capacity : 16;
    if (n < *capacity)
        return 0;
    void *p = mem_resize(*at, grown * element_octets);
    if (!p)
        return ERR_NO_MEMORY;
    *at = p;
    *capacity = grown;
    return 0;
}

/* ---- building ---- */

int agent_enrolled_add_profile(struct agent_enrolled *e, const struct agent_fallback_profile *profile)
{
    const char *reason;
    for (size_t i = 0; i < e->profile_count; i++)
        if (strcmp(e->profiles[i].name, profile->name) == 0)
            return ERR_EXISTS;
    if (agent_fallback_profile_check(profile, &reason) < 0)
        return ERR_RANGE;
    if (e->profile_count == AGENT_GROUPS_MAX)
        return ERR_LIMIT;
    e->profiles[e->profile_count++] = *profile;
    return 0;
}

bool agent_enrolled_group_find(const struct agent_enrolled *e, const char *name, size_t *ret_group,
                               const char **ret_profile)
{
    for (size_t i = 0; i < e->group_count; i++) {
        if (strcmp(e->groups[i].name, name) != 0)
            continue;
        *ret_group = i;
        *ret_profile = e->profiles[e->groups[i].profile].name;
        return true;
    }
    return false;
}

int agent_enrolled_add_group(struct agent_enrolled *e, const char *name, const char *profile, size_t *ret_group)
{
    size_t place = 0;
    if (strlen(name) > AGENT_NAME_OCTETS_MAX)
        return ERR_RANGE;
    for (size_t i = 0; i < e->group_count; i++)
        if (strcmp(e->groups[i].name, name) == 0)
            return ERR_EXISTS;
    while (place < e->profile_count && strcmp(e->profiles[place].name, profile) != 0)
        place++;
    if (place == e->profile_count)
        return ERR_NOT_FOUND;
    if (e->group_count == AGENT_GROUPS_MAX)
        return ERR_LIMIT;
    struct group *group = &e->groups[e->group_count];
    strcpy(group->name, name);
    group->profile = place;
    *ret_group = e->group_count++;
    return 0;
}

/* "+", then so many digits, or X where that is allowed. */
static bool is_pattern(struct slice s, size_t digits_max, bool with_x)
{
    if (s.n < 2 || s.n > digits_max + 1 || s.p[0] != '+')
        return false;
    for (size_t i = 1; i < s.n; i++)
        if ((s.p[i] < '0' || s.p[i] > '9') && (s.p[i] != 'X' || !with_x))
            return false;
    return true;
}

static struct slice digits_of(struct slice s)
{
    return slice_of(s.p + 1, s.n - 1);
}

int agent_enrolled_add_pattern(struct agent_enrolled *e, size_t group, struct slice pattern)
{
    uint64_t numbers = 1;
    if (!is_pattern(pattern, AGENT_PATTERN_OCTETS_MAX - 1, true) || pattern.p[1] < '1' || pattern.p[1] > '9')
        return ERR_SYNTAX;
    for (size_t i = 1; i < pattern.n; i++)
        numbers *= pattern.p[i] == 'X' ? 10 : 1;
    if (map_get(&e->excluded_map, pattern))
        return ERR_CONFLICT;
    if (e->pattern_count == AGENT_PATTERNS_MAX || numbers > AGENT_ENROLLED_NUMBERS_MAX - e->numbers)
        return ERR_LIMIT;
    int err = reserve(&e->patterns, sizeof *e->patterns, e->pattern_count, &e->pattern_capacity);
    struct agent_trie_node *node = err ? NULL : agent_trie_put(&e->trie, digits_of(pattern));
    if (!node)
        return ERR_NO_MEMORY;
    if (node->value)
        return ERR_EXISTS;
    struct pattern *p = &e->patterns[e->pattern_count++];
    *p = (struct pattern){.source = (uint8_t)e->source, .group = (uint32_t)group, .numbers = (uint32_t)numbers};
    memcpy(p->text, pattern.p, pattern.n);
    e->numbers += numbers;
    node->value = (uint32_t)e->pattern_count;
    return 0;
}

int agent_enrolled_name_group(struct agent_enrolled *e, const char *name)
{
    if (strlen(name) > AGENT_NAME_OCTETS_MAX)
        return ERR_RANGE;
    for (e->group_now = 0; e->group_now < e->group_name_count; e->group_now++)
        if (strcmp(e->group_names[e->group_now].text, name) == 0)
            return 0;
    if (e->group_name_count == 2 * AGENT_GROUPS_MAX)
        return ERR_LIMIT;
    int err = reserve(&e->group_names, sizeof *e->group_names, e->group_name_count, &e->group_name_capacity);
    if (err)
        return err;
    struct group_name *group = &e->group_names[e->group_name_count++];
    *group = (struct group_name){.kind = 0};
    strcpy(group->text, name);
    return 0;
}

bool agent_trust_group_fits(const struct agent_enrolled *e, const char *name, enum agent_entry_kind kind, bool trusted)
{
    for (size_t i = 0; i < e->group_name_count; i++) {
        const struct group_name *group = &e->group_names[i];
        if (strcmp(group->text, name) == 0)
            return !group->kind || (group->kind == kind && group->trusted == trusted);
    }
    return true;
}

/* Adds an entry, of the group and source that hold now. */
static int list_add(struct agent_enrolled *e, struct listing *l, enum agent_entry_kind kind, struct slice text,
                    bool trusted)
{
    int err = e->group_name_count ? 0 : agent_enrolled_name_group(e, "");
    if (!err)
        err = reserve(&l->entries, sizeof *l->entries, l->n, &l->capacity);
    char *copy = err ? NULL : mem_alloc(text.n + 1);
    if (!copy)
        return err ? err : ERR_NO_MEMORY;
    memcpy(copy, text.p, text.n);
    l->entries[l->n++] = (struct listed){copy, e->group_now, (uint8_t)kind, (uint8_t)e->source, trusted};
    struct group_name *group = &e->group_names[e->group_now];
    if (!group->kind && kind != AGENT_ENTRY_EXCLUDED) {
        group->kind = (uint8_t)kind;
        group->trusted = trusted;
    }
    return 0;
}

/* Adds an entry, and its place to the map of its kind. */
static int list_add_mapped(struct agent_enrolled *e, struct listing *l, struct map *map, enum agent_entry_kind kind,
                           struct slice text, bool trusted)
{
    int err = list_add(e, l, kind, text, trusted);
    if (err)
        return err;
    err = map_set(map, text, (void *)(uintptr_t)l->n);
    if (err)
        mem_free(l->entries[--l->n].text);
    return err;
}

int agent_enrolled_exclude(struct agent_enrolled *e, struct slice number)
{
    if (!is_pattern(number, E164_OCTETS_MAX - 1, false))
        return ERR_SYNTAX;
    if (map_get(&e->excluded_map, number))
        return ERR_EXISTS;
    const struct agent_trie_node *node = agent_trie_get(&e->trie, digits_of(number));
    if (node && node->value)
        return ERR_CONFLICT;
    return list_add_mapped(e, &e->excluded, &e->excluded_map, AGENT_ENTRY_EXCLUDED, number, false);
}

static int conflict_of(const struct agent_enrolled *e, size_t place, bool trusted)
{
    return e->trust.entries[place - 1].trusted == trusted ? ERR_EXISTS : ERR_CONFLICT;
}

/* In small letters. */
static bool read_domain(struct slice domain, char name[AGENT_TRUST_DOMAIN_OCTETS_MAX + 1])
{
    if (!domain.n || domain.n > AGENT_TRUST_DOMAIN_OCTETS_MAX)
        return false;
    text_lower(domain, name);
    return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._+-") == domain.n && strcmp(name, ".") != 0;
}

int agent_trust_add_domain(struct agent_enrolled *e, struct slice domain, bool trusted)
{
    char name[AGENT_TRUST_DOMAIN_OCTETS_MAX + 1];
    if (!read_domain(domain, name))
        return ERR_SYNTAX;
    uintptr_t known = (uintptr_t)map_get(&e->domain_map, slice_str(name));
    if (known)
        return conflict_of(e, known, trusted);
    if (e->domain_count == AGENT_TRUST_ENTRIES_MAX)
        return ERR_LIMIT;
    int err = list_add_mapped(e, &e->trust, &e->domain_map, AGENT_ENTRY_DOMAIN, slice_str(name), trusted);
    if (!err) {
        e->domain_count++;
        e->domains_trusted += trusted;
    }
    return err;
}

/* Without the "!". */
static bool read_prefix(struct slice prefix, struct slice *ret_digits, bool *ret_open)
{
    bool open = prefix.n && prefix.p[prefix.n - 1] == '!';
    struct slice text = slice_of(prefix.p, prefix.n - open);
    if (!is_pattern(text, open ? 14 : 15, false))
        return false;
    *ret_digits = digits_of(text);
    *ret_open = open;
    return true;
}

int agent_trust_add_prefix(struct agent_enrolled *e, struct slice prefix, bool trusted)
{
    struct slice digits;
    bool open;
    if (!read_prefix(prefix, &digits, &open))
        return ERR_SYNTAX;
    if (e->prefix_count == AGENT_TRUST_ENTRIES_MAX)
        return ERR_LIMIT;
    struct agent_trie_node *node = agent_trie_put(&e->prefixes, digits);
    if (!node)
        return ERR_NO_MEMORY;
    uint32_t *at = open ? &node->open : &node->value;
    if (*at)
        return conflict_of(e, *at, trusted);
    int err = list_add(e, &e->trust, AGENT_ENTRY_PREFIX, prefix, trusted);
    if (err)
        return err;
    *at = (uint32_t)e->trust.n;
    e->prefix_count++;
    e->prefixes_trusted += trusted;
    return 0;
}

const char *agent_entry_error(enum agent_entry_kind kind, int err)
{
    static const char *const syntax[AGENT_ENTRY_KINDS] = {
        [AGENT_ENTRY_ENROLLED] = "a pattern is + and digits, or X for any digit; the first is a digit from 1",
        [AGENT_ENTRY_EXCLUDED] = "a number is + and 1 to 15 digits",
        [AGENT_ENTRY_DOMAIN] = "a domain has letters, digits, dots, underscores, pluses and dashes",
        [AGENT_ENTRY_PREFIX] = "a prefix is + and 1 to 15 digits, or + and 1 to 14 digits and !",
    };
    static const char *const conflict[AGENT_ENTRY_KINDS] = {
        [AGENT_ENTRY_ENROLLED] = "it is excluded, too",
        [AGENT_ENTRY_EXCLUDED] = "it is enrolled, too",
        [AGENT_ENTRY_DOMAIN] = "it is trusted and blocked",
        [AGENT_ENTRY_PREFIX] = "it is trusted and blocked",
    };
    switch (err) {
    case ERR_SYNTAX:
        return syntax[kind];
    case ERR_CONFLICT:
        return conflict[kind];
    case ERR_EXISTS:
        return "it is there twice";
    case ERR_LIMIT:
        return "there are too many";
    default:
        return err_text(err);
    }
}

/* ---- copying ---- */

static int add_listed(struct agent_enrolled *e, enum agent_entry_kind kind, struct slice text, bool trusted)
{
    switch (kind) {
    case AGENT_ENTRY_EXCLUDED:
        return agent_enrolled_exclude(e, text);
    case AGENT_ENTRY_DOMAIN:
        return agent_trust_add_domain(e, text, trusted);
    case AGENT_ENTRY_PREFIX:
        return agent_trust_add_prefix(e, text, trusted);
    case AGENT_ENTRY_ENROLLED:
        break;
    }
    return ERR_SYNTAX;
}

static int copy_listing(const struct agent_enrolled *from, const struct listing *l, struct agent_enrolled *e)
{
    int err = 0;
    for (size_t i = 0; !err && i < l->n; i++) {
        const struct listed *entry = &l->entries[i];
        e->source = (enum agent_source)entry->source;
        err = agent_enrolled_name_group(e, from->group_names[entry->group].text);
        if (!err)
            err = add_listed(e, (enum agent_entry_kind)entry->kind, slice_str(entry->text), entry->trusted);
    }
    return err;
}

int agent_enrolled_copy(const struct agent_enrolled *from, struct agent_enrolled **ret_enrolled)
{
    struct agent_enrolled *e;
    int err = agent_enrolled_new(&e);
    if (err)
        return err;
    memcpy(e->profiles, from->profiles, sizeof e->profiles);
    memcpy(e->groups, from->groups, sizeof e->groups);
    e->profile_count = from->profile_count;
    e->group_count = from->group_count;
    for (size_t i = 0; !err && i < from->pattern_count; i++) {
        e->source = (enum agent_source)from->patterns[i].source;
        err = agent_enrolled_add_pattern(e, from->patterns[i].group, slice_str(from->patterns[i].text));
    }
    if (!err)
        err = copy_listing(from, &from->excluded, e);
    if (!err)
        err = copy_listing(from, &from->trust, e);
    if (err) {
        agent_enrolled_free(e);
        return err;
    }
    e->source = from->source;
    *ret_enrolled = e;
    return 0;
}

/* ---- asking ---- */

/* The pattern that holds a number that is not excluded; NULL if there is none. */
static const struct pattern *pattern_of(const struct agent_enrolled *e, const struct e164 *number)
{
    uint32_t found;
    if (!number->text[0] || agent_enrolled_is_excluded(e, number))
        return NULL;
    found = agent_trie_find(&e->trie, digits_of(e164_slice(number)));
    return found ? &e->patterns[found - 1] : NULL;
}

bool agent_enrolled_find(const struct agent_enrolled *e, const struct e164 *number, struct agent_enrollment *ret_found)
{
    const struct pattern *p = pattern_of(e, number);
    if (!p)
        return false;
    const struct group *group = &e->groups[p->group];
    *ret_found = (struct agent_enrollment){group->name, p->text, &e->profiles[group->profile]};
    return true;
}

const struct agent_fallback_profile *agent_enrolled_fallback(const struct agent_enrolled *e, const struct e164 *number)
{
    for (size_t i = 0; i < e->profile_count; i++) {
        if (number->text[0] && !strcmp(e->profiles[i].number.text, number->text))
            return &e->profiles[i];
    }
    return NULL;
}

bool agent_enrolled_is_excluded(const struct agent_enrolled *e, const struct e164 *number)
{
    return map_get(&e->excluded_map, e164_slice(number)) != NULL;
}

/* The group that a domain is in, itself or by a domain above it; the nearest one. NULL: none. */
static const struct listed *trust_of(const struct agent_enrolled *e, struct slice domain)
{
    char name[AGENT_TRUST_DOMAIN_OCTETS_MAX + 1];
    if (domain.n > AGENT_TRUST_DOMAIN_OCTETS_MAX)
        domain = slice_of(domain.p + domain.n - AGENT_TRUST_DOMAIN_OCTETS_MAX, AGENT_TRUST_DOMAIN_OCTETS_MAX);
    const char *at = text_lower(domain, name);
    while (at) {
        uintptr_t known = (uintptr_t)map_get(&e->domain_map, slice_str(at));
        if (known)
            return &e->trust.entries[known - 1];
        at = strchr(at + (at[0] == '.'), '.');
    }
    return NULL;
}

enum agent_cause agent_trust_check(const struct agent_enrolled *e, struct slice domain, const struct e164 *number)
{
    if (domain.n && e->domain_count) {
        const struct listed *entry = trust_of(e, domain);
        if (entry ? !entry->trusted : e->domains_trusted > 0)
            return AGENT_CAUSE_DOMAIN_BLOCKED;
    }
    if (number->text[0] && e->prefix_count) {
        uint32_t found = agent_trie_longest(&e->prefixes, digits_of(e164_slice(number)));
        if (found ? !e->trust.entries[found - 1].trusted : e->prefixes_trusted > 0)
            return AGENT_CAUSE_PREFIX_BLOCKED;
    }
    return AGENT_CAUSE_NONE;
}

size_t agent_trust_domains(const struct agent_enrolled *e, bool *ret_white, const char **ret_domains, size_t max)
{
    bool white = e->domains_trusted > 0;
    size_t n = 0;
    for (size_t i = 0; i < e->trust.n && n < max; i++) {
        const struct listed *entry = &e->trust.entries[i];
        if (entry->kind == AGENT_ENTRY_DOMAIN && entry->trusted == white && entry->text[0] != '.')
            ret_domains[n++] = entry->text;
    }
    *ret_white = white;
    return n;
}

size_t agent_enrolled_count(const struct agent_enrolled *e)
{
    return e->numbers;
}

size_t agent_enrolled_patterns(const struct agent_enrolled *e)
{
    return e->pattern_count;
}

size_t agent_enrolled_excluded(const struct agent_enrolled *e)
{
    return e->excluded.n;
}

size_t agent_trust_count(const struct agent_enrolled *e)
{
    return e->trust.n;
}

bool agent_enrolled_pattern_at(const struct agent_enrolled *e, size_t i, struct agent_pattern_view *ret_view)
{
    if (i >= e->pattern_count)
        return false;
    const struct pattern *p = &e->patterns[i];
    const struct group *group = &e->groups[p->group];
    *ret_view = (struct agent_pattern_view){group->name, p->text, p->numbers, &e->profiles[group->profile],
                                            (enum agent_source)p->source};
    return true;
}

static bool listed_at(const struct agent_enrolled *e, const struct listing *l, size_t i,
                      struct agent_listed_view *ret_view)
{
    if (i >= l->n)
        return false;
    const struct listed *entry = &l->entries[i];
    *ret_view = (struct agent_listed_view){(enum agent_entry_kind)entry->kind, e->group_names[entry->group].text,
                                           entry->text, entry->trusted, (enum agent_source)entry->source};
    return true;
}

bool agent_trust_of_domain(const struct agent_enrolled *e, struct slice domain, struct agent_listed_view *ret_view)
{
    const struct listed *entry = trust_of(e, domain);
    return entry && listed_at(e, &e->trust, (size_t)(entry - e->trust.entries), ret_view);
}

bool agent_trust_of_number(const struct agent_enrolled *e, const struct e164 *number,
                           struct agent_listed_view *ret_view)
{
    uint32_t found = number->text[0] ? agent_trie_longest(&e->prefixes, digits_of(e164_slice(number))) : 0;
    return found && listed_at(e, &e->trust, found - 1, ret_view);
}

bool agent_enrolled_excluded_at(const struct agent_enrolled *e, size_t i, struct agent_listed_view *ret_view)
{
    return listed_at(e, &e->excluded, i, ret_view);
}

bool agent_trust_at(const struct agent_enrolled *e, size_t i, struct agent_listed_view *ret_view)
{
    return listed_at(e, &e->trust, i, ret_view);
}

/* Its place in the list of its kind, from 1; 0: it is not there. */
static size_t place_of(const struct agent_enrolled *e, enum agent_entry_kind kind, struct slice text)
{
    char name[AGENT_TRUST_DOMAIN_OCTETS_MAX + 1];
    const struct agent_trie_node *node;
    struct slice digits;
    bool open;
    switch (kind) {
    case AGENT_ENTRY_ENROLLED:
        node = is_pattern(text, AGENT_PATTERN_OCTETS_MAX - 1, true) ? agent_trie_get(&e->trie, digits_of(text)) : NULL;
        return node ? node->value : 0;
    case AGENT_ENTRY_EXCLUDED:
        return (uintptr_t)map_get(&e->excluded_map, text);
    case AGENT_ENTRY_DOMAIN:
        return read_domain(text, name) ? (uintptr_t)map_get(&e->domain_map, slice_str(name)) : 0;
    case AGENT_ENTRY_PREFIX:
        node = read_prefix(text, &digits, &open) ? agent_trie_get(&e->prefixes, digits) : NULL;
        return !node ? 0 : open ? node->open : node->value;
    }
    return 0;
}

bool agent_entry_find(const struct agent_enrolled *e, enum agent_entry_kind kind, struct slice text,
                      struct agent_listed_view *ret_view)
{
    struct agent_pattern_view pattern;
    size_t place = place_of(e, kind, text);
    if (!place)
        return false;
    if (kind != AGENT_ENTRY_ENROLLED)
        return listed_at(e, kind == AGENT_ENTRY_EXCLUDED ? &e->excluded : &e->trust, place - 1, ret_view);
    if (!agent_enrolled_pattern_at(e, place - 1, &pattern))
        return false;
    *ret_view = (struct agent_listed_view){kind, pattern.group, pattern.pattern, false, pattern.source};
    return true;
}

/* The index-th number of a pattern. */
static struct e164 number_at(const struct pattern *p, uint64_t index)
{
    struct e164 number;
    strcpy(number.text, p->text);
    for (size_t i = strlen(number.text); i-- > 0;) {
        if (number.text[i] == 'X') {
            number.text[i] = (char)('0' + index % 10);
            index /= 10;
        }
    }
    return number;
}

bool agent_enrolled_next(const struct agent_enrolled *e, struct agent_enrolled_iter *it, struct e164 *ret_number)
{
    for (; it->pattern < e->pattern_count; it->pattern++, it->index = 0) {
        const struct pattern *p = &e->patterns[it->pattern];
        while (it->index < p->numbers) {
            struct e164 number = number_at(p, it->index++);
            if (pattern_of(e, &number) == p) {
                *ret_number = number;
                return true;
            }
        }
    }
    return false;
}
