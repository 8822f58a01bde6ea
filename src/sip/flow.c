/* The names of transports, as Via and the transport parameter of URIs have them; the domains behind a flow. */
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

bool sip_flow_is_from(const struct sip_flow *flow, const char *domain)
{
    struct slice rest = slice_str(flow->peer_domains ? flow->peer_domains : "");
    while (*domain && rest.p)
        if (text_equal_nocase(text_cut(&rest, ' '), slice_str(domain)))
            return true;
    return false;
}
