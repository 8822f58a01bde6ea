/* What the agents of two companies say to each other about moving a call to the phone network: the value of the header IME-Fallback, in the INVITE
 * and its 2xx, in re-INVITEs and BYEs of their own, and in INFO without a body (doc/profile.md, Mid-call fallback). Edges pass it on; no PBX and no trunk ever
 * sees it, nor is it believed from there. */
#ifndef AGENT_FALLBACK_WORD_H
#define AGENT_FALLBACK_WORD_H

#include "base/buf.h"
#include "base/e164.h"

#define FALLBACK_HEADER "IME-Fallback"
#define FALLBACK_TOKEN_DIGITS_MAX 16
#define FALLBACK_RETURN_S_MAX 86400
#define FALLBACK_WORD_OCTETS_MAX 256

enum fallback_verb {
    FALLBACK_READY,   /* INVITE: we can move calls; return */
    FALLBACK_OFFERED, /* its 2xx: call this number; number, token, caller-id, return */
    FALLBACK_WANTED,  /* to the caller's side: please move it; why */
    FALLBACK_CALLING, /* from it: the phone network is being called. Its 200 may have a fresh token */
    FALLBACK_JOINED, /* your call by the phone network has found its call, and moves; a fresh token for the next time */
    FALLBACK_FAILED, /* this try is over, the call stays direct; cause */
    FALLBACK_RETURN, /* from the caller's side: may it come back? 200, 480 with Retry-After, 603 */
    FALLBACK_QUALITY, /* to the caller's side, what the edge there says: bad, good */
    FALLBACK_KEPT,    /* re-INVITE: between agents, who keep the way open while the call is elsewhere */
    FALLBACK_LEFT     /* BYE: of this way only; the call goes on by the phone network */
};
#define FALLBACK_VERBS 10

struct fallback_word {
    enum fallback_verb verb;
    struct e164 number;
    char token[FALLBACK_TOKEN_DIGITS_MAX + 1]; /* digits; "": none */
    unsigned caller_id_digits;                 /* 0: not told */
    unsigned return_s;                         /* 0: it does not come back */
    unsigned cause;                            /* 0: not told */
    bool is_bad;                               /* QUALITY */
    bool is_dead;                              /* WANTED: nothing gets through any more, else: it sounds bad */
};

/* Unknown parameters are passed over. 0; ERR_SYNTAX, ERR_RANGE; ERR_UNSUPPORTED: a verb that is not known. */
int fallback_word_parse(struct slice value, struct fallback_word *ret_word);

/* Appends. */
void fallback_word_format(const struct fallback_word *word, struct buf *out);

#endif
