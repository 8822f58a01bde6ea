/* One field, read to its end: which reader each header has. */
#include "sip/cursor.h"
#include "sip/message.h"

enum form {
    FORM_FREE, /* nobody here reads it */
    FORM_VIA,
    FORM_ADDRESS,   /* one */
    FORM_ADDRESSES, /* separated by commas */
    FORM_TOKENS,
    FORM_REASON,
    FORM_MEDIA_TYPE,
    FORM_TOKEN, /* with parameters */
    FORM_NUMBER,
    FORM_HOPS,
    FORM_DELTA,
    FORM_CSEQ,
    FORM_RACK,
    FORM_CALL_ID,
    FORM_DATE
};

static const uint8_t forms[SIP_HEADER_COUNT] = {
    [SIP_ALERT_INFO] = FORM_ADDRESSES,
    [SIP_ALLOW] = FORM_TOKENS,
    [SIP_ALLOW_EVENTS] = FORM_TOKENS,
    [SIP_CALL_ID] = FORM_CALL_ID,
    [SIP_CONTACT] = FORM_ADDRESSES,
    [SIP_CONTENT_DISPOSITION] = FORM_TOKEN,
    [SIP_CONTENT_ENCODING] = FORM_TOKENS,
    [SIP_CONTENT_LENGTH] = FORM_NUMBER,
    [SIP_CONTENT_TYPE] = FORM_MEDIA_TYPE,
    [SIP_CSEQ] = FORM_CSEQ,
    [SIP_DATE] = FORM_DATE,
    [SIP_DIVERSION] = FORM_ADDRESSES,
    [SIP_EVENT] = FORM_TOKEN,
    [SIP_EXPIRES] = FORM_NUMBER,
    [SIP_FROM] = FORM_ADDRESS,
    [SIP_HISTORY_INFO] = FORM_ADDRESSES,
    [SIP_MAX_FORWARDS] = FORM_HOPS,
    [SIP_MIN_EXPIRES] = FORM_NUMBER,
    [SIP_MIN_SE] = FORM_DELTA,
    [SIP_P_ASSERTED_IDENTITY] = FORM_ADDRESSES,
    [SIP_P_PREFERRED_IDENTITY] = FORM_ADDRESSES,
    [SIP_PATH] = FORM_ADDRESSES,
    [SIP_PROXY_REQUIRE] = FORM_TOKENS,
    [SIP_RACK] = FORM_RACK,
    [SIP_REASON] = FORM_REASON,
    [SIP_RECORD_ROUTE] = FORM_ADDRESSES,
    [SIP_REFER_TO] = FORM_ADDRESS,
    [SIP_REFERRED_BY] = FORM_ADDRESS,
    [SIP_REMOTE_PARTY_ID] = FORM_ADDRESSES,
    [SIP_REQUIRE] = FORM_TOKENS,
    [SIP_RETRY_AFTER] = FORM_DELTA,
    [SIP_ROUTE] = FORM_ADDRESSES,
    [SIP_RSEQ] = FORM_NUMBER,
    [SIP_SERVICE_ROUTE] = FORM_ADDRESSES,
    [SIP_SESSION_EXPIRES] = FORM_DELTA,
    [SIP_SUBSCRIPTION_STATE] = FORM_TOKEN,
    [SIP_SUPPORTED] = FORM_TOKENS,
    [SIP_TO] = FORM_ADDRESS,
    [SIP_UNSUPPORTED] = FORM_TOKENS,
    [SIP_VIA] = FORM_VIA,
};

static void read_addresses(struct sip_cursor *c, enum sip_header header, enum form form)
{
    struct sip_address address;
    while (sip_read_address(c, &address)) {
        struct sip_uri uri;
        struct fault fault = {0};
        if (form == FORM_ADDRESS && c->expected != SIP_EXPECT_END)
            sip_cursor_fail(c, ERR_SYNTAX, "more than one address, RFC 3261 7.3.1");
        if (address.is_star && header != SIP_CONTACT)
            sip_cursor_fail_at(c, ERR_SYNTAX, address.whole.p, "star instead of an address, RFC 3261 20.10");
        int err = address.is_star ? 0 : sip_uri_parse(address.uri, &uri, &fault);
        if (err)
            sip_cursor_fail_at(c, err, address.uri.p + fault.octet, fault.rule);
    }
}

/* The lists of which only the syntax counts. */
static void read_list(struct sip_cursor *c, enum form form)
{
    struct sip_via via;
    struct sip_reason reason;
    struct slice token;
    if (form == FORM_VIA)
        while (sip_read_via(c, &via))
            ;
    else if (form == FORM_REASON)
        while (sip_read_reason(c, &reason))
            ;
    else if (form == FORM_TOKENS)
        while (sip_read_token(c, &token))
            ;
}

static void read_type(struct sip_cursor *c, enum form form)
{
    struct sip_media_type type;
    if (sip_read_media_type(c, &type) < 0)
        return;
    if ((form == FORM_MEDIA_TYPE) != (type.subtype.n != 0))
        sip_cursor_fail_at(c, ERR_SYNTAX, type.type.p + type.type.n, "type and subtype, RFC 3261 20.15, 20.11");
}

static void read_single(struct sip_cursor *c, enum form form)
{
    uint32_t number;
    struct sip_delta delta;
    struct sip_cseq cseq;
    struct sip_rack rack;
    struct slice call_id;
    int64_t seconds;
    if (form == FORM_NUMBER || form == FORM_HOPS)
        sip_read_number(c, form == FORM_HOPS ? 255 : UINT32_MAX, &number);
    else if (form == FORM_DELTA)
        sip_read_delta(c, &delta);
    else if (form == FORM_CSEQ)
        sip_read_cseq(c, &cseq);
    else if (form == FORM_RACK)
        sip_read_rack(c, &rack);
    else if (form == FORM_MEDIA_TYPE || form == FORM_TOKEN)
        read_type(c, form);
    else if (form == FORM_CALL_ID)
        sip_read_call_id(c, &call_id);
    else if (form == FORM_DATE)
        sip_read_date(c, &seconds);
}

int sip_check_field(const struct sip_message *message, const struct sip_field *field, struct fault *ret_fault)
{
    struct sip_cursor c = sip_field_cursor(message, field);
    enum form form = (enum form)forms[field->header];
    if (form == FORM_ADDRESS || form == FORM_ADDRESSES)
        read_addresses(&c, field->header, form);
    else if (form == FORM_VIA || form == FORM_REASON || form == FORM_TOKENS)
        read_list(&c, form);
    else
        read_single(&c, form);
    if (c.err && ret_fault)
        *ret_fault = c.fault;
    return c.err;
}
