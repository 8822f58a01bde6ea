/* The running enrollment server: the core, and everything of the kernel that it needs. One object, made in main, known to every file here. What
 * all daemons have is in its part `daemon`. */
#ifndef IME_ENROLL_HOST_H
#define IME_ENROLL_HOST_H

#include "bin/daemon/daemon.h"
#include "io/http.h"
#include "settings.h"

struct host {
    struct daemon daemon;
    struct enroll *enroll;
    uint16_t sequence; /* of the configuration that the ca-file and HTTPS follow */
    struct tls_context *tls;
    struct loop_timer *tls_timer;
    struct http_server *http;
};

/* https.c: the listener, its routes, and its own certificate, which is made anew in time. */
int https_open(struct host *h);
void https_close(struct host *h);
/* A new certificate, for example for other names. */
int https_renew(struct host *h);

#endif
