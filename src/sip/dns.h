/* What locate.h asks the DNS and what it is answered: the port that io/dns.h fills, and tests by hand. */
#ifndef SIP_DNS_H
#define SIP_DNS_H

#include "base/addr.h"

#define SIP_DNS_NAME_OCTETS_MAX 253   /* without the final dot */
#define SIP_DNS_SERVICE_OCTETS_MAX 31 /* NAPTR services that matter here are shorter */
#define SIP_DNS_RECORDS_MAX 32        /* of one answer; what is beyond is left out */

enum sip_dns_type { SIP_DNS_A, SIP_DNS_AAAA, SIP_DNS_SRV, SIP_DNS_NAPTR };
const char *sip_dns_type_name(enum sip_dns_type type); /* "SRV" */

struct sip_dns_record {
    struct addr addr;                             /* A, AAAA; port 0 */
    uint16_t priority;                            /* SRV; NAPTR: order */
    uint16_t weight;                              /* SRV; NAPTR: preference */
    uint16_t port;                                /* SRV */
    char name[SIP_DNS_NAME_OCTETS_MAX + 1];       /* SRV: target; NAPTR: replacement; "" : the root */
    char flags;                                   /* NAPTR: 's', 'a', … in lower case; 0: none, or more than one */
    char service[SIP_DNS_SERVICE_OCTETS_MAX + 1]; /* NAPTR, upper case: "SIP+D2U" */
};

/* err: 0 (count may be 0: the name has no such records), ERR_NOT_FOUND (no such name), or why there is no answer: ERR_TIMEOUT, ERR_IO (the servers
 * failed or refuse), ERR_SYNTAX (an answer that is none). ttl_s: of the records, or of their absence; 0 with other errors. */
struct sip_dns_answer {
    int err;
    uint32_t ttl_s;
    const struct sip_dns_record *records;
    size_t count;
};

#endif
