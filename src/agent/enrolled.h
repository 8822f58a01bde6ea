/* Which of our numbers take part, and whom we trust: enrolled patterns in groups, each with a fallback profile; excluded numbers; trust
 * groups of domains and prefixes. Built from the configuration and what imectl has added to it (provision.h), then only read.
 *
 * Bounds are for a company, not for a carrier: patterns are looked up digit by digit, numbers and domains in a hash table. */
#ifndef AGENT_ENROLLED_H
#define AGENT_ENROLLED_H

#include "agent/cause.h"
#include "base/e164.h"
#include "base/err.h"
#include "base/time.h"

#define AGENT_NAME_OCTETS_MAX 63
#define AGENT_PATTERN_OCTETS_MAX 16        /* with "+" */
#define AGENT_PATTERNS_MAX 100000          /* enrolled ones, and the same of excluded ones */
#define AGENT_ENROLLED_NUMBERS_MAX 1000000 /* that the patterns stand for */
#define AGENT_GROUPS_MAX 256
#define AGENT_TRUST_DOMAIN_OCTETS_MAX 128
#define AGENT_TRUST_ENTRIES_MAX 100000

/* How sensitive a call is to bad quality before it goes back to the phone network. */
enum agent_quality {
    AGENT_QUALITY_OFF,
    AGENT_QUALITY_UTILITY,
    AGENT_QUALITY_ACCOMMODATIVE,
    AGENT_QUALITY_NOMINAL,
    AGENT_QUALITY_MODERATE,
    AGENT_QUALITY_AGGRESSIVE,
    AGENT_QUALITIES
};
const char *agent_quality_name(enum agent_quality quality);

/* What the numbers of a group do when quality is bad. */
struct agent_fallback_profile {
    char name[AGENT_NAME_OCTETS_MAX + 1];
    enum agent_quality quality;  /* nominal */
    struct e164 number;          /* advertised: where the other side's fallback call goes; "": none */
    int64_t answer_ms;           /* 6 s; 1 … 10 s */
    unsigned caller_id_digits;   /* 5; 4 … 15: so many last digits of caller IDs are compared */
    unsigned dtmf_digits;        /* 6; 0 … 16 digits tell fallback calls apart where caller IDs cannot; 0: not used */
    unsigned simultaneous_calls; /* 1000; on the fallback number */
    int64_t return_ms; /* 30 s; good for so long, a call comes back to the Internet; 0: never. 5 s … 10 min */
    int64_t
        release_ms; /* 10 s; so long after it has moved a call that does not return keeps its direct leg; 0 … 10 min */
    int64_t collection_ms;  /* 10 s; for all digits of a fallback call; 1 … 60 s */
    int64_t inter_digit_ms; /* 3 s; for the next digit; 0.5 s … collection_ms */
};

void agent_fallback_profile_init(struct agent_fallback_profile *p);

/* 0; ERR_RANGE, with the reason (static storage); the digits must tell ten times the simultaneous calls apart. */
int agent_fallback_profile_check(const struct agent_fallback_profile *p, const char **ret_reason);

struct agent_enrolled;

int agent_enrolled_new(struct agent_enrolled **ret_enrolled);
void agent_enrolled_free(struct agent_enrolled *e);

/* Who says what is added from now on; at first the file. */
enum agent_source { AGENT_SOURCE_FILE, AGENT_SOURCE_IMECTL };
const char *agent_source_name(enum agent_source source); /* "agent.conf", "imectl" */
void agent_enrolled_set_source(struct agent_enrolled *e, enum agent_source source);

/* The same once more. ERR_NO_MEMORY. */
int agent_enrolled_copy(const struct agent_enrolled *from, struct agent_enrolled **ret_enrolled);

/* A profile, and a group of patterns with it. ERR_EXISTS, ERR_LIMIT, ERR_RANGE, ERR_NOT_FOUND (no such profile), ERR_NO_MEMORY. */
int agent_enrolled_add_profile(struct agent_enrolled *e, const struct agent_fallback_profile *profile);
int agent_enrolled_add_group(struct agent_enrolled *e, const char *name, const char *profile, size_t *ret_group);

/* "+4930200XXXX": "+" and digits or X, the first a digit from 1, 16 octets at most. ERR_SYNTAX; ERR_EXISTS when enrolled already;
 * ERR_CONFLICT when it is excluded; ERR_LIMIT (too many patterns, or numbers that they stand for). */
int agent_enrolled_add_pattern(struct agent_enrolled *e, size_t group, struct slice pattern);

/* The group of that name; false: there is none. */
bool agent_enrolled_group_find(const struct agent_enrolled *e, const char *name, size_t *ret_group,
                               const char **ret_profile);

/* One number that is not enrolled though a pattern holds it: "+" and 1 to 15 digits. ERR_SYNTAX, ERR_EXISTS, ERR_CONFLICT, ERR_LIMIT. */
int agent_enrolled_exclude(struct agent_enrolled *e, struct slice number);

