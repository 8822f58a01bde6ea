/* The HTTPS server: evhttp on OpenSSL bufferevents. Evhttp tells nobody when a connection begins and ends; the session's extra data does,
 * which lives exactly as long. */
#include "io/http.h"

#include "base/buf.h"
#include "base/list.h"
#include "base/mem.h"
#include "io/stream_private.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <sys/queue.h>
#include <unistd.h>

#define BACKLOG 128

COUNTERS_DEFINE(http_server_counters, HTTP_SERVER_COUNTERS)

struct http_server {
    struct loop *loop;
    struct evhttp *evhttp; /* NULL: closed, and kept only for its connections */
    struct evconnlistener *listener;
    struct http_server_options options;
    struct http_server_counters counters;
    http_request_fn *fn;
    void *arg;
    struct addr addr;
    size_t connections;
    struct list requests; /* not answered yet */
};

struct http_connection {
    struct http_server *server;
    SSL *ssl;
    struct bufferevent *bufferevent;
    struct event deadline;
};

struct http_request {
    struct list link;
    struct evhttp_request *request;
    struct addr peer;
    struct buf certificate;
};

static int connection_index = -1; /* of the extra data; the same for all servers of the process */

static void server_free_if_unused(struct http_server *server)
{
    if (!server->evhttp && server->connections == 0)
        mem_free(server);
}

static void connection_ended(void *parent, void *data, CRYPTO_EX_DATA *all, int index, long argl, void *argp)
{
    struct http_connection *connection = data;
    (void)parent;
    (void)all;
    (void)index;
    (void)argl;
    (void)argp;
    if (!connection)
        return;
    struct http_server *server = connection->server;
    if (!SSL_is_init_finished(connection->ssl))
        server->counters.handshakes_failed++;
    event_del(&connection->deadline);
    mem_free(connection);
    server->connections--;
    if (server->evhttp)
        evconnlistener_enable(server->listener);
    server_free_if_unused(server);
}

/* Ends the socket and lets evhttp find out: freeing the connection is its own affair. */
static void connection_late(evutil_socket_t fd, short what, void *arg)
{
    struct http_connection *connection = arg;
    (void)fd;
    (void)what;
    connection->server->counters.late++;
    evutil_socket_t socket = bufferevent_getfd(connection->bufferevent);
    if (socket >= 0)
        shutdown(socket, SHUT_RDWR);
}

static struct bufferevent *connection_new(struct event_base *base, void *arg)
{
    struct http_server *server = arg;
    struct http_connection *connection = mem_alloc(sizeof *connection);
    SSL *ssl = NULL;
    if (!connection || tls_session_new(server->options.tls, NULL, NULL, &ssl) != 0 ||
        SSL_set_ex_data(ssl, connection_index, connection) != 1) {
        SSL_free(ssl);
        mem_free(connection);
        return NULL;
    }
    connection->server = server;
    connection->ssl = ssl;
    server->connections++;
    server->counters.connections++;
    event_assign(&connection->deadline, base, -1, 0, connection_late, connection);
    if (server->connections >= server->options.connections_max) {
        server->counters.connections_full++;
        evconnlistener_disable(server->listener);
    }
    connection->bufferevent =
        bufferevent_openssl_socket_new(base, -1, ssl, BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
    if (!connection->bufferevent) {
        SSL_free(ssl);
        return NULL;
    }
    bufferevent_openssl_set_allow_dirty_shutdown(connection->bufferevent, 1);
    struct timeval span = {.tv_sec = server->options.timeout_ms / 1000,
                           .tv_usec = server->options.timeout_ms % 1000 * 1000};
    event_add(&connection->deadline, &span);
    return connection->bufferevent;
}

static void request_arrived(struct evhttp_request *evrequest, void *arg)
{
    struct http_server *server = arg;
    struct http_request *request = mem_alloc(sizeof *request);
    struct evhttp_connection *connection = evhttp_request_get_connection(evrequest);
    server->counters.requests++;
    evhttp_add_header(evhttp_request_get_output_headers(evrequest), "Connection", "close");
    if (!request) {
        evhttp_send_error(evrequest, HTTP_SERVUNAVAIL, NULL);
        return;
    }
    request->request = evrequest;
    buf_init(&request->certificate, 1u << 16);
    struct bufferevent *bufferevent = evhttp_connection_get_bufferevent(connection);
    struct sockaddr_storage storage;
    socklen_t n = sizeof storage;
    if (getpeername(bufferevent_getfd(bufferevent), (struct sockaddr *)&storage, &n) == 0)
        request->peer = addr_of_socket(&storage);
    if (tls_peer_certificate(bufferevent_openssl_get_ssl(bufferevent), &request->certificate) != 0)
        buf_clear(&request->certificate);
    list_append(&server->requests, &request->link);
    server->fn(server->arg, request);
}

enum http_method http_request_method(const struct http_request *request)
{
    switch (evhttp_request_get_command(request->request)) {
    case EVHTTP_REQ_GET:
        return HTTP_GET;
    case EVHTTP_REQ_POST:
        return HTTP_POST;
    default:
        return HTTP_OTHER;
    }
}

const char *http_request_path(const struct http_request *request)
{
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request->request);
    const char *path = uri ? evhttp_uri_get_path(uri) : NULL;
    return path ? path : "";
}

