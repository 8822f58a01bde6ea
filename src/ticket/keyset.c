/* The pages in which a key ring is passed on: written by who tells, taken by who is told. */
#include "ticket/keyset.h"

#include "base/mem.h"
#include "base/text.h"
#include "ticket/keyring_private.h"
#include "tlv/tlv.h"

#define NO_END UINT64_MAX /* of valid-until */
#define PAGE_VALUE_OCTETS 12
#define EPOCH_VALUE_OCTETS (4 + 8 + 8 + TICKET_KEY_OCTETS)
#define SINCE_OCTETS 8

const char *keyset_attr_name(uint16_t type)
{
    static const char *const names[] = {"keyset-page",    "keyset-epoch", "revoked-id",      "revoked-domain",
                                        "revoked-number", "restored-id",  "restored-domain", "restored-number"};
    if (type < KEYSET_ATTR_PAGE || type > KEYSET_ATTR_RESTORED_NUMBER)
        return NULL;
    return names[type - KEYSET_ATTR_PAGE];
}

/* ---- the side that tells ---- */

void keyset_sender_init(struct keyset_sender *s)
{
    *s = (struct keyset_sender){0};
}

bool keyset_sender_knows_epochs(const struct keyset_sender *s, const struct keyring *k)
{
    return s->has_all && s->epochs == keyring_epochs_version(k);
}

bool keyset_sender_is_done(const struct keyset_sender *s, const struct keyring *k)
{
    return !s->is_open && keyset_sender_knows_epochs(s, k) && s->told == keyring_last_change(k);
}

/* What was taken back and is forgotten would never be told. */
static bool has_missed(const struct keyset_sender *s, const struct keyring *k)
{
    uint64_t forgotten = keyring_forgotten_change(k);
    return forgotten > s->told && forgotten > s->base;
}

static void begin(struct keyset_sender *s, const struct keyring *k)
{
    s->is_whole = !s->has_all || has_missed(s, k);
    if (s->is_whole) {
        s->told = 0;
        s->base = keyring_last_change(k);
    }
    s->is_open = true;
    s->transfer++;
    s->page = 0;
}

static uint64_t until_to_ntp(const struct keyring_epoch_info *info)
{
    return info->valid_until.ms == INT64_MAX ? NO_END : wall_to_ntp(info->valid_until);
}

static void put_epochs(struct buf *b, const struct keyring *k)
{
    struct keyring_epoch_info infos[TICKET_EPOCH_MAX];
    size_t n = keyring_list(k, infos, TICKET_EPOCH_MAX);
    for (size_t i = 0; i < n; i++) {
        const struct keyring_epoch_info *info = &infos[i];
        size_t mark = tlv_open(b, KEYSET_ATTR_EPOCH);
        buf_u8(b, info->epoch);
        buf_u8(b, (uint8_t)((info->is_current ? KEYSET_CURRENT : 0) | (info->is_derived ? KEYSET_DERIVED : 0)));
        buf_u16(b, 0);
        buf_u64(b, wall_to_ntp(info->installed));
        buf_u64(b, until_to_ntp(info));
        buf_put(b, k->epochs[info->epoch].key, TICKET_KEY_OCTETS);
        tlv_close(b, mark);
    }
}

struct filling {
    struct buf *page;
    size_t octets_max; /* of the whole buffer */
    uint64_t last;     /* change that is in it */
    bool is_full;
};

static bool put_change(void *arg, const struct keyring_change *change)
{
    struct filling *f = arg;
    unsigned type =
        (change->is_withdrawal ? KEYSET_ATTR_RESTORED_ID : KEYSET_ATTR_REVOKED_ID) + change->kind - REVOKED_ID;
    if (f->page->n + tlv_octets(SINCE_OCTETS + change->value.n) > f->octets_max) {
        f->is_full = true;
        return false;
    }
    size_t mark = tlv_open(f->page, (uint16_t)type);
    if (!change->is_withdrawal)
        buf_u64(f->page, wall_to_ntp(change->since));
    buf_slice_put(f->page, change->value);
    tlv_close(f->page, mark);
    f->last = change->order;
    return true;
}