/* A group of domains or of prefixes, trusted or not. Domains: letters, digits, dot, underscore, plus, dash; in front a dot, for all
 * domains below. Prefixes: "+" and 1–15 digits (one number), or "+", 1–14 digits and "!" (all that begin so). ERR_SYNTAX, ERR_EXISTS,
 * ERR_CONFLICT (trusted and not), ERR_LIMIT. */
int agent_trust_add_domain(struct agent_enrolled *e, struct slice domain, bool trusted);
int agent_trust_add_prefix(struct agent_enrolled *e, struct slice prefix, bool trusted);

/* Excluded numbers and trusted or blocked ones that are added from now on belong to a group of this name, for people; at first "".
 * ERR_LIMIT, ERR_RANGE (too long). */
int agent_enrolled_name_group(struct agent_enrolled *e, const char *name);

/* What an error of adding a pattern, an excluded number, a domain or prefix means to who wrote it; static storage. */
enum agent_entry_kind {
    AGENT_ENTRY_ENROLLED = 1,
    AGENT_ENTRY_EXCLUDED = 2,
    AGENT_ENTRY_DOMAIN = 3,
    AGENT_ENTRY_PREFIX = 4
};
#define AGENT_ENTRY_KINDS 5
const char *agent_entry_error(enum agent_entry_kind kind, int err);

struct agent_enrollment {
    const char *group;
    const char *pattern; /* of those that hold the number, the one with the most digits from the left */
    const struct agent_fallback_profile *profile;
};

/* False: not ours, or excluded. */
bool agent_enrolled_find(const struct agent_enrolled *e, const struct e164 *number, struct agent_enrollment *ret_found);

/* The profile that advertises this number; NULL: it is no fallback number. */
const struct agent_fallback_profile *agent_enrolled_fallback(const struct agent_enrolled *e, const struct e164 *number);

bool agent_enrolled_is_excluded(const struct agent_enrolled *e, const struct e164 *number);

/* Whether calls between us and that domain and number may go direct: AGENT_CAUSE_NONE, DOMAIN_BLOCKED or PREFIX_BLOCKED. Whoever is in no
 * group is trusted, unless there is a group of trusted ones of that kind. The longest prefix decides. */
enum agent_cause agent_trust_check(const struct agent_enrolled *e, struct slice domain, const struct e164 *number);

/* For the description of a VService (VAP 10.1): if there are trusted domains, they are the white list, else the untrusted ones are the
 * black list. Texts live as long as the object; at most `max`. Domains below a domain cannot be told there and are left out. */
size_t agent_trust_domains(const struct agent_enrolled *e, bool *ret_white, const char **ret_domains, size_t max);

/* Every enrolled number once, pattern by pattern, without excluded ones. */
struct agent_enrolled_iter {
    size_t pattern;
    uint64_t index;
};
size_t agent_enrolled_count(const struct agent_enrolled *e); /* upper bound: numbers of all patterns */
bool agent_enrolled_next(const struct agent_enrolled *e, struct agent_enrolled_iter *it, struct e164 *ret_number);

/* The patterns in the order in which they were added: i from 0. False behind the last. */
struct agent_pattern_view {
    const char *group;
    const char *pattern;
    uint32_t numbers; /* that it stands for */
    const struct agent_fallback_profile *profile;
    enum agent_source source;
};
bool agent_enrolled_pattern_at(const struct agent_enrolled *e, size_t i, struct agent_pattern_view *ret_view);
size_t agent_enrolled_patterns(const struct agent_enrolled *e);

/* The same of excluded numbers, and of trusted and blocked domains and prefixes. */
struct agent_listed_view {
    enum agent_entry_kind kind;
    const char *group;
    const char *text; /* domains in small letters */
    bool trusted;     /* domains and prefixes */
    enum agent_source source;
};
bool agent_enrolled_excluded_at(const struct agent_enrolled *e, size_t i, struct agent_listed_view *ret_view);
size_t agent_enrolled_excluded(const struct agent_enrolled *e);
bool agent_trust_at(const struct agent_enrolled *e, size_t i, struct agent_listed_view *ret_view);
size_t agent_trust_count(const struct agent_enrolled *e);

/* The entry that decides about a domain, or a number. False: none does. */
bool agent_trust_of_domain(const struct agent_enrolled *e, struct slice domain, struct agent_listed_view *ret_view);
bool agent_trust_of_number(const struct agent_enrolled *e, const struct e164 *number,
                           struct agent_listed_view *ret_view);

/* Whether the trust group of that name is of that kind and trust, or there is none yet. The file keeps to it; who adds to a group should. */
bool agent_trust_group_fits(const struct agent_enrolled *e, const char *name, enum agent_entry_kind kind, bool trusted);

/* The very entry, as it is written. False: there is none. */
bool agent_entry_find(const struct agent_enrolled *e, enum agent_entry_kind kind, struct slice text,
                      struct agent_listed_view *ret_view);

#endif
