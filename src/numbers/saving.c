/* What survives a restart: one row per publication in KV_NUMBERS.
 *
 * key: VServiceID (8 octets), number. value: format (1), wanted (1), held until (8), all copies stored at (8, 0 if not yet), both as Unix
 * milliseconds, number of the Node-ID that it belongs to (1). Format 1 is without the last one: 0. */
#include "base/mem.h"
#include "base/reader.h"
#include "numbers/publication.h"

#define ROW_FORMAT 2
#define ROW_OCTETS 19

/* A commit that somebody waits for. */
struct save {
    struct list link; /* in publisher->saves */
    struct publication *pub;
    struct waiter *waiter;
    struct wall held_until;
};

static int put_row(struct publication *pub, bool wanted, struct wall held_until)
{
    uint8_t key[PUBLICATION_KEY_OCTETS];
    struct buf row;
    buf_init(&row, ROW_OCTETS);
    buf_u8(&row, ROW_FORMAT);
    buf_u8(&row, wanted);
    buf_u64(&row, (uint64_t)held_until.ms);
    buf_u64(&row, (uint64_t)pub->row_stored_at.ms);
    buf_u8(&row, (uint8_t)pub->node);
    int err = row.err;
    if (!err)
        err = kv_put(pub->publisher->ports.kv, KV_NUMBERS, publication_key(pub->vservice_id, &pub->number, key),
                     buf_slice(&row));
    buf_fini(&row);
    return err;
}

static void wish_saved(void *arg, int err)
{
    struct save *save = arg;
    list_remove(&save->link);
    save->pub->saves--;
    publisher_saved(save->pub, save->waiter, save->held_until, err);
    mem_free(save);
}

void save_wish(struct publication *pub, struct waiter *waiter, struct wall held_until)
{
    const struct kv *kv = pub->publisher->ports.kv;
    struct save *save = mem_alloc(sizeof *save);
    int err = save ? put_row(pub, waiter->wants, held_until) : ERR_NO_MEMORY;
    if (err) {
        mem_free(save);
        publisher_saved(pub, waiter, held_until, err);
        return;
    }
    *save = (struct save){.pub = pub, .waiter = waiter, .held_until = held_until};
    list_init(&save->link);
    list_append(&pub->publisher->saves, &save->link);
    pub->saves++;
    kv_commit(kv, wish_saved, save);
}

void save_stored_at(struct publication *pub)
{
    struct numbers_publisher *p = pub->publisher;
    if (pub->saves) /* its row is being written with another wish */
        return;
    struct wall first = pub->copies[0].stored_at;
    for (size_t i = 1; i < NUMBERS_COPIES; i++)
        if (pub->copies[i].stored_at.ms < first.ms)
            first = pub->copies[i].stored_at;
    struct wall since = p->signed_since[pub->node];
    bool same_signature = pub->row_stored_at.ms >= since.ms || first.ms < since.ms;
    if (same_signature && first.ms - pub->row_stored_at.ms < (int64_t)p->config.lifetime_s * 1000 / 4)
        return;
    struct wall before = pub->row_stored_at;
    pub->row_stored_at = first;
    if (put_row(pub, pub->wanted, pub->held_until) == 0) {
        kv_commit(p->ports.kv, NULL, NULL);
    } else {
        pub->row_stored_at = before;
        p->counters.write_failed++;
    }
}

void save_moved(struct publication *pub)
{
    struct numbers_publisher *p = pub->publisher;
    pub->row_stored_at = (struct wall){0};
    /* If it does not get to the disk, the next start finds the publication with a Node-ID that is gone, and comes here again. */
    if (pub->saved && put_row(pub, pub->wanted, pub->held_until) == 0)
        kv_commit(p->ports.kv, NULL, NULL);
}

void save_end(struct publication *pub)
{
    struct numbers_publisher *p = pub->publisher;
    uint8_t key[PUBLICATION_KEY_OCTETS];
    /* If it does not get to the disk, the next start finds the publication, at its end or to be removed, and comes here again. */
    if (kv_remove(p->ports.kv, KV_NUMBERS, publication_key(pub->vservice_id, &pub->number, key)) == 0)
        kv_commit(p->ports.kv, NULL, NULL);
    else
        p->counters.write_failed++;
}

void save_forget_all(struct numbers_publisher *p)
{
    LIST_EACH(it, &p->saves) {
        struct save *save = CONTAINER_OF(it, struct save, link);
        mem_free(save->waiter);
        mem_free(save);
    }
}

/* ---- load ---- */

struct row {
    uint64_t vservice_id;
    struct e164 number;
    uint8_t node;
    bool wanted;
    struct wall held_until;
    struct wall stored_at;
};

