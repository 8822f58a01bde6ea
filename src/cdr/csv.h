/* Records of comma-separated values out of a stream of any length, in bounded memory. Fields may be quoted, quotes within them doubled;
 * a quoted field may go on over several lines. Lines end with LF or CR LF.
 *
 * A record that breaks the syntax costs one line: reading goes on with the line after the one where it began, so that a lost quote does
 * not swallow what follows. */
#ifndef CDR_CSV_H
#define CDR_CSV_H

#include "base/buf.h"
#include "base/slice.h"

#define CSV_RECORD_OCTETS_MAX 65536
#define CSV_FIELDS_MAX 64
#define CSV_FEED_OCTETS_MAX 65536

/* What ends a quoted field. */
enum csv_quoting {
    CSV_DOUBLED, /* a quote that is not doubled; what follows must be a comma or the end of the line */
    CSV_LOOSE /* a quote before a comma or the end of the line; others belong to the text (for writers that do not double them) */
};

struct csv {
    enum csv_quoting quoting;
    struct buf octets; /* fed and not used up */
    size_t at;         /* in octets: where the next record begins */
    uint64_t offset;   /* of octets[at] in the whole stream */
    uint64_t line;     /* its line, from 1 */
    bool ended;        /* there will be no more */
    struct buf text;   /* of the fields of the current record */
    struct slice fields[CSV_FIELDS_MAX];
    bool skipping; /* the rest of a line that is bad already */
    uint64_t bad_line;
    uint64_t bad_offset;
    int bad_err;
    const char *bad_rule;
};

struct csv_record {
    uint64_t line;   /* of its beginning */
    uint64_t offset; /* the same in octets */
    uint64_t end_line;
    uint64_t end_offset; /* where the next one begins */
    size_t field_count;
    const struct slice *fields; /* without quotes; valid until the next call */
    const char *rule;           /* what a bad line breaks */
};

/* Begins at an offset and line of the stream (0 and 1, or where an earlier run had come). */
void csv_init(struct csv *c, enum csv_quoting quoting, uint64_t offset, uint64_t line);
void csv_fini(struct csv *c);

/* Adds at most CSV_FEED_OCTETS_MAX octets, once csv_next has returned 0. 0 or ERR_NO_MEMORY. */
int csv_feed(struct csv *c, struct slice octets);

/* No more will come: a last line without its end counts. */
void csv_end(struct csv *c);

/* 1 with a record; 0 when it needs more input or has ended; ERR_SYNTAX or ERR_LIMIT with a bad line (line, offsets and rule are set; call
 * again to go on); ERR_NO_MEMORY. Empty lines are skipped. */
int csv_next(struct csv *c, struct csv_record *ret_record);

#endif
