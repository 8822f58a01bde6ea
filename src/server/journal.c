/* The notes about numbers: a short list per number, the numbers in order of their last note. */
#include "server/journal.h"

#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/reader.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct note {
    struct list link; /* in subject.notes */
    uint64_t sequence;
    struct wall at;
    char text[];
};

struct subject {
    struct list link; /* in journal.recent, the longest untouched first */
    struct e164 number;
    struct list notes;
    size_t count;
};

struct journal {
    struct kv kv;
    struct map subjects; /* number → struct subject */
    struct list recent;
    uint64_t next_sequence;
    uint64_t dropped;
};

/* The row's key: the number, NUL, the sequence: rows of a number stand together and in order. */
static void note_key(struct buf *b, const struct e164 *number, uint64_t sequence)
{
    buf_str(b, number->text);
    buf_u8(b, 0);
    buf_u64(b, sequence);
}

static void drop_note(struct journal *j, struct subject *s, struct note *n)
{
    struct buf key;
    buf_init(&key, 64);
    note_key(&key, &s->number, n->sequence);
    if (!key.err)
        kv_remove(&j->kv, KV_EVENT, buf_slice(&key));
    buf_fini(&key);
    list_remove(&n->link);
    mem_free(n);
    s->count--;
    j->dropped++;
}

static void drop_subject(struct journal *j, struct subject *s)
{
    LIST_EACH(it, &s->notes)
        drop_note(j, s, CONTAINER_OF(it, struct note, link));
    list_remove(&s->link);
    map_remove(&j->subjects, e164_slice(&s->number));
    mem_free(s);
}

static struct subject *subject_of(struct journal *j, const struct e164 *number)
{
    struct subject *s = map_get(&j->subjects, e164_slice(number));
    if (s) {
        list_remove(&s->link);
        list_append(&j->recent, &s->link);
        return s;
    }
    if (j->subjects.n >= JOURNAL_NUMBERS_MAX)
        drop_subject(j, CONTAINER_OF(j->recent.next, struct subject, link));
    s = mem_alloc(sizeof *s);
    if (!s)
        return NULL;
    s->number = *number;
    list_init(&s->notes);
    if (map_set(&j->subjects, e164_slice(number), s) < 0) {
        mem_free(s);
        return NULL;
    }
    list_append(&j->recent, &s->link);
    return s;
}

/* Adds the note in memory. */
static struct note *add_note(struct journal *j, struct subject *s, uint64_t sequence, struct wall at, struct slice text)
{
    struct note *n = mem_alloc(sizeof *n + text.n + 1);
    if (!n)
        return NULL;
    n->sequence = sequence;
    n->at = at;
    memcpy(n->text, text.p, text.n);
    list_append(&s->notes, &n->link);
    if (++s->count > JOURNAL_NOTES_PER_NUMBER_MAX)
        drop_note(j, s, CONTAINER_OF(s->notes.next, struct note, link));
    return n;
}

static int load_row(void *arg, struct slice key, struct slice value)
{
    struct journal *j = arg;
    struct slice number_text = slice_of(key.p, key.n < 9 ? 0 : key.n - 9);
    struct e164 number;
    struct reader k;
    struct reader v;
    if (!e164_parse(number_text, &number))
        return 0;
    reader_init(&k, slice_of(key.p + number_text.n + 1, 8));
    uint64_t sequence = read_u64(&k, "sequence");
    reader_init(&v, value);
    struct wall at = {(int64_t)read_u64(&v, "time")};
    struct slice text = read_slice(&v, reader_left(&v), "text");
    if (v.err || text.n > JOURNAL_TEXT_OCTETS_MAX)
        return 0;
    struct subject *s = subject_of(j, &number);
    if (!s || !add_note(j, s, sequence, at, text))
        return ERR_NO_MEMORY;
    if (sequence >= j->next_sequence)
        j->next_sequence = sequence + 1;
    return 0;
}

static uint64_t last_sequence(const struct subject *s)
{
    return CONTAINER_OF(s->notes.prev, struct note, link)->sequence;
}

static int by_last_note(const void *a, const void *b)
{
    uint64_t x = last_sequence(*(struct subject *const *)a), y = last_sequence(*(struct subject *const *)b);
    return x < y ? -1 : x > y;
}

/* Rows come in the order of the numbers: brings the numbers back into that of their last notes. */
static int sort_subjects(struct journal *j)
{
    size_t n = 0;
    struct subject **subjects = mem_alloc((j->subjects.n + 1) * sizeof *subjects);
    if (!subjects)
        return ERR_NO_MEMORY;
    for (struct list *first; (first = list_pop(&j->recent)) != NULL;)
        subjects[n++] = CONTAINER_OF(first, struct subject, link);
    qsort(subjects, n, sizeof *subjects, by_last_note);
    for (size_t i = 0; i < n; i++)
        list_append(&j->recent, &subjects[i]->link);
    mem_free(subjects);
    return 0;
}

int journal_new(const struct kv *kv, const struct entropy *entropy, struct journal **ret_journal)
{
    struct journal *j = mem_alloc(sizeof *j);
    if (!j)
        return ERR_NO_MEMORY;
    j->kv = *kv;
    list_init(&j->recent);
    map_init(&j->subjects, JOURNAL_NUMBERS_MAX, entropy_u64(entropy));
    int err = kv_scan(kv, KV_EVENT, load_row, j);
    if (!err)
        err = sort_subjects(j);
    if (err) {
        journal_free(j);
        return err;
    }
    *ret_journal = j;
    return 0;
}

void journal_free(struct journal *j)
{
    if (!j)
        return;
    LIST_EACH(it, &j->recent) {
        struct subject *s = CONTAINER_OF(it, struct subject, link);
        LIST_EACH(note, &s->notes)
            mem_free(CONTAINER_OF(note, struct note, link));
        mem_free(s);
    }
    map_fini(&j->subjects);
    mem_free(j);
}

void journal_note(struct journal *j, struct now now, const struct e164 *number, const char *format, ...)
{
    char text[JOURNAL_TEXT_OCTETS_MAX + 1];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    struct subject *s = n < 0 ? NULL : subject_of(j, number);
    struct note *note = s ? add_note(j, s, j->next_sequence, now.wall, slice_str(text)) : NULL;
    if (!note)
        return;

    struct buf row;
    buf_init(&row, 64 + sizeof text);
    note_key(&row, number, j->next_sequence++);
    size_t key_octets = row.n;
    buf_u64(&row, (uint64_t)now.wall.ms);
    buf_str(&row, text);
    if (!row.err) {
        kv_put(&j->kv, KV_EVENT, slice_of(row.p, key_octets), slice_of(row.p + key_octets, row.n - key_octets));
        kv_commit(&j->kv, NULL, NULL);
    }
    buf_fini(&row);
}

void journal_each(const struct journal *j, const struct e164 *number, journal_note_fn *fn, void *ctx)
{
    const struct subject *s = map_get(&j->subjects, e164_slice(number));
    if (!s)
        return;
    LIST_EACH(it, &s->notes) {
        const struct note *n = CONTAINER_OF(it, struct note, link);
        fn(ctx, n->at, n->text);
    }
}

size_t journal_numbers(const struct journal *j)
{
    return j->subjects.n;
}

uint64_t journal_dropped(const struct journal *j)
{
    return j->dropped;
}
