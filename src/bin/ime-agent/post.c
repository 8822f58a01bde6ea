/* POST /records over HTTPS: call records of a telephone system whose calls do not go through the agent. */
#include "host.h"

#include "base/mem.h"

#define ANSWER_OCTETS_MAX 4096

static void reply(struct http_request *request, const struct agent_post_answer *answer)
{
    struct buf json;
    buf_init(&json, ANSWER_OCTETS_MAX);
    agent_post_format(answer, &json);
    http_reply(request, answer->status, "application/json", buf_slice(&json));
    buf_fini(&json);
}

static void answered(void *arg, const struct agent_post_answer *answer)
{
    reply(arg, answer);
}

static void refuse(struct http_request *request, int status, const char *error)
{
    reply(request, &(struct agent_post_answer){status, error, 0});
}

/* "Authorization: Bearer TOKEN" (RFC 6750 2.1). */
static bool is_authorized(const struct host *h, const struct http_request *request)
{
    static const char scheme[] = "Bearer ";
    const char *text = http_request_header(request, "Authorization");
    struct slice token = buf_slice(&h->daemon.settings->post.token);
    if (!text || strncmp(text, scheme, sizeof scheme - 1) != 0)
        return false;
    text += sizeof scheme - 1;
    return strlen(text) == token.n && mem_equal_secret(text, token.p, token.n);
}

static void on_request(void *arg, struct http_request *request)
{
    struct host *h = arg;
    if (strcmp(http_request_path(request), "/records") != 0) {
        refuse(request, 404, "records are posted to /records");
    } else if (http_request_method(request) != HTTP_POST) {
        refuse(request, 405, "records are posted");
    } else if (!is_authorized(h, request)) {
        refuse(request, 401, "Authorization: Bearer, and the token of records.token-file");
    } else {
        agent_set_now(h->agent, daemon_now(&h->daemon));
        agent_post_records(h->agent, http_request_body(request), answered, request);
        daemon_wake(&h->daemon);
    }
}

int post_open(struct host *h)
{
    const struct post_settings *s = &h->daemon.settings->post;
    if (!s->listen.family)
        return 0;
    int err = tls_of_side(h, &s->files, TLS_SERVER, false, &h->post_tls);
    const struct http_server_options options = {
        .bind = s->listen, .tls = h->post_tls, .body_octets_max = AGENT_POST_OCTETS_MAX};
    if (!err)
        err = http_server_open(h->daemon.loop, &options, on_request, h, &h->post);
    if (!err)
        agent_add_counters(h->agent, "https", http_server_counters_names,
                           COUNTERS_VALUES(http_server_counters(h->post)));
    return daemon_log_listening(&h->daemon, "records", &options.bind, err);
}

void post_close(struct host *h)
{
    if (h->post)
        http_server_close(h->post);
    h->post = NULL;
}

void post_fini(struct host *h)
{
    tls_context_free(h->post_tls);
    h->post_tls = NULL;
}
