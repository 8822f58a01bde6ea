/* Values of the attributes of a message (section 10.3), in both directions. Private to vap. */
#ifndef VAP_VALUE_H
#define VAP_VALUE_H

#include "vap/message.h"

/* Takes the value of one attribute into the message, if the type is known and came for the first time. Faults go to the reader. */
void vap_value_read(struct reader *r, const struct tlv_attr *a, struct vap_message *ret_message);

/* Writes the message's value of a type, the first time that it is asked for it; false if it has none (left). */
bool vap_value_write(struct buf *b, uint16_t type, const struct vap_message *m, uint32_t *written);

#endif
