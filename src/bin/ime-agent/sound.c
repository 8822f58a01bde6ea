/* Sound of the agent's own: digits and silence while a call moves between networks. */
#include "host.h"

#include "io/process.h"

#define SOCKETS_MAX 2000
#define SHARE_OF_FILES 8 /* one of so many */

/* One for each pair of ports, as far as there are descriptors. */
size_t sound_sockets_max(const struct settings *s)
{
    const size_t pairs = (size_t)(s->media_port_max - s->media_port_min + 1) / 2, files = process_files_max();
    const size_t max = pairs < SOCKETS_MAX ? pairs : SOCKETS_MAX;
    return max < files / SHARE_OF_FILES ? max : files / SHARE_OF_FILES;
}

static void on_input(void *arg, uint64_t id, const struct addr *from, struct slice octets)
{
    struct host *h = arg;
    agent_sound_input(h->agent, daemon_now(&h->daemon), id, from, octets);
    daemon_wake(&h->daemon);
}

static int open_port(void *ctx, enum agent_side side, uint8_t family, uint64_t *ret_id, struct addr *ret_local)
{
    struct host *h = ctx;
    return sound_host_open(h->sound, side, family, ret_id, ret_local);
}

static void close_port(void *ctx, uint64_t id)
{
    struct host *h = ctx;
    sound_host_close(h->sound, id);
}

int sound_open(struct host *h)
{
    const struct settings *s = h->daemon.settings;
    struct sound_host_options options;
    bool has_pstn = false;
    sound_host_options_init(&options);
    options.port_min = s->media_port_min;
    options.port_max = s->media_port_max;
    options.open_max = sound_sockets_max(s);
    options.entropy = &h->daemon.entropy;
    for (unsigned side = 0; side < AGENT_SIDES; side++)
        for (unsigned i = 0; i < 2; i++) {
            if (!s->sides[side].media[i].bind.family)
                continue;
            options.places[options.place_count++] =
                (struct sound_place){side, s->sides[side].media[i].bind, s->sides[side].media[i].told};
            has_pstn = has_pstn || side == AGENT_PSTN;
        }
    if (!has_pstn) {
        log_event(&h->daemon.log, LEVEL_NOTICE, "fallback.off",
                  "reason=\"the pstn-side has no address for sound: give it media-address\"");
        return 0;
    }
    h->sound_port = (struct agent_sound){.ctx = h, .open = open_port, .close = close_port};
    return sound_host_new(h->daemon.loop, &options, on_input, h, &h->sound);
}

void sound_close(struct host *h)
{
    sound_host_free(h->sound);
    h->sound = NULL;
}
