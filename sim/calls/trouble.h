/* What goes wrong in a day of calls: drawn before it begins, carried out as it goes, and remembered, so that the ledger demands of a call what is fair. */
#ifndef SIM_CALLS_TROUBLE_H
#define SIM_CALLS_TROUBLE_H

#include "calls/day.h"

/* clang-format off */
#define SIM_TROUBLES(X) \
    X(AGENT_CRASH, "the agent is killed") X(AGENT_RESTART, "the agent is restarted") X(IME_AWAY, "nobody reaches it from other companies") \
    X(IME_SILENT, "what is sent there from other companies is lost") X(IME_CUT, "connections to other companies are reset") \
    X(TRUNK_AWAY, "both trunks are away") X(CARRIER_AWAY, "one trunk is away") X(PBX_CRASH, "the PBX is restarted") \
    X(PBX_SILENT, "what the PBX sends is lost") X(LOSS, "trunks lose a third") X(SERVER_CRASH, "the IME server is killed") \
    X(NET_BAD, "sound to and from other companies is late and lost") X(NET_DEAD, "nothing comes from other companies, nor goes there") \
    X(SOUND_DEAD, "sound to or from other companies is lost, or both") X(EDGE_CRASH, "the edge is killed") \
    X(WORKER_CRASH, "what relays media is killed") X(FALLBACK_BUSY, "the fallback number is busy") X(DIGITS_LOST, "carriers lose digits") \
    X(CALLERS_LOST, "carriers tell nobody who calls") X(CALLERS_SPOILED, "carriers shorten or rewrite who calls")
/* clang-format on */
enum sim_trouble_kind {
#define SIM_TROUBLE_ENUM_(name, text) SIM_TROUBLE_##name,
    SIM_TROUBLES(SIM_TROUBLE_ENUM_)
#undef SIM_TROUBLE_ENUM_
        SIM_TROUBLE_KINDS
};

#define SIM_TROUBLE_BIT(kind) (1u << SIM_TROUBLE_##kind)
#define SIM_TROUBLE_ALL ((1u << SIM_TROUBLE_KINDS) - 1)
#define SIM_TROUBLE_OF_IME                                                                                           \
    (SIM_TROUBLE_BIT(IME_AWAY) | SIM_TROUBLE_BIT(IME_SILENT) | SIM_TROUBLE_BIT(IME_CUT) | SIM_TROUBLE_BIT(NET_BAD) | \
     SIM_TROUBLE_BIT(NET_DEAD) | SIM_TROUBLE_BIT(SOUND_DEAD) | SIM_TROUBLE_BIT(EDGE_CRASH) |                         \
     SIM_TROUBLE_BIT(WORKER_CRASH))
#define SIM_TROUBLE_OF_FALLBACK                                                                      \
    (SIM_TROUBLE_BIT(FALLBACK_BUSY) | SIM_TROUBLE_BIT(DIGITS_LOST) | SIM_TROUBLE_BIT(CALLERS_LOST) | \
     SIM_TROUBLE_BIT(CALLERS_SPOILED))
#define SIM_TROUBLE_OF_TRUNKS (SIM_TROUBLE_BIT(TRUNK_AWAY) | SIM_TROUBLE_BIT(CARRIER_AWAY) | SIM_TROUBLE_BIT(LOSS))
#define SIM_TROUBLE_OF_AGENT (SIM_TROUBLE_BIT(AGENT_CRASH) | SIM_TROUBLE_BIT(AGENT_RESTART))
#define SIM_TROUBLE_OF_PBX (SIM_TROUBLE_BIT(PBX_CRASH) | SIM_TROUBLE_BIT(PBX_SILENT))

struct sim_trouble_one {
    int64_t from_us, until_us;
    uint32_t company;
    uint8_t kind;
    bool silent; /* nobody is told that a process is gone */
    bool is_active;
    bool from, to; /* SOUND_DEAD: which directions */
    uint32_t loss_ppm;
    int64_t delay_us, jitter_us; /* of NET_BAD */
};

struct sim_trouble {
    struct sim_day *day;
    struct sim_trouble_one *ones; /* by their beginning */
    uint32_t n;
    uint32_t next;
};

/* Draws it and sets it going: nothing goes wrong behind day->until_us. */
struct sim_trouble *sim_trouble_new(struct sim_day *day);
void sim_trouble_free(struct sim_trouble *t);

/* What begins at one company, but not only for it: carriers work for all. */
#define SIM_TROUBLE_OF_ALL \
    (SIM_TROUBLE_BIT(DIGITS_LOST) | SIM_TROUBLE_BIT(CALLERS_LOST) | SIM_TROUBLE_BIT(CALLERS_SPOILED))

/* Whether any of these kinds (a bit each) was going on at this company then. */
bool sim_trouble_met(const struct sim_trouble *t, uint32_t kinds, uint32_t company, int64_t from_us, int64_t until_us);

const char *sim_trouble_text(enum sim_trouble_kind kind);

#endif
