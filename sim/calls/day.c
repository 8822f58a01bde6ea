/* Numbers, addresses, clocks, marks: day.h. */
#include "calls/day.h"

#include "alloc.h"
#include "base/text.h"

#include <stdio.h>

#define NUMBER_HEAD "+49301"
#define DIALED_HEAD "0301"
#define COMPANY_DIGITS 2
#define K_DIGITS 3
#define SIP_PORT_OF_ALL 5060
#define SIP_PORT_OF_TLS 5061
#define MARK "s=call-"

struct e164 sim_phone_number(uint32_t company, uint32_t k)
{
    struct e164 number;
    char text[40];
    snprintf(text, sizeof text, NUMBER_HEAD "%0*u%0*u", COMPANY_DIGITS, company, K_DIGITS, k);
    if (!e164_parse(slice_str(text), &number))
        sim_die("%s is no number", text);
    return number;
}

const char *sim_phone_dialed(uint32_t company, uint32_t k, char *text)
{
    snprintf(text, SIM_PHONE_OCTETS, DIALED_HEAD "%0*u%0*u", COMPANY_DIGITS, company, K_DIGITS, k);
    return text;
}

struct e164 sim_phone_fallback(const struct sim_day *day, uint32_t company)
{
    return sim_phone_number(company, day->world->options->numbers + 1);
}

bool sim_phone_owner(const struct e164 *number, uint32_t *ret_company, uint32_t *ret_k)
{
    const struct slice text = e164_slice(number);
    const size_t head = strlen(NUMBER_HEAD);
    uint64_t company, k;
    if (text.n != head + COMPANY_DIGITS + K_DIGITS || memcmp(text.p, NUMBER_HEAD, head) != 0 ||
        u64_parse(slice_of(text.p + head, COMPANY_DIGITS), SIM_COMPANIES_MAX, &company) < 0 ||
        u64_parse(slice_of(text.p + head + COMPANY_DIGITS, K_DIGITS), UINT32_MAX, &k) < 0)
        return false;
    *ret_company = (uint32_t)company;
    *ret_k = (uint32_t)k;
    return true;
}

#define NETWORK_INSIDE 18 /* 198.18.0.0/16, 198.19.0.0/16: RFC 2544 */
#define NETWORK_OUTSIDE 19

struct addr sim_calls_addr(enum sim_place_at at, uint32_t index)
{
    const bool outside = at == SIM_AT_EDGE_OUTSIDE;
    return (struct addr){.family = 4,
                         .port = at == SIM_AT_AGENT_IME || outside ? SIP_PORT_OF_TLS : SIP_PORT_OF_ALL,
                         .ip = {198, outside ? NETWORK_OUTSIDE : NETWORK_INSIDE, (uint8_t)index, (uint8_t)(1 + at)}};
}

struct addr sim_calls_network(bool outside)
{
    return (struct addr){.family = 4, .ip = {198, outside ? NETWORK_OUTSIDE : NETWORK_INSIDE}};
}

/* ---- time ---- */

void sim_waker_init(struct sim_waker *w, struct sim_world *world, void (*fire)(void *ctx), void *ctx)
{
    *w = (struct sim_waker){.world = world, .armed_us = INT64_MAX, .fire = fire, .ctx = ctx};
}

static void waker_due(void *ctx, struct sim_world *world)
{
    struct sim_waker *w = ctx;
    if (w->armed_us != world->now_us)
        return; /* it was set to an earlier time meanwhile */
    w->armed_us = INT64_MAX;
    w->fire(w->ctx);
}

void sim_waker_set(struct sim_waker *w, int64_t at_us)
{
    at_us = at_us < w->world->now_us ? w->world->now_us : at_us;
    if (at_us >= w->armed_us)
        return;
    w->armed_us = at_us;
    sim_world_at(w->world, at_us, waker_due, w);
}

struct now sim_day_now(const struct sim_day *day)
{
    return (struct now){{day->world->now_us + SIM_MONO_BEGAN_US}, sim_world_wall(day->world)};
}

int64_t sim_day_world_us(const struct sim_day *day, struct mono mono)
{
    (void)day;
    return mono.us == INT64_MAX ? INT64_MAX : mono.us - SIM_MONO_BEGAN_US;
}

bool sim_call_marked(struct slice octets, uint32_t *ret_call)
{
    const uint8_t *mark = memmem(octets.p, octets.n, MARK, strlen(MARK));
    if (!mark)
        return false;
    const uint8_t *p = mark + strlen(MARK), *end = octets.p + octets.n;
    uint32_t call = 0;
    for (; p < end && *p >= '0' && *p <= '9'; p++)
        call = call * 10 + (uint32_t)(*p - '0');
    *ret_call = call;
    return true;
}
