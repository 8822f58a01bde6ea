/* The names of transports, as Via and the transport parameter of URIs have them. */
#include "sip/flow.h"

#include "base/text.h"

static const char *const names[] = {[SIP_UDP] = "UDP", [SIP_TCP] = "TCP", [SIP_TLS] = "TLS"};

const char *sip_transport_name(enum sip_transport transport)
{
    return names[transport];
}

bool sip_transport_find(struct slice name, enum sip_transport *ret_transport)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (text_equal_nocase(name, slice_str(names[i]))) {
            *ret_transport = (enum sip_transport)i;
            return true;
        }
    }
    return false;
}
