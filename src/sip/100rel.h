/* Reliable provisional responses (RFC 3262): numbers, repetition, and what the other side acknowledged. Passive objects; the user sends. */
#ifndef SIP_100REL_H
#define SIP_100REL_H

#include "sip/message.h"
#include "sip/resend.h"

#define SIP_RSEQ_FIRST_MAX INT32_MAX /* 7.1: the first number is between 1 and 2^31 - 1 */

/* ---- server: one INVITE's provisional responses; one waits for its PRACK at a time (section 3 demands it of the first) ---- */

struct sip_100rel_server {
    uint32_t cseq;       /* of the INVITE */
    uint32_t rseq;       /* of the last response; at first one less than that of the first */
    bool is_outstanding; /* the last response has no PRACK yet */
    struct sip_resend resend;
};

/* first: drawn at random from 1 to SIP_RSEQ_FIRST_MAX. */
void sip_100rel_server_init(struct sip_100rel_server *s, uint32_t invite_cseq, uint32_t first);
void sip_100rel_server_fini(struct sip_100rel_server *s);

/* True if a response waits for its PRACK: the next one has to wait, too. */
static inline bool sip_100rel_server_waits(const struct sip_100rel_server *s)
{
    return sip_resend_runs(&s->resend);
}

/* The value of RSeq for the response to be built next. */
uint32_t sip_100rel_server_rseq(const struct sip_100rel_server *s);

/* It was built with that number and given to sip_server_respond. ERR_WRONG_STATE (one waits already), ERR_NO_MEMORY. */
int sip_100rel_server_sent(struct sip_100rel_server *s, struct now now, struct slice response, int64_t t1_ms);

/* The status to answer a PRACK with: 200 (the response is acknowledged), 481 (it matches none), 400 (no RAck). */
unsigned sip_100rel_server_pracked(struct sip_100rel_server *s, const struct sip_message *prack);

/* The INVITE was answered: nothing is repeated any more. A PRACK to the last response is still answered with 200. */
void sip_100rel_server_final(struct sip_100rel_server *s);

/* As resend.h; when it gives up, the INVITE is to be refused with a 5xx (section 3). */
static inline struct mono sip_100rel_server_deadline(const struct sip_100rel_server *s)
{
    return sip_resend_deadline(&s->resend);
}
static inline enum sip_resend_step sip_100rel_server_tick(struct sip_100rel_server *s, struct now now)
{
    return sip_resend_tick(&s->resend, now);
}

/* ---- client: the responses of one early dialog ---- */

struct sip_100rel_client {
    uint32_t cseq; /* of the INVITE */
    uint32_t rseq; /* of the last response taken; 0: none yet */
};

enum sip_100rel_taken {
    SIP_100REL_PLAIN, /* not a reliable one: no "100rel" in Require, or 100 */
    SIP_100REL_NEW,   /* next in order: to be acknowledged with PRACK */
    SIP_100REL_AGAIN, /* taken already: its PRACK is on its way */
    SIP_100REL_GAP,   /* out of order: neither acknowledged nor taken (section 4) */
    SIP_100REL_BROKEN /* no good RSeq: dropped */
};

void sip_100rel_client_init(struct sip_100rel_client *c, uint32_t invite_cseq);
enum sip_100rel_taken sip_100rel_client_take(struct sip_100rel_client *c, const struct sip_message *response);

/* The value of RAck for the response taken last: "776656 1 INVITE". Appends. */
void sip_100rel_client_rack(const struct sip_100rel_client *c, struct buf *out);

#endif
