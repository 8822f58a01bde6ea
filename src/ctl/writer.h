/* Writes JSON into a bounded buffer as it comes, so that an answer of any length costs no tree. Errors stick in the buffer.
 *
 *     ctl_put_integer(w, "peers", 3);
 *     ctl_open_array(w, "pools");
 *     ctl_open_object(w, NULL);           (elements of arrays have no key)
 *     ctl_put_id(w, "node_id", id);
 *     ctl_close(w);
 *     ctl_close(w);
 */
#ifndef CTL_WRITER_H
#define CTL_WRITER_H

#include "base/addr.h"
#include "base/buf.h"
#include "base/id.h"
#include "base/time.h"

#define CTL_DEPTH_MAX 16

struct ctl_writer {
    struct buf *out;
    unsigned depth;
    bool filled[CTL_DEPTH_MAX]; /* the level has an element already: a comma comes first */
    char closer[CTL_DEPTH_MAX];
};

/* Begins a document that is one object; ctl_writer_end closes whatever is open. Returns the buffer's error. */
void ctl_writer_init(struct ctl_writer *w, struct buf *out);
int ctl_writer_end(struct ctl_writer *w);

void ctl_open_object(struct ctl_writer *w, const char *key);
void ctl_open_array(struct ctl_writer *w, const char *key);
void ctl_close(struct ctl_writer *w);

void ctl_put_text(struct ctl_writer *w, const char *key, const char *text); /* NULL writes null */
void ctl_put_slice(struct ctl_writer *w, const char *key, struct slice text);
void ctl_put_integer(struct ctl_writer *w, const char *key, int64_t value);
void ctl_put_unsigned(struct ctl_writer *w, const char *key, uint64_t value);
void ctl_put_boolean(struct ctl_writer *w, const char *key, bool value);
void ctl_put_real(struct ctl_writer *w, const char *key, double value); /* not finite: null */
void ctl_put_hex(struct ctl_writer *w, const char *key, struct slice octets);
void ctl_put_id(struct ctl_writer *w, const char *key, struct id id);
void ctl_put_addr(struct ctl_writer *w, const char *key, const struct addr *a); /* none: null */
void ctl_put_time(struct ctl_writer *w, const char *key, struct wall t);        /* name it "…_at"; 0: null */
void ctl_put_printf(struct ctl_writer *w, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Every counter of a struct made with base/counter.h, as rows {"name": "<prefix>.<name>", "value": n} of the open array. */
void ctl_put_counters(struct ctl_writer *w, const char *prefix, const char *const *names, const uint64_t *values);

#endif
