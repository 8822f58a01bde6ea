/* The header fields that are known by number. */
#include "sip/header.h"

#include "sip/scan.h"

struct known {
    const char *name;
    uint8_t octets;
    char compact; /* 0: none */
};

#define KNOWN(name, compact)           \
    {                                  \
        name, sizeof name - 1, compact \
    }

/* In the order of enum sip_header, which is that of the alphabet: sip_header_find depends on it. */
static const struct known known[SIP_HEADER_COUNT] = {
    [SIP_OTHER_HEADER] = KNOWN("-", 0),
    [SIP_ACCEPT] = KNOWN("Accept", 0),
    [SIP_ALERT_INFO] = KNOWN("Alert-Info", 0),
    [SIP_ALLOW] = KNOWN("Allow", 0),
    [SIP_ALLOW_EVENTS] = KNOWN("Allow-Events", 'u'),
    [SIP_AUTHENTICATION_INFO] = KNOWN("Authentication-Info", 0),
    [SIP_AUTHORIZATION] = KNOWN("Authorization", 0),
    [SIP_CALL_ID] = KNOWN("Call-ID", 'i'),
    [SIP_CONTACT] = KNOWN("Contact", 'm'),
    [SIP_CONTENT_DISPOSITION] = KNOWN("Content-Disposition", 0),
    [SIP_CONTENT_ENCODING] = KNOWN("Content-Encoding", 'e'),
    [SIP_CONTENT_LENGTH] = KNOWN("Content-Length", 'l'),
    [SIP_CONTENT_TYPE] = KNOWN("Content-Type", 'c'),
    [SIP_CSEQ] = KNOWN("CSeq", 0),
    [SIP_DATE] = KNOWN("Date", 0),
    [SIP_DIVERSION] = KNOWN("Diversion", 0),
    [SIP_EVENT] = KNOWN("Event", 'o'),
    [SIP_EXPIRES] = KNOWN("Expires", 0),
    [SIP_FROM] = KNOWN("From", 'f'),
    [SIP_HISTORY_INFO] = KNOWN("History-Info", 0),
    [SIP_MAX_FORWARDS] = KNOWN("Max-Forwards", 0),
    [SIP_MIN_EXPIRES] = KNOWN("Min-Expires", 0),
    [SIP_MIN_SE] = KNOWN("Min-SE", 0),
    [SIP_P_ASSERTED_IDENTITY] = KNOWN("P-Asserted-Identity", 0),
    [SIP_P_PREFERRED_IDENTITY] = KNOWN("P-Preferred-Identity", 0),
    [SIP_PATH] = KNOWN("Path", 0),
    [SIP_PRIVACY] = KNOWN("Privacy", 0),
    [SIP_PROXY_AUTHENTICATE] = KNOWN("Proxy-Authenticate", 0),
    [SIP_PROXY_AUTHORIZATION] = KNOWN("Proxy-Authorization", 0),
    [SIP_PROXY_REQUIRE] = KNOWN("Proxy-Require", 0),
    [SIP_RACK] = KNOWN("RAck", 0),
    [SIP_REASON] = KNOWN("Reason", 0),
    [SIP_RECORD_ROUTE] = KNOWN("Record-Route", 0),
    [SIP_REFER_TO] = KNOWN("Refer-To", 'r'),
    [SIP_REFERRED_BY] = KNOWN("Referred-By", 'b'),
    [SIP_REMOTE_PARTY_ID] = KNOWN("Remote-Party-ID", 0),
    [SIP_REPLACES] = KNOWN("Replaces", 0),
    [SIP_REQUIRE] = KNOWN("Require", 0),
    [SIP_RETRY_AFTER] = KNOWN("Retry-After", 0),
    [SIP_ROUTE] = KNOWN("Route", 0),
    [SIP_RSEQ] = KNOWN("RSeq", 0),
    [SIP_SERVER] = KNOWN("Server", 0),
    [SIP_SERVICE_ROUTE] = KNOWN("Service-Route", 0),
    [SIP_SESSION_EXPIRES] = KNOWN("Session-Expires", 'x'),
    [SIP_SUBJECT] = KNOWN("Subject", 's'),
    [SIP_SUBSCRIPTION_STATE] = KNOWN("Subscription-State", 0),
    [SIP_SUPPORTED] = KNOWN("Supported", 'k'),
    [SIP_TIMESTAMP] = KNOWN("Timestamp", 0),
    [SIP_TO] = KNOWN("To", 't'),
    [SIP_UNSUPPORTED] = KNOWN("Unsupported", 0),
    [SIP_USER_AGENT] = KNOWN("User-Agent", 0),
    [SIP_VIA] = KNOWN("Via", 'v'),
    [SIP_WARNING] = KNOWN("Warning", 0),
    [SIP_WWW_AUTHENTICATE] = KNOWN("WWW-Authenticate", 0),
    [SIP_X_CISCO_VIPR_TICKET] = KNOWN("X-Cisco-ViPR-Ticket", 0),
};

