/* Look-ups: three fetches, of which two that agree suffice, or one union. */
#include "numbers/reader.h"

#include "base/map.h"
#include "base/mem.h"

#include <stdlib.h>

COUNTERS_DEFINE(numbers_reader_counters, NUMBERS_READER_COUNTERS)

struct lookup {
    struct list link; /* in reader->waiting, ->unsent, ->results, or in none while it is being hashed or fetched */
    struct numbers_reader *reader;
    struct numbers_wait wait;
    uint64_t id;
    uint64_t token;
    struct e164 number;
    struct numbers_slot slots[NUMBERS_COPIES];
    unsigned sent;     /* fetches handed out */
    unsigned ended;    /* fetches */
    uint8_t ended_set; /* of which copies */
    uint8_t answered_set;
    unsigned answered;
    bool wants_all;
    bool agreed;
    int err;
    uint32_t discarded;
    size_t claimant_count;
    uint8_t seen[NUMBERS_CLAIMANTS_MAX]; /* on which copies each was, by bit */
    bool dropped;                        /* there were too many: what is left tells nothing of who agrees */
    struct numbers_claimant claimants[NUMBERS_CLAIMANTS_MAX];
};

struct numbers_reader {
    struct numbers_reader_config config;
    struct numbers_resolver *resolver;
    const struct log *log;
    struct map lookups; /* all unfinished ones, by id */
    uint64_t last_id;
    struct list hashing;
    struct list waiting;
    struct list unsent;   /* with fetches to hand out */
    struct list fetching; /* all of them handed out */
    struct list results;
    struct lookup *told; /* by the last call of numbers_reader_next */
    uint32_t in_flight;
    struct numbers_reader_counters counters;
};

int numbers_reader_new(const struct numbers_reader_config *config, struct numbers_resolver *resolver,
                       const struct log *log, struct numbers_reader **ret_reader)
{
    if (config->lookups_max == 0 || config->in_flight_max == 0)
        return ERR_RANGE;
    struct numbers_reader *reader = mem_alloc(sizeof *reader);
    if (!reader)
        return ERR_NO_MEMORY;
    reader->config = *config;
    reader->resolver = resolver;
    reader->log = log;
    map_init(&reader->lookups, config->lookups_max, config->hash_seed);
    list_init(&reader->hashing);
    list_init(&reader->waiting);
    list_init(&reader->unsent);
    list_init(&reader->fetching);
    list_init(&reader->results);
    *ret_reader = reader;
    return 0;
}

static void free_lookup(struct lookup *lookup)
{
    if (!lookup)
        return;
    numbers_wait_cancel(&lookup->wait);
    list_remove(&lookup->link);
    numbers_slots_wipe(lookup->slots);
    mem_free(lookup);
}

static void free_all(struct list *lookups)
{
    LIST_EACH(it, lookups)
        free_lookup(CONTAINER_OF(it, struct lookup, link));
}

void numbers_reader_free(struct numbers_reader *reader)
{
    if (!reader)
        return;
    free_all(&reader->hashing);
    free_all(&reader->waiting);
    free_all(&reader->unsent);
    free_all(&reader->fetching);
    free_all(&reader->results);
    free_lookup(reader->told);
    map_fini(&reader->lookups);
    mem_free(reader);
}

const struct numbers_reader_counters *numbers_reader_counters(const struct numbers_reader *reader)
{
    return &reader->counters;
}

static void move(struct lookup *lookup, struct list *to)
{
    list_remove(&lookup->link);
    list_append(to, &lookup->link);
}

static struct slice id_key(const uint64_t *id)
{
    return slice_of(id, sizeof *id);
}

/* ---- the end ---- */

static int by_age(const void *left, const void *right)
{
    const struct numbers_claimant *a = left;
    const struct numbers_claimant *b = right;
    if (a->storage_time.ms != b->storage_time.ms)
        return a->storage_time.ms < b->storage_time.ms ? -1 : 1;
    int c = id_cmp(a->node_id, b->node_id);
    return c ? c : (a->vservice_id > b->vservice_id) - (a->vservice_id < b->vservice_id);
}

static void finish(struct lookup *lookup, int err)
{
    struct numbers_reader *reader = lookup->reader;
    lookup->err = err;
    map_remove(&reader->lookups, id_key(&lookup->id));
    numbers_slots_wipe(lookup->slots);
    qsort(lookup->claimants, lookup->claimant_count, sizeof *lookup->claimants, by_age);
    for (size_t i = 0; i < lookup->claimant_count; i++)
        reader->counters.copies_disagreed += lookup->claimants[i].copies < lookup->answered;
    if (err == ERR_UNREACHABLE)
        reader->counters.unreachable++;
    else if (err)
        reader->counters.hash_failed++;
    else if (lookup->claimant_count)
        reader->counters.found++;
    else
        reader->counters.found_none++;
    log_event(reader->log, err ? LEVEL_WARNING : LEVEL_INFO, "numbers.found",
              "number=%s err=%s answered=%u claimants=%zu discarded=%u", lookup->number.text, err_name(err),
              lookup->answered, lookup->claimant_count, lookup->discarded);
    move(lookup, &reader->results);
}

