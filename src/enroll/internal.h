/* The insides of the enrollment core, shared by its files. */
#ifndef ENROLL_INTERNAL_H
#define ENROLL_INTERNAL_H

#include "base/list.h"
#include "base/map.h"
#include "crypt/digest.h"
#include "enroll/enroll.h"
#include "enroll/guard.h"

#define TOKEN_ID_OCTETS 4
#define TOKEN_SECRET_OCTETS 16
#define SERIAL_OCTETS 16

enum token_state { TOKEN_OPEN, TOKEN_USED, TOKEN_REVOKED };

/* Names of a certificate besides the server ID. */
struct names {
    size_t n;
    char *texts[ENROLL_NAMES_MAX]; /* owned */
};

struct token {
    struct list link; /* oldest first */
    uint8_t id[TOKEN_ID_OCTETS];
    uint8_t digest[SHA256_OCTETS]; /* of the secret; 128 random bits need no slow hash */
    char server_id[ENROLL_SERVER_ID_OCTETS_MAX + 1];
    struct names names;
    unsigned node_ids;
    enum token_state state;
    struct wall created;
    struct wall expires;
    uint8_t serial[SERIAL_OCTETS]; /* of the certificate that it was used for */
    bool busy;                     /* a change waits for the disk */
};

struct authority {
    struct key *key;
    struct cert *cert;
    struct cert *signer; /* the configuration signer's certificate of it */
};

/* A certificate that was issued. Its DER is in the store. */
struct issued {
    struct list link; /* oldest first */
    uint8_t serial[SERIAL_OCTETS];
    struct holder *holder;
    size_t first;    /* which of the holder's Node-IDs … */
    size_t node_ids; /* … and how many from there on */
    struct wall issued_at;
    struct wall not_before;
    struct wall not_after;
    struct cert_key_id authority; /* that issued it */
};

/* A server that has certificates, or is about to. */
struct holder {
    char server_id[ENROLL_SERVER_ID_OCTETS_MAX + 1];
    struct id node_ids[CERT_NODE_IDS_MAX]; /* zero: in no certificate yet */
    size_t node_id_count;
    unsigned allowed;                         /* by the tokens that it has used */
    struct issued *newest[CERT_NODE_IDS_MAX]; /* by the first Node-ID; NULL: none yet */
    bool busy;                                /* a certificate waits for the disk */
};

/* What waits for the disk: freed with the core if the disk never answers. */
struct waiting {
    struct list link;
    void (*drop)(struct waiting *waiting);
};

struct enroll {
    struct enroll_options options;
    struct enroll_ports ports;
    struct now now;
    struct wall started_at;
    struct enroll_counters counters;
    struct {
        const char *prefix;
        const char *const *names;
        const uint64_t *values; /* NULL: none */
    } outside;
    struct guard guard;

    struct authority active;    /* issues */
    struct authority standby;   /* is to take its place, or was in it before; cert NULL: there is none */
    bool standby_is_elder;      /* it was in that place before, and all have trusted it */
    struct cert *former_signer; /* of an authority that was removed; NULL: none was */
    struct key *signer_key;
    struct id signer_id;

    struct config *config;           /* in use: its document is what is served; NULL: none yet */
    uint8_t settings[SHA256_OCTETS]; /* of what enroll_set_ring was given when it was last listened to */

    struct list tokens;
    size_t token_count;
    struct map tokens_by_id;
    struct list issued;
    size_t issued_count;
    struct map issued_by_serial;
    struct map holders;  /* server ID → struct holder */
    struct map node_ids; /* all that were ever given → struct holder */

    struct list waiting; /* struct waiting */
    unsigned writes;     /* of the authority and the configuration that are under way */
    int write_err;
    bool shutdown;
};

/* rows.c: what is in the store. */
int token_encode(const struct token *token, struct buf *ret_row);
int token_decode(struct slice row, struct token **ret_token);
void token_free(struct token *token);

struct certificate_row {
    struct slice server_id;
    struct wall issued_at;
    uint8_t first;      /* number of its first Node-ID at the holder */
    uint8_t allowed;    /* of the holder */
    struct slice names; /* encoded as in a token: names_decode */
    struct slice der;
};
int certificate_encode(const struct certificate_row *row, struct buf *ret_row);
int certificate_decode(struct slice row, struct certificate_row *ret_row);

void names_encode(const struct names *names, struct buf *ret_octets);
int names_decode(struct slice octets, struct names *ret_names);
void names_free(struct names *names);

int enroll_load(struct enroll *e);

/* authority.c, document.c: their rows. ERR_NOT_FOUND: there are none yet. */
int authority_load(struct enroll *e);
int document_load(struct enroll *e);

/* authority.c: fills in the certificates of an authority that has its key: its own, and one for the signer. */
int authority_make(struct enroll *e, const struct key *signer_key, struct id signer, struct authority *authority);
void authority_fini(struct authority *authority);
/* The rows of a change, written but not committed: this one stands by; the two change places; the one that stands by is gone, and the
 * signer's certificate of it is kept (NULL: it is not). */
int authority_put_standby(struct enroll *e, const struct authority *standby);
int authority_put_switched(struct enroll *e);
int authority_put_removed(struct enroll *e, const struct cert *former_signer);

