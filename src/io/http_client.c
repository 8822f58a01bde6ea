/* One HTTPS request and its answer, on evhttp over an OpenSSL bufferevent. Results are taken over in evhttp's callbacks and delivered from
 * a task, where everything may be freed. */
#include "io/http.h"

#include "base/buf.h"
#include "base/mem.h"
#include "io/tls_private.h"

#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <event2/dns.h>
#include <event2/http.h>
#include <openssl/err.h>
#include <stdio.h>
#include <sys/queue.h>

#define URL_OCTETS_MAX 1024
#define DETAIL_OCTETS 160

struct http_call {
    struct loop *loop;
    http_answer_fn *fn;
    void *arg;
    struct evdns_base *dns; /* NULL: the host is an address */
    struct evhttp_connection *connection;
    SSL *ssl; /* a reference of our own, to ask what went wrong */
    struct bufferevent *bufferevent;
    struct loop_timer *timer;
    struct loop_task task;
    bool too_large;
    struct http_answer answer;
    char content_type[128];
    char detail[DETAIL_OCTETS];
    struct buf body;
};

struct url {
    char host[256]; /* without brackets */
    char authority[272];
    char path[URL_OCTETS_MAX];
    uint16_t port;
};

static void call_free(struct http_call *call)
{
    loop_task_cancel(&call->task);
    loop_timer_free(call->timer);
    if (call->connection)
        evhttp_connection_free(call->connection);
    if (call->dns)
        evdns_base_free(call->dns, 0);
    SSL_free(call->ssl);
    buf_fini(&call->body);
    mem_free(call);
}

static int url_parse(const char *text, struct url *ret_url)
{
    if (strlen(text) >= URL_OCTETS_MAX)
        return ERR_SYNTAX;
    struct evhttp_uri *uri = evhttp_uri_parse(text);
    if (!uri)
        return ERR_SYNTAX;
    struct url url = {.port = 443};
    const char *scheme = evhttp_uri_get_scheme(uri), *host = evhttp_uri_get_host(uri), *path = evhttp_uri_get_path(uri);
    const char *query = evhttp_uri_get_query(uri);
    int port = evhttp_uri_get_port(uri);
    int err = 0;
    if (!scheme || strcmp(scheme, "https") != 0 || !host || !*host || strlen(host) > 253 ||
        evhttp_uri_get_userinfo(uri) || port == 0 || port > UINT16_MAX)
        err = ERR_SYNTAX;
    if (!err) {
        if (port > 0)
            url.port = (uint16_t)port;
        size_t n = strlen(host);
        bool bracketed = host[0] == '[' && host[n - 1] == ']';
        snprintf(url.host, sizeof url.host, "%.*s", (int)(bracketed ? n - 2 : n), bracketed ? host + 1 : host);
        snprintf(url.authority, sizeof url.authority, "%s:%u", host, url.port);
        snprintf(url.path, sizeof url.path, "%s%s%s", path && *path ? path : "/", query ? "?" : "", query ? query : "");
        *ret_url = url;
    }
    evhttp_uri_free(uri);
    return err;
}

static void deliver(void *arg)
{
    struct http_call *call = arg;
    call->answer.body = buf_slice(&call->body);
    call->answer.content_type = call->content_type;
    call->answer.detail = call->detail;
    call->fn(call->arg, &call->answer);
    call_free(call);
}

static void finish(struct http_call *call, int err, const char *detail)
{
    call->answer.err = err;
    snprintf(call->detail, sizeof call->detail, "%s", detail);
    loop_timer_set(call->timer, MONO_NEVER);
    loop_post(call->loop, &call->task, LOOP_STAGE_WORK);
}

static void late(void *arg)
{
    finish(arg, ERR_TIMEOUT, "no answer in time");
}

static void failed(enum evhttp_request_error error, void *arg)
{
    struct http_call *call = arg;
    if (error == EVREQ_HTTP_DATA_TOO_LONG)
        call->too_large = true;
}

static void explain_failure(struct http_call *call)
{
    long verified = SSL_get_verify_result(call->ssl);
    unsigned long code = bufferevent_get_openssl_error(call->bufferevent);
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    if (call->too_large)
        finish(call, ERR_LIMIT, "the answer is too large");
    else if (verified != X509_V_OK)
        finish(call, ERR_AUTH, X509_verify_cert_error_string(verified));
    else if (reason)
        finish(call, SSL_is_init_finished(call->ssl) ? ERR_CLOSED : ERR_AUTH, reason);
    else if (SSL_is_init_finished(call->ssl))
        finish(call, ERR_CLOSED, "the connection ended before the answer did");
    else
        finish(call, ERR_UNREACHABLE, "no connection");
}

