/* Transfers. Two dialogs that are one for those who speak in them have two names: what one side says of a dialog means the other end of it to the
 * other side.
 *
 * Replaces (RFC 3891) and Join (RFC 3911) that name a dialog with us become the name of the one at the other end, and the INVITE goes there,
 * whatever number it has. Refer-To (RFC 3515) with a number becomes that number as the other side dials it, at us. One with an address of ours
 * names a dialog by our tag: it becomes our address there, so that the call that follows comes to us, and goes to whoever is at the other end
 * (plan.c). Its Replaces stays: it is translated when that call comes, on the way on which the dialog is known. And an address that another
 * company's agent has given for one of its dialogs becomes one of ours, with the tag of the call that the REFER came in before it: the phone that
 * is referred reaches it through us. */
#include "agent/internal.h"

static struct slice until(struct slice s, char separator)
{
    const void *at = s.n ? memchr(s.p, separator, s.n) : NULL;
    return at ? slice_of(s.p, (size_t)((const uint8_t *)at - s.p)) : s;
}

/* The other end of the dialog that such a field names; NULL: it is none of ours. */
static struct end *named_by(struct agent *a, const struct sip_field *f, bool *ret_early_only)
{
    struct slice call_id = until(f->value, ';'), to_tag, from_tag, early;
    const struct slice params = slice_of(f->value.p + call_id.n, f->value.n - call_id.n);
    while (call_id.n && (call_id.p[call_id.n - 1] == ' ' || call_id.p[call_id.n - 1] == '\t'))
        call_id.n--;
    if (!sip_param_find(params, "to-tag", &to_tag) || !sip_param_find(params, "from-tag", &from_tag))
        return NULL;
    struct end *end = end_find(a, call_id, to_tag, from_tag);
    struct end *other = end ? end->other : NULL;
    *ret_early_only = sip_param_find(params, "early-only", &early);
    return other && other->ready ? other : NULL;
}

static const struct sip_field *naming_field(const struct sip_message *m)
{
    if (m->method != SIP_INVITE)
        return NULL;
    const struct sip_field *f = sip_field_first(m, SIP_REPLACES);
    return f ? f : sip_field_named(m, "Join");
}

struct end *refer_replaced(struct agent *a, const struct sip_message *m)
{
    const struct sip_field *f = naming_field(m);
    bool early_only;
    return f ? named_by(a, f, &early_only) : NULL;
}

void refer_patch_replaces(struct agent *a, struct sip_edit *e, const struct sip_message *m)
{
    const struct sip_field *f = naming_field(m);
    bool early_only;
    struct end *other = f ? named_by(a, f, &early_only) : NULL;
    if (other)
        sip_edit_value(e, f,
                       agent_print(a, "%s;to-tag=%s;from-tag=%s%s", other->dialog.call_id, other->dialog.remote_tag,
                                   other->dialog.local_tag, early_only ? ";early-only" : ""));
}

/* Whether it stands for us where it came from. */
static bool is_ours(const struct agent *a, const struct refer_path *path, const struct sip_uri *uri)
{
    const char *point = path->from_point;
    struct slice host = *point == '[' ? until(slice_str(point + 1), ']') : until(slice_str(point), ':');
    return sip_token_eq(uri->host, host) || sip_token_eq_str(uri->host, a->options->domain);
}

static bool is_number(const struct agent *a, const struct refer_path *path, const struct sip_uri *uri)
{
    struct slice user;
    if (uri->scheme == SIP_SCHEME_TEL || (sip_uri_param(uri, "user", &user) && sip_token_eq_str(user, "phone")))
        return true;
    return is_ours(a, path, uri) || (path->people.from && sip_token_eq_str(uri->host, trunk_domain(path->people.from)));
}

/* What stands behind the user: we, and what the URI wants in the request. */
static struct slice at_us(struct agent *a, const struct refer_path *path, const struct sip_uri *uri, const char *params)
{
    return agent_print(a, "@%.*s%s%s%.*s", SLICE_PRINT(path->to_point), params, uri->headers.n ? "?" : "",
                       SLICE_PRINT(uri->headers));
}

/* As agents call their ends: no name of a person, nor a number. */
static bool is_tag(struct slice user)
{
    for (size_t i = 0; i < user.n; i++)
        if (!(user.p[i] >= '0' && user.p[i] <= '9') && !(user.p[i] >= 'a' && user.p[i] <= 'f'))
            return false;
    return user.n == TAG_OCTETS - 1;
}

/* Empty: it is no concern of ours. */
static struct slice target(struct agent *a, const struct refer_path *path, const struct sip_uri *uri)
{
    struct agent_dialed dialed;
    const bool phone = is_number(a, path, uri) && identity_number(a, &path->people, uri, &dialed);
    const struct slice behind = at_us(a, path, uri, phone ? ";user=phone" : "");
    if (phone)
        return agent_print(a, "sip:%s%.*s", dialed.text, SLICE_PRINT(behind));
    if (uri->scheme != SIP_SCHEME_SIP || !uri->has_user)
        return (struct slice){0};
    if (is_ours(a, path, uri))
        return agent_print(a, "sip:%.*s%.*s", SLICE_PRINT(uri->user), SLICE_PRINT(behind));
    if (!path->people.from && path->to_tag && is_tag(uri->user))
        return agent_print(a, "sip:%s-%.*s%.*s", path->to_tag, SLICE_PRINT(uri->user), SLICE_PRINT(behind));
    return (struct slice){0};
}

void refer_patch_to(struct agent *a, struct sip_edit *e, const struct sip_message *m, const struct refer_path *path)
{
    const struct sip_field *f = sip_field_first(m, SIP_REFER_TO);
    struct sip_address address;
    struct sip_uri uri;
    if (!f)
        return;
    struct sip_cursor c = sip_field_cursor(m, f);
    if (!sip_read_address(&c, &address) || sip_uri_parse(address.uri, &uri, NULL) < 0)
        return;
    struct slice other = target(a, path, &uri);
    if (other.n)
        sip_edit_replace(e, address.uri, address.in_brackets ? other : agent_print(a, "<%.*s>", SLICE_PRINT(other)));
}

struct end *refer_named(struct agent *a, struct slice user, struct slice *ret_far_user)
{
    const size_t tag = TAG_OCTETS - 1;
    struct end *named = user.n >= tag ? map_get(&a->ends, slice_of(user.p, tag)) : NULL;
    struct end *to = named ? named->other : NULL;
    *ret_far_user = (struct slice){0};
    if (!to || !to->ready || user.n == tag)
        return to && to->ready ? to : NULL;
    if (user.p[tag] != '-' || to->trunk || user.n == tag + 1)
        return NULL;
    *ret_far_user = slice_of(user.p + tag + 1, user.n - tag - 1);
    return to;
}
