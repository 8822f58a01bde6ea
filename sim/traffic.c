/* Counting messages by kind: the few fields of frame and forwarding header that this needs, read here and not by src/reload. */
#include "traffic.h"

#include "reload/codes.h"
#include "reload/header.h"

enum { FRAME_DATA_LENGTH = 5, FRAME_DATA_HEAD = 8, FRAME_ACK = 9 }; /* octets, RFC 6940 6.6.2 */
enum { HEADER_FRAGMENT = 12, HEADER_VIA_LENGTH = 32 };              /* 6.3.2 */

static uint32_t u16_at(struct slice s, size_t at)
{
    return (uint32_t)s.p[at] << 8 | s.p[at + 1];
}

static uint32_t u24_at(struct slice s, size_t at)
{
    return (uint32_t)s.p[at] << 16 | u16_at(s, at + 1);
}

static unsigned row_of_code(uint32_t code)
{
    if (code == RELOAD_ERROR)
        return SIM_TRAFFIC_ERROR;
    return code < SIM_TRAFFIC_CODES && reload_code_name((uint16_t)code) ? code : SIM_TRAFFIC_OTHER;
}

/* What kind of message this is, and whether it is a request of who sends it. */
static unsigned row_of_message(struct slice message, bool *ret_made)
{
    if (message.n < RELOAD_HEADER_FIXED_OCTETS)
        return SIM_TRAFFIC_OTHER;
    uint32_t via = u16_at(message, HEADER_VIA_LENGTH);
    size_t lists = via + u16_at(message, HEADER_VIA_LENGTH + 2) + u16_at(message, HEADER_VIA_LENGTH + 4);
    if (u24_at(message, HEADER_FRAGMENT + 1) != 0)
        return SIM_TRAFFIC_FRAGMENT;
    if (message.n < RELOAD_HEADER_FIXED_OCTETS + lists + 2)
        return SIM_TRAFFIC_OTHER;
    uint32_t code = u16_at(message, RELOAD_HEADER_FIXED_OCTETS + lists);
    *ret_made = via == 0 && reload_code_is_request((uint16_t)code);
    return row_of_code(code);
}

static void count(struct sim_traffic *traffic, unsigned row, bool made, size_t octets)
{
    traffic->messages[row]++;
    traffic->octets[row] += octets;
    if (made)
        traffic->made[row]++;
}

void sim_traffic_count(struct sim_traffic *traffic, struct slice octets)
{
    while (octets.n) {
        size_t frame = octets.n;
        unsigned row = SIM_TRAFFIC_OTHER;
        bool made = false;
        if (octets.p[0] == RELOAD_FRAME_ACK && octets.n >= FRAME_ACK) {
            frame = FRAME_ACK;
            row = SIM_TRAFFIC_ACK;
        } else if (octets.p[0] == RELOAD_FRAME_DATA && octets.n >= FRAME_DATA_HEAD &&
                   u24_at(octets, FRAME_DATA_LENGTH) <= octets.n - FRAME_DATA_HEAD) {
            frame = FRAME_DATA_HEAD + u24_at(octets, FRAME_DATA_LENGTH);
            row = row_of_message(slice_of(octets.p + FRAME_DATA_HEAD, frame - FRAME_DATA_HEAD), &made);
        }
        count(traffic, row, made, frame);
        octets = slice_of(octets.p + frame, octets.n - frame);
    }
}

uint64_t sim_traffic_messages(const struct sim_traffic *traffic)
{
    uint64_t sum = 0;
    for (unsigned row = 0; row < SIM_TRAFFIC_ROWS; row++)
        sum += row == SIM_TRAFFIC_ACK ? 0 : traffic->messages[row];
    return sum;
}

const char *sim_traffic_name(unsigned row)
{
    switch (row) {
    case SIM_TRAFFIC_ERROR:
        return "error";
    case SIM_TRAFFIC_FRAGMENT:
        return "fragment";
    case SIM_TRAFFIC_ACK:
        return "ack";
    case SIM_TRAFFIC_OTHER:
        return "other";
    default:
        return row < SIM_TRAFFIC_CODES ? reload_code_name((uint16_t)row) : NULL;
    }
}
