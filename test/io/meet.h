/* Clients that meet a TLS server, one after the other, in tests of what the two think of each other. */
#ifndef TEST_MEET_H
#define TEST_MEET_H

#include "ends.h"
#include "pki.h"

struct meeting {
    struct ends ends;
    struct authority ours;
    struct identity server, client;
    struct tls_context *server_context, *client_context;
    struct end far; /* the client of the present meeting */
};

/* Makes the authority, and for a.example and b.example what server and client show. */
int meeting_set_up(void **state);
int meeting_tear_down(void **state);

/* What the two are made of: of our authority, mutual, for domains of SIP. */
struct tls_options meeting_options(struct meeting *m, enum tls_role role, struct slice *trust);

/* Makes the contexts, or loads them again, and listens. */
void meeting_set(struct meeting *m, const struct tls_options *server, const struct tls_options *client);

/* The next client comes, expects that name (NULL: any), and says something, which comes back: then tickets have come as well. NULL: it or the server
 * has refused. */
struct end *meet(struct meeting *m, const char *name);

/* What became of the server's end of the last meeting. */
struct end *meeting_last(struct meeting *m);

#endif