/* ---- the way there ---- */

static void start_fetches(struct numbers_reader *reader)
{
    while (reader->in_flight < reader->config.in_flight_max && !list_empty(&reader->waiting)) {
        struct lookup *lookup = CONTAINER_OF(reader->waiting.next, struct lookup, link);
        reader->in_flight++;
        move(lookup, &reader->unsent);
    }
}

static void have_slots(struct lookup *lookup)
{
    move(lookup, &lookup->reader->waiting);
    start_fetches(lookup->reader);
}

static void resolved(struct numbers_wait *wait, struct now now, int err, const struct numbers_slot *slots)
{
    struct lookup *lookup = CONTAINER_OF(wait, struct lookup, wait);
    (void)now;
    if (err) {
        finish(lookup, err);
        return;
    }
    memcpy(lookup->slots, slots, sizeof lookup->slots);
    have_slots(lookup);
}

static int look_up(struct numbers_reader *reader, struct now now, uint64_t token, const struct e164 *number,
                   bool wants_all)
{
    struct lookup *lookup = mem_alloc(sizeof *lookup);
    if (!lookup)
        return ERR_NO_MEMORY;
    lookup->reader = reader;
    lookup->id = ++reader->last_id;
    lookup->token = token;
    lookup->number = *number;
    lookup->wants_all = wants_all;
    list_init(&lookup->link);
    numbers_wait_init(&lookup->wait, resolved);
    int err = map_set(&reader->lookups, id_key(&lookup->id), lookup);
    if (err) {
        reader->counters.lookups_refused++;
        mem_free(lookup);
        return err;
    }
    list_append(&reader->hashing, &lookup->link);
    err = numbers_resolve(reader->resolver, now, number, &lookup->wait, lookup->slots);
    if (err < 0) {
        reader->counters.lookups_refused++;
        map_remove(&reader->lookups, id_key(&lookup->id));
        free_lookup(lookup);
        return err;
    }
    reader->counters.lookups++;
    if (err == 0)
        have_slots(lookup);
    return 0;
}

int numbers_look_up(struct numbers_reader *reader, struct now now, uint64_t token, const struct e164 *number)
{
    return look_up(reader, now, token, number, false);
}

int numbers_look_up_all(struct numbers_reader *reader, struct now now, uint64_t token, const struct e164 *number)
{
    return look_up(reader, now, token, number, true);
}

/* ---- entries ---- */

static struct numbers_claimant *find_claimant(struct lookup *lookup, const struct numbers_claimant *like)
{
    for (size_t i = 0; i < lookup->claimant_count; i++) {
        struct numbers_claimant *c = &lookup->claimants[i];
        if (c->vservice_id == like->vservice_id && id_eq(c->node_id, like->node_id))
            return c;
    }
    return NULL;
}

/* The place for a claimant that is not there yet: a free one, or that of the youngest if it is younger. */
static struct numbers_claimant *make_room(struct lookup *lookup, struct wall storage_time)
{
    if (lookup->claimant_count < NUMBERS_CLAIMANTS_MAX)
        return &lookup->claimants[lookup->claimant_count++];
    struct numbers_claimant *youngest = &lookup->claimants[0];
    for (size_t i = 1; i < lookup->claimant_count; i++)
        if (lookup->claimants[i].storage_time.ms > youngest->storage_time.ms)
            youngest = &lookup->claimants[i];
    lookup->dropped = true;
    lookup->reader->counters.claimants_dropped++;
    lookup->discarded++;
    return youngest->storage_time.ms > storage_time.ms ? youngest : NULL;
}

static bool is_genuine(struct lookup *lookup, unsigned copy, const struct numbers_entry *entry,
                       struct numbers_claimant *ret_claimant)
{
    struct numbers_reader_counters *counters = &lookup->reader->counters;
    struct numbers_place place = {.resource = lookup->slots[copy].resource};
    if (numbers_key_parse(entry->key, &place.node_id, &place.vservice_id)) {
        counters->entries_malformed++;
        return false;
    }
    if (!id_eq(place.node_id, entry->signer)) {
        counters->entries_other_signer++;
        return false;
    }
    if (numbers_open(lookup->slots[copy].key, &place, entry->value)) {
        counters->entries_not_opened++;
        return false;
    }
    *ret_claimant = (struct numbers_claimant){place.node_id, place.vservice_id, entry->storage_time, 1};
    return true;
}

