/* The enrollment core on a store in memory, for tests: its time, questions and commands to it, what it answers. */
#ifndef ENROLL_WORLD_H
#define ENROLL_WORLD_H

#include "base/mem.h"
#include "base/text.h"
#include "enroll/enroll.h"
#include "store/memory.h"
#include "testing.h"

#define OVERLAY "ime.example"
#define SERVER_ID "ime1.a.example"
#define DAY_MS INT64_C(86400000)

struct world {
    struct memory_store *store;
    struct seeded_entropy seeded;
    struct entropy entropy;
    struct enroll_options options;
    struct enroll *enroll;
    struct now now;
    struct ctl_server ctl;
    struct ctl_session *session;
    struct key *key, *other_key; /* of servers */
    /* The last answer. */
    unsigned answers;
    int status;
    struct buf body;
};

struct question {
    const char *username;
    const char *password;
    const char *node_ids;
    const struct key *key;
    struct slice csr;         /* instead of one made with the key */
    struct slice certificate; /* shown by TLS */
    struct slice late;        /* shown in the form */
    const char *node;
    const char *source;
};

/* An enroll_answer_fn that keeps the answer. */
void on_answer(void *arg, const struct enroll_answer *answer);
void open_core(struct world *w);
void close_core(struct world *w);

/* Power loss, and a new start. */
void restart(struct world *w);
int set_up(void **state);
int tear_down(void **state);
void pass(struct world *w, int64_t ms);
/* Sends a command and returns the answer's line, without waiting for the disk. */
void command(struct world *w, const char *line);
const char *answer_line(struct world *w);
void assert_answer_has(struct world *w, const char *part);
/* A member's text out of the answer. */
void member(struct world *w, const char *name, char *ret_text, size_t octets);
void add_token(struct world *w, const char *more, char token[128]);
void ask(struct world *w, const struct question *q);
void assert_refused(struct world *w, const struct question *q, int status, const char *reason);
struct cert *given(struct world *w);
/* Asks, lets the disk write, and returns the certificate. */
struct cert *get(struct world *w, const struct question *q);
struct id node_id(const struct cert *cert);
/* The ring's first configuration. */
void first_edition(struct world *w);
/* The configuration as servers get it. */
struct config *published(struct world *w);

#endif