const char *http_request_header(const struct http_request *request, const char *name)
{
    return evhttp_find_header(evhttp_request_get_input_headers(request->request), name);
}

struct slice http_request_body(struct http_request *request)
{
    struct evbuffer *body = evhttp_request_get_input_buffer(request->request);
    size_t n = evbuffer_get_length(body);
    const void *octets = n ? evbuffer_pullup(body, -1) : NULL;
    return slice_of(octets, octets ? n : 0);
}

struct addr http_request_peer(const struct http_request *request)
{
    return request->peer;
}

struct slice http_request_certificate(struct http_request *request)
{
    return buf_slice(&request->certificate);
}

static void request_free(struct http_request *request)
{
    list_remove(&request->link);
    buf_fini(&request->certificate);
    mem_free(request);
}

int http_reply_versioned(struct http_request *request, const char *version, const char *content_type, struct slice body)
{
    const char *known = http_request_header(request, "If-None-Match");
    bool same = known && strcmp(known, version) == 0;
    evhttp_add_header(evhttp_request_get_output_headers(request->request), "ETag", version);
    if (same)
        http_reply(request, 304, NULL, slice_of(NULL, 0));
    else
        http_reply(request, 200, content_type, body);
    return same ? 304 : 200;
}

void http_reply(struct http_request *request, int status, const char *content_type, struct slice body)
{
    struct evhttp_request *evrequest = request->request;
    request_free(request);
    struct evbuffer *octets = evbuffer_new();
    if (!octets || evbuffer_add(octets, body.p, body.n) != 0) {
        status = HTTP_SERVUNAVAIL;
        content_type = NULL;
    }
    if (content_type)
        evhttp_add_header(evhttp_request_get_output_headers(evrequest), "Content-Type", content_type);
    evhttp_send_reply(evrequest, status, NULL, octets);
    if (octets)
        evbuffer_free(octets);
}

static int listen_on(struct http_server *server)
{
    struct sockaddr_storage storage;
    socklen_t n = addr_to_socket(&server->options.bind, &storage);
    if (!n)
        return ERR_RANGE;
    server->listener = evconnlistener_new_bind(loop_event_base(server->loop), NULL, NULL,
                                               LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE,
                                               BACKLOG, (const struct sockaddr *)&storage, (int)n);
    if (!server->listener)
        return errno == EADDRINUSE      ? ERR_EXISTS
               : errno == EADDRNOTAVAIL ? ERR_UNREACHABLE
               : errno == EACCES        ? ERR_FORBIDDEN
                                        : ERR_IO;
    n = sizeof storage;
    if (getsockname(evconnlistener_get_fd(server->listener), (struct sockaddr *)&storage, &n) == 0)
        server->addr = addr_of_socket(&storage);
    if (!evhttp_bind_listener(server->evhttp, server->listener)) {
        evconnlistener_free(server->listener);
        return ERR_NO_MEMORY;
    }
    return 0;
}

int http_server_open(struct loop *loop, const struct http_server_options *options, http_request_fn *fn, void *arg,
                     struct http_server **ret_server)
{
    if (connection_index < 0)
        connection_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, connection_ended);
    if (connection_index < 0)
        return ERR_NO_MEMORY;
    struct http_server *server = mem_alloc(sizeof *server);
    if (!server)
        return ERR_NO_MEMORY;
    server->loop = loop;
    server->options = *options;
    server->fn = fn;
    server->arg = arg;
    list_init(&server->requests);
    if (!server->options.body_octets_max)
        server->options.body_octets_max = HTTP_BODY_OCTETS_DEFAULT;
    if (!server->options.timeout_ms)
        server->options.timeout_ms = HTTP_TIMEOUT_MS_DEFAULT;
    if (!server->options.connections_max)
        server->options.connections_max = HTTP_CONNECTIONS_DEFAULT;
    server->evhttp = evhttp_new(loop_event_base(loop));
    int err = server->evhttp ? listen_on(server) : ERR_NO_MEMORY;
    if (err) {
        if (server->evhttp)
            evhttp_free(server->evhttp);
        mem_free(server);
        return err;
    }
    evhttp_set_bevcb(server->evhttp, connection_new, server);
    evhttp_set_gencb(server->evhttp, request_arrived, server);
    evhttp_set_max_body_size(server->evhttp, (ev_ssize_t)server->options.body_octets_max);
    evhttp_set_max_headers_size(server->evhttp, HTTP_HEADER_OCTETS_MAX);
    evhttp_set_allowed_methods(server->evhttp, EVHTTP_REQ_GET | EVHTTP_REQ_POST);
    evhttp_set_timeout(server->evhttp, (int)(server->options.timeout_ms / 1000) + 1);
    *ret_server = server;
    return 0;
}

void http_server_close(struct http_server *server)
{
    if (!server)
        return;
    LIST_EACH(link, &server->requests)
        request_free(CONTAINER_OF(link, struct http_request, link));
    struct evhttp *evhttp = server->evhttp;
    server->connections++; /* held while evhttp frees connections, and the listener with them */
    server->evhttp = NULL;
    evhttp_free(evhttp);
    server->connections--;
    server_free_if_unused(server);
}

struct addr http_server_addr(const struct http_server *server)
{
    return server->addr;
}

const struct http_server_counters *http_server_counters(const struct http_server *server)
{
    return &server->counters;
}
