/* What imectl has added to what agent.conf says of numbers and trust: enrolled patterns, excluded numbers, trusted and blocked domains and
 * prefixes. The file is its writer's and is never touched; what imectl adds lies in the store. Both hold together; where they disagree the file
 * holds, and what does not hold for that reason says so. An entry counts once it is durable. */
#ifndef AGENT_PROVISION_H
#define AGENT_PROVISION_H

#include "agent/enrolled.h"
#include "base/buf.h"
#include "base/kv.h"
#include "base/log.h"

#define AGENT_PROVISION_MAX 200000 /* entries of all kinds */

struct agent_provision;

/* Reads what is stored, and joins it with what the file says, which is borrowed until another one takes its place. Rows that cannot be read are
 * logged and left alone. The log may be NULL. */
int agent_provision_new(const struct kv *kv, const struct agent_enrolled *file, const struct log *log,
                        struct agent_provision **ret_provision);

/* Whoever waits for a change that is not durable yet is told ERR_CLOSED. NULL is allowed. */
void agent_provision_free(struct agent_provision *p);

/* What holds. Valid until it changes: then the watch is called, with which everybody takes the new one, before the old one is freed. */
const struct agent_enrolled *agent_provision_enrolled(const struct agent_provision *p);
typedef int agent_provision_watch_fn(void *ctx, const struct agent_enrolled *enrolled);
void agent_provision_watch(struct agent_provision *p, agent_provision_watch_fn *fn, void *ctx);

/* The file was read again: `file` takes the place of the other one, which may be freed afterwards. ERR_NO_MEMORY: what held goes on holding; or
 * what the watch said. */
int agent_provision_set_file(struct agent_provision *p, const struct agent_enrolled *file);

/* ---- what is there ---- */

struct agent_provision_entry {
    enum agent_entry_kind kind;
    const char *text;
    const char *group;
    const char *fallback; /* enrolled: the fallback profile that was asked for; "": the group's */
    bool trusted;         /* domains and prefixes */
};

/* Entry by entry, in the order in which they were added since the start, older ones sorted. why: "" if it holds, else why not, or that the
 * file has it, too. False stops. */
typedef bool agent_provision_fn(void *ctx, const struct agent_provision_entry *entry, const char *why);
void agent_provision_each(const struct agent_provision *p, agent_provision_fn *fn, void *ctx);

size_t agent_provision_count(const struct agent_provision *p);
size_t agent_provision_idle(const struct agent_provision *p); /* those that do not hold */

/* What imectl has added, as sections of agent.conf: for who would rather have it there. Appends. */
void agent_provision_export(const struct agent_provision *p, struct buf *out);

/* ---- changes ---- */

/* Several entries that are added, or taken away, in one step. One change at a time. */
struct agent_provision_change;
#define AGENT_PROVISION_WHY_OCTETS 200

/* ERR_WRONG_STATE (another one is being written), ERR_NO_MEMORY. */
int agent_provision_begin(struct agent_provision *p, struct agent_provision_change **ret_change);

/* 0: it is part of the change. ERR_EXISTS: imectl has added the very same before. Else an error, and why goes to ret_why (of
 * AGENT_PROVISION_WHY_OCTETS); the others of the change are not touched. A change adds, or takes away. */
int agent_provision_add(struct agent_provision_change *c, const struct agent_provision_entry *entry, char *ret_why);
int agent_provision_remove(struct agent_provision_change *c, enum agent_entry_kind kind, struct slice text,
                           char *ret_why);

/* All entries of that kind that are in that group. Their number. */
size_t agent_provision_remove_group(struct agent_provision_change *c, enum agent_entry_kind kind, const char *group);

/* Writes it. done is called once, now or later: 0 when it is durable and holds; else nothing has changed, or (ERR_NO_MEMORY) it is durable and will
 * hold after a restart. The change is gone. */
typedef void agent_provision_done_fn(void *arg, int err);
void agent_provision_commit(struct agent_provision_change *c, agent_provision_done_fn *done, void *arg);

/* Instead of commit. */
void agent_provision_cancel(struct agent_provision_change *c);

#endif
