/* What a message must be before the edge thinks about it: limits first, then what a comparison finds, then what has to be read. */
#include "edge/alg_check.h"

#include "edge/alg_private.h"
#include "sip/multipart.h"

#include "base/text.h"

#define BIT(method) (UINT32_C(1) << (method))

/* All that calls and their subscriptions need; REGISTER is between phones and their PBX. */
#define METHODS_OF_CALLS                                                                                            \
    (BIT(SIP_ACK) | BIT(SIP_BYE) | BIT(SIP_CANCEL) | BIT(SIP_INFO) | BIT(SIP_INVITE) | BIT(SIP_MESSAGE) |           \
     BIT(SIP_NOTIFY) | BIT(SIP_OPTIONS) | BIT(SIP_PRACK) | BIT(SIP_PUBLISH) | BIT(SIP_REFER) | BIT(SIP_SUBSCRIBE) | \
     BIT(SIP_UPDATE))

void alg_limits_default(struct alg_limits *limits)
{
    *limits = (struct alg_limits){
        .methods = {METHODS_OF_CALLS, METHODS_OF_CALLS},
        .head_octets_max = 16 * 1024,
        .body_octets_max = 32 * 1024,
        .fields_max = 128,
        .uri_octets_max = 1024,
        .contacts_max = 16,
    };
}

const char *alg_refusal_name(enum alg_refusal refusal)
{
    static const char *const names[ALG_REFUSAL_COUNT] = {
        [ALG_REFUSED_METHOD] = "method not allowed",
        [ALG_REFUSED_HEADERS] = "header check failed",
        [ALG_REFUSED_BODY] = "body check failed",
        [ALG_REFUSED_ADDRESS] = "address check failed",
        [ALG_REFUSED_SDP] = "session description check failed",
        [ALG_REFUSED_SRTP] = "no SRTP offered",
        [ALG_REFUSED_MEDIA] = "no media that can be relayed",
        [ALG_REFUSED_GLARE] = "offer while another one waits",
        [ALG_REFUSED_SELF] = "out of memory",
    };
    return names[refusal];
}

void alg_allow(const struct alg_limits *limits, enum edge_side from, struct buf *out)
{
    const char *separator = "";
    for (unsigned method = SIP_METHOD_OTHER + 1; method <= SIP_UPDATE; method++) {
        if (!(limits->methods[from] & BIT(method)))
            continue;
        buf_str(out, separator);
        buf_str(out, sip_method_name((enum sip_method)method));
        separator = ", ";
    }
}

/* ---- one check after the other ---- */

struct check {
    const struct edge_options *options;
    const struct alg_limits *limits;
    const struct sip_message *m;
    enum edge_side from;
    bool failed;
    struct alg_verdict verdict;
};

/* The first one counts. */
static void refuse(struct check *k, enum alg_refusal refusal, unsigned status, const uint8_t *at, const char *rule)
{
    if (k->failed)
        return;
    k->failed = true;
    k->verdict = (struct alg_verdict){refusal, status, at ? (size_t)(at - k->m->octets.p) : 0, rule};
}

static const uint8_t *behind_start_line(const struct check *k)
{
    return k->m->start_line.p + k->m->start_line.n;
}

static void check_size(struct check *k)
{
    const struct sip_message *m = k->m;
    const size_t head = m->body.p ? (size_t)(m->body.p - m->octets.p) : m->octets.n;
    if (m->is_request && m->uri.n > k->limits->uri_octets_max)
        refuse(k, ALG_REFUSED_HEADERS, 414, m->uri.p, "length of the Request-URI");
    else if (head > k->limits->head_octets_max)
        refuse(k, ALG_REFUSED_HEADERS, 513, m->octets.p + k->limits->head_octets_max, "length of the header");
    else if (m->field_count > k->limits->fields_max)
        refuse(k, ALG_REFUSED_HEADERS, 400, m->fields[k->limits->fields_max].line.p, "number of header fields");
    else if (m->body.n > k->limits->body_octets_max)
        refuse(k, ALG_REFUSED_BODY, 413, m->body.p + k->limits->body_octets_max, "length of the body");
}

/* What may stand but once, besides what sip_check looks at (7.3.1). */
static void check_singles(struct check *k)
{
    static const uint8_t singles[] = {
        SIP_CONTENT_DISPOSITION,
        SIP_CONTENT_ENCODING,
        SIP_DATE,
        SIP_EVENT,
        SIP_EXPIRES,
        SIP_MIN_EXPIRES,
        SIP_MIN_SE,
        SIP_RACK,
        SIP_REFER_TO,
        SIP_REFERRED_BY,
        SIP_REPLACES,
        SIP_RETRY_AFTER,
        SIP_RSEQ,
        SIP_SERVER,
        SIP_SESSION_EXPIRES,
        SIP_SUBJECT,
        SIP_SUBSCRIPTION_STATE,
        SIP_TIMESTAMP,
        SIP_USER_AGENT,
        SIP_X_CISCO_VIPR_TICKET,
        SIP_CONTENT_LENGTH,
    };
    for (size_t i = 0; i < sizeof singles && !k->failed; i++) {
        const struct sip_field *f = sip_field_first(k->m, (enum sip_header)singles[i]);
        if (f && f->next)
            refuse(k, ALG_REFUSED_HEADERS, 400, sip_field_next(k->m, f)->line.p,
                   "a header that may stand but once, RFC 3261 7.3.1");
    }
}

