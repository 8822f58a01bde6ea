/* A key ring passed on: from the server that grants tickets to a border element that checks them. The whole of it at first, then what changes,
 * in transfers of pages of bounded size, each answered before the next one is sent. A transfer tells of all epochs, and of the whole list of
 * revocations or of what has changed in it since the transfer before; it takes effect as a whole, with its last page, when it is durable.
 *
 * A page is attributes of VAP's shape, padded with zeros: page, granting domain; in the first one all epochs; then revocations and what was taken
 * back, in their order (README.md has the table). It holds keys: a secret, to be carried over TLS only. */
#ifndef TICKET_KEYSET_H
#define TICKET_KEYSET_H

#include "ticket/keyring.h"

#define KEYSET_PAGE_OCTETS_MIN 16384 /* a page has room for all epochs */

enum keyset_attr {
    KEYSET_ATTR_PAGE = 0x6011, /* transfer u32, page u32 from 0, flags u32 */
    KEYSET_ATTR_EPOCH =
        0x6012, /* epoch u8, flags u8, two zero octets, installed and valid-until (NTP, u64; ~0: no end), 32 octets */
    KEYSET_ATTR_REVOKED_ID = 0x6013,      /* since (NTP, u64), 16 octets */
    KEYSET_ATTR_REVOKED_DOMAIN = 0x6014,  /* since, text */
    KEYSET_ATTR_REVOKED_NUMBER = 0x6015,  /* since, text */
    KEYSET_ATTR_RESTORED_ID = 0x6016,     /* taken back: 16 octets */
    KEYSET_ATTR_RESTORED_DOMAIN = 0x6017, /* text */
    KEYSET_ATTR_RESTORED_NUMBER = 0x6018  /* text */
};

enum keyset_page_flag { KEYSET_WHOLE = 1, KEYSET_LAST = 2 };
enum keyset_epoch_flag { KEYSET_CURRENT = 1, KEYSET_DERIVED = 2 };

/* The name of an attribute type ("revoked-id"), or NULL. Static storage. */
const char *keyset_attr_name(uint16_t type);

/* ---- the side that tells ---- */

/* What one receiver has been told of one key ring (of a config with is_passed_on). A value; starts with keyset_sender_init. */
struct keyset_sender {
    bool has_all;      /* a whole transfer has been answered */
    bool is_open;      /* a transfer has pages that are not answered yet */
    bool is_whole;     /* that transfer */
    bool is_last;      /* the page that was written last ends it */
    uint32_t transfer; /* its number */
    uint32_t page;     /* to be sent next, or unanswered */
    uint64_t base;     /* the last change when the list was begun from its start */
    uint64_t told;     /* the last change that was answered */
    uint64_t telling;  /* of the page that was written last */
    uint64_t epochs;   /* version that was told by a transfer that has ended */
    uint64_t epochs_telling;
};

/* Nothing has been told: also after a connection was lost or a page refused. */
void keyset_sender_init(struct keyset_sender *s);

/* True if there is nothing to send. */
bool keyset_sender_is_done(const struct keyset_sender *s, const struct keyring *k);

/* True if the receiver has all epochs as they are now. */
bool keyset_sender_knows_epochs(const struct keyset_sender *s, const struct keyring *k);

/* Appends the next page, of octets_max at most (KEYSET_PAGE_OCTETS_MIN or more), to a buffer that the caller wipes. 0 or the buffer's error. */
int keyset_write(struct keyset_sender *s, const struct keyring *k, size_t octets_max, struct buf *ret_page);

/* The page that was written last has been answered with success: it is durable there, as far as it has to be. */
void keyset_answered(struct keyset_sender *s);

/* ---- the side that is told ---- */

/* What a page is, and of which domain. */
struct keyset_page {
    uint32_t transfer;
    uint32_t page;
    bool is_whole;
    bool is_last;
    char domain[TICKET_DOMAIN_OCTETS_MAX + 1];
};

struct keyring_import;

/* What came so far from one server, for one key ring. Starts with all zero. */
struct keyset_receiver {
    struct keyring_import *import; /* of the transfer under way */
    uint32_t transfer;
    uint32_t next_page;
    bool has_all;
};

/* Forgets what has not taken effect: the connection was lost, or a page refused. */
void keyset_receiver_reset(struct keyset_receiver *r);

/* Takes a page. 0: done is called once it has taken effect and is durable, or not; 1: one of several pages, there is nothing to wait for, and done
 * will not be called. Otherwise nothing has changed and the transfer is off: ERR_SYNTAX, ERR_TRUNCATED, ERR_RANGE (ret_fault, may be NULL, says
 * where), ERR_WRONG_STATE (not the next page, or another change is being written), ERR_CONFLICT (of another domain), ERR_LIMIT, ERR_NO_MEMORY or the
 * store's error. */
int keyset_receive(struct keyset_receiver *r, struct keyring *k, struct slice page, struct wall now, kv_done_fn *done,
                   void *arg, struct fault *ret_fault);

/* ---- a key ring that is a copy ---- */

/* Prepares a change of a copy: all epochs, and revocations: all of them, or changes. It takes effect as a whole. */
int keyring_import_new(struct keyring *k, bool is_whole, struct keyring_import **ret_import);
void keyring_import_free(struct keyring_import *import); /* wipes the keys; NULL is allowed */
void keyring_import_epoch(struct keyring_import *import, const struct keyring_epoch_info *info,
                          const uint8_t key[TICKET_KEY_OCTETS]);
/* ERR_SYNTAX for a value that is none of its kind, ERR_LIMIT, ERR_NO_MEMORY. */
int keyring_import_revocation(struct keyring_import *import, enum keyring_revocation kind, struct slice value,
                              struct wall since, bool is_withdrawal);

/* Writes what is different from what the key ring has, and takes it over once that is durable. The same twice changes nothing. Frees the import in every
 * case. ERR_WRONG_STATE: another change is being written. */
int keyring_import_commit(struct keyring_import *import, struct wall now, kv_done_fn *done, void *arg);

/* When the source of a copy said the last time that it holds, durable; 0: never. */
struct wall keyring_confirmed_at(const struct keyring *k);

/* The source is there and has nothing to change. Written at once, waited for by nobody. */
void keyring_confirm(struct keyring *k, struct wall now);

/* ---- the order of changes, of a key ring that is passed on ---- */

struct keyring_change {
    enum keyring_revocation kind;
    struct slice value;
    struct wall since;
    bool is_withdrawal; /* it was taken back */
    uint64_t order;     /* rises */
};

typedef bool keyring_change_fn(void *arg, const struct keyring_change *change); /* false: enough */

/* Calls for each change after that one, in their order; 0: for all. What a later change has overtaken is left out. */
void keyring_each_change(const struct keyring *k, uint64_t after, keyring_change_fn *each, void *arg);
uint64_t keyring_last_change(const struct keyring *k);

/* Whoever has not been told of this change, and those before it, must be told the list from its start: it was taking back something, and is no
 * longer remembered. 0: nothing is forgotten. */
uint64_t keyring_forgotten_change(const struct keyring *k);

/* Rises with each change of the epochs. */
uint64_t keyring_epochs_version(const struct keyring *k);

#endif
