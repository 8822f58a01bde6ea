/* What goes from one leg of a call to another. */
#include "pstn/leg.h"

#include <stddef.h>

static struct slice value_of(const struct sip_message *m, enum sip_header header)
{
    const struct sip_field *f = sip_field_first(m, header);
    return f ? f->value : (struct slice){0};
}

void carried_read(const struct sip_message *m, struct carried *ret_carried)
{
    const bool needs = sip_lists(m, SIP_REQUIRE, "timer");
    *ret_carried = (struct carried){.type = value_of(m, SIP_CONTENT_TYPE),
                                    .disposition = value_of(m, SIP_CONTENT_DISPOSITION),
                                    .body = m->body,
                                    .session_expires = value_of(m, SIP_SESSION_EXPIRES),
                                    .min_se = value_of(m, SIP_MIN_SE),
                                    .has_timer = needs || sip_lists(m, SIP_SUPPORTED, "timer"),
                                    .needs_timer = needs};
}

int carried_copy(struct region *region, const struct carried *from, struct carried *ret_copy)
{
    static const size_t slices[] = {offsetof(struct carried, type), offsetof(struct carried, disposition),
                                    offsetof(struct carried, body), offsetof(struct carried, session_expires),
                                    offsetof(struct carried, min_se)};
    struct carried copy = *from;
    for (size_t i = 0; i < sizeof slices / sizeof slices[0]; i++) {
        struct slice *s = (struct slice *)(void *)((char *)&copy + slices[i]);
        const size_t n = s->n;
        *s = n ? region_copy(region, *s) : (struct slice){0};
        if (n && !s->p)
            return ERR_NO_MEMORY;
    }
    *ret_copy = copy;
    return 0;
}

static void put(struct buf *out, enum sip_header header, struct slice value)
{
    if (value.n)
        sip_put(out, header, value);
}

void carried_put(const struct carried *c, struct buf *out)
{
    if (!c) {
        sip_end(out, (struct slice){0});
        return;
    }
    if (c->has_timer)
        sip_put(out, SIP_SUPPORTED, slice_str("timer"));
    if (c->needs_timer)
        sip_put(out, SIP_REQUIRE, slice_str("timer"));
    put(out, SIP_SESSION_EXPIRES, c->session_expires);
    put(out, SIP_MIN_SE, c->min_se);
    if (c->body.n) {
        put(out, SIP_CONTENT_TYPE, c->type);
        put(out, SIP_CONTENT_DISPOSITION, c->disposition);
    }
    sip_end(out, c->body);
}