static int decode_row(struct slice key, struct slice value, struct row *ret_row)
{
    struct reader r;
    struct row row = {0};
    reader_init(&r, key);
    row.vservice_id = read_u64(&r, "VServiceID");
    struct slice number = read_slice(&r, reader_left(&r), "number");
    if (r.err || !e164_parse(number, &row.number))
        return ERR_SYNTAX;
    reader_init(&r, value);
    uint8_t format = read_u8(&r, "format");
    if (!r.err && (format < 1 || format > ROW_FORMAT))
        reader_fail(&r, ERR_UNSUPPORTED, "format");
    uint8_t wanted = read_u8(&r, "wanted");
    row.held_until.ms = (int64_t)read_u64(&r, "held until");
    row.stored_at.ms = (int64_t)read_u64(&r, "stored at");
    if (format > 1)
        row.node = read_u8(&r, "node");
    if (reader_end(&r, "end of row"))
        return r.err;
    if (wanted > 1 || row.node >= NUMBERS_NODES_MAX || row.held_until.ms < 0 || row.stored_at.ms < 0)
        return ERR_RANGE;
    row.wanted = wanted;
    *ret_row = row;
    return 0;
}

struct load {
    struct numbers_publisher *publisher;
    struct now now;
};

/* When to look after what was stored in an earlier life: as if we had stored it ourselves. */
static struct mono begin_at(struct numbers_publisher *p, const struct row *row, struct now now)
{
    int64_t lifetime_ms = (int64_t)p->config.lifetime_s * 1000;
    int64_t age_ms = now.wall.ms - row->stored_at.ms;
    if (!row->wanted || row->stored_at.ms == 0 || age_ms < 0 || age_ms >= lifetime_ms)
        return now.mono;
    if (row->stored_at.ms + lifetime_ms >= row->held_until.ms)
        return MONO_NEVER; /* the copies live as long as the publication */
    int64_t due_ms = entropy_between(&p->ports.entropy, lifetime_ms / 2, lifetime_ms * 3 / 4) - age_ms;
    return mono_after_ms(now.mono, due_ms > 0 ? due_ms : 0);
}

static int load_row(void *arg, struct slice key, struct slice value)
{
    const struct load *load = arg;
    struct numbers_publisher *p = load->publisher;
    struct row row;
    if (decode_row(key, value, &row) || row.held_until.ms <= load->now.wall.ms) {
        p->counters.rows_bad++;
        return 0;
    }
    struct publication *pub = publication_new(p, row.node, row.vservice_id, &row.number);
    if (!pub)
        return ERR_NO_MEMORY;
    p->counters.rows_loaded++;
    pub->saved = true;
    pub->wanted = row.wanted;
    pub->held_until = row.held_until;
    pub->row_stored_at = row.stored_at;
    for (size_t i = 0; row.stored_at.ms && i < NUMBERS_COPIES; i++) {
        pub->copies[i].stored_at = row.stored_at;
        pub->copies[i].expires = wall_after_ms(row.stored_at, (int64_t)p->config.lifetime_s * 1000);
    }
    timer_set(p, &pub->begin, begin_at(p, &row, load->now));
    timer_set(p, &pub->hold, mono_after_ms(load->now.mono, row.held_until.ms - load->now.wall.ms));
    return 0;
}

/* Rows that are over, or that make no sense: removed in portions, because the table may not change under the scan. */
#define BAD_ROWS_AT_ONCE 64
struct bad_rows {
    struct now now;
    size_t n;
    uint8_t keys[BAD_ROWS_AT_ONCE][PUBLICATION_KEY_OCTETS];
    size_t key_octets[BAD_ROWS_AT_ONCE];
};

static int find_bad_row(void *arg, struct slice key, struct slice value)
{
    struct bad_rows *bad = arg;
    struct row row;
    if (decode_row(key, value, &row) == 0 && row.held_until.ms > bad->now.wall.ms)
        return 0;
    if (key.n > PUBLICATION_KEY_OCTETS) /* not ours at all: left alone */
        return 0;
    memcpy(bad->keys[bad->n], key.p, key.n);
    bad->key_octets[bad->n] = key.n;
    return ++bad->n == BAD_ROWS_AT_ONCE;
}

static int remove_bad_rows(struct numbers_publisher *p, struct now now)
{
    struct bad_rows *bad = mem_alloc(sizeof *bad);
    if (!bad)
        return ERR_NO_MEMORY;
    bad->now = now;
    int more;
    do {
        bad->n = 0;
        more = kv_scan(p->ports.kv, KV_NUMBERS, find_bad_row, bad);
        for (size_t i = 0; i < bad->n; i++)
            if (kv_remove(p->ports.kv, KV_NUMBERS, slice_of(bad->keys[i], bad->key_octets[i])))
                more = 0; /* not writable: they do no harm */
    } while (more > 0);
    kv_commit(p->ports.kv, NULL, NULL);
    mem_free(bad);
    return more < 0 ? more : 0;
}

int numbers_publisher_load(struct numbers_publisher *publisher, struct now now)
{
    struct load load = {publisher, now};
    uint64_t bad_before = publisher->counters.rows_bad;
    int err = kv_scan(publisher->ports.kv, KV_NUMBERS, load_row, &load);
    if (!err && publisher->counters.rows_bad != bad_before)
        err = remove_bad_rows(publisher, now);
    return err;
}
