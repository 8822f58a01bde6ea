/* agent.conf and what is dialed under it. The input is a file, then a NUL and what is dialed. Whatever the file says: what it makes wrong is
 * told; a short number stays what it is, nothing becomes one, and what comes out as +E.164 is that. */
#include "agent/conf.h"

#include <stdlib.h>

static const struct conf_section sections[] = {AGENT_CONF_SECTIONS, {"trunk", true, "A trunk."}};
static const struct conf_key keys[] = {AGENT_CONF_KEYS, AGENT_CONF_DIALING_KEYS("trunk")};
static const struct conf_table table = {
    .intro = "",
    .sections = sections,
    .section_count = sizeof sections / sizeof sections[0],
    .keys = keys,
    .key_count = sizeof keys / sizeof keys[0],
};

static void need(bool good)
{
    if (!good)
        abort();
}

static void dial(const struct agent_dial_plan *plan, const struct agent_short_numbers *shorts, struct slice dialed)
{
    struct agent_dial_trace trace;
    struct agent_dialed in, out;
    agent_dial_in(plan, shorts, dialed, &trace, &in);
    need(trace.n > 0 && trace.n <= AGENT_DIAL_STEPS_MAX);
    if (agent_is_short_number(plan, shorts, dialed))
        need(in.verdict == AGENT_DIAL_SHORT && slice_eq_str(dialed, in.text));
    if (in.verdict != AGENT_DIAL_E164)
        return;
    need(e164_is_valid(e164_slice(&in.number)));
    agent_dial_out(plan, shorts, &in.number, &trace, &out);
    need(!agent_is_short_number(plan, shorts, slice_str(out.text)) && out.text[0]);
}

static void use_numbers(const struct conf *c, struct buf *errors, struct slice dialed)
{
    struct agent_short_numbers shorts;
    struct agent_dial_plan plan;
    struct agent_enrolled *enrolled;
    struct agent_enrollment found;
    struct e164 number = {""};
    if (agent_conf_shorts(c, errors, &shorts) < 0)
        return;
    for (const struct conf_group *g = NULL; (g = conf_next(c, "trunk", g));)
        if (agent_conf_dialing(g, "trunk", errors, &plan) == 0)
            dial(&plan, &shorts, dialed);
    if (agent_conf_enrolled(c, errors, &enrolled) < 0)
        return;
    e164_parse(dialed, &number);
    need(!agent_enrolled_find(enrolled, &number, &found) || !agent_enrolled_is_excluded(enrolled, &number));
    agent_trust_check(enrolled, dialed, &number);
    agent_enrolled_free(enrolled);
}

static void use_services(const struct conf *c, struct buf *errors)
{
    struct agent_conf_service service;
    for (const struct conf_group *g = NULL; (g = conf_next(c, "service", g));) {
        size_t before = errors->n;
        if (agent_conf_service(g, errors, &service) < 0)
            need(errors->n > before || errors->err);
        else
            need(service.config.servers > 0 && service.config.route_count > 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = size ? memchr(data, 0, size) : NULL;
    size_t n = end ? (size_t)(end - data) : size;
    struct slice dialed = end ? slice_of(end + 1, size - n - 1) : slice_of(data, 0);
    struct conf *c = NULL;
    struct buf errors;
    buf_init(&errors, 1 << 20);
    if (conf_parse(&table, "agent.conf", slice_of(data, n), &errors, &c) == 0) {
        use_numbers(c, &errors, dialed);
        use_services(c, &errors);
        conf_free(c);
    }
    buf_fini(&errors);
    return 0;
}
