/* Who calls, whose a number is, and what the called side is told of the caller: in a phone network by ranges of +E.164 numbers, in a PBX by
 * extensions and the digit for an outside line. */
#include "pstn/network_private.h"

#include <stdio.h>

#define LAST_DIGITS 5      /* what is left of a caller's number on bad ways */
#define GATEWAY_AREA "900" /* in front of them, where the number of a gateway is shown */
#define DIALED "+0123456789*#-_.abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

/* "" if there is more in it than what is dialed. */
static void read_dialed(struct slice user, char text[PSTN_DIALED_OCTETS])
{
    text[0] = 0;
    for (size_t i = 0; i < user.n; i++) {
        if (user.n >= PSTN_DIALED_OCTETS || !user.p[i] || !strchr(DIALED, user.p[i]))
            return;
    }
    snprintf(text, PSTN_DIALED_OCTETS, "%.*s", SLICE_PRINT(user));
}

static void read_number(const struct pstn_call *c, struct slice user, char text[PSTN_DIALED_OCTETS])
{
    struct e164 number;
    text[0] = 0;
    if (c->network->options->pbx)
        read_dialed(user, text);
    else if (pstn_number_read(&c->from->options->place, user, &number))
        snprintf(text, PSTN_DIALED_OCTETS, "%s", number.text);
}

/* ---- who calls, and whom ---- */

/* What the caller's side says of the caller: the number that it asserts, else that of From. An extension has proved who it is. */
void pstn_route_read(struct pstn_call *c, const struct sip_message *m)
{
    const struct sip_field *f = sip_field_first(m, SIP_P_ASSERTED_IDENTITY);
    struct pstn_record *r = &c->record;
    struct sip_address address = m->from;
    struct sip_uri uri;
    struct sip_cursor cursor;
    if (f) {
        cursor = sip_field_cursor(m, f);
        if (!sip_read_address(&cursor, &address))
            address = m->from;
    }
    c->is_private = (f = sip_field_first(m, SIP_PRIVACY)) != NULL && !sip_token_eq_str(f->value, "none");
    if (c->from->options->extension)
        snprintf(r->from, sizeof r->from, "%s", c->from->options->extension);
    else if (!sip_uri_parse(address.uri, &uri, NULL))
        read_number(c, uri.user, r->from);
    if (!sip_uri_parse(m->uri, &uri, NULL))
        read_number(c, uri.user, r->to);
}

/* ---- whose a number is: in a phone network ---- */

/* What was ported comes before any range. */
static struct pstn_trunk *trunk_with(struct pstn_network *n, const struct e164 *number)
{
    const struct pstn_options *o = n->options;
    const struct pstn_range *best = NULL;
    unsigned most = 0;
    for (size_t i = 0; i < o->ported_count; i++) {
        if (pstn_pattern_match(o->ported[i].pattern, number)) {
            n->counters.ported++;
            return &n->trunks[o->ported[i].trunk];
        }
    }
    for (size_t i = 0; i < o->range_count; i++) {
        const unsigned demanded = pstn_pattern_match(o->ranges[i].pattern, number);
        if (demanded > most) {
            most = demanded;
            best = &o->ranges[i];
        }
    }
    return best ? &n->trunks[best->trunk] : NULL;
}

/* ---- in a PBX ---- */

/* By extension; from outside by number as well. */
static struct pstn_trunk *extension_with(struct pstn_call *c)
{
    struct pstn_network *n = c->network;
    struct e164 number;
    const bool has_number =
        !c->from->options->extension && pstn_number_read(&c->from->options->place, slice_str(c->record.to), &number);
    for (size_t i = 0; i < n->options->trunk_count; i++) {
        const struct pstn_trunk_options *o = n->trunks[i].options;
        if (o->extension &&
            (!strcmp(o->extension, c->record.to) || (has_number && !strcmp(o->number.text, number.text))))
            return &n->trunks[i];
    }
    return NULL;
}

