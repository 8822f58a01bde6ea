/* TLS contexts from files of the configuration. */
#ifndef BIN_DAEMON_TLS_H
#define BIN_DAEMON_TLS_H

#include "bin/daemon/daemon.h"
#include "io/tls.h"

/* Paths of PEM files; NULL: none. */
struct tls_files {
    const char *certificate, *key,
        *ca; /* own certificate first; the key has mode 0600; authorities that are believed */
};

/* Makes a context where *context is NULL; else gives it what the files say now, for new connections, or leaves it as it was. Logs what is wrong with
 * which file. Errors of tls_context_new and of reading files. */
int daemon_tls(const struct daemon *d, const struct tls_files *files, enum tls_role role, enum tls_peer peer,
               struct tls_context **context);

#endif
