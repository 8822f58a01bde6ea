/* Datagrams at a port of ours that hears digits: each is an octet of choices, one for its length, and the packet. Whatever comes, a digit is one of the
 * sixteen, none is told twice in a row by the same packet, and what is counted adds up. */
#include "media/tone.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool good)
{
    if (!good)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tone_receiver r;
    struct mono now = {1};
    uint64_t packets = 0, digits = 0;
    tone_receiver_init(&r, 101);
    while (size >= 2) {
        const uint8_t choices = data[0];
        size_t n = data[1] < size - 2 ? data[1] : size - 2;
        const struct addr from = {.family = 4, .port = 4000, .ip = {192, 0, 2, choices & 3}};
        const struct slice octets = slice_of(data + 2, n);
        char digit = '\0', again;
        now.us += (choices >> 4) * INT64_C(100000);
        if (choices & 4)
            tone_receiver_expect(&r, 101, &from);
        if (tone_receiver_input(&r, now, &from, octets, &digit)) {
            uint8_t event;
            need(tone_event_of_digit(digit, &event) && tone_digit_of_event(event) == digit);
            need(r.has_source && r.has_event && addr_eq(&r.source, &from));
            digits++;
        }
        need(!tone_receiver_input(&r, now, &from, octets, &again));
        packets += 2;
        need(r.packets + r.foreign + r.malformed <= packets && r.digits == digits);
        data += 2 + n;
        size -= 2 + n;
    }
    return 0;
}