/* The first header of each letter; those of a letter end where the next letter's begin. */
static const uint8_t first_of_letter[27] = {
    ['a' - 'a'] = SIP_ACCEPT,
    ['b' - 'a'] = SIP_CALL_ID,
    ['c' - 'a'] = SIP_CALL_ID,
    ['d' - 'a'] = SIP_DATE,
    ['e' - 'a'] = SIP_EVENT,
    ['f' - 'a'] = SIP_FROM,
    ['g' - 'a'] = SIP_HISTORY_INFO,
    ['h' - 'a'] = SIP_HISTORY_INFO,
    ['i' - 'a'] = SIP_MAX_FORWARDS,
    ['j' - 'a'] = SIP_MAX_FORWARDS,
    ['k' - 'a'] = SIP_MAX_FORWARDS,
    ['l' - 'a'] = SIP_MAX_FORWARDS,
    ['m' - 'a'] = SIP_MAX_FORWARDS,
    ['n' - 'a'] = SIP_P_ASSERTED_IDENTITY,
    ['o' - 'a'] = SIP_P_ASSERTED_IDENTITY,
    ['p' - 'a'] = SIP_P_ASSERTED_IDENTITY,
    ['q' - 'a'] = SIP_RACK,
    ['r' - 'a'] = SIP_RACK,
    ['s' - 'a'] = SIP_SERVER,
    ['t' - 'a'] = SIP_TIMESTAMP,
    ['u' - 'a'] = SIP_UNSUPPORTED,
    ['v' - 'a'] = SIP_VIA,
    ['w' - 'a'] = SIP_WARNING,
    ['x' - 'a'] = SIP_X_CISCO_VIPR_TICKET,
    ['y' - 'a'] = SIP_HEADER_COUNT,
    ['z' - 'a'] = SIP_HEADER_COUNT,
    [26] = SIP_HEADER_COUNT,
};

static enum sip_header find_compact(uint8_t letter)
{
    for (unsigned i = SIP_OTHER_HEADER + 1; i < SIP_HEADER_COUNT; i++)
        if (known[i].compact == letter)
            return (enum sip_header)i;
    return SIP_OTHER_HEADER;
}

enum sip_header sip_header_find(struct slice name)
{
    if (name.n == 0)
        return SIP_OTHER_HEADER;
    uint8_t letter = name.p[0] | 0x20;
    if (letter < 'a' || letter > 'z')
        return SIP_OTHER_HEADER;
    if (name.n == 1)
        return find_compact(letter);
    for (unsigned i = first_of_letter[letter - 'a']; i < first_of_letter[letter - 'a' + 1]; i++)
        if (sip_name_is(name, known[i].name, known[i].octets))
            return (enum sip_header)i;
    return SIP_OTHER_HEADER;
}

const char *sip_header_name(enum sip_header header)
{
    return known[header].name;
}
