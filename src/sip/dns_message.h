/* What a DNS server answered (RFC 1035 4, SRV: RFC 2782, NAPTR: RFC 3403), decoded to what locate.h needs of it. */
#ifndef SIP_DNS_MESSAGE_H
#define SIP_DNS_MESSAGE_H

#include "sip/dns.h"

#define SIP_DNS_NEGATIVE_TTL_S 30 /* if the server does not say for how long there is nothing (RFC 2308) */

struct sip_dns_reply {
    struct sip_dns_answer answer; /* of the records below */
    struct sip_dns_record records[SIP_DNS_RECORDS_MAX];
};

/* The records of that type which belong to the name of the question, also behind aliases (CNAME). Those whose own names are no host names are
 * left out. 0 also for a refusal, which is in answer.err; ERR_SYNTAX, ERR_TRUNCATED: it is no answer, with the octet. */
int sip_dns_decode(struct slice octets, enum sip_dns_type type, struct sip_dns_reply *ret_reply,
                   struct fault *ret_fault);

#endif