static void answered(struct evhttp_request *request, void *arg)
{
    struct http_call *call = arg;
    int status = request ? evhttp_request_get_response_code(request) : 0;
    if (status == 0) {
        explain_failure(call);
        return;
    }
    const char *content_type = evhttp_find_header(evhttp_request_get_input_headers(request), "Content-Type");
    snprintf(call->content_type, sizeof call->content_type, "%s", content_type ? content_type : "");
    struct evbuffer *body = evhttp_request_get_input_buffer(request);
    size_t n = evbuffer_get_length(body);
    if (n)
        buf_put(&call->body, evbuffer_pullup(body, -1), n);
    call->answer.status = status;
    finish(call, call->body.err, call->body.err ? "the answer is too large" : "");
}

static int connection_new(struct http_call *call, const struct http_call_options *options, const struct url *url)
{
    struct event_base *base = loop_event_base(call->loop);
    struct addr address;
    SSL *ssl;
    if (addr_parse(slice_str(url->host), url->port, &address) != 0 && !strchr(url->host, ':')) {
        call->dns = evdns_base_new(base, EVDNS_BASE_INITIALIZE_NAMESERVERS | EVDNS_BASE_DISABLE_WHEN_INACTIVE);
        if (!call->dns)
            return ERR_IO;
    }
    int err = tls_session_new(options->tls, url->host, NULL, &ssl);
    if (err)
        return err;
    SSL_up_ref(ssl);
    call->ssl = ssl;
    call->bufferevent =
        bufferevent_openssl_socket_new(base, -1, ssl, BUFFEREVENT_SSL_CONNECTING, BEV_OPT_CLOSE_ON_FREE);
    if (!call->bufferevent) {
        SSL_free(ssl);
        return ERR_NO_MEMORY;
    }
    bufferevent_openssl_set_allow_dirty_shutdown(call->bufferevent, 1);
    call->connection = evhttp_connection_base_bufferevent_new(base, call->dns, call->bufferevent, url->host, url->port);
    if (!call->connection) {
        bufferevent_free(call->bufferevent);
        return ERR_NO_MEMORY;
    }
    evhttp_connection_set_max_body_size(call->connection, (ev_ssize_t)call->body.limit);
    evhttp_connection_set_max_headers_size(call->connection, HTTP_HEADER_OCTETS_MAX);
    return 0;
}

static int request_send(struct http_call *call, const struct http_call_options *options, const struct url *url)
{
    struct evhttp_request *request = evhttp_request_new(answered, call);
    if (!request)
        return ERR_NO_MEMORY;
    evhttp_request_set_error_cb(request, failed);
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    evhttp_add_header(headers, "Host", url->authority);
    evhttp_add_header(headers, "Connection", "close");
    bool post = options->method == HTTP_POST;
    if (options->known_version)
        evhttp_add_header(headers, "If-None-Match", options->known_version);
    if (post) {
        evhttp_add_header(headers, "Content-Type",
                          options->content_type ? options->content_type : "application/octet-stream");
        evbuffer_add(evhttp_request_get_output_buffer(request), options->body.p, options->body.n);
    }
    /* On failure evhttp has freed the request. */
    return evhttp_make_request(call->connection, request, post ? EVHTTP_REQ_POST : EVHTTP_REQ_GET, url->path) == 0
               ? 0
               : ERR_IO;
}

int http_call(struct loop *loop, const struct http_call_options *options, http_answer_fn *fn, void *arg,
              struct http_call **ret_call)
{
    struct url url;
    int err = url_parse(options->url, &url);
    if (err)
        return err;
    struct http_call *call = mem_alloc(sizeof *call);
    if (!call)
        return ERR_NO_MEMORY;
    call->loop = loop;
    call->fn = fn;
    call->arg = arg;
    loop_task_init(&call->task, deliver, call);
    buf_init(&call->body, options->body_octets_max ? options->body_octets_max : HTTP_BODY_OCTETS_DEFAULT);
    err = loop_timer_new(loop, late, call, &call->timer);
    if (!err)
        err = connection_new(call, options, &url);
    if (!err)
        err = request_send(call, options, &url);
    if (err) {
        call_free(call);
        return err;
    }
    int64_t timeout_ms = options->timeout_ms ? options->timeout_ms : HTTP_TIMEOUT_MS_DEFAULT;
    loop_timer_set(call->timer, mono_after_ms(loop_now(loop).mono, timeout_ms));
    *ret_call = call;
    return 0;
}

void http_call_cancel(struct http_call *call)
{
    if (call)
        call_free(call);
}
