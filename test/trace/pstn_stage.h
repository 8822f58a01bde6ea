/* A stage for the phone network: carriers or a PBX, phones at the ends, and a PBX whose messages the test writes, over a network that loses and
 * changes messages if it is told to. */
#ifndef TEST_PSTN_STAGE_H
#define TEST_PSTN_STAGE_H

#include "base/list.h"
#include "base/region.h"
#include "pstn/phone.h"
#include "sip/digest.h"
#include "sip/edit.h"
#include "testing.h"

#include <stdio.h>
#include <stdlib.h>

enum { ANN, BOB, CARL, PHONES };

/* A PBX whose messages the test writes. */
#define PBX_POINT "10.0.0.4:5060"

extern const char *const phone_points[PHONES];
extern const char *const carrier_points[2];

struct mail {
    struct list link;
    struct addr from, to;
    unsigned side; /* of the network's end */
    size_t n;
    char text[4096];
};

struct end {
    struct pstn_phone_options options;
    struct pstn_phone *phone;
    struct pstn_phone_call last; /* the last news */
    unsigned over;
};

struct stage {
    struct now now;
    struct seeded_entropy seeded;
    struct entropy entropy;
    struct pstn_options options;
    struct pstn_network *network;
    struct end ends[PHONES];
    struct list post;
    char to_bob[4096]; /* the last INVITE that BOB got */
    char to_pbx[4096]; /* the last message to the PBX */
    unsigned pbx_messages;
    unsigned lose_percent, change_percent; /* of all messages */
    unsigned swallow;                      /* messages from BOB that are lost, from now on */
    unsigned lose_voice_percent;
    struct addr relayed_to; /* the last packet that a carrier sent, and where */
    uint8_t relayed[2048];
    bool voices_stop; /* none arrives */
    uint64_t voices;  /* packets that phones have sent */
};

struct addr address(const char *text);

/* Two carriers with 200 ms of set-up, 30 ms of answer and 50 ms of release; trunks of ANN and CARL at the first, of BOB at the second. Nothing
 * is started yet. */
struct stage *stage_new(void);
void add_trunk(struct stage *s, const char *name, unsigned carrier, const char *point, const char *range);
void stage_start(struct stage *s);
void stage_run(struct stage *s, int64_t ms);

/* For cmocka. At the end nothing is left of whatever a test did. */
int setup(void **state);
int teardown(void **state);

void call_through(struct stage *s, unsigned phone, unsigned carrier, const char *from, const char *to, int64_t talk_ms);
const struct pstn_record *newest(struct stage *s);

/* ---- the PBX that the test plays ---- */

#define SDP(port) \
    "v=0\r\no=- 1 1 IN IP4 10.0.0.4\r\ns=-\r\nc=IN IP4 10.0.0.4\r\nt=0 0\r\nm=audio " port " RTP/AVP 0\r\n"

void pbx_sends(struct stage *s, struct slice octets);
void pbx_requests(struct stage *s, const char *method, const char *uri, const char *to, unsigned cseq, const char *more,
                  const char *body);
void pbx_responds(struct stage *s, const char *status, const char *more); /* to the last message, which is a request */
const char *pbx_field(struct stage *s, enum sip_header header);   /* of the last message to it; "" if there is none */
void pbx_dialog(struct stage *s, char to[512], char target[512]); /* as that message makes it */
#define pbx_expect(s, begins) assert_memory_equal((s)->to_pbx, begins, strlen(begins))

/* Credentials for a challenge that came: the field of the next request. */
struct slice pbx_answers(struct stage *s, struct buf *out, enum sip_header header, const char *method, const char *uri,
                         const char *password);

#endif
