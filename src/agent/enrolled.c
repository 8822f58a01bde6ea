/* Enrolled patterns, exclusions, fallback profiles, trust groups. */
#include "agent/enrolled.h"

#include "agent/digit_trie.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"

#define NAMES_SEED UINT64_C(0x656e726f6c6c6564) /* the texts are an operator's: nobody chooses them against us */

struct pattern {
    char text[AGENT_PATTERN_OCTETS_MAX + 1];
    uint32_t group;
    uint32_t numbers; /* that it stands for */
};

struct group {
    char name[AGENT_NAME_OCTETS_MAX + 1];
    size_t profile;
};

struct trusted {
    char *domain;
    bool trusted;
};

/* Values of the trie of prefixes. */
enum { PREFIX_NONE, PREFIX_TRUSTED, PREFIX_BLOCKED };

struct agent_enrolled {
    struct agent_fallback_profile profiles[AGENT_GROUPS_MAX];
    size_t profile_count;
    struct group groups[AGENT_GROUPS_MAX];
    size_t group_count;
    struct pattern *patterns;
    size_t pattern_count;
    size_t pattern_capacity;
    size_t numbers;         /* that all patterns stand for */
    struct agent_trie trie; /* value: place of the pattern, and 1 */
    struct map excluded;    /* text → the object itself: a set */
    struct trusted *domains;
    size_t domain_count;
    size_t domain_capacity;
    size_t domains_trusted;
    struct map domain_map; /* lower-case domain → place, and 1, as a pointer */
    struct agent_trie prefixes;
    size_t prefix_count;
    size_t prefixes_trusted;
};

const char *agent_quality_name(enum agent_quality quality)
{
    static const char *const names[] = {"off", "utility", "accommodative", "nominal", "moderate", "aggressive"};
    return names[quality];
}

/* ---- fallback profiles ---- */

void agent_fallback_profile_init(struct agent_fallback_profile *p)
{
    *p = (struct agent_fallback_profile){
        .quality = AGENT_QUALITY_NOMINAL, .answer_ms = 6000, .caller_id_digits = 5, .simultaneous_calls = 1};
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
    map_init(&e->excluded, AGENT_PATTERNS_MAX, NAMES_SEED);
    map_init(&e->domain_map, AGENT_TRUST_ENTRIES_MAX, NAMES_SEED);
    *ret_enrolled = e;
    return 0;
}

void agent_enrolled_free(struct agent_enrolled *e)
{
    if (!e)
        return;
    for (size_t i = 0; i < e->domain_count; i++)
        mem_free(e->domains[i].domain);
    mem_free(e->domains);
    mem_free(e->patterns);
    map_fini(&e->excluded);
    map_fini(&e->domain_map);
    agent_trie_fini(&e->trie);
    agent_trie_fini(&e->prefixes);
    mem_free(e);
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
    if (map_get(&e->excluded, pattern))
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
    *p = (struct pattern){.group = (uint32_t)group, .numbers = (uint32_t)numbers};
    memcpy(p->text, pattern.p, pattern.n);
    e->numbers += numbers;
    node->value = (uint32_t)e->pattern_count;
    return 0;
}

int agent_enrolled_exclude(struct agent_enrolled *e, struct slice number)
{
    if (!is_pattern(number, E164_OCTETS_MAX - 1, false))
        return ERR_SYNTAX;
    if (map_get(&e->excluded, number))
        return ERR_EXISTS;
    uint32_t enrolled = agent_trie_find(&e->trie, digits_of(number));
    if (enrolled && slice_eq_str(number, e->patterns[enrolled - 1].text))
        return ERR_CONFLICT;
    return map_set(&e->excluded, number, e);
}

