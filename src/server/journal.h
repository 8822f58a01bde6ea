/* What happened to each number, step by step: what `imectl explain NUMBER` tells. Durable, bounded per number and in all; the oldest
 * notes give way. A note is never waited for: losing the last ones in a crash loses an explanation, not a call. */
#ifndef SERVER_JOURNAL_H
#define SERVER_JOURNAL_H

#include "base/e164.h"
#include "base/entropy.h"
#include "base/kv.h"
#include "base/time.h"

#define JOURNAL_NOTES_PER_NUMBER_MAX 40
#define JOURNAL_NUMBERS_MAX 100000
#define JOURNAL_TEXT_OCTETS_MAX 240

struct journal;

/* Reads what is stored. Notes that cannot be read are dropped. 0 or ERR_NO_MEMORY. */
int journal_new(const struct kv *kv, const struct entropy *entropy, struct journal **ret_journal);
void journal_free(struct journal *j);

/* One step, as a sentence part for people. Never a secret: no call times, no tickets. */
void journal_note(struct journal *j, struct now now, const struct e164 *number, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The notes of a number, oldest first. */
typedef void journal_note_fn(void *ctx, struct wall at, const char *text);
void journal_each(const struct journal *j, const struct e164 *number, journal_note_fn *fn, void *ctx);

/* Numbers with notes now, and notes dropped because a limit was reached. */
size_t journal_numbers(const struct journal *j);
uint64_t journal_dropped(const struct journal *j);

#endif
