/* Clients that meet a TLS server. */
#include "meet.h"

#include "testing.h"

#include <stdlib.h>

int meeting_set_up(void **state)
{
    struct meeting *m = calloc(1, sizeof *m);
    ends_init(&m->ends);
    m->ends.template.echo = true;
    authority_init(&m->ours, "our authority");
    identity_init_usage(&m->server, &m->ours, "a.example", NULL);
    identity_init_usage(&m->client, &m->ours, "b.example", NULL);
    end_init(&m->far, &m->ends);
    *state = m;
    return 0;
}

int meeting_tear_down(void **state)
{
    struct meeting *m = *state;
    end_fini(&m->far);
    ends_fini(&m->ends);
    tls_context_free(m->server_context);
    tls_context_free(m->client_context);
    identity_fini(&m->server);
    identity_fini(&m->client);
    authority_fini(&m->ours);
    free(m);
    return 0;
}

struct tls_options meeting_options(struct meeting *m, enum tls_role role, struct slice *trust)
{
    *trust = cert_der(m->ours.cert);
    struct tls_options options =
        pki_options(role, TLS_PEER_REQUIRED, role == TLS_SERVER ? &m->server : &m->client, trust);
    options.purpose = TLS_PURPOSE_SIP;
    return options;
}

static void set(struct tls_context **context, const struct tls_options *options)
{
    if (*context)
        assert_int_equal(tls_context_reload(*context, options), 0);
    else
        assert_int_equal(tls_context_new(options, context), 0);
}

void meeting_set(struct meeting *m, const struct tls_options *server, const struct tls_options *client)
{
    struct slice trust;
    struct tls_options usual_server = meeting_options(m, TLS_SERVER, &trust);
    struct tls_options usual_client = meeting_options(m, TLS_CLIENT, &trust);
    set(&m->server_context, server ? server : &usual_server);
    set(&m->client_context, client ? client : &usual_client);
    if (!m->ends.listener)
        ends_listen(&m->ends, m->server_context, NULL);
}

struct end *meeting_last(struct meeting *m)
{
    return &m->ends.accepted[m->ends.accepted_count - 1];
}

struct end *meet(struct meeting *m, const char *name)
{
    size_t before = m->ends.accepted_count;
    struct stream_connect_options options = ends_connect_options(&m->ends, m->client_context);
    options.peer_name = name;
    end_fini(&m->far);
    end_init(&m->far, &m->ends);
    assert_int_equal(stream_connect(m->ends.loop, &options, &end_handler, &m->far, &m->far.stream), 0);
    TURN_UNTIL(&m->ends, m->far.ready || m->far.closed);
    if (m->far.ready && m->far.stream)
        assert_int_equal(stream_write(m->far.stream, slice_str("hello")), 0);
    TURN_UNTIL(&m->ends, m->far.received.n == 5 ||
                             (m->far.closed && (m->ends.accepted_count == before || meeting_last(m)->closed)));
    return m->far.closed ? NULL : &m->far;
}