int agent_trust_add_domain(struct agent_enrolled *e, struct slice domain, bool trusted)
{
    char name[AGENT_TRUST_DOMAIN_OCTETS_MAX + 1];
    if (!domain.n || domain.n > AGENT_TRUST_DOMAIN_OCTETS_MAX)
        return ERR_SYNTAX;
    text_lower(domain, name);
    if (strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._+-") != domain.n || strcmp(name, ".") == 0)
        return ERR_SYNTAX;
    uintptr_t known = (uintptr_t)map_get(&e->domain_map, slice_str(name));
    if (known)
        return e->domains[known - 1].trusted == trusted ? ERR_EXISTS : ERR_CONFLICT;
    if (e->domain_count == AGENT_TRUST_ENTRIES_MAX)
        return ERR_LIMIT;
    char *copy = mem_strdup(name);
    int err = reserve(&e->domains, sizeof *e->domains, e->domain_count, &e->domain_capacity);
    if (!copy || err || map_set(&e->domain_map, slice_str(name), (void *)(uintptr_t)(e->domain_count + 1)) < 0) {
        mem_free(copy);
        return ERR_NO_MEMORY;
    }
    e->domains[e->domain_count++] = (struct trusted){copy, trusted};
    e->domains_trusted += trusted;
    return 0;
}

int agent_trust_add_prefix(struct agent_enrolled *e, struct slice prefix, bool trusted)
{
    bool open = prefix.n && prefix.p[prefix.n - 1] == '!';
    struct slice text = slice_of(prefix.p, prefix.n - open);
    uint32_t value = trusted ? PREFIX_TRUSTED : PREFIX_BLOCKED;
    if (!is_pattern(text, open ? 14 : 15, false))
        return ERR_SYNTAX;
    if (e->prefix_count == AGENT_TRUST_ENTRIES_MAX)
        return ERR_LIMIT;
    struct agent_trie_node *node = agent_trie_put(&e->prefixes, digits_of(text));
    if (!node)
        return ERR_NO_MEMORY;
    uint32_t *at = open ? &node->open : &node->value;
    if (*at)
        return *at == value ? ERR_EXISTS : ERR_CONFLICT;
    *at = value;
    e->prefix_count++;
    e->prefixes_trusted += trusted;
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

bool agent_enrolled_is_excluded(const struct agent_enrolled *e, const struct e164 *number)
{
    return map_get(&e->excluded, e164_slice(number)) != NULL;
}

/* The group that a domain is in, itself or by a domain above it; the nearest one. NULL: none. */
static const struct trusted *trust_of(const struct agent_enrolled *e, struct slice domain)
{
    char name[AGENT_TRUST_DOMAIN_OCTETS_MAX + 1];
    if (domain.n > AGENT_TRUST_DOMAIN_OCTETS_MAX)
        domain = slice_of(domain.p + domain.n - AGENT_TRUST_DOMAIN_OCTETS_MAX, AGENT_TRUST_DOMAIN_OCTETS_MAX);
    const char *at = text_lower(domain, name);
    while (at) {
        uintptr_t known = (uintptr_t)map_get(&e->domain_map, slice_str(at));
        if (known)
            return &e->domains[known - 1];
        at = strchr(at + (at[0] == '.'), '.');
    }
    return NULL;
}

enum agent_cause agent_trust_check(const struct agent_enrolled *e, struct slice domain, const struct e164 *number)
{
    if (domain.n && e->domain_count) {
        const struct trusted *group = trust_of(e, domain);
        if (group ? !group->trusted : e->domains_trusted > 0)
            return AGENT_CAUSE_DOMAIN_BLOCKED;
    }
    if (number->text[0] && e->prefix_count) {
        uint32_t found = agent_trie_longest(&e->prefixes, digits_of(e164_slice(number)));
        if (found ? found == PREFIX_BLOCKED : e->prefixes_trusted > 0)
            return AGENT_CAUSE_PREFIX_BLOCKED;
    }
    return AGENT_CAUSE_NONE;
}

size_t agent_trust_domains(const struct agent_enrolled *e, bool *ret_white, const char **ret_domains, size_t max)
{
    bool white = e->domains_trusted > 0;
    size_t n = 0;
    for (size_t i = 0; i < e->domain_count && n < max; i++)
        if (e->domains[i].trusted == white && e->domains[i].domain[0] != '.')
            ret_domains[n++] = e->domains[i].domain;
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

bool agent_enrolled_pattern_at(const struct agent_enrolled *e, size_t i, struct agent_pattern_view *ret_view)
{
    if (i >= e->pattern_count)
        return false;
    const struct pattern *p = &e->patterns[i];
    const struct group *group = &e->groups[p->group];
    *ret_view = (struct agent_pattern_view){group->name, p->text, p->numbers, &e->profiles[group->profile]};
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
