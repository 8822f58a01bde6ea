/* Calls in progress outlive a crash of the agent in the store: for each there is a row with the goodbye of both its ends, and of its leg to the phone network. After a restart these are
 * sent, so that nobody stays in a call that nobody can end any longer. If the phone network says that the call was in progress until then, the
 * record of the call is complete, and is handed in.
 *
 * A row is written a moment after the answer: short calls cost nothing. It counts on one number of CSeq being as good as another that is larger. */
#ifndef AGENT_LEFTOVER_H
#define AGENT_LEFTOVER_H

struct agent;
struct call;

/* It was answered, or its dialogs go elsewhere. */
void call_keep(struct call *c);

/* It is over. The removal goes to the disk with whatever is committed next. */
void call_keep_no_more(struct call *c);

/* Reads what is left; says the goodbyes. 0, or the store's error. */
int call_leftovers_init(struct agent *a);
void call_leftovers_start(struct agent *a);
void call_leftovers_fini(struct agent *a);

#endif