int keyset_write(struct keyset_sender *s, const struct keyring *k, size_t octets_max, struct buf *ret_page)
{
    struct buf *b = ret_page;
    const size_t start = b->n;
    if (!s->is_open || (s->is_whole && has_missed(s, k)))
        begin(s, k);
    size_t mark = tlv_open(b, KEYSET_ATTR_PAGE);
    buf_u32(b, s->transfer);
    buf_u32(b, s->page);
    const size_t flags_at = b->n;
    buf_u32(b, 0);
    tlv_close(b, mark);
    tlv_put_text(b, TICKET_ATTR_GRANTING_DOMAIN, k->domain);
    if (!s->page) {
        put_epochs(b, k);
        s->epochs_telling = keyring_epochs_version(k);
    }
    struct filling f = {b, start + octets_max, s->told, false};
    keyring_each_change(k, s->told, put_change, &f);
    s->is_last = !f.is_full;
    /* What was overtaken at the end is told as well. */
    s->telling = s->is_last ? keyring_last_change(k) : f.last;
    if (!b->err)
        b->p[flags_at + 3] = (uint8_t)((s->is_whole ? KEYSET_WHOLE : 0) | (s->is_last ? KEYSET_LAST : 0));
    return b->err;
}

void keyset_answered(struct keyset_sender *s)
{
    s->told = s->telling;
    s->page++;
    if (!s->is_last)
        return;
    s->is_open = false;
    s->has_all = true;
    s->epochs = s->epochs_telling;
}

/* ---- the side that is told ---- */

static void read_page_value(struct reader *r, struct keyset_page *page)
{
    struct tlv_attr a;
    uint32_t flags;
    if (!tlv_next(r, TLV_PADDING_ZERO, &a) || a.type != KEYSET_ATTR_PAGE) {
        reader_fail_at(r, ERR_SYNTAX, 0, "a page begins with keyset-page");
        return;
    }
    struct slice value = tlv_read_octets(r, &a, PAGE_VALUE_OCTETS, PAGE_VALUE_OCTETS, "keyset-page has 12 octets");
    struct reader v;
    reader_init(&v, value);
    page->transfer = read_u32(&v, "transfer");
    page->page = read_u32(&v, "page");
    flags = read_u32(&v, "flags");
    page->is_whole = flags & KEYSET_WHOLE;
    page->is_last = flags & KEYSET_LAST;
}

static void read_domain(struct reader *r, struct keyset_page *page)
{
    struct tlv_attr a;
    if (!tlv_next(r, TLV_PADDING_ZERO, &a) || a.type != TICKET_ATTR_GRANTING_DOMAIN) {
        reader_fail(r, ERR_SYNTAX, "granting-domain comes second");
        return;
    }
    struct slice s = tlv_read_octets(r, &a, 1, TICKET_DOMAIN_OCTETS_MAX, "granting-domain is a domain");
    if (!r->err && !domain_is_valid(s))
        reader_fail_at(r, ERR_SYNTAX, a.octet + TLV_HEADER_OCTETS, "granting-domain is a domain");
    else if (!r->err)
        text_lower(s, page->domain);
}

static void read_epoch(struct reader *r, const struct tlv_attr *a, struct keyring_import *import)
{
    static const char rule[] = "keyset-epoch has 52 octets";
    struct slice value = tlv_read_octets(r, a, EPOCH_VALUE_OCTETS, EPOCH_VALUE_OCTETS, rule);
    struct keyring_epoch_info info = {0};
    uint8_t key[TICKET_KEY_OCTETS];
    struct reader v;
    if (r->err)
        return;
    reader_init(&v, value);
    info.epoch = read_u8(&v, rule);
    uint8_t flags = read_u8(&v, rule);
    read_u16(&v, rule);
    info.installed = wall_from_ntp(read_u64(&v, rule));
    uint64_t until = read_u64(&v, rule);
    read_copy(&v, key, sizeof key, rule);
    info.is_current = flags & KEYSET_CURRENT;
    info.is_derived = flags & KEYSET_DERIVED;
    info.valid_until = until == NO_END ? KEYRING_FOREVER : wall_from_ntp(until);
    if (info.epoch < TICKET_EPOCH_MIN || info.is_current != (until == NO_END))
        reader_fail_at(r, ERR_RANGE, a->octet + TLV_HEADER_OCTETS,
                       "an epoch is 1 to 255, and the current one has no end");
    else
        keyring_import_epoch(import, &info, key);
    mem_wipe(key, sizeof key);
}

