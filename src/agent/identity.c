/* Who calls, who is called, who was called before: identities in messages that go from one side to the other.
 *
 * Numbers are written as each side writes them, by way of +E.164, and at an address of that side (RFC 3325's P-Asserted-Identity, RFC 7044's
 * History-Info, RFC 5806's Diversion, Remote-Party-ID, Referred-By). In a history what is no number stays as it is: it is about others.
 *
 * Privacy (RFC 3323): PBXs and trunks are within the company's network of trust, and get what is there with the wish. Another company is
 * outside of it, however well its certificate and its ticket prove who it is: towards it we are the privacy service. "id" takes asserted
 * identities out (RFC 3325 7), "user" makes From anonymous and takes out what else tells of the person (RFC 3323 5.3), "history", "header" and
 * "session" make histories anonymous (RFC 7044 10.1). What else "header" is about, Via, Contact and Call-ID, is ours on each side anyway. */
#include "agent/internal.h"

#define ANONYMOUS "sip:anonymous@anonymous.invalid"

struct wish {
    bool id, user, history;
};

static void read_wish(struct slice value, struct wish *wish)
{
    while (value.n) {
        size_t n = 0;
        while (n < value.n && !memchr(";, \t\r\n", value.p[n], 6))
            n++;
        struct slice word = slice_of(value.p, n);
        wish->id |= sip_token_eq_str(word, "id");
        wish->user |= sip_token_eq_str(word, "user");
        wish->history |=
            sip_token_eq_str(word, "history") || sip_token_eq_str(word, "header") || sip_token_eq_str(word, "session");
        n += n < value.n;
        value = slice_of(value.p + n, value.n - n);
    }
}

/* Of who sent the message, as far as it is for the other side to know. */
static struct wish wish_of(const struct sip_message *m, const struct trunk *to)
{
    struct wish wish = {0};
    for (const struct sip_field *f = to ? NULL : sip_field_first(m, SIP_PRIVACY); f; f = sip_field_next(m, f))
        read_wish(f->value, &wish);
    return wish;
}

/* ---- numbers ---- */

bool identity_number(struct agent *a, const struct identity_path *path, const struct sip_uri *uri,
                     struct agent_dialed *ret_dialed)
{
    const struct agent_short_numbers *shorts = &a->options->shorts;
    struct agent_dialed dialed = {0};
    if (path->from)
        agent_dial_in(&path->from->options->plan, shorts, uri->user, NULL, &dialed);
    else if (sip_uri_number(uri, &dialed.number))
        dialed.verdict = AGENT_DIAL_E164;
    else
        return false;
    if (dialed.verdict != AGENT_DIAL_E164)
        return false;
    const struct e164 number = dialed.number;
    if (path->to)
        agent_dial_out(&path->to->options->plan, shorts, &number, NULL, &dialed);
    else
        memcpy(dialed.text, number.text, sizeof number.text);
    *ret_dialed = dialed;
    return true;
}

static const char *host_of(const struct agent *a, const struct identity_path *path)
{
    return path->to ? trunk_domain(path->to) : a->options->domain;
}

/* "anonymous.invalid" is nobody's. */
static bool is_nobody(const struct sip_uri *uri)
{
    return uri->host.n > 8 && !memcmp(uri->host.p + uri->host.n - 8, ".invalid", 8);
}

struct slice identity_of(struct agent *a, const struct identity_path *path, struct slice text)
{
    struct agent_dialed dialed;
    struct sip_uri uri;
    if (sip_uri_parse(text, &uri, NULL) < 0)
        return text;
    if (identity_number(a, path, &uri, &dialed))
        return agent_print(a, "sip:%s@%s;user=phone", dialed.text, host_of(a, path));
    if (uri.scheme != SIP_SCHEME_SIP || !uri.has_user || is_nobody(&uri))
        return text;
    return agent_print(a, "sip:%.*s@%s", SLICE_PRINT(uri.user), host_of(a, path));
}

struct slice identity_of_caller(struct agent *a, const struct identity_path *path, const struct sip_message *m)
{
    if (wish_of(m, path->to).user)
        return slice_str("\"Anonymous\" <" ANONYMOUS ">");
    const struct slice uri = identity_of(a, path, m->from.uri);
    return agent_print(a, "%.*s%s<%.*s>", SLICE_PRINT(m->from.display), m->from.display.n ? " " : "", SLICE_PRINT(uri));
}

/* ---- histories ---- */

/* A number, with what the URI says of why the call went on (RFC 4458, RFC 7044). */
static struct slice past(struct agent *a, const struct identity_path *path, struct slice text)
{
    struct agent_dialed dialed;
    struct sip_uri uri;
    struct sip_param param;
    struct sip_cursor c;
    struct slice params = {0};
    if (sip_uri_parse(text, &uri, NULL) < 0 || !identity_number(a, path, &uri, &dialed))
        return text;
    sip_cursor_init(&c, uri.params, uri.params);
    while (uri.scheme == SIP_SCHEME_SIP && sip_param_next(&c, &param)) {
        if (!sip_token_eq_str(param.name, "user"))
            params = agent_print(a, "%.*s;%.*s%s%.*s", SLICE_PRINT(params), SLICE_PRINT(param.name),
                                 param.has_value ? "=" : "", SLICE_PRINT(param.value));
    }
    return agent_print(a, "sip:%s@%s;user=phone%.*s%s%.*s", dialed.text, host_of(a, path), SLICE_PRINT(params),
                       uri.headers.n ? "?" : "", SLICE_PRINT(uri.headers));
}

