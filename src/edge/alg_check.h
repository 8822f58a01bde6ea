/* What a message must be, beyond what sip_check demands of every one, before the edge thinks about it: a method that is allowed on its way, fields
 * that may stand once standing once, every known field readable to its end, a body that its type describes, a Contact where a dialog needs one. From
 * the cheapest check to the dearest. It keeps no state: what dialogs and transactions allow is for the core. */
#ifndef EDGE_ALG_CHECK_H
#define EDGE_ALG_CHECK_H

#include "edge/options.h"
#include "sip/message.h"

/* Which kind of refusal, for counters and events. */
enum alg_refusal {
    ALG_REFUSED_METHOD,  /* not allowed on this way: 405 */
    ALG_REFUSED_HEADERS, /* a field that is wrong, missing, or there twice: 400, 413, 416, 420, 423 … */
    ALG_REFUSED_BODY,    /* its type, encoding or length */
    ALG_REFUSED_ADDRESS, /* it points at the inside, at us, or at nobody */
    ALG_REFUSED_SDP,     /* a session description that is wrong, or does not fit the one before */
    ALG_REFUSED_SRTP,    /* "no SRTP offered": outside without SRTP that we speak */
    ALG_REFUSED_MEDIA,   /* no stream that could be relayed, or no port for it */
    ALG_REFUSED_GLARE,   /* an offer while another one waits: 491 or 500 */
    ALG_REFUSED_SELF,    /* our fault: no memory */
    ALG_REFUSAL_COUNT
};
const char *alg_refusal_name(enum alg_refusal refusal);

/* Why, and what to answer a request with; of a response: it is to be dropped, and the other side gets the status. */
struct alg_verdict {
    enum alg_refusal refusal;
    unsigned status;
    size_t octet;     /* of the message */
    const char *rule; /* static storage: "two Expires, RFC 3261 7.3.1" */
};

/* Bounds of what is let through; alg_limits_default has them for calls. */
struct alg_limits {
    uint32_t methods
        [EDGE_SIDES]; /* bits (1 << enum sip_method) of requests that come from that side; SIP_METHOD_OTHER: all unknown ones */
    size_t head_octets_max; /* start line and fields: 16 KiB */
    size_t body_octets_max; /* 32 KiB */
    size_t fields_max;      /* 128 */
    size_t uri_octets_max;  /* of the Request-URI: 1 KiB; 414 */
    size_t contacts_max;    /* in one message: 16 */
};
void alg_limits_default(struct alg_limits *limits);

/* sip_check has been done. 0, or ERR_FORBIDDEN with the verdict. from: where it came from. */
int alg_check_request(const struct edge_options *options, const struct alg_limits *limits, const struct sip_message *m,
                      enum edge_side from, struct alg_verdict *ret_verdict);
int alg_check_response(const struct edge_options *options, const struct alg_limits *limits, const struct sip_message *m,
                       enum edge_side from, struct alg_verdict *ret_verdict);

/* The value of Allow for a 405 to that side. Appends. */
void alg_allow(const struct alg_limits *limits, enum edge_side from, struct buf *out);

#endif