static void read_change(struct reader *r, const struct tlv_attr *a, struct keyring_import *import)
{
    const bool is_withdrawal = a->type >= KEYSET_ATTR_RESTORED_ID;
    const unsigned kind =
        REVOKED_ID + (unsigned)a->type - (is_withdrawal ? KEYSET_ATTR_RESTORED_ID : KEYSET_ATTR_REVOKED_ID);
    struct slice value = a->value;
    struct wall since = {0};
    if (!is_withdrawal) {
        struct reader v;
        reader_init(&v, value);
        since = wall_from_ntp(read_u64(&v, "since"));
        value = v.err ? (struct slice){NULL, 0} : slice_of(value.p + SINCE_OCTETS, value.n - SINCE_OCTETS);
    }
    int err = keyring_import_revocation(import, (enum keyring_revocation)kind, value, since, is_withdrawal);
    if (err)
        reader_fail_at(r, err, a->octet + TLV_HEADER_OCTETS,
                       "a revocation has a time, and an id, a domain or a number");
}

/* Later versions may tell more: what is not known is passed over. */
static void read_items(struct reader *r, const struct keyset_page *page, struct keyring_import *import)
{
    struct tlv_attr a;
    while (tlv_next(r, TLV_PADDING_ZERO, &a)) {
        if (a.type == KEYSET_ATTR_EPOCH && page->page)
            reader_fail_at(r, ERR_SYNTAX, a.octet, "epochs are in the first page");
        else if (a.type == KEYSET_ATTR_EPOCH)
            read_epoch(r, &a, import);
        else if (a.type >= KEYSET_ATTR_REVOKED_ID && a.type <= KEYSET_ATTR_RESTORED_NUMBER)
            read_change(r, &a, import);
    }
}

void keyset_receiver_reset(struct keyset_receiver *receiver)
{
    keyring_import_free(receiver->import);
    *receiver = (struct keyset_receiver){0};
}

/* Whether the page is the one to come; the first one of a transfer may always come. */
static int open_import(struct keyset_receiver *to, struct keyring *k, const struct keyset_page *page)
{
    if (strcmp(page->domain, k->domain) != 0)
        return ERR_CONFLICT;
    if (page->page)
        return to->import && page->transfer == to->transfer && page->page == to->next_page ? 0 : ERR_WRONG_STATE;
    if (!page->is_whole && !to->has_all)
        return ERR_WRONG_STATE;
    keyring_import_free(to->import);
    to->import = NULL;
    to->transfer = page->transfer;
    return keyring_import_new(k, page->is_whole, &to->import);
}

int keyset_receive(struct keyset_receiver *to, struct keyring *k, struct slice octets, struct wall now,
                   kv_done_fn *done, void *arg, struct fault *ret_fault)
{
    struct keyset_page page = {0};
    struct reader r;
    reader_init(&r, octets);
    read_page_value(&r, &page);
    if (!r.err)
        read_domain(&r, &page);
    int err = r.err ? r.err : open_import(to, k, &page);
    if (!err) {
        read_items(&r, &page, to->import);
        err = r.err;
    }
    if (err) {
        if (ret_fault)
            *ret_fault = r.fault;
        keyset_receiver_reset(to);
        return err;
    }
    to->next_page = page.page + 1;
    if (!page.is_last)
        return 1;
    struct keyring_import *import = to->import;
    to->import = NULL;
    to->has_all = true;
    err = keyring_import_commit(import, now, done, arg);
    if (err)
        keyset_receiver_reset(to);
    return err;
}
