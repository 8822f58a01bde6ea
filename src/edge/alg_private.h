/* Inside the rewriting of heads: rules of headers, and URIs written anew. Private to alg*.c. */
#ifndef EDGE_ALG_PRIVATE_H
#define EDGE_ALG_PRIVATE_H

#include "base/buf.h"
#include "edge/alg.h"

/* ---- rules (alg_rule.c) ---- */

enum alg_rule {
    ALG_TEXT,     /* free: hidden addresses in it become our domain */
    ALG_PASS,     /* as it is */
    ALG_REMOVE,   /* between each side and us */
    ALG_KEEP_IN,  /* removed on its way out */
    ALG_CONTACT,  /* ours; in redirections only what is hidden */
    ALG_IDENTITY, /* who: hidden hosts become our domain */
    ALG_TARGET,   /* where to: hidden hosts become our point, and our point becomes that of the other side */
    ALG_LINK      /* something to fetch: a value that is hidden goes, on both ways */
};
enum alg_rule alg_rule_of(const struct sip_field *field);

#define ALG_TEXT_OCTETS_MAX 65536

/* ---- URIs (alg_uri.c) ---- */

/* Texts in the way's region; no address: no memory. */
struct slice alg_keep(struct buf *b, const struct alg_way *way); /* what a buffer holds; it is over */
struct slice alg_print(const struct alg_way *way, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A parameter or header of a URI, or a parameter of a field, says something hidden. Escapes are seen through. */
bool alg_value_is_hidden(const struct alg_way *way, struct slice value);

/* Any part of a SIP URI but its user says something hidden. */
bool alg_uri_is_hidden(const struct alg_way *way, const struct sip_uri *uri);

/* With another host and port (a text as in "host:5060"), maddr and what is hidden taken out. with_transport: and the transport of the way. */
struct slice alg_uri_at(const struct alg_way *way, const struct sip_uri *uri, struct slice host_port,
                        bool with_transport);

/* Its own host and port, as they stand. */
struct slice alg_host_port(const struct alg_way *way, const struct sip_uri *uri);

bool alg_is_sip(const struct sip_uri *uri); /* sip or sips */

/* Free text with hidden addresses as our domain; the same slice if there are none. */
struct slice alg_masked(const struct alg_way *way, struct slice text);

#endif
