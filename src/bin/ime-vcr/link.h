/* The VAP client core on the event loop: connections, TLS, names, time. */
#ifndef IME_VCR_LINK_H
#define IME_VCR_LINK_H

#include "io/loop.h"
#include "options.h"
#include "vap/client.h"

struct link;

/* What the commands want to hear. All are called from the loop. */
struct link_handler {
    void (*online)(void *arg, const struct vap_client_effect *e);
    void (*uploaded)(void *arg, const struct vap_client_effect *e);
    void (*published)(void *arg, const struct vap_client_effect *e);
    /* True once the route is kept (printed): only then is the server told so. */
    bool (*notify)(void *arg, struct slice valinfo);
    /* The last call: every result has been given. */
    void (*stopped)(void *arg);
};

/* Handlers that are NULL are not called. did_count: of the published description; -1: no description even if there is a domain. */
int link_new(const struct options *o, struct loop *loop, bool subscribe, int64_t did_count,
             const struct link_handler *handler, void *arg, struct link **ret_link);
void link_free(struct link *l);

struct vap_client *link_client(struct link *l);

/* To be called after anything was asked of the client. */
void link_work(struct link *l);

/* Unregisters; `stopped` follows. Harmless when it is stopping already. */
void link_stop(struct link *l);

/* Gives up with `code` when no server is reached for so long; stays in force until link_free. */
void link_give_up_after(struct link *l, int64_t ms);

/* What the program should end with, as far as the connection goes. */
enum exit_code link_exit_code(const struct link *l);

#endif
