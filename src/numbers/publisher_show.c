/* The publisher as people see it. */
#include "numbers/publication.h"

static const struct {
    const char *name;
    const char *text;
} outcomes[] = {
    [NUMBERS_PUBLISHED] = {"published", "all copies are in the ring"},
    [NUMBERS_REMOVED] = {"removed", "removed from the ring"},
    [NUMBERS_OVER_QUOTA] = {"over_quota", "this server's quota of numbers is used up"},
    [NUMBERS_REFUSED_QUOTA] = {"refused_quota", "a peer of the ring has no more room for this server; trying again"},
    [NUMBERS_REFUSED] = {"refused", "a peer of the ring refused a copy; trying again"},
    [NUMBERS_RING_UNAVAILABLE] = {"ring_unavailable", "the ring did not answer; trying again"},
    [NUMBERS_HASH_FAILED] = {"hash_failed", "its place in the ring could not be computed in time; trying again"},
    [NUMBERS_NOT_SAVED] = {"not_saved", "it could not be written to disk"},
    [NUMBERS_BUSY] = {"busy", "too much is waiting already"},
    [NUMBERS_SUPERSEDED] = {"superseded", "the opposite was asked for meanwhile"},
    [NUMBERS_UNKNOWN] = {"unknown", "it is not published here"},
};

const char *numbers_outcome_name(enum numbers_outcome outcome)
{
    return outcomes[outcome].name;
}

const char *numbers_outcome_text(enum numbers_outcome outcome)
{
    return outcomes[outcome].text;
}

const char *numbers_state_name(enum numbers_state state)
{
    static const char *const names[] = {
        [NUMBERS_SAVING] = "saving", [NUMBERS_HASHING] = "hashing",   [NUMBERS_STORING] = "storing",
        [NUMBERS_STORED] = "stored", [NUMBERS_REMOVING] = "removing",
    };
    return names[state];
}

static enum numbers_state state_of(const struct publication *pub, unsigned copies)
{
    if (!pub->saved)
        return NUMBERS_SAVING;
    if (!pub->wanted)
        return NUMBERS_REMOVING;
    if (copies == NUMBERS_COPIES)
        return NUMBERS_STORED;
    return pub->known ? NUMBERS_STORING : NUMBERS_HASHING;
}

static struct numbers_copy_info copy_info(const struct copy *copy, struct now now)
{
    const struct publication *pub = copy->owner;
    struct numbers_copy_info info = {
        .known = pub->known,
        .stored = copy_is_stored(copy, now.wall),
        .failed = copy->failed,
        .outcome = copy->outcome,
        .error_code = copy->error_code,
        .attempts = copy->attempts,
        .stored_at = copy->stored_at,
        .next = copy->state == COPY_IDLE ? copy->timer.node.due : now.mono,
    };
    if (pub->known)
        info.resource = pub->slots[copy - pub->copies].resource;
    return info;
}

static void tell(const struct publication *pub, struct now now, numbers_info_fn *each, void *arg)
{
    unsigned copies = publication_copies(pub, now.wall);
    struct numbers_info info = {
        .number = pub->number,
        .vservice_id = pub->vservice_id,
        .state = state_of(pub, copies),
        .copies = copies,
        .held_until = pub->held_until,
    };
    for (size_t i = 0; i < NUMBERS_COPIES; i++)
        info.copy[i] = copy_info(&pub->copies[i], now);
    each(arg, &info);
}

void numbers_publisher_each(const struct numbers_publisher *publisher, struct now now, numbers_info_fn *each, void *arg)
{
    struct map_iter it;
    map_iter_init(&it);
    while (map_iter_next(&publisher->publications, &it))
        tell(it.value, now, each, arg);
}

void numbers_publisher_each_of(const struct numbers_publisher *publisher, struct now now, const struct e164 *number,
                               numbers_info_fn *each, void *arg)
{
    struct map_iter it;
    map_iter_init(&it);
    while (map_iter_next(&publisher->publications, &it)) {
        const struct publication *pub = it.value;
        if (slice_eq(e164_slice(&pub->number), e164_slice(number)))
            tell(pub, now, each, arg);
    }
}

void numbers_publisher_view(const struct numbers_publisher *publisher, struct now now,
                            struct numbers_publisher_view *ret_view)
{
    struct numbers_publisher_view view = {
        .publications = publisher->publication_count,
        .queued = publisher->queued,
        .in_flight = publisher->in_flight,
    };
    struct map_iter it;
    map_iter_init(&it);
    while (map_iter_next(&publisher->publications, &it)) {
        const struct publication *pub = it.value;
        view.stored += pub->wanted && publication_copies(pub, now.wall) == NUMBERS_COPIES;
    }
    *ret_view = view;
}

void numbers_publisher_quota(const struct numbers_publisher *publisher, uint32_t *ret_limit, uint32_t *ret_current)
{
    uint64_t limit = 0;
    for (size_t i = 0; i < NUMBERS_NODES_MAX; i++)
        limit += publisher->has_node[i] ? publisher->config.quota : 0;
    *ret_limit = limit < UINT32_MAX ? (uint32_t)limit : UINT32_MAX;
    *ret_current = publisher->publication_count;
}

const struct numbers_publisher_counters *numbers_publisher_counters(const struct numbers_publisher *publisher)
{
    return &publisher->counters;
}