/* The first that is there, else the first. */
static struct pstn_trunk *trunk_outside(struct pstn_network *n)
{
    struct pstn_trunk *first = NULL;
    for (size_t i = 0; i < n->options->trunk_count; i++) {
        struct pstn_trunk *t = &n->trunks[i];
        if (t->options->extension)
            continue;
        if (pstn_trunk_is_usable(t))
            return t;
        if (!first)
            first = t;
    }
    return first;
}

static struct pstn_trunk *find_of_pbx(struct pstn_call *c)
{
    const struct pstn_pbx_options *pbx = c->network->options->pbx;
    const size_t n = strlen(pbx->outside_line);
    struct pstn_trunk *t = extension_with(c);
    if (t) {
        snprintf(c->sent, sizeof c->sent, "%s", t->options->extension);
        return t;
    }
    if (!c->from->options->extension || strncmp(c->record.to, pbx->outside_line, n) != 0 || !c->record.to[n])
        return NULL;
    snprintf(c->sent, sizeof c->sent, "%s", c->record.to + (pbx->keeps_outside_line ? 0 : n));
    return trunk_outside(c->network);
}

struct pstn_trunk *pstn_route_find(struct pstn_call *c)
{
    struct e164 number;
    if (c->network->options->pbx)
        return find_of_pbx(c);
    snprintf(c->sent, sizeof c->sent, "%s", c->record.to);
    return e164_parse(slice_str(c->record.to), &number) ? trunk_with(c->network, &number) : NULL;
}

/* ---- what the called side is told ---- */

/* What some ways make of a number. False: it stays. */
static bool spoil(struct pstn_call *c, const struct e164 *number, struct e164 *ret_rewritten)
{
    struct pstn_network *n = c->network;
    const size_t octets = strlen(number->text);
    const char *last = number->text + (octets > LAST_DIGITS ? octets - LAST_DIGITS : 1);
    if (c->is_shortened) {
        n->counters.callers_shortened++;
        snprintf(c->record.shown, sizeof c->record.shown, "%s", last);
        return true;
    }
    if (c->is_rewritten) {
        n->counters.callers_rewritten++;
        snprintf(ret_rewritten->text, sizeof ret_rewritten->text, "+%.3s%s%s", c->to->options->place.country,
                 GATEWAY_AREA, last);
    }
    return false;
}

/* The caller, if nothing hides it. */
static void format_caller(struct pstn_call *c)
{
    const struct pstn_options *o = c->network->options;
    const struct pstn_trunk_options *from = c->from->options, *to = c->to->options;
    struct pstn_record *r = &c->record;
    const char *caller = *from->shown_as.text ? from->shown_as.text : r->from;
    struct e164 number, rewritten = {""};
    char national[PSTN_SHOWN_OCTETS];
    if (!o->pbx && e164_parse(slice_str(caller), &number) && spoil(c, &number, &rewritten))
        return;
    if (rewritten.text[0])
        caller = rewritten.text;
    if (o->pbx && from->extension && !to->extension && !to->shows_extension && *from->number.text)
        snprintf(r->shown, sizeof r->shown, "%s", from->number.text);
    else if (o->pbx || o->carriers[r->carrier].shows_e164 || !e164_parse(slice_str(caller), &number))
        snprintf(r->shown, sizeof r->shown, "%s", caller);
    else
        snprintf(r->shown, sizeof r->shown, "%s", pstn_number_national(&to->place, &number, national));
}

void pstn_route_show_caller(struct pstn_call *c, struct leg_invite *ret_invite)
{
    struct pstn_network *n = c->network;
    struct pstn_record *r = &c->record;
    const char *host = n->options->carriers[c->to->options->carrier].points[c->to->hop.transport];
    if (c->is_lost || !*r->from) {
        n->counters.callers_lost++;
        ret_invite->from = slice_str("<sip:unavailable@unknown.invalid>");
    } else if (c->is_withheld || c->is_private) {
        n->counters.callers_withheld++;
        ret_invite->from = slice_str("\"Anonymous\" <sip:anonymous@anonymous.invalid>");
        ret_invite->is_private = true;
    } else {
        format_caller(c);
        ret_invite->from = ua_print(&n->ua, "<sip:%s@%s%s>", r->shown, host, n->options->pbx ? "" : ";user=phone");
        ret_invite->asserted = ret_invite->from;
    }
}
