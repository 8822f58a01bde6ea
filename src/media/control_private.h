/* Parts of messages between processes that an exported session has as well. */
#ifndef MEDIA_CONTROL_PRIVATE_H
#define MEDIA_CONTROL_PRIVATE_H

#include "base/reader.h"
#include "media/event.h"

struct buf;

/* A number of one octet that must be below the bound; 0 after an error. */
unsigned media_read_below(struct reader *r, unsigned bound, const char *rule);

/* Of a session: never 0. */
uint64_t media_read_id(struct reader *r);

bool media_session_is_encodable(const struct media_session *session);
void media_session_encode(const struct media_session *session, struct buf *b);
void media_session_read(struct reader *r, struct media_session *ret_session);
void media_addr_encode(const struct addr *a, struct buf *b);
void media_addr_read(struct reader *r, struct addr *ret_addr);
void media_master_encode(const struct srtp_master *master, struct buf *b);
void media_master_read(struct reader *r, struct srtp_master *ret_master);
void media_figures_encode(const struct media_figures *f, struct buf *b);
void media_figures_read(struct reader *r, struct media_figures *ret_figures);

#endif