/* ---- bodies ---- */

static bool is_multipart(struct slice type)
{
    return type.n > 10 && text_equal_nocase(slice_of(type.p, 10), slice_str("multipart/"));
}

static void check_body(struct check *k)
{
    const struct sip_message *m = k->m;
    const struct sip_field *type = sip_field_first(m, SIP_CONTENT_TYPE);
    const struct sip_field *encoding = sip_field_first(m, SIP_CONTENT_ENCODING);
    if (!m->body.n)
        return;
    if (!type)
        refuse(k, ALG_REFUSED_BODY, 400, m->body.p, "body without Content-Type, RFC 3261 20.15");
    else if (encoding && !text_equal_nocase(encoding->value, slice_str("identity")))
        refuse(k, ALG_REFUSED_BODY, 415, encoding->value.p, "body that is encoded, RFC 3261 20.12");
}

/* Parts can be told from each other, or nobody could look into them. */
static void check_parts(struct check *k)
{
    const struct sip_field *type = sip_field_first(k->m, SIP_CONTENT_TYPE);
    struct region region;
    struct sip_multipart multipart;
    struct fault fault = {0};
    if (k->failed || !k->m->body.n || !type || !is_multipart(type->value))
        return;
    region_init(&region, (size_t)64 * 1024);
    if (sip_multipart_parse(&region, type->value, k->m->body, &multipart, &fault) < 0)
        refuse(k, ALG_REFUSED_BODY, 400, k->m->body.p, fault.rule ? fault.rule : "body of several parts, RFC 2046 5.1");
    region_fini(&region);
}

/* ---- what the method demands ---- */

static void need(struct check *k, enum sip_header header, unsigned status, const char *rule)
{
    if (!sip_field_first(k->m, header))
        refuse(k, ALG_REFUSED_HEADERS, status, behind_start_line(k), rule);
}

static void check_method(struct check *k)
{
    switch (k->m->method) {
    case SIP_PRACK:
        need(k, SIP_RACK, 400, "RAck missing, RFC 3262 7.2");
        break;
    case SIP_REFER:
        need(k, SIP_REFER_TO, 400, "Refer-To missing, RFC 3515 2.4.2");
        break;
    case SIP_NOTIFY:
        need(k, SIP_SUBSCRIPTION_STATE, 400, "Subscription-State missing, RFC 6665 8.2.1");
        /* fall through */
    case SIP_SUBSCRIBE:
    case SIP_PUBLISH:
        need(k, SIP_EVENT, 489, "Event missing, RFC 6665 8.2.1");
        break;
    default:
        break;
    }
}

/* Nobody's extension is ours: a proxy that does not know what it must do says so (16.3). */
static void check_extensions(struct check *k)
{
    const struct sip_field *f = sip_field_first(k->m, SIP_PROXY_REQUIRE);
    if (f)
        refuse(k, ALG_REFUSED_HEADERS, 420, f->value.p, "Proxy-Require, RFC 3261 16.3");
}

/* ---- addresses ---- */

static bool makes_target(const struct sip_message *m)
{
    const enum sip_method method = m->method;
    if (!m->is_request)
        return m->status / 100 == 2 && (method == SIP_INVITE || method == SIP_SUBSCRIBE);
    return method == SIP_INVITE || method == SIP_SUBSCRIBE || method == SIP_REFER || method == SIP_UPDATE;
}

/* The outside says where to go: nowhere near the inside, and to us only where a call of ours may be meant. */
static void check_place(struct check *k, struct slice text, bool may_be_us, const char *rule)
{
    struct sip_uri uri;
    struct addr addr;
    struct slice host;
    char bracketed[64];
    if (k->from != EDGE_OUTSIDE || sip_uri_parse(text, &uri, NULL) < 0 || !uri.host.n)
        return;
    host = uri.host;
    if (may_be_us && alg_is_point(k->options, EDGE_OUTSIDE, host))
        return;
    bool refused = alg_hides_host(k->options, host);
    if (!refused && uri.host_is_ipv6 && host.n < sizeof bracketed - 2) {
        bracketed[0] = '[';
        memcpy(bracketed + 1, host.p, host.n);
        bracketed[host.n + 1] = ']';
        host = slice_of(bracketed, host.n + 2);
    }
    if (!refused && !addr_parse(host, uri.port ? uri.port : SIP_TLS_PORT, &addr))
        refused = alg_place_of(k->options, &addr) != ALG_FAR;
    if (refused)
        refuse(k, ALG_REFUSED_ADDRESS, 403, text.p, rule);
}

