/* Names for the SIP host: what its sides can do. */
#include "io/sip_host_private.h"

int sip_host_locate_init(struct sip_host *h)
{
    (void)h;
    return 0;
}

void sip_host_locate_fini(struct sip_host *h)
{
    (void)h;
}

void sip_host_side_changed(struct sip_host *h, unsigned side)
{
    (void)h;
    (void)side;
}