static void take_entry(struct lookup *lookup, unsigned copy, const struct numbers_entry *entry)
{
    struct numbers_claimant claimant;
    lookup->reader->counters.entries++;
    if (!is_genuine(lookup, copy, entry, &claimant)) {
        lookup->discarded++;
        return;
    }
    struct numbers_claimant *known = find_claimant(lookup, &claimant);
    if (known) {
        known->copies++;
        lookup->seen[known - lookup->claimants] |= (uint8_t)(1u << copy);
        if (claimant.storage_time.ms < known->storage_time.ms)
            known->storage_time = claimant.storage_time;
        return;
    }
    struct numbers_claimant *room = make_room(lookup, claimant.storage_time);
    if (!room)
        return;
    *room = claimant;
    lookup->seen[room - lookup->claimants] = (uint8_t)(1u << copy);
}

/* Whether two of the copies that answered name the same claimants. Two that name none do not count: who has lost everything, or hides it,
 * would say the same. */
static bool two_agree(const struct lookup *lookup)
{
    for (unsigned pair = 1; pair < 1u << NUMBERS_COPIES; pair++) {
        bool is_pair = (pair & (pair - 1)) && (pair & lookup->answered_set) == pair;
        size_t on_both = 0, on_one = 0;
        for (size_t i = 0; is_pair && i < lookup->claimant_count; i++) {
            unsigned seen = lookup->seen[i] & pair;
            on_both += seen == pair;
            on_one += seen && seen != pair;
        }
        if (on_both && !on_one)
            return !lookup->dropped;
    }
    return false;
}

/* A dictionary has a key once; a peer that repeats one does not make a claim look better stored. */
static bool is_repeated(const struct numbers_entry *entries, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (slice_eq(entries[j].key, entries[i].key))
            return true;
    return false;
}

#define ENTRIES_MAX 256 /* looked at in one answer */

void numbers_fetch_done(struct numbers_reader *reader, struct now now, uint64_t fetch, int err,
                        const struct numbers_entry *entries, size_t count)
{
    (void)now;
    uint64_t id = fetch / NUMBERS_COPIES;
    unsigned copy = (unsigned)(fetch % NUMBERS_COPIES);
    struct lookup *lookup = map_get(&reader->lookups, id_key(&id));
    if (!lookup || lookup->sent <= copy || lookup->ended_set & 1u << copy)
        return;
    lookup->ended++;
    lookup->ended_set |= (uint8_t)(1u << copy);
    if (err) {
        reader->counters.fetches_failed++;
    } else {
        lookup->answered++;
        lookup->answered_set |= (uint8_t)(1u << copy);
        size_t n = count < ENTRIES_MAX ? count : ENTRIES_MAX;
        lookup->discarded += (uint32_t)(count - n);
        for (size_t i = 0; i < n; i++) {
            if (is_repeated(entries, i))
                lookup->discarded++;
            else
                take_entry(lookup, copy, &entries[i]);
        }
    }
    lookup->agreed = !lookup->wants_all && lookup->ended < NUMBERS_COPIES && two_agree(lookup);
    if (lookup->ended < NUMBERS_COPIES && !lookup->agreed)
        return;
    reader->counters.agreed += lookup->agreed;
    reader->in_flight--;
    finish(lookup, lookup->answered ? 0 : ERR_UNREACHABLE);
    start_fetches(reader);
}

/* ---- effects ---- */

static void fetch_effect(struct lookup *lookup, struct numbers_reader_effect *ret_effect)
{
    unsigned copy = lookup->sent++;
    lookup->reader->counters.fetches++;
    *ret_effect = (struct numbers_reader_effect){
        .type = NUMBERS_FETCH,
        .fetch = lookup->id * NUMBERS_COPIES + copy,
        .resource = lookup->slots[copy].resource,
    };
    if (lookup->sent == NUMBERS_COPIES)
        move(lookup, &lookup->reader->fetching);
}

bool numbers_reader_next(struct numbers_reader *reader, struct numbers_reader_effect *ret_effect)
{
    free_lookup(reader->told);
    reader->told = NULL;
    if (!list_empty(&reader->unsent)) {
        fetch_effect(CONTAINER_OF(reader->unsent.next, struct lookup, link), ret_effect);
        return true;
    }
    struct list *link = list_pop(&reader->results);
    if (!link)
        return false;
    struct lookup *lookup = CONTAINER_OF(link, struct lookup, link);
    reader->told = lookup;
    *ret_effect = (struct numbers_reader_effect){
        .type = NUMBERS_FOUND,
        .token = lookup->token,
        .err = lookup->err,
        .answered = lookup->answered,
        .agreed = lookup->agreed,
        .claimants = lookup->claimants,
        .claimant_count = lookup->claimant_count,
        .discarded = lookup->discarded,
    };
    return true;
}
