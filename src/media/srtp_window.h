/* Private: which packets of one numbering (RTP's sequence numbers with their rollovers, or SRTCP's index) were seen. RFC 3711 sections
 * 3.3.1 (the index of a packet) and 3.3.2 (replay list). All zero: none yet. */
#ifndef MEDIA_SRTP_WINDOW_H
#define MEDIA_SRTP_WINDOW_H

#include "media/srtp.h"

struct srtp_window {
    uint64_t newest;
    uint64_t seen[SRTP_WINDOW_PACKETS / 64]; /* bit d of them all: newest - d was seen */
};

static inline bool srtp_window_begun(const struct srtp_window *w)
{
    return w->seen[0] & 1;
}

/* Section 3.3.1, appendix A: rollover counter and sequence number, the nearest to the newest. */
static inline uint64_t srtp_window_index(const struct srtp_window *w, uint16_t seq)
{
    uint64_t index = (w->newest & ~(uint64_t)0xffff) | seq;
    if (!srtp_window_begun(w))
        return seq;
    uint16_t newest_seq = (uint16_t)w->newest;
    if (newest_seq < 0x8000)
        /* There was nothing before the first round. */
        return seq - newest_seq > 0x8000 && index >= 0x10000 ? index - 0x10000 : index;
    return newest_seq - 0x8000 > seq ? index + 0x10000 : index;
}

static inline bool srtp_window_is_fresh(const struct srtp_window *w, uint64_t index)
{
    if (!srtp_window_begun(w) || index > w->newest)
        return true;
    uint64_t behind = w->newest - index;
    return behind < SRTP_WINDOW_PACKETS && !(w->seen[behind / 64] >> (behind % 64) & 1);
}

/* Forgets all others. */
static inline void srtp_window_begin(struct srtp_window *w, uint64_t index)
{
    *w = (struct srtp_window){index, {1, 0}};
}

/* Only for an index that is fresh. */
static inline void srtp_window_mark(struct srtp_window *w, uint64_t index)
{
    uint64_t ahead = index - w->newest;
    if (!srtp_window_begun(w) || (index > w->newest && ahead >= SRTP_WINDOW_PACKETS)) {
        srtp_window_begin(w, index);
    } else if (index <= w->newest) {
        uint64_t behind = w->newest - index;
        w->seen[behind / 64] |= (uint64_t)1 << (behind % 64);
    } else {
        w->newest = index;
        w->seen[1] = ahead < 64 ? w->seen[1] << ahead | w->seen[0] >> (64 - ahead) : w->seen[0] << (ahead - 64);
        w->seen[0] = ahead < 64 ? w->seen[0] << ahead | 1 : 1;
    }
}

#endif