/* succession.c: whether certificates of this authority are still good; the handlers of `enroll authority`. */
bool authority_is_ours(const struct enroll *e, struct cert_key_id authority);
void succession_list(void *ctx, struct ctl_request *request);
void succession_add(void *ctx, struct ctl_request *request);
void succession_switch(void *ctx, struct ctl_request *request);
void succession_remove(void *ctx, struct ctl_request *request);

/* document.c: a change of the configuration. */
#define EDITION_TEXT_OCTETS 200
#define EDITION_SIGNERS_MAX 3 /* of the authority that issues, the one that stands by, and the former one */

/* Answers the request of a command when the edition is durable. `old` is still there. */
typedef void edition_reply_fn(struct ctl_request *request, const struct config *old, const struct config *next,
                              const char *text);

/* What is durable together with an edition, or not at all. */
struct edition_change {
    int (*stage)(struct enroll *e, void *arg); /* writes its rows */
    void (*end)(struct enroll *e, void *arg,
                int err); /* if edition_publish returned 0: in memory, too; or what was made is dropped */
};

struct edition_order {
    const struct config *content;                    /* as config_build wants it */
    const uint8_t *settings;                         /* SHA256_OCTETS of them; NULL: they have not changed */
    const struct cert *signers[EDITION_SIGNERS_MAX]; /* that of the authority which issues first; none: those in use */
    size_t signer_count;
    struct ctl_request *request; /* NULL: nobody waits */
    edition_reply_fn *reply;
    const char *text; /* for it; copied */
    /* A change of the authorities that goes with it; NULL: none. */
    const struct edition_change *change;
    void *change_arg;
};

/* 0: it is on its way to the disk, and the request will be answered. Else nothing has begun: ERR_WRONG_STATE (another one is under way),
 * ERR_RANGE (what no server would accept), ERR_LIMIT (it does not fit into a message), the store's error … */
const char *edition_problem(int err); /* for people; NULL: the error says enough */
int edition_publish(struct enroll *e, const struct edition_order *order);
uint16_t edition_next_sequence(const struct enroll *e);

/* Whether two say the same, whatever their sequence and signatures. */
bool edition_is_same(const struct config *a, const struct config *b);

/* Adds bans, as far as they are still needed; those that the content has for the same nodes give way. Lists are made in the region. 0,
 * ERR_LIMIT, ERR_NO_MEMORY. */
int edition_with_bans(const struct enroll *e, const struct config_ban *bans, size_t count, struct region *region,
                      struct config *content);

/* ban.c, publish.c: the handlers of their commands; whether a server is shut out. */
bool ban_covers(const struct enroll *e, const struct holder *holder);
void ban_add(void *ctx, struct ctl_request *request);
void ban_end(void *ctx, struct ctl_request *request);
void ban_list(void *ctx, struct ctl_request *request);
void publish_show(void *ctx, struct ctl_request *request);
void publish_file(void *ctx, struct ctl_request *request);

/* difference.c: puts the lists `differences`, and how many of them are not shown if they are very many. */
void difference_put(struct ctl_writer *w, const struct config *old, const struct config *next);

/* The completion of what enroll_settled waits for; arg: the core. */
void enroll_written(struct enroll *e, int err);

/* holder.c: servers, their Node-IDs and certificates in memory. */
struct holder *holder_find(const struct enroll *e, struct slice server_id);
int holder_new(struct enroll *e, struct slice server_id, struct holder **ret_holder);
/* Forgets a holder that never got a certificate. */
void holder_drop_unused(struct enroll *e, struct holder *holder);
/* Gives it random Node-IDs that nobody ever had, until it has so many. */
int holder_extend(struct enroll *e, struct holder *holder, size_t count);
/* Takes Node-IDs back that were in no durable certificate. */
void holder_shrink(struct enroll *e, struct holder *holder, size_t count);
int issued_new(struct enroll *e, struct holder *holder, const struct cert *cert, size_t first,
               const uint8_t serial[SERIAL_OCTETS], struct wall issued_at, struct issued **ret_issued);
void issued_drop(struct enroll *e, struct issued *issued);
/* Looks for the newest ones again after one was dropped. */
void holder_find_newest(struct enroll *e, struct holder *holder);
/* How many Node-IDs it may have. */
unsigned holder_allowance(const struct enroll *e, const struct holder *holder);

/* token.c */
int token_add(struct enroll *e, struct token *token);
void token_drop(struct enroll *e, struct token *token);
struct token *token_find(const struct enroll *e, struct slice id_text);
/* Appends "ID-SECRET"; sets id and digest. */
void token_make_secret(struct enroll *e, struct token *token, struct buf *ret_text);
/* The token that this text is of; NULL if there is none. Constant time in the secret. */
struct token *token_check(const struct enroll *e, struct slice text);
/* "open", "used", "revoked", "expired" */
const char *token_state_text(const struct token *token, struct wall now);
int token_put(struct enroll *e, const struct token *token);

/* issue.c: a certificate's user name. ERR_LIMIT. */
int enroll_user_name(const struct enroll *e, const char *server_id, char ret_user[CERT_USER_OCTETS_MAX + 1]);
/* Signs with the authority. */
int enroll_issue(struct enroll *e, const struct cert_request *request, struct cert **ret_cert);
/* 16 random octets, positive and not used before. */
void enroll_new_serial(struct enroll *e, uint8_t ret_serial[SERIAL_OCTETS]);

#endif
