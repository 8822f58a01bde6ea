/* What is rewritten in the head of a message that goes through the edge: who is outside reads no address of the inside, and whoever answers answers to
 * us. Each header has a rule, in one table (alg_rule.c, README.md); what has none, or nothing in it to hide, goes out octet for octet as it came.
 *
 * These are pure functions: they put changes into an edit (sip/edit.h), which the caller may go on with. */
#ifndef EDGE_ALG_H
#define EDGE_ALG_H

#include "edge/alg_place.h"
#include "sip/edit.h"

/* The way of one message. Borrowed. */
struct alg_way {
    const struct edge_options *options;
    enum edge_side from, to;
    enum sip_transport transport; /* on the side that it goes to */
    const char *domain;    /* the served domain of the call: stands in identities where a host of the inside stood */
    struct region *region; /* for texts; until the edit is written */
};

/* A request. uri: the Request-URI as the next side is to see it (in a dialog: the target); no address: as it came, without maddr and with our
 * point's address taken out. Max-Forwards counts down (0 is the caller's to refuse), all Via, Route, Record-Route and Path go. A Route, and headers between edge
 * and agent (X-IME-…, which are taken away in both directions), are the caller's to set behind this. 0 or ERR_NO_MEMORY, ERR_NOT_FOUND: no
 * point of ours on that side; errors of the edit come out when it is written. */
int alg_edit_request(const struct alg_way *way, const struct sip_message *m, struct slice uri, struct sip_edit *e);

/* A response to a request that came in on the side where it goes to: Via, From, Record-Route and Call-ID of that request, To of that request with the
 * response's tag. CSeq stays. */
int alg_edit_response(const struct alg_way *way, const struct sip_message *m, const struct sip_message *request,
                      struct sip_edit *e);

/* A URI as a Contact of ours that stands for another: the user part and what is unknown stays, host and port become ours. For requests of our own.
 * Empty: no memory, no point, or no SIP URI. */
struct slice alg_contact(const struct alg_way *way, struct slice uri);

/* Shows that a whole message (of the outside, as written) tells nothing of the inside: all hosts of URIs and Via, parameters, free texts, session
 * descriptions. Not looked at are user parts, tags, Call-ID and what repeats one (Replaces, Join, In-Reply-To, Target-Dialog), and bodies of other types.
 * The first hidden text; empty: none. Independent of how the rewriting is done: for tests and fuzzing. */
struct slice alg_find_leak(const struct edge_options *options, struct region *region, struct slice octets);

#endif
