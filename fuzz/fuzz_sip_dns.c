/* An answer of a DNS server, behind an octet for the type that was asked for: whatever it is, what comes out is within its bounds. */
#include "sip/dns_message.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text, size_t octets)
{
    size_t n = strnlen(text, octets);
    if (n == octets)
        abort();
    for (size_t i = 0; i < n; i++)
        if (text[i] < ' ' || text[i] > '~')
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct sip_dns_reply reply;
    struct fault fault = {0};
    if (size < 1)
        return 0;
    enum sip_dns_type type = (enum sip_dns_type)(data[0] % 4);
    int err = sip_dns_decode(slice_of(data + 1, size - 1), type, &reply, &fault);
    if (err && (!fault.rule || fault.octet > size))
        abort();
    if (reply.answer.count > SIP_DNS_RECORDS_MAX || (!err && reply.answer.ttl_s > INT32_MAX))
        abort();
    for (size_t i = 0; i < reply.answer.count && !err; i++) {
        const struct sip_dns_record *r = &reply.records[i];
        check_text(r->name, sizeof r->name);
        check_text(r->service, sizeof r->service);
        if (type <= SIP_DNS_AAAA && r->addr.family != (type == SIP_DNS_A ? 4 : 6))
            abort();
    }
    return 0;
}
