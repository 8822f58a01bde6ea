/* Between the two files of the server's identity: the dialogue with the enrollment server, and what is made of its answers. */
#ifndef IME_SERVER_IDENTITY_H
#define IME_SERVER_IDENTITY_H

#include "host.h"
#include "io/enroll_client.h"

#define ENROLL_TIMEOUT_MS 15000

/* ---- talking to the enrollment server before there is anything else to do ---- */

struct answer {
    bool done;
    int err;
    int status;
    struct buf body;
    char detail[256];
};

void answer_init(struct answer *a);
void answer_came(void *arg, const struct http_answer *from); /* arg: the answer */

/* Turns the loop until the answer is there. err: how the question came out; if it failed there is nothing to wait for. */
int answer_await(struct host *h, struct answer *a, int err);

/* Trusts the authorities of the file and those of the configuration (NULL: none yet); shows the certificate of this node, or none. */
int identity_client_tls(struct host *h, const struct config *config, const struct node *shown,
                        struct tls_context **ret_tls);

/* ---- certificate.c ---- */

/* The key is kept before it is used: a certificate that was issued is never without its key. */
int certificate_prepare_key(struct host *h);

/* Of node 0: the certificate of the data folder, or a first one by the token. Says what is wrong. */
int certificate_prepare(struct host *h, struct tls_context *tls, const struct config *config);

/* Of a further node: whether the data folder has a usable one. */
bool certificate_load(struct node *n, const struct config *config);

/* Renews it in time or, if there is none, asks for it until it is there; then node_run. */
int certificate_watch(struct node *n);
void certificate_unwatch(struct node *n);

/* Another configuration: if another authority issues now, the certificate is renewed soon. */
void certificate_follow(struct node *n, const struct config *config);

/* Removes it from the data folder. */
void certificate_forget(struct node *n);

#endif
