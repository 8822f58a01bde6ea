/* A storage with a store in memory, three signers, and requests that are put together value by value. */
#ifndef TEST_RELOAD_STORAGE_FIXTURE_H
#define TEST_RELOAD_STORAGE_FIXTURE_H

#include "fake_security.h"
#include "reload/storage.h"
#include "store/memory.h"
#include "testing.h"

/* Kinds of the tests besides the registered ones. */
#define KIND_TEST_SINGLE 0xf0000010u   /* NODE-MATCH, single, max-size 100 */
#define KIND_TEST_ARRAY 0xf0000011u    /* NODE-MATCH, array, max-count 8, max-size 16 */
#define KIND_TEST_USERNODE 0xf0000012u /* USER-NODE-MATCH, dictionary */
#define KIND_TEST_UNKNOWN 0xf00000ffu  /* not in the table */

#define NOON_MS INT64_C(1792000000000) /* the tests' time of day at the beginning */

struct answer {
    unsigned count; /* how often done was called */
    uint16_t code;
    bool changed;
    uint64_t revision;
    uint8_t octets[4096];
    size_t n;
};

struct fixture {
    struct memory_store *store;
    struct security *security; /* of the storing peer */
    struct security *alice;    /* one Node-ID, alice@example.com */
    struct security *bob;      /* one Node-ID */
    struct security *carol;    /* a certificate with two Node-IDs, carol@example.com */
    struct kind_table kinds;
    struct storage_options options;
    struct storage *storage;
    struct now now;
    struct region region; /* of requests */
    bool responsible;
    bool replica_duty;
    bool quota_granted;
    struct storage_claim claim; /* the last one asked about */
    unsigned claims;
    struct answer last; /* of fixture_send */
};

int fixture_set_up(void **state);
int fixture_tear_down(void **state);

/* Another storage on the same store, as after a restart. */
void fixture_restart(struct fixture *f);

void fixture_advance(struct fixture *f, int64_t ms);

struct id node_of(const struct security *security);

/* The resource where this node may write NODE-MATCH Kinds. */
struct id home_of(const struct security *security);

/* The key under which this node may write VIPR-REGISTRATION. In the fixture's region. */
struct slice vipr_key(struct fixture *f, const struct security *security, uint64_t service);

/* ---- requests ---- */

#define DRAFT_VALUES_MAX 64

struct draft {
    struct fixture *fixture;
    struct reload_store_req store;
    struct reload_kind_data kinds[4];
    struct reload_stored_data values[4][DRAFT_VALUES_MAX];
    struct reload_certificate certificates[8];
    struct reload_security block;
    struct id resource;
};

void draft_begin(struct draft *d, struct fixture *f, struct id resource, uint8_t replica_number);
void draft_kind(struct draft *d, uint32_t kind, uint64_t generation);

/* A value of the last Kind, signed; valid for an hour. */
struct reload_stored_data *draft_value(struct draft *d, struct security *signer, struct reload_value value,
                                       uint64_t storage_time_ms);

/* Signs again what a test has changed. */
void draft_sign(struct draft *d, struct security *signer, uint32_t kind, struct reload_stored_data *value);

struct reload_value single(const char *text);
struct reload_value indexed(uint32_t index, const char *text);
struct reload_value keyed(struct slice key, const char *text);
struct reload_value removed(struct reload_value value);

/* Hands the request over; the answer, when it comes, goes there. */
void draft_post(struct draft *d, struct security *requester, struct answer *ret_answer);

/* The same, lets the store turn, and returns the error code (0 for success). The answer is in fixture.last. */
uint16_t draft_send(struct draft *d, struct security *requester);

/* One value, sent. */
uint16_t store_one(struct fixture *f, struct security *signer, struct id resource, uint32_t kind, uint64_t generation,
                   struct reload_value value, uint64_t storage_time_ms);

/* The generation counter in a StoreAns. */
uint64_t answer_generation(struct fixture *f, const struct answer *answer);

/* ---- reading ---- */

/* All values of a Kind at a resource, in the fixture's region. */
struct reload_kind_data fetch_all(struct fixture *f, struct id resource, uint32_t kind);

/* The value's text, or "-" if it does not exist, at this place of what was fetched; in the region. */
const char *text_at(struct fixture *f, const struct reload_kind_data *data, size_t i);

#endif
