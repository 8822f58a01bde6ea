/* What the two ends of an INVITE owe each other once it was answered with 2xx, when its transaction cannot help any more: the server repeats
 * the 2xx until the ACK is there (RFC 3261 13.3.1.4), on reliable transports, too; the client answers each repetition with the same ACK
 * (13.2.2.4). Passive objects, one per dialog; the user sends. */
#ifndef SIP_SESSION_H
#define SIP_SESSION_H

#include "sip/message.h"
#include "sip/resend.h"

/* ---- server: the 2xx ---- */

struct sip_accepted {
    uint32_t cseq; /* of the INVITE */
    struct sip_resend resend;
};

void sip_accepted_init(struct sip_accepted *a);
void sip_accepted_fini(struct sip_accepted *a);

/* The 2xx to that INVITE was given to sip_server_respond. Give it there again at each SIP_RESEND_AGAIN; at SIP_RESEND_GIVE_UP the dialog stands
 * and is to be ended with BYE. 0 or ERR_NO_MEMORY. */
int sip_accepted_start(struct sip_accepted *a, struct now now, const struct sip_message *invite, struct slice response,
                       int64_t t1_ms, int64_t t2_ms);

/* An ACK of this dialog came in. True if it is the first for that 2xx. */
bool sip_accepted_acked(struct sip_accepted *a, const struct sip_message *ack);

static inline struct mono sip_accepted_deadline(const struct sip_accepted *a)
{
    return sip_resend_deadline(&a->resend);
}
static inline enum sip_resend_step sip_accepted_tick(struct sip_accepted *a, struct now now)
{
    return sip_resend_tick(&a->resend, now);
}

/* ---- client: the ACK ---- */

struct sip_confirmed {
    uint32_t cseq; /* of the INVITE */
    struct buf ack;
};

void sip_confirmed_init(struct sip_confirmed *c);
void sip_confirmed_fini(struct sip_confirmed *c);

/* The ACK was given to sip_layer_send_ack. 0 or ERR_NO_MEMORY. */
int sip_confirmed_keep(struct sip_confirmed *c, uint32_t cseq, struct slice ack);

/* The ACK to send for this 2xx, which belongs to this dialog: empty if there was none for it yet, so that this is the first. */
struct slice sip_confirmed_ack(const struct sip_confirmed *c, const struct sip_message *response);

#endif
