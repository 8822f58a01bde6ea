/* Inside the exchange of offers and answers: what a description says, what one becomes for the other side, and what is kept between an offer and its answer.
 * Private to alg_sdp*.c. */
#ifndef EDGE_ALG_SDP_PRIVATE_H
#define EDGE_ALG_SDP_PRIVATE_H

#include "edge/alg_sdp.h"
#include "media/sdes.h"
#include "sip/sdp.h"

#define ALG_SUITES_MAX (SUITE_COUNT - 1)
#define ALG_MEDIA_OCTETS 16 /* of "audio" and the like, terminated; longer ones are not relayed */
#define ALG_NAME_OCTETS 128 /* user and session id of o=, terminated; longer ones get another name */

/* ---- what a side says of one m-line (alg_sdp_read.c) ---- */

struct alg_said {
    enum media_kind kind; /* MEDIA_OFF: port 0, or of a kind that is not relayed */
    bool is_active;       /* its port is not 0 */
    bool is_secure;       /* RTP/SAVP, RTP/SAVPF */
    bool has_feedback;    /* RTP/AVPF, RTP/SAVPF */
    bool is_held;         /* at an address of zeros */
    uint8_t family;       /* of its address */
    struct addr remote, remote_rtcp;
    bool rtcp_mux;
    enum sip_sdp_direction direction;
    bool is_audio;
    uint16_t ptime_ms;
    uint8_t format_count;
    struct media_format formats[MEDIA_FORMATS_MAX];
    size_t crypto_count;
    struct slice cryptos[SDES_LINES_MAX];
};

/* Of a part of a message that is refused: err and verdict without its octet counted from the message. */
struct alg_refused {
    enum alg_refusal refusal;
    unsigned status;
    const uint8_t *at; /* in the description; NULL: nowhere */
    const char *rule;
};

/* Fills what one m-line says. False: refused, for it points where it must not, or cannot be read. */
bool alg_said_read(const struct edge_options *options, enum edge_side from, const struct sip_sdp *sdp, size_t line,
                   struct alg_said *ret_said, struct alg_refused *ret_refused);

/* Suites that we speak, in order of preference. */
size_t alg_suites(const struct edge_options *options, enum srtp_suite ret_suites[ALG_SUITES_MAX]);

/* ---- what it becomes (alg_sdp_write.c) ---- */

struct alg_line_out {
    bool is_relayed;   /* else port 0 */
    struct addr local; /* ours, as the other side sees it */
    bool is_held;
    bool rtcp_mux;
    bool narrows; /* its direction becomes this one */
    enum sip_sdp_direction direction;
    const char *protocol; /* NULL: as it is */
    const struct sdes_crypto *cryptos;
    size_t crypto_count;
};

struct alg_sdp_out {
    const struct edge_options *options;
    enum edge_side to;
    bool is_answer;
    const char *name; /* user and session id */
    uint64_t version;
    struct addr address; /* of o= */
    struct alg_line_out lines[SIP_SDP_MEDIA_MAX];
};

/* The description for the other side. 0; ERR_FORBIDDEN: something of the inside is left in it; ERR_NO_MEMORY and others of the edit. */
int alg_sdp_write(const struct alg_sdp_out *out, const struct sip_sdp *sdp, struct region *region,
                  struct slice *ret_text);

/* ---- what is kept ---- */

/* How one side knows the session: the name that it was first told, the version it was told last, and what the text of that was. */
struct alg_told {
    char name[ALG_NAME_OCTETS]; /* "": nothing was told yet */
    uint64_t version;
    uint64_t hash;
    struct addr address;
};

/* One m-line of an offer. */
struct alg_offered {
    bool is_relayed;                 /* else it was told as port 0 */
    char protocol[ALG_MEDIA_OCTETS]; /* the offerer's own word */
    struct alg_said said;            /* without cryptos, whose texts are gone */
    struct sdes_crypto chosen;       /* the offerer's; SUITE_NONE: it has none */
    struct srtp_master out;          /* what the offerer is to get */
    struct addr local[EDGE_SIDES];   /* ours, as each side sees them */
    size_t made_count;
    struct sdes_crypto made[ALG_SUITES_MAX]; /* offered to the other side */
};

/* The last offer, until nothing of it can come again. */
struct alg_offer {
    enum edge_side by;
    bool in_response; /* it came in a response or answers in ACK and PRACK */
    bool is_answered; /* perhaps in a provisional response that may be lost */
    bool is_final;    /* answered for good */
    uint8_t method;   /* enum sip_method and CSeq of the transaction */
    uint32_t cseq;
    size_t told_octets;
    uint8_t *told; /* as the answerer saw it */
    size_t count;  /* at most MEDIA_STREAMS_MAX: those behind are never relayed */
    struct alg_offered lines[];
};

struct alg_sdp {
    struct media_session agreed;
    struct alg_told told[EDGE_SIDES];
    size_t line_count; /* m= of the last agreement: never fewer */
    bool is_confirmed; /* a 2xx has passed */
    struct alg_offer *offer;
};

/* ---- offers and answers (alg_sdp_agree.c) ---- */

struct alg_exchange {
    struct alg_sdp *x;
    const struct alg_sdp_ports *ports;
    enum edge_side from, to;
    const struct sip_sdp *sdp;
    struct region *region;
    struct alg_refused refused;
};

/* Reads an offer and tells it to the other side; the old one, if it is of the same transaction, lends its keys. 0 with the
 * text and the offer, which is the caller's (alg_offer_free); ERR_FORBIDDEN (refused), ERR_NO_MEMORY. */
int alg_sdp_offer(struct alg_exchange *k, const struct alg_offer *old, struct alg_offer **ret_offer,
                  struct slice *ret_text);

/* Reads the answer to x->offer, tells it to the offerer, and agrees on a session. */
int alg_sdp_answer(struct alg_exchange *k, struct slice *ret_text);

size_t alg_offer_octets(const struct alg_offer *offer); /* without told */
void alg_offer_free(struct alg_offer *offer);           /* wipes its keys; NULL is allowed */

#endif
