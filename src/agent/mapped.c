/* Off-path: which of the edge's addresses leads to a place is asked of its mapping service, before a call is sent there. */
#include "agent/internal.h"

int mapped_init(struct agent *a)
{
    struct mapping_client_config config;
    if (!a->options->mapping_service.family)
        return 0;
    mapping_client_config_init(&config);
    config.answer_ms = a->options->connect_ms;
    config.seed = entropy_u64(a->ports.entropy);
    return mapping_client_new(&config, a->ports.log, &a->mapper);
}

void mapped_fini(struct agent *a)
{
    mapping_client_free(a->mapper);
    a->mapper = NULL;
}

static void ring(struct agent *a, const struct addr *place, const char *why, unsigned code)
{
    char text[ADDR_TEXT_OCTETS];
    if (a->parts.alarms)
        agent_alarm_raise(a->parts.alarms, a->now, AGENT_ALARM_MAPPING_FAILED, addr_format(place, text),
                          code ? "%s (%u)" : "%s", why, code);
}

int mapped_ask(struct attempt *at, struct sip_hop *hop)
{
    struct agent *a = at->call->agent;
    const struct addr *place = &at->way->place;
    if (!a->mapper || !place->family)
        return 1;
    at->question = ++a->next_token;
    const int n = mapping_client_ask(a->mapper, a->now, place, at->question, &hop->addr);
    if (!n)
        list_append(&a->asking, &at->asking);
    else if (n < 0)
        ring(a, place, err_text(n), 0);
    return n;
}

void mapped_led_nowhere(struct agent *a, const struct addr *place)
{
    if (a->mapper && place->family)
        mapping_client_forget(a->mapper, place);
}

bool mapped_next(struct agent *a, struct agent_effect *ret_effect)
{
    a->mapping.kind = MAPPING_CLIENT_RESULT;
    a->mapping.token = 0;
    if (!a->mapper || !mapping_client_next(a->mapper, &a->mapping) || a->mapping.kind == MAPPING_CLIENT_RESULT)
        return false;
    *ret_effect = (struct agent_effect){.kind = AGENT_MAPPING, .mapping = &a->mapping};
    return true;
}

bool mapped_answered(struct agent *a)
{
    const struct mapping_client_effect *e = &a->mapping;
    if (!a->mapper || !e->token)
        return false;
    LIST_EACH(it, &a->asking) {
        struct attempt *at = CONTAINER_OF(it, struct attempt, asking);
        if (at->question != e->token)
            continue;
        if (e->err && at->way)
            ring(a, &at->way->place, err_text(e->err), e->code);
        attempt_mapped(at, e->err, &e->inside);
        break;
    }
    return true;
}
