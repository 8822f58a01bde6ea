/* The books, for the files that keep them: ledger.c (phones, wire), ledger_vap.c (routes and records), ledger_heard.c (sound), ledger_close.c (the rules about calls),
 * ledger_records.c (the rules about records). */
#ifndef SIM_CALLS_LEDGER_PRIVATE_H
#define SIM_CALLS_LEDGER_PRIVATE_H

#include "calls/border.h"
#include "calls/ledger.h"
#include "calls/office.h"
#include "calls/script.h"
#include "calls/trouble.h"

#include "base/map.h"
#include "vap/message.h"

#define SIM_ENDS_MAX 4u /* of a called phone for one call: more are counted */

/* Tables that have grown with the calls that there were at once, and what the allocator keeps at hand. */
#define SIM_GROWN_OCTETS_MAX (256 * 1024)
#define SIM_GROWN_OCTETS_PER_CALL 1024 /* at once, when that is more */

enum sim_network_of_call { SIM_OVER_NOTHING, SIM_OVER_IME, SIM_OVER_PSTN };

/* What a phone hears of the other one. */
struct sim_hearing {
    int64_t expects_since_us; /* 0: it does not, at the moment */
    int64_t last_us;          /* it heard something new */
    int64_t said_us;          /* when that was said */
    uint8_t way;              /* enum sim_network_of_call, that it came by */
};

struct sim_silence {
    uint32_t call;
    bool is_caller;
    int64_t from_us, until_us;
};

/* From one network to the other, as one phone hears it. */
struct sim_move {
    uint32_t call;
    bool is_caller;
    bool is_expected; /* it was to hear something all the time */
    uint8_t to;       /* enum sim_network_of_call */
    int64_t at_us, gap_us;
};

/* One phone's end of a call. Times are 0 for what did not happen; the wall's are those of the company's clock. */
struct sim_call_side {
    int64_t began_us, answered_us, ended_us, hung_up_us; /* hung up: by this phone */
    struct sim_hearing hearing;
    struct wall answered_at, ended_at; /* ended: hung up, or told so */
    uint16_t status;                   /* with which it ended */
    uint8_t ends;                      /* how often it was told that it is over */
    bool gone;                         /* with its PBX */
};

struct sim_call_entry {
    int64_t begun_us, rang_us;
    struct sim_call_side caller;
    struct sim_call_side called[SIM_ENDS_MAX];
    uint8_t called_count;
    bool sent_direct;   /* by the caller's agent, to the other company's */
    bool sent_pstn;     /* by the caller's agent, to a carrier */
    bool came_by_pstn;  /* from a carrier, to the called agent */
    bool had_route;     /* acknowledged when it began */
    bool route_is_good; /* and nothing had been in the way for a while */
    bool looked_stuck;  /* told already */
    bool heard_others;  /* told already */
};

/* A voice call record as it was sent. */
struct sim_record_entry {
    struct vap_vcr vcr;
    uint32_t company;
    uint32_t sent;
    bool acknowledged;
};

#define SIM_PENDING_MAX 128u

/* A request on a VAP connection that waits for its answer. */
struct sim_pending {
    bool used;
    struct vap_transaction transaction;
    uint16_t method;
    uint32_t record;    /* UPLOAD_VCR */
    struct e164 number; /* NOTIFY */
};

struct sim_vap_watch {
    struct vap_framer framers[2]; /* from the server, from the agent */
    struct sim_pending pending[SIM_PENDING_MAX];
    unsigned next;
};

struct sim_ledger {
    struct sim_day *day;
    struct sim_call_entry *calls;
    uint32_t at_once;
    int64_t *routes;               /* of company, to company, k: when it was acknowledged; 0: never */
    struct sim_vap_watch *watches; /* of the companies */
    struct sim_record_entry *records;
    uint32_t record_count, record_capacity;
    struct sim_office_left *least; /* of the companies: what was there each time that one looked, at the end */
    struct sim_border_left *least_of_borders;
    struct sim_silence *silences;
    size_t silence_count;
    struct sim_move *moves; /* in order of time */
    size_t move_count;
    struct map record_index; /* contents → record, one more than its place */
};

int64_t *sim_ledger_route(const struct sim_ledger *l, uint32_t company, const struct e164 *number); /* NULL: nobody's */

/* Whether any of these kinds was going on at either company of the call. */
bool sim_ledger_met(const struct sim_ledger *l, uint32_t call, uint32_t kinds, int64_t from_us, int64_t until_us);

/* Nothing at all was in the way, from a while before it began to its end; no word of it was meant to be lost. */
bool sim_ledger_is_clean(const struct sim_ledger *l, uint32_t call);

/* A violation by a call; with --verbose all that is known of it goes to standard error. */
void sim_ledger_wrong(struct sim_ledger *l, uint32_t call, const char *rule, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

void sim_ledger_vap_init(struct sim_ledger *l);
void sim_ledger_vap_fini(struct sim_ledger *l);

/* The parts of sim_ledger_close that need the books only. */
void sim_ledger_close_calls(struct sim_ledger *l);
void sim_ledger_close_records(struct sim_ledger *l);
void sim_ledger_close_heard(struct sim_ledger *l);
void sim_ledger_close_left(struct sim_ledger *l); /* what was there each time that one looked */
/* What an agent has kept: in its routes; on its disk, as the next start would read it; and so many octets. */
void sim_ledger_close_routes(struct sim_ledger *l, uint32_t company, const struct agent_routes *routes);
void sim_ledger_close_accounts(struct sim_ledger *l, const struct sim_office *office);
void sim_ledger_close_growth(struct sim_ledger *l, uint32_t company, int64_t octets);
void sim_ledger_heard_fini(struct sim_ledger *l);
int64_t sim_ledger_delays_us(const struct sim_ledger *l, uint32_t call); /* by which two ways differ at most */

#endif
