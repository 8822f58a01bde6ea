/* The defaults of a call agent, and the texts that its options own. */
#include "agent/options.h"

#include "base/mem.h"

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)

void agent_options_default(struct agent_options *options)
{
    *options = (struct agent_options){
        .ime_transport = SIP_TLS,
        .connect_ms = 4 * SECOND,
        .setup_ms = 8 * SECOND,
        .ring_ms = 3 * MINUTE,
        .idle_ms = 15 * MINUTE,
        .keepalive_ms = 30 * SECOND,
        .keepalive_misses = 3,
        .register_ms = 60 * MINUTE,
        .register_min_ms = 1 * MINUTE,
        .register_max_ms = 60 * MINUTE,
        .calls_max = 10000,
        .direct_max = 500,
        .late_ms = 200,
        .requests_max = 5000,
        .journal_max = 10000,
        .strangers_max = 500,
        .strangers_per_source_max = 50,
    };
    agent_short_numbers_default(&options->shorts);
}

static void trunk_fini(struct agent_trunk_options *t)
{
    if (t->password)
        mem_wipe(t->password, strlen(t->password));
    mem_free(t->name);
    mem_free(t->host);
    mem_free(t->domain);
    mem_free(t->user);
    mem_free(t->password);
}

void agent_options_fini(struct agent_options *options)
{
    for (size_t i = 0; i < options->trunk_count; i++)
        trunk_fini(&options->trunks[i]);
    for (unsigned side = 0; side < AGENT_SIDES; side++) {
        for (unsigned transport = SIP_UDP; transport <= SIP_TLS; transport++)
            mem_free(options->points[side][transport]);
    }
    mem_free(options->domain);
    *options = (struct agent_options){0};
}

static bool copy(char **ret_text, const char *text)
{
    *ret_text = text ? mem_strdup(text) : NULL;
    return !text || *ret_text;
}

int agent_options_trunk(struct agent_options *options, const struct agent_trunk_options *trunk)
{
    struct agent_trunk_options *t = &options->trunks[options->trunk_count];
    if (options->trunk_count >= AGENT_TRUNKS_MAX)
        return ERR_LIMIT;
    for (size_t i = 0; i < options->trunk_count; i++) {
        if (!strcmp(options->trunks[i].name, trunk->name))
            return ERR_EXISTS;
    }
    *t = *trunk;
    t->name = t->host = t->domain = t->user = t->password = NULL;
    if (!copy(&t->name, trunk->name) || !copy(&t->host, trunk->host) || !copy(&t->domain, trunk->domain) ||
        !copy(&t->user, trunk->user) || !copy(&t->password, trunk->password)) {
        trunk_fini(t);
        *t = (struct agent_trunk_options){0};
        return ERR_NO_MEMORY;
    }
    options->trunk_count++;
    return 0;
}

int agent_options_point(struct agent_options *options, enum agent_side side, enum sip_transport transport,
                        const char *host_port)
{
    char *text = mem_strdup(host_port);
    if (!text)
        return ERR_NO_MEMORY;
    mem_free(options->points[side][transport]);
    options->points[side][transport] = text;
    return 0;
}
