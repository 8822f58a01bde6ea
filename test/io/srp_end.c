/* A TLS-SRP listener for tests against other implementations: srp_end USERNAME PASSWORD. Prints `port N`, then a line for what happens to
 * each connection; echoes one input per connection and finishes it; ends with its standard input. */
#include "base/text.h"
#include "io/process.h"
#include "io/stream.h"
#include "io/tls_srp.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct loop *loop;
static const char *username, *password;

static void on_ready(void *arg, struct stream *stream)
{
    (void)arg;
    uint8_t exporter[32];
    char text[65];
    if (stream_export(stream, "EXPORTER-ime-pvp", exporter, sizeof exporter) != 0)
        exit(3);
    printf("ready %s\n", hex_format(slice_of(exporter, sizeof exporter), text));
    fflush(stdout);
}

static void on_input(void *arg, struct stream *stream, struct slice octets)
{
    (void)arg;
    if (stream_write(stream, octets) != 0)
        exit(3);
    stream_finish(stream);
}

static void on_closed(void *arg, struct stream *stream, enum stream_reason reason, const char *detail)
{
    (void)arg;
    (void)stream;
    printf("closed %s (%s)\n", stream_reason_name(reason), detail);
    fflush(stdout);
}

static const struct stream_handler handler = {on_ready, on_input, NULL, on_closed};

static int password_of(void *arg, struct stream *stream, struct slice name, struct buf *ret_password)
{
    (void)arg;
    (void)stream;
    if (!slice_eq_str(name, username))
        return ERR_NOT_FOUND;
    buf_str(ret_password, password);
    return 0;
}

static void on_accept(void *arg, struct stream *stream)
{
    (void)arg;
    stream_set_handler(stream, &handler, NULL);
}

static void on_stdin(evutil_socket_t fd, short what, void *arg)
{
    char octets[64];
    (void)what;
    (void)arg;
    if (read((int)fd, octets, sizeof octets) <= 0)
        loop_stop(loop, 0);
}

static int serve(void)
{
    static const uint8_t mask_key[TLS_SRP_MASK_KEY_OCTETS] = {1};
    struct tls_context *context;
    struct listener *listener;
    if (tls_srp_server_new(mask_key, password_of, NULL, &context) != 0)
        return 3;
    struct listener_options options = {.bind = {.family = 4, .ip = {127, 0, 0, 1}}, .stream.tls = context};
    if (listener_open(loop, &options, on_accept, NULL, &listener) != 0)
        return 3;
    printf("port %u\n", listener_addr(listener).port);
    fflush(stdout);
    struct event *input = event_new(loop_event_base(loop), STDIN_FILENO, EV_READ | EV_PERSIST, on_stdin, NULL);
    event_add(input, NULL);
    int status = loop_run(loop);
    event_free(input);
    listener_close(listener);
    tls_context_free(context);
    return status;
}

int main(int argc, char **argv)
{
    process_harden();
    if (loop_new(&loop) != 0)
        return 3;
    if (argc == 3) {
        username = argv[1];
        password = argv[2];
        return serve();
    }
    fputs("usage: srp_end USERNAME PASSWORD\n", stderr);
    return 2;
}