static void check_contacts(struct check *k)
{
    const struct sip_message *m = k->m;
    const bool redirects = !m->is_request && m->status / 100 == 3;
    size_t count = 0;
    for (const struct sip_field *f = sip_field_first(m, SIP_CONTACT); f && !k->failed; f = sip_field_next(m, f)) {
        struct sip_cursor c = sip_field_cursor(m, f);
        struct sip_address address;
        struct sip_uri uri;
        while (sip_read_address(&c, &address) && !k->failed) {
            if (++count > k->limits->contacts_max)
                refuse(k, ALG_REFUSED_HEADERS, 400, address.whole.p, "number of Contacts");
            if (address.is_star)
                refuse(k, ALG_REFUSED_HEADERS, 400, address.whole.p, "Contact *, RFC 3261 10.2.2");
            else if (makes_target(m) && (sip_uri_parse(address.uri, &uri, NULL) < 0 || !alg_is_sip(&uri)))
                refuse(k, ALG_REFUSED_HEADERS, 400, address.uri.p, "Contact that is no SIP URI, RFC 3261 8.1.1.8");
            if (makes_target(m) || redirects)
                check_place(k, address.uri, false, "Contact points at the inside");
        }
        if (c.err)
            refuse(k, ALG_REFUSED_HEADERS, 400, m->octets.p + c.fault.octet, c.fault.rule);
    }
    if (makes_target(m) && count != 1)
        refuse(k, ALG_REFUSED_HEADERS, 400, behind_start_line(k), "one Contact, RFC 3261 8.1.1.8, 12.1.1");
}

static void check_refer(struct check *k)
{
    const struct sip_field *f = sip_field_first(k->m, SIP_REFER_TO);
    struct sip_address address;
    if (!f || k->failed)
        return;
    struct sip_cursor c = sip_field_cursor(k->m, f);
    if (sip_read_address(&c, &address))
        check_place(k, address.uri, true, "Refer-To points at the inside");
}

/* ---- all fields ---- */

/* Nobody depends on them, and many write them as they like: dates that are no dates, rings without brackets. */
static bool is_lax(enum sip_header header)
{
    return header == SIP_DATE || header == SIP_ALERT_INFO || header == SIP_RETRY_AFTER;
}

/* Those that sip_check has read. */
static bool is_read(enum sip_header header)
{
    return header == SIP_VIA || header == SIP_FROM || header == SIP_TO || header == SIP_CALL_ID || header == SIP_CSEQ ||
           header == SIP_MAX_FORWARDS;
}

static bool has_addresses(const struct sip_field *f)
{
    const enum alg_rule rule = alg_rule_of(f);
    return rule == ALG_CONTACT || rule == ALG_IDENTITY || rule == ALG_TARGET || rule == ALG_REMOVE;
}

/* Numbers and words first, then addresses with their URIs, which cost most. */
static void check_fields(struct check *k)
{
    for (int dear = 0; dear <= 1; dear++) {
        for (size_t i = 0; i < k->m->field_count && !k->failed; i++) {
            const struct sip_field *f = &k->m->fields[i];
            struct fault fault = {0};
            if (f->header == SIP_OTHER_HEADER || is_lax(f->header) || is_read(f->header) ||
                has_addresses(f) != (dear == 1))
                continue;
            if (sip_check_field(k->m, f, &fault) < 0)
                refuse(k, ALG_REFUSED_HEADERS, 400, k->m->octets.p + fault.octet, fault.rule);
        }
    }
}

/* ---- both kinds of message ---- */

static int finish(struct check *k, struct alg_verdict *ret_verdict)
{
    if (!k->failed)
        return 0;
    *ret_verdict = k->verdict;
    return ERR_FORBIDDEN;
}

int alg_check_request(const struct edge_options *options, const struct alg_limits *limits, const struct sip_message *m,
                      enum edge_side from, struct alg_verdict *ret_verdict)
{
    struct check k = {.options = options, .limits = limits, .m = m, .from = from};
    if (!(limits->methods[from] & BIT(m->method)))
        refuse(&k, ALG_REFUSED_METHOD, 405, m->octets.p, "method that is not allowed here");
    check_size(&k);
    if (!k.failed && m->max_forwards == 0)
        refuse(&k, ALG_REFUSED_HEADERS, 483, behind_start_line(&k), "Max-Forwards of 0, RFC 3261 16.3");
    check_singles(&k);
    check_body(&k);
    if (!k.failed)
        check_method(&k);
    check_extensions(&k);
    check_fields(&k);
    if (!k.failed)
        check_contacts(&k);
    check_refer(&k);
    check_parts(&k);
    return finish(&k, ret_verdict);
}

/* What is refused of a response is not the fault of whoever sent the request. */
int alg_check_response(const struct edge_options *options, const struct alg_limits *limits, const struct sip_message *m,
                       enum edge_side from, struct alg_verdict *ret_verdict)
{
    struct check k = {.options = options, .limits = limits, .m = m, .from = from};
    check_size(&k);
    check_singles(&k);
    check_body(&k);
    if (!k.failed && m->status > 100 && m->status < 200 && sip_lists(m, SIP_REQUIRE, "100rel"))
        need(&k, SIP_RSEQ, 502, "RSeq missing, RFC 3262 7.1");
    check_fields(&k);
    if (!k.failed)
        check_contacts(&k);
    check_parts(&k);
    k.verdict.status = 502;
    return finish(&k, ret_verdict);
}
