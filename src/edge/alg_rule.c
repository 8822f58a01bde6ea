/* What becomes of each header: the table behind the rewriting. */
#include "edge/alg_private.h"

/* Those that are not named are texts. What passes repeats a Call-ID, has the delimiter of a body, or was read as a number. */
static const uint8_t known[SIP_HEADER_COUNT] = {
    [SIP_ALERT_INFO] = ALG_LINK,
    [SIP_CALL_ID] = ALG_PASS,
    [SIP_CONTACT] = ALG_CONTACT,
    [SIP_CONTENT_LENGTH] = ALG_PASS,
    [SIP_CONTENT_TYPE] = ALG_PASS,
    [SIP_CSEQ] = ALG_PASS,
    [SIP_DIVERSION] = ALG_IDENTITY,
    [SIP_FROM] = ALG_IDENTITY,
    [SIP_HISTORY_INFO] = ALG_IDENTITY,
    [SIP_MAX_FORWARDS] = ALG_PASS,
    [SIP_P_ASSERTED_IDENTITY] = ALG_IDENTITY,
    [SIP_P_PREFERRED_IDENTITY] = ALG_IDENTITY,
    [SIP_PATH] = ALG_REMOVE,
    [SIP_PROXY_AUTHORIZATION] = ALG_KEEP_IN,
    [SIP_RECORD_ROUTE] = ALG_REMOVE,
    [SIP_REFER_TO] = ALG_TARGET,
    [SIP_REFERRED_BY] = ALG_IDENTITY,
    [SIP_REMOTE_PARTY_ID] = ALG_IDENTITY,
    [SIP_REPLACES] = ALG_PASS,
    [SIP_ROUTE] = ALG_REMOVE,
    [SIP_SERVICE_ROUTE] = ALG_REMOVE,
    [SIP_TO] = ALG_IDENTITY,
    [SIP_VIA] = ALG_REMOVE,
};

/* Headers without a number of their own. */
static const struct {
    const char *name;
    enum alg_rule rule;
} others[] = {
    {"Call-Info", ALG_LINK},
    {"Error-Info", ALG_LINK},
    {"In-Reply-To", ALG_PASS},
    {"Join", ALG_PASS},
    {"P-Access-Network-Info", ALG_KEEP_IN},
    {"P-Associated-URI", ALG_IDENTITY},
    {"P-Called-Party-ID", ALG_IDENTITY},
    {"P-Charging-Function-Addresses", ALG_KEEP_IN},
    {"P-Charging-Vector", ALG_KEEP_IN},
    {"P-User-Database", ALG_KEEP_IN},
    {"P-Visited-Network-ID", ALG_KEEP_IN},
    {"Reply-To", ALG_IDENTITY},
    {"Target-Dialog", ALG_PASS},
};

#define BETWEEN_US "X-IME-" /* what the edge and its agents tell each other */

enum alg_rule alg_rule_of(const struct sip_field *field)
{
    const size_t prefix = sizeof BETWEEN_US - 1;
    if (field->header != SIP_OTHER_HEADER)
        return (enum alg_rule)known[field->header];
    if (field->name.n >= prefix && sip_token_eq_str(slice_of(field->name.p, prefix), BETWEEN_US))
        return ALG_REMOVE;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (sip_token_eq_str(field->name, others[i].name))
            return others[i].rule;
    }
    return ALG_TEXT;
}
