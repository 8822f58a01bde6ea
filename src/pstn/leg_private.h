/* What ua.c tells leg.c. Private to both. */
#ifndef PSTN_LEG_PRIVATE_H
#define PSTN_LEG_PRIVATE_H

#include "pstn/leg.h"

void leg_free(struct leg *l);
void leg_receive(struct leg *l, const struct sip_event *event); /* a request inside of it */
void leg_cancelled(struct leg *l, const struct sip_event *event);
void leg_acknowledged(struct leg *l, const struct sip_message *ack);
void leg_late(struct leg *l, const struct sip_message *response); /* 2xx to an INVITE that has its answer already */

/* leg.c: an answer to a request that came in; server_done: its first INVITE has the last one. */
bool leg_respond(struct leg *l, uint64_t server, unsigned status, const struct carried *carried);
void leg_server_done(struct leg *l);
void leg_ended(struct leg *l, const struct sip_message *request);

/* ringing.c: 101 to 199, reliable ones. */
void leg_ringing_init(struct leg *l, const struct sip_message *invite);
void leg_ringing_fini(struct leg *l);
void leg_ringing_put(struct leg *l, struct buf *out);                         /* the fields of one */
void leg_ringing_over(struct leg *l);                                         /* the INVITE has its final answer */
unsigned leg_ringing_pracked(struct leg *l, const struct sip_message *prack); /* the status of the answer */

#endif
