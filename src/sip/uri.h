/* URIs: sip, sips (RFC 3261 section 19) and tel (RFC 3966), as slices of the text. */
#ifndef SIP_URI_H
#define SIP_URI_H

#include "base/buf.h"
#include "base/e164.h"
#include "base/err.h"
#include "base/slice.h"

enum sip_scheme { SIP_SCHEME_OTHER, SIP_SCHEME_SIP, SIP_SCHEME_SIPS, SIP_SCHEME_TEL };

#define SIP_URI_PARAMS_MAX 64

/* The user is, with its escapes, what stands before the password or the "@"; of tel the subscriber's number, visual separators included; of other
 * schemes all behind the colon. */
struct sip_uri {
    struct slice whole;
    enum sip_scheme scheme;
    struct slice scheme_text;
    struct slice user;
    struct slice password;
    bool has_user;     /* "sip:@host" is not allowed; "sip:host" has none */
    struct slice host; /* IPv6 without brackets */
    bool host_is_ipv6;
    uint16_t port;        /* 0: none given */
    struct slice params;  /* from the first semicolon on (";lr;ttl=1"), or empty */
    struct slice headers; /* behind "?" */
};

/* 0, ERR_SYNTAX, ERR_RANGE or ERR_LIMIT with the octet within the text. The scheme SIP_SCHEME_OTHER is no error: RFC 3986's scheme and
 * anything without white space, angle brackets, quotes and control characters. */
int sip_uri_parse(struct slice text, struct sip_uri *ret_uri, struct fault *ret_fault);

/* 19.1.4; tel by RFC 3966 section 4. */
bool sip_uri_equal(const struct sip_uri *a, const struct sip_uri *b);

/* A parameter by name, case-insensitive; escapes are not taken away. */
bool sip_uri_param(const struct sip_uri *uri, const char *name, struct slice *ret_value);

/* Takes %HH away: 0, or ERR_SYNTAX for a broken escape, ERR_LIMIT of the buffer. */
int sip_unescape(struct slice text, struct buf *out);

/* Puts it on what may not stand in a user part (25.1 user). */
void sip_escape_user(struct slice text, struct buf *out);

/* The +E.164 number that a URI stands for: tel with a global number, sip with such a user part (user=phone or not), visual separators
 * taken away, parameters of the number ignored. False if it is none: national numbers are for the agent's rules. */
bool sip_uri_number(const struct sip_uri *uri, struct e164 *ret_number);

/* The dialed text without visual separators: digits, "+", "*", "#", A to D; at most SIP_DIALED_MAX octets and a NUL. False: it is no dial string. */
#define SIP_DIALED_MAX 32
bool sip_uri_dialed(const struct sip_uri *uri, char ret_text[SIP_DIALED_MAX + 1]);

#endif
