/* The workers that relay media, and what they say. */
#include "host.h"

static void on_event(void *arg, const struct media_event *event)
{
    struct host *h = arg;
    edge_media(h->edge, daemon_now(&h->daemon), event);
    daemon_wake(&h->daemon);
}

int media_open(struct host *h)
{
    struct media_host_options options = h->daemon.settings->media;
    options.log = &h->daemon.log;
    int err = media_host_new(h->daemon.loop, &options, &h->daemon.entropy, on_event, h, &h->media);
    if (err)
        log_event(&h->daemon.log, LEVEL_ERROR, "media.failed", "error=%s ports=%u-%u", err_name(err), options.port_min,
                  options.port_max);
    return err;
}

void media_close(struct host *h)
{
    media_host_free(h->media);
    h->media = NULL;
}
