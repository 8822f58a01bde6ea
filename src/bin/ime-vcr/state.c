/* The progress of an upload, kept in a file. */
#include "state.h"

#include "base/mem.h"
#include "base/text.h"
#include "crypt/digest.h"
#include "io/file.h"

#include <stdio.h>
#include <unistd.h>

#define TITLE "ime-vcr upload 1"
#define HEAD_OCTETS_MAX 4096
#define FILE_OCTETS_MAX ((size_t)1 << 20)

void state_init(struct state *s, const char *path)
{
    *s = (struct state){.path = path, .line = 1};
    list_init(&s->items);
}

void state_fini(struct state *s)
{
    struct list *first;
    while ((first = list_pop(&s->items)))
        mem_free(CONTAINER_OF(first, struct state_item, link));
}

/* The digest of so many octets from the file's beginning. */
static int digest_head(int descriptor, size_t octets, uint8_t *ret_digest)
{
    uint8_t head[HEAD_OCTETS_MAX];
    if (octets > sizeof head || pread(descriptor, head, octets, 0) != (ssize_t)octets)
        return ERR_IO;
    digest_sha256(slice_of(head, octets), ret_digest);
    return 0;
}

/* "<word> <number>"; false if the line is another one. */
static bool line_number(struct slice line, const char *word, uint64_t *ret_value)
{
    struct slice rest = line;
    return slice_eq_str(text_cut(&rest, ' '), word) && u64_parse(rest, UINT64_MAX, ret_value) == 0;
}

struct stored {
    uint64_t device, inode, offset, line;
    uint64_t head_octets;
    uint8_t head[SHA256_OCTETS];
};

static int parse(struct state *s, struct slice text, struct stored *ret_stored)
{
    struct stored stored = {.line = 1};
    uint64_t done;
    if (!slice_eq_str(text_cut(&text, '\n'), TITLE))
        return ERR_SYNTAX;
    while (text.p && text.n) {
        struct slice line = text_cut(&text, '\n');
        struct slice digest = line;
        struct slice octets;
        if (line_number(line, "device", &stored.device) || line_number(line, "inode", &stored.inode) ||
            line_number(line, "offset", &stored.offset) || line_number(line, "line", &stored.line))
            continue;
        if (slice_eq_str(text_cut(&digest, ' '), "head")) {
            octets = text_cut(&digest, ' ');
            if (u64_parse(octets, HEAD_OCTETS_MAX, &stored.head_octets) < 0 || digest.n != 2 * SHA256_OCTETS ||
                hex_parse(digest, stored.head) < 0)
                return ERR_SYNTAX;
            continue;
        }
        if (!line_number(line, "done", &done) || s->done_count == STATE_DONE_MAX)
            return ERR_SYNTAX;
        s->done[s->done_count++] = done;
        s->done_last = done > s->done_last ? done : s->done_last;
    }
    *ret_stored = stored;
    return 0;
}

static bool is_same_file(const struct state *s, const struct stored *stored, off_t size)
{
    uint8_t head[SHA256_OCTETS];
    return stored->device == s->device && stored->inode == s->inode && stored->offset <= (uint64_t)size &&
           digest_head(s->descriptor, (size_t)stored->head_octets, head) == 0 &&
           memcmp(stored->head, head, sizeof head) == 0;
}

int state_load(struct state *s, int descriptor)
{
    struct buf text;
    struct stat st;
    struct stored stored;
    if (fstat(descriptor, &st) < 0)
        return ERR_IO;
    s->descriptor = descriptor;
    s->device = (uint64_t)st.st_dev;
    s->inode = (uint64_t)st.st_ino;
    if (!s->path)
        return 0;
    buf_init(&text, FILE_OCTETS_MAX);
    int err = file_read(s->path, &text);
    if (!err)
        err = parse(s, buf_slice(&text), &stored);
    buf_fini(&text);
    if (!err && is_same_file(s, &stored, st.st_size)) {
        s->offset = stored.offset;
        s->line = stored.line;
    } else {
        s->done_count = 0;
    }
    return err == ERR_NOT_FOUND ? 0 : err;
}

int state_begin(struct state *s, uint64_t offset, uint64_t end_offset, uint64_t end_line, struct state_item **ret_item)
{
    struct state_item *item = mem_alloc(sizeof *item);
    if (!item)
        return ERR_NO_MEMORY;
    item->offset = offset;
    item->end_offset = end_offset;
    item->end_line = end_line;
    list_append(&s->items, &item->link);
    s->item_count++;
    *ret_item = item;
    return 0;
}

/* Everything before this is done. */
static void reach(struct state *s, uint64_t offset, uint64_t line)
{
    s->offset = offset;
    s->line = line;
    if (s->offset > s->done_last)
        s->done_count = 0;
}

void state_pass(struct state *s, uint64_t end_offset, uint64_t end_line)
{
    s->changed = true;
    if (list_empty(&s->items)) {
        reach(s, end_offset, end_line);
        return;
    }
    struct state_item *last = CONTAINER_OF(s->items.prev, struct state_item, link);
    last->end_offset = end_offset;
    last->end_line = end_line;
}

void state_end(struct state *s, struct state_item *item)
{
    item->done = true;
    s->changed = true;
    while (!list_empty(&s->items)) {
        struct state_item *first = CONTAINER_OF(s->items.next, struct state_item, link);
        if (!first->done)
            return;
        reach(s, first->end_offset, first->end_line);
        list_remove(&first->link);
        s->item_count--;
        mem_free(first);
    }
}

bool state_is_done(const struct state *s, uint64_t offset)
{
    for (size_t i = 0; i < s->done_count; i++)
        if (s->done[i] == offset)
            return true;
    return false;
}

bool state_is_full(const struct state *s)
{
    return s->item_count && s->item_count + s->done_count >= STATE_DONE_MAX;
}

/* Where reading has come. */
static uint64_t reached(const struct state *s)
{
    return list_empty(&s->items) ? s->offset : CONTAINER_OF(s->items.prev, struct state_item, link)->end_offset;
}

/* What an earlier run had done stays in the file until everything before it is done, too. */
static void put_done(const struct state *s, struct buf *text)
{
    LIST_EACH(it, &s->items) {
        const struct state_item *item = CONTAINER_OF(it, struct state_item, link);
        if (item->done)
            buf_printf(text, "done %llu\n", (unsigned long long)item->offset);
    }
    for (size_t i = 0; i < s->done_count; i++)
        if (s->done[i] >= s->offset)
            buf_printf(text, "done %llu\n", (unsigned long long)s->done[i]);
}

int state_save(struct state *s)
{
    struct buf text;
    uint8_t head[SHA256_OCTETS];
    char hex[2 * SHA256_OCTETS + 1];
    if (!s->path || !s->changed)
        return 0;
    size_t head_octets = reached(s) < HEAD_OCTETS_MAX ? (size_t)reached(s) : HEAD_OCTETS_MAX;
    int err = digest_head(s->descriptor, head_octets, head);
    if (err)
        return err;
    buf_init(&text, FILE_OCTETS_MAX);
    buf_printf(&text, TITLE "\ndevice %llu\ninode %llu\nhead %zu %s\noffset %llu\nline %llu\n",
               (unsigned long long)s->device, (unsigned long long)s->inode, head_octets,
               hex_format(slice_of(head, sizeof head), hex), (unsigned long long)s->offset,
               (unsigned long long)s->line);
    put_done(s, &text);
    err = text.err ? text.err : file_write(s->path, buf_slice(&text), 0600);
    buf_fini(&text);
    if (!err)
        s->changed = false;
    return err;
}
