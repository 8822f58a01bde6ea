/* Both ends of streams in one loop. */
#include "ends.h"

#include "testing.h"

#include <stdio.h>
#include <stdlib.h>

#define PATIENCE_MS 30000

static int waiting_line;

static void on_ready(void *arg, struct stream *stream)
{
    struct end *end = arg;
    assert_false(end->ready);
    end->ready = true;
    if (end->close_on_ready) {
        end->stream = NULL;
        stream_close(stream);
    }
}

static void on_input(void *arg, struct stream *stream, struct slice octets)
{
    struct end *end = arg;
    assert_true(end->ready);
    assert_false(end->closed);
    buf_slice_put(&end->received, octets);
    if (end->echo)
        assert_int_equal(stream_write(stream, octets), 0);
    if (end->close_on_input || end->finish_on_input) {
        end->stream = NULL;
        if (end->finish_on_input)
            stream_finish(stream);
        else
            stream_close(stream);
    }
}

static void on_drained(void *arg, struct stream *stream)
{
    struct end *end = arg;
    assert_int_equal(stream_queued(stream), 0);
    end->drained++;
}

static void on_closed(void *arg, struct stream *stream, enum stream_reason reason, const char *detail)
{
    struct end *end = arg;
    assert_ptr_equal(end->stream, stream);
    assert_false(end->closed);
    assert_true(detail[0] != '\0');
    end->closed = true;
    end->reason = reason;
    end->stream = NULL;
}

const struct stream_handler end_handler = {on_ready, on_input, on_drained, on_closed};

void end_init(struct end *end, struct ends *ends)
{
    *end = (struct end){.ends = ends};
    buf_init(&end->received, 64u << 20);
}

void end_fini(struct end *end)
{
    if (end->stream)
        stream_close(end->stream);
    buf_fini(&end->received);
}

static void give_up(void *arg)
{
    (void)arg;
    fprintf(stderr, "nothing happened for %d ms; waiting in line %d\n", PATIENCE_MS, waiting_line);
    abort();
}

void ends_init(struct ends *ends)
{
    *ends = (struct ends){0};
    assert_int_equal(loop_new(&ends->loop), 0);
    assert_int_equal(loop_timer_new(ends->loop, give_up, NULL, &ends->watchdog), 0);
    loop_timer_set(ends->watchdog, mono_after_ms(loop_now(ends->loop).mono, PATIENCE_MS));
    end_init(&ends->client, ends);
}

void ends_fini(struct ends *ends)
{
    end_fini(&ends->client);
    for (size_t i = 0; i < ends->accepted_count; i++)
        end_fini(&ends->accepted[i]);
    listener_close(ends->listener);
    loop_timer_free(ends->watchdog);
    loop_free(ends->loop);
}

static void on_accept(void *arg, struct stream *stream)
{
    struct ends *ends = arg;
    assert_true(ends->accepted_count < ENDS_ACCEPTED_MAX);
    struct end *end = &ends->accepted[ends->accepted_count++];
    end_init(end, ends);
    end->echo = ends->template.echo;
    end->close_on_ready = ends->template.close_on_ready;
    end->close_on_input = ends->template.close_on_input;
    end->finish_on_input = ends->template.finish_on_input;
    end->stream = stream;
    stream_set_handler(stream, &end_handler, end);
}

struct addr addr_of(const char *text)
{
    struct addr addr;
    assert_int_equal(addr_parse(slice_str(text), 0, &addr), 0);
    return addr;
}

void ends_listen(struct ends *ends, struct tls_context *tls, const struct listener_options *options)
{
    struct listener_options used = options ? *options : (struct listener_options){0};
    if (!used.bind.family) {
        used.bind = addr_of("127.0.0.1:1");
        used.bind.port = 0;
    }
    used.stream.tls = tls;
    used.stream.counters = &ends->server_counters;
    assert_int_equal(listener_open(ends->loop, &used, on_accept, ends, &ends->listener), 0);
}

struct stream_connect_options ends_connect_options(struct ends *ends, struct tls_context *tls)
{
    return (struct stream_connect_options){
        .remote = listener_addr(ends->listener),
        .stream = {.tls = tls, .counters = &ends->client_counters},
    };
}

void ends_connect(struct ends *ends, const struct stream_connect_options *options)
{
    assert_int_equal(stream_connect(ends->loop, options, &end_handler, &ends->client, &ends->client.stream), 0);
    assert_false(ends->client.ready || ends->client.closed);
}

void ends_turn(struct ends *ends, int line)
{
    waiting_line = line;
    assert_int_equal(loop_turn(ends->loop, true), 0);
}
