/* Values of SIP header fields (RFC 3261 sections 20 and 25.1), read on demand out of slices of the message; nothing is allocated.
 *
 * A cursor walks what stands in a field: several values separated by commas, and in each a list of parameters. White space, folding and
 * comments where the grammar allows them are skipped. Errors stick to the cursor, with octet and rule. */
#ifndef SIP_HEADER_H
#define SIP_HEADER_H

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "sip/uri.h"

/* The header fields that this product looks at, in the order of the alphabet; all others are SIP_OTHER_HEADER and pass as they are. The table of
 * header.c has their names. */
enum sip_header {
    SIP_OTHER_HEADER,
    SIP_ACCEPT,
    SIP_ALERT_INFO,
    SIP_ALLOW,
    SIP_ALLOW_EVENTS,
    SIP_AUTHENTICATION_INFO,
    SIP_AUTHORIZATION,
    SIP_CALL_ID,
    SIP_CONTACT,
    SIP_CONTENT_DISPOSITION,
    SIP_CONTENT_ENCODING,
    SIP_CONTENT_LENGTH,
    SIP_CONTENT_TYPE,
    SIP_CSEQ,
    SIP_DATE,
    SIP_DIVERSION,
    SIP_EVENT,
    SIP_EXPIRES,
    SIP_FROM,
    SIP_HISTORY_INFO,
    SIP_MAX_FORWARDS,
    SIP_MIN_EXPIRES,
    SIP_MIN_SE,
    SIP_P_ASSERTED_IDENTITY,
    SIP_P_PREFERRED_IDENTITY,
    SIP_PATH,
    SIP_PRIVACY,
    SIP_PROXY_AUTHENTICATE,
    SIP_PROXY_AUTHORIZATION,
    SIP_PROXY_REQUIRE,
    SIP_RACK,
    SIP_REASON,
    SIP_RECORD_ROUTE,
    SIP_REFER_TO,
    SIP_REFERRED_BY,
    SIP_REMOTE_PARTY_ID,
    SIP_REPLACES,
    SIP_REQUIRE,
    SIP_RETRY_AFTER,
    SIP_ROUTE,
    SIP_RSEQ,
    SIP_SERVER,
    SIP_SERVICE_ROUTE,
    SIP_SESSION_EXPIRES,
    SIP_SUBJECT,
    SIP_SUBSCRIPTION_STATE,
    SIP_SUPPORTED,
    SIP_TIMESTAMP,
    SIP_TO,
    SIP_UNSUPPORTED,
    SIP_USER_AGENT,
    SIP_VIA,
    SIP_WARNING,
    SIP_WWW_AUTHENTICATE,
    SIP_X_CISCO_VIPR_TICKET,
    SIP_HEADER_COUNT
};

/* By full name or compact form, case-insensitive. */
enum sip_header sip_header_find(struct slice name);
const char *sip_header_name(enum sip_header header); /* the full name; "-" for SIP_OTHER_HEADER */

/* A cursor over one value of text. */
struct sip_cursor {
    const uint8_t *base; /* octet 0, for faults: that of the whole message */
    const uint8_t *p;
    const uint8_t *end;
    enum sip_expected { SIP_EXPECT_FIRST, SIP_EXPECT_NEXT, SIP_EXPECT_END } expected; /* NEXT: a comma was read */
    int err;
    struct fault fault;
};
void sip_cursor_init(struct sip_cursor *c, struct slice message, struct slice value);

/* ---- parameters: ;name or ;name=value ---- */

struct sip_param {
    struct slice name;
    struct slice value; /* as written: a token, a host, or a quoted string with its quotes; empty if there is none */
    bool has_value;
};

/* Lists of parameters begin with their first semicolon (";a=b;c"), or are empty. */

/* The next parameter (generic-param). False where no semicolon follows, or on an error. */
bool sip_param_next(struct sip_cursor *c, struct sip_param *ret_param);

