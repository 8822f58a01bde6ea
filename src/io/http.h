/* HTTPS server and client for enrollment and configuration: small documents, one request per connection, everything bounded. On
 * libevent's evhttp over its OpenSSL bufferevents. */
#ifndef IO_HTTP_H
#define IO_HTTP_H

#include "base/addr.h"
#include "base/counter.h"
#include "base/slice.h"
#include "io/loop.h"
#include "io/tls.h"

#define HTTP_BODY_OCTETS_DEFAULT (256u << 10)
#define HTTP_HEADER_OCTETS_MAX 8192
#define HTTP_TIMEOUT_MS_DEFAULT 15000
#define HTTP_CONNECTIONS_DEFAULT 256

enum http_method { HTTP_GET, HTTP_POST, HTTP_OTHER };

/* Server. */
struct http_server;
struct http_request; /* lives until it is answered */

/* Every request must be answered once, now or later, unless the server is closed before. A client that has gone away meanwhile makes the
 * answer a no-op. */
typedef void http_request_fn(void *arg, struct http_request *request);

struct http_server_options {
    struct addr bind;        /* port 0: the kernel chooses */
    struct tls_context *tls; /* mandatory; must outlive the server */
    size_t body_octets_max;  /* larger requests are answered with 413. 0: the default, as below */
    int64_t timeout_ms;      /* for a connection as a whole, from accepting to the end of the answer */
    size_t connections_max;  /* with so many, accepting pauses until one ends */
};

/* full: how often accepting had to pause; handshakes_failed: connections that ended before TLS was established; late: connections whose
 * time was over. */
#define HTTP_SERVER_COUNTERS(X) X(connections) X(connections_full) X(handshakes_failed) X(late) X(requests)
COUNTERS_DECLARE(http_server_counters, HTTP_SERVER_COUNTERS)

/* 0, ERR_EXISTS (address in use), ERR_UNREACHABLE (not an address of ours), ERR_FORBIDDEN, ERR_IO, ERR_NO_MEMORY. */
int http_server_open(struct loop *loop, const struct http_server_options *options, http_request_fn *fn, void *arg,
                     struct http_server **ret_server);
/* Requests not answered yet are dropped. */
void http_server_close(struct http_server *server);
struct addr http_server_addr(const struct http_server *server);
const struct http_server_counters *http_server_counters(const struct http_server *server);

enum http_method http_request_method(const struct http_request *request);
/* Without query. Valid until the answer, as everything below. */
const char *http_request_path(const struct http_request *request);
/* NULL if absent. */
const char *http_request_header(const struct http_request *request, const char *name);
struct slice http_request_body(struct http_request *request);
struct addr http_request_peer(const struct http_request *request);
/* The client's certificate, verified by TLS, as DER; empty if it showed none. */
struct slice http_request_certificate(struct http_request *request);

/* The answer to a GET whose contents are known by a version ("\"7\""): 304 without them if the client has that one already (RFC 9110
 * 13.1.2), else 200. Returns which. */
int http_reply_versioned(struct http_request *request, const char *version, const char *content_type,
                         struct slice body);

void http_reply(struct http_request *request, int status, const char *content_type, struct slice body);

/* Client. One request, one answer; redirections are not followed (the status says 3xx). */
struct http_call;

struct http_answer {
    int err; /* 0: there is an answer, whatever its status. Else ERR_UNREACHABLE, ERR_TIMEOUT, ERR_AUTH (the server's certificate),
              * ERR_LIMIT (too large), ERR_CLOSED */
    const char *detail; /* a sentence part for people if err */
    int status;
    const char *content_type; /* "" if absent */
    struct slice body;
};
typedef void http_answer_fn(void *arg, const struct http_answer *answer);

struct http_call_options {
    struct tls_context *tls; /* mandatory: trust, and the client's certificate if any. Must outlive the call */
    enum http_method method;
    const char *
        url; /* https://host[:port]/path; the host is a DNS name, an IPv4 address or an [IPv6 address], and is verified */
    const char *content_type; /* of a POST */
    struct slice body;
    const char *known_version; /* of a GET: answered with 304 if it is still that one. NULL: none is known */
    size_t body_octets_max;    /* of the answer */
    int64_t timeout_ms;        /* for the whole exchange */
};

/* 0, ERR_SYNTAX (the URL), ERR_NO_MEMORY, ERR_IO. The answer is called back once, later, unless the call is canceled; the call is dead then. */
int http_call(struct loop *loop, const struct http_call_options *options, http_answer_fn *fn, void *arg,
              struct http_call **ret_call);
void http_call_cancel(struct http_call *call);

#endif
