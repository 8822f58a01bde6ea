/* The connection to the edge's mapping service: plain TCP inside of the company's network. */
#include "host.h"

static void on_ready(void *arg, struct stream *stream)
{
    struct host *h = arg;
    (void)stream;
    agent_mapping_connected(h->agent, daemon_now(&h->daemon));
    daemon_wake(&h->daemon);
}

static void on_input(void *arg, struct stream *stream, struct slice octets)
{
    struct host *h = arg;
    (void)stream;
    agent_mapping_input(h->agent, daemon_now(&h->daemon), octets);
    daemon_wake(&h->daemon);
}

static void on_closed(void *arg, struct stream *stream, enum stream_reason reason, const char *detail)
{
    struct host *h = arg;
    (void)stream;
    h->mapping = NULL;
    log_event(&h->daemon.log, LEVEL_INFO, "mapping.closed", "reason=%s detail=\"%s\"", stream_reason_name(reason),
              detail);
    agent_mapping_closed(h->agent, daemon_now(&h->daemon));
    daemon_wake(&h->daemon);
}

static const struct stream_handler handler = {.ready = on_ready, .input = on_input, .closed = on_closed};

static void mapping_connect(struct host *h)
{
    const struct agent_options *o = &h->options;
    const struct side_settings *side = &h->daemon.settings->sides[AGENT_IME];
    struct addr from = side->listen[SIP_TCP].family ? side->listen[SIP_TCP] : side->listen[SIP_TLS];
    from.port = 0; /* the edge knows us by it */
    const struct stream_connect_options options = {
        .remote = o->mapping_service,
        .local = from,
        .stream = {.connect_timeout_ms = o->connect_ms,
                   .acknowledge_timeout_ms = o->connect_ms,
                   .counters = &h->mapping_counters,
                   .service = "mapping",
                   .log = &h->daemon.log},
    };
    if (stream_connect(h->daemon.loop, &options, &handler, h, &h->mapping) < 0) {
        agent_mapping_closed(h->agent, daemon_now(&h->daemon));
        daemon_wake(&h->daemon);
    }
}

void mapping_close(struct host *h)
{
    if (h->mapping)
        stream_close(h->mapping);
    h->mapping = NULL;
}

void mapping_perform(struct host *h, const struct mapping_client_effect *e)
{
    switch (e->kind) {
    case MAPPING_CLIENT_CONNECT:
        mapping_connect(h);
        break;
    case MAPPING_CLIENT_SEND:
        if (h->mapping)
            stream_write(h->mapping, e->octets); /* what is not sent has no answer, and its time runs */
        break;
    case MAPPING_CLIENT_DISCONNECT:
        mapping_close(h);
        break;
    case MAPPING_CLIENT_RESULT:
        break;
    }
}
