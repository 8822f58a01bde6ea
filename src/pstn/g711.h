/* ITU-T G.711: the two laws by which the phone network says a sample of 16 bits in 8. */
#ifndef PSTN_G711_H
#define PSTN_G711_H

#include <stdbool.h>
#include <stdint.h>

enum pstn_law { PSTN_ALAW, PSTN_ULAW, PSTN_LAWS };

/* RFC 3551 6: 8 is PCMA, 0 is PCMU. False: another one. */
uint8_t pstn_law_payload_type(enum pstn_law law);
bool pstn_law_find(uint8_t payload_type, enum pstn_law *ret_law);

uint8_t pstn_g711_encode(enum pstn_law law, int sample);
int pstn_g711_decode(enum pstn_law law, uint8_t code);

#endif
