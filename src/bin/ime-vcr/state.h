/* How far an upload came, in a small file: what was acknowledged is never sent again, what was not is. The file names the uploaded file by
 * its device, inode and the digest of its beginning, so that a file that was replaced begins anew. */
#ifndef IME_VCR_STATE_H
#define IME_VCR_STATE_H

#include "base/buf.h"
#include "base/list.h"

#include <sys/stat.h>

#define STATE_DONE_MAX 4096 /* records acknowledged out of order */

/* A record on the way. Lines that need no answer are counted to the one before them. */
struct state_item {
    struct list link;
    uint64_t offset; /* of its beginning */
    uint64_t end_offset;
    uint64_t end_line;
    bool done;
};

struct state {
    const char *path; /* NULL: not kept */
    int descriptor;   /* of the uploaded file; not owned */
    uint64_t device;
    uint64_t inode;
    uint64_t offset;               /* everything before it is done */
    uint64_t line;                 /* its line */
    struct list items;             /* after it, in order */
    uint64_t done[STATE_DONE_MAX]; /* offsets of records that an earlier run had done, in order of the file */
    size_t done_count;
    uint64_t done_last; /* the greatest of them */
    size_t item_count;
    bool changed;
};

void state_init(struct state *s, const char *path);
void state_fini(struct state *s);

/* Takes up the uploaded file (open; its position is left alone) and where an earlier run of the same file had come. 0 also if there was none;
 * ERR_SYNTAX: it is no state file; ERR_IO. */
int state_load(struct state *s, int descriptor);

/* A record that will be answered; ERR_NO_MEMORY. */
int state_begin(struct state *s, uint64_t offset, uint64_t end_offset, uint64_t end_line, struct state_item **ret_item);

/* A line that needs no answer. */
void state_pass(struct state *s, uint64_t end_offset, uint64_t end_line);

void state_end(struct state *s, struct state_item *item);

/* True if an earlier run had it acknowledged. */
bool state_is_done(const struct state *s, uint64_t offset);

/* True if no more can be remembered before the earliest record on the way is answered: read no further until then. */
bool state_is_full(const struct state *s);

/* Writes the file if anything changed: as a whole and durably. */
int state_save(struct state *s);

#endif
