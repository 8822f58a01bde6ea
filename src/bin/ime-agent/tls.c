/* TLS contexts from the files of the configuration. */
#include "bin/daemon/tls.h"
#include "host.h"

int tls_of_side(struct host *h, const struct side_settings *side, enum tls_role role, bool demands,
                struct tls_context **ret_context)
{
    const struct tls_files files = {side->certificate, side->key, side->ca};
    return daemon_tls(&h->daemon, &files, role, role == TLS_CLIENT || demands ? TLS_PEER_REQUIRED : TLS_PEER_NONE,
                      ret_context);
}

int tls_of_authority(struct host *h, const char *ca, struct tls_context **ret_context)
{
    const struct tls_files files = {.ca = ca};
    return daemon_tls(&h->daemon, &files, TLS_CLIENT, TLS_PEER_REQUIRED, ret_context);
}