/* A parameter by name, case-insensitive, in a list that was read already (sip_via.params …). */
bool sip_param_find(struct slice params, const char *name, struct slice *ret_value);

/* A quoted string without quotes and escapes; anything else as it is. Appends. */
void sip_unquote(struct slice text, struct buf *out);

/* The other way: quotes, and escapes where they must be. */
void sip_quote(struct slice text, struct buf *out);

/* ---- the values ---- */

/* One Via (20.42). */
struct sip_via {
    struct slice whole;     /* this value, parameters included */
    bool is_sip_2_0;        /* sent-protocol before the transport */
    struct slice transport; /* "UDP" */
    struct slice host;      /* IPv6 without brackets */
    uint16_t port;          /* 0: none given */
    struct slice params;
    struct slice branch; /* empty if there is none; z9hG4bK not taken off */
    struct slice received;
    bool has_rport; /* given, with or without a value */
    uint16_t rport; /* 0: no value */
};

/* name-addr or addr-spec with the header's parameters: From, To, Contact, Route, Record-Route, Refer-To, P-Asserted-Identity … */
struct sip_address {
    struct slice whole;
    struct slice display; /* as written, quotes included; empty if there is none */
    struct slice uri;     /* inside of the brackets */
    bool in_brackets;
    bool is_star;        /* Contact: * */
    struct slice params; /* of the header field, not of the URI */
    struct slice tag;    /* of these; empty if there is none */
};

struct sip_cseq {
    uint32_t number;
    struct slice method;
};

/* Session-Expires, Min-SE and others of the form delta-seconds *(SEMI param). */
struct sip_delta {
    uint32_t seconds;
    struct slice params;
};

/* RAck (RFC 3262 7.2). */
struct sip_rack {
    uint32_t rseq;
    struct sip_cseq cseq;
};

/* Reason (RFC 3326): protocol ;cause= ;text= */
struct sip_reason {
    struct slice protocol;
    unsigned cause;    /* 0: none */
    struct slice text; /* quoted */
};

/* Each reads one value and the comma behind it, if the header allows several: call again until false. False with c->err == 0: the end. */
bool sip_read_via(struct sip_cursor *c, struct sip_via *ret_via);
bool sip_read_address(struct sip_cursor *c, struct sip_address *ret_address);
bool sip_read_reason(struct sip_cursor *c, struct sip_reason *ret_reason);
bool sip_read_token(struct sip_cursor *c, struct slice *ret_token); /* Supported, Allow, Require … */

/* Fields with one value; 0 or ERR_SYNTAX, ERR_RANGE with c->fault. What is left behind the value is an error. */
int sip_read_cseq(struct sip_cursor *c, struct sip_cseq *ret_cseq);
int sip_read_rack(struct sip_cursor *c, struct sip_rack *ret_rack);
int sip_read_delta(struct sip_cursor *c, struct sip_delta *ret_delta);
int sip_read_number(struct sip_cursor *c, uint32_t max, uint32_t *ret_number); /* Max-Forwards, Expires, RSeq … */
int sip_read_call_id(struct sip_cursor *c, struct slice *ret_call_id); /* also In-Reply-To's and Replaces' first part */
int sip_read_date(struct sip_cursor *c, int64_t *ret_seconds);         /* since 1970; always GMT (20.17) */

/* Content-Type, Content-Disposition: type "/" subtype, or a token, with parameters. */
struct sip_media_type {
    struct slice type;
    struct slice subtype; /* empty for Content-Disposition */
    struct slice params;
};
int sip_read_media_type(struct sip_cursor *c, struct sip_media_type *ret_type);

/* One value without white space at its ends and with its folding as single spaces; for printing. */
void sip_unfold(struct slice value, struct buf *out);

/* Case-insensitive, ASCII. */
bool sip_token_eq(struct slice a, struct slice b);
bool sip_token_eq_str(struct slice a, const char *s);

#endif