/* An entry may say so for itself: History-Info in a header of its URI, Diversion and Remote-Party-ID in a parameter. */
static bool is_private(const struct sip_address *address)
{
    struct slice value;
    struct sip_uri uri;
    struct wish wish = {0};
    if (sip_param_find(address->params, "privacy", &value))
        return !sip_token_eq_str(value, "off");
    if (sip_uri_parse(address->uri, &uri, NULL) < 0)
        return false;
    for (struct slice rest = uri.headers; rest.n;) {
        const uint8_t *amp = memchr(rest.p, '&', rest.n);
        const size_t n = amp ? (size_t)(amp - rest.p) : rest.n;
        if (n > 8 && sip_token_eq_str(slice_of(rest.p, 8), "Privacy="))
            read_wish(slice_of(rest.p + 8, n - 8), &wish);
        rest = slice_of(rest.p + n, rest.n - n);
        if (rest.n)
            rest = slice_of(rest.p + 1, rest.n - 1);
    }
    return wish.history;
}

/* ---- fields ---- */

static void put(struct agent *a, struct sip_edit *e, const struct sip_address *address, struct slice uri)
{
    sip_edit_replace(e, address->uri, address->in_brackets ? uri : agent_print(a, "<%.*s>", SLICE_PRINT(uri)));
}

static void patch_persons(struct agent *a, struct sip_edit *e, const struct sip_message *m,
                          const struct identity_path *path, enum sip_header header)
{
    for (const struct sip_field *f = sip_field_first(m, header); f; f = sip_field_next(m, f)) {
        struct sip_cursor c = sip_field_cursor(m, f);
        struct sip_address address;
        while (sip_read_address(&c, &address))
            put(a, e, &address, identity_of(a, path, address.uri));
    }
}

static void patch_history(struct agent *a, struct sip_edit *e, const struct sip_message *m,
                          const struct identity_path *path, enum sip_header header, bool hidden)
{
    for (const struct sip_field *f = sip_field_first(m, header); f; f = sip_field_next(m, f)) {
        struct sip_cursor c = sip_field_cursor(m, f);
        struct sip_address address;
        while (sip_read_address(&c, &address)) {
            if (!hidden && (path->to || !is_private(&address))) {
                put(a, e, &address, past(a, path, address.uri));
                continue;
            }
            put(a, e, &address, slice_str(ANONYMOUS));
            if (address.display.n)
                sip_edit_replace(e, address.display, slice_str("\"Anonymous\""));
        }
    }
}

/* A value of it says that it is not to be shown. */
static bool has_private(const struct sip_message *m, enum sip_header header)
{
    for (const struct sip_field *f = sip_field_first(m, header); f; f = sip_field_next(m, f)) {
        struct sip_cursor c = sip_field_cursor(m, f);
        struct sip_address address;
        while (sip_read_address(&c, &address)) {
            if (is_private(&address))
                return true;
        }
    }
    return false;
}

static void remove_personal(struct sip_edit *e, const struct sip_message *m)
{
    static const char *const names[] = {"Subject",    "Call-Info", "Organization",
                                        "User-Agent", "Reply-To",  "In-Reply-To"};
    for (size_t i = 0; i < m->field_count; i++) {
        const char *name = sip_header_name(m->fields[i].header);
        struct slice given = m->fields[i].header == SIP_OTHER_HEADER ? m->fields[i].name : slice_str(name);
        for (size_t k = 0; k < sizeof names / sizeof names[0]; k++) {
            if (sip_token_eq_str(given, names[k]))
                sip_edit_remove(e, &m->fields[i]);
        }
    }
}

void identity_patch(struct agent *a, struct sip_edit *e, const struct sip_message *m, const struct identity_path *path)
{
    static const enum sip_header asserted[] = {SIP_P_ASSERTED_IDENTITY, SIP_P_PREFERRED_IDENTITY, SIP_REMOTE_PARTY_ID};
    const struct wish wish = wish_of(m, path->to);
    for (size_t i = 0; i < sizeof asserted / sizeof asserted[0]; i++) {
        if (wish.id || (!path->to && has_private(m, asserted[i])))
            sip_edit_remove_all(e, asserted[i]);
        else
            patch_persons(a, e, m, path, asserted[i]);
    }
    patch_history(a, e, m, path, SIP_HISTORY_INFO, wish.history);
    patch_history(a, e, m, path, SIP_DIVERSION, wish.history);
    patch_persons(a, e, m, path, SIP_REFERRED_BY);
    if (wish.user)
        remove_personal(e, m);
}
