/* Dialogs (RFC 3261 section 12): what identifies one, where its requests go, and how the sequence numbers run; early, forked, with target
 * refresh and route sets. A dialog is a value; it sends nothing. */
#ifndef SIP_DIALOG_H
#define SIP_DIALOG_H

#include "sip/edit.h"
#include "sip/message.h"

#define SIP_ROUTES_MAX 16
#define SIP_DIALOG_OCTETS_MAX 8192 /* all texts of one dialog */

enum sip_dialog_state { SIP_DIALOG_EARLY, SIP_DIALOG_CONFIRMED, SIP_DIALOG_ENDED };

/* Texts are the dialog's own. */
struct sip_dialog {
    enum sip_dialog_state state;
    bool is_uac; /* we sent the request that created it */
    char *call_id;
    char *local_tag;
    char *remote_tag;     /* "" : an RFC 2543 peer */
    char *local_address;  /* From of our requests: name-addr with parameters, without the tag */
    char *remote_address; /* To of our requests, likewise */
    char *remote_target;  /* Contact of the other side: the Request-URI of our requests */
    char *routes;         /* the route set, separated by commas, first hop first; NULL: none */
    uint32_t local_cseq;  /* of our last request; 0: none yet */
    uint32_t remote_cseq; /* of its last request; valid if has_remote_cseq */
    bool has_remote_cseq;
    struct region texts; /* all but remote_target and routes, which change */
    unsigned changes;    /* how often these were set; 0: never */
};

/* By a request of ours and a response to it (12.1.2), which may stand for both: it repeats what is needed of the request. By a request of theirs
 * and the tag of our response (12.1.1). 0, ERR_SYNTAX (no Contact,
 * or not one; a route that cannot be read), ERR_LIMIT, ERR_NO_MEMORY. A provisional response without Contact is taken: until the 2xx has one,
 * requests go where the first went. */
int sip_dialog_init_uac(struct sip_dialog *d, const struct sip_message *request, const struct sip_message *response);
int sip_dialog_init_uas(struct sip_dialog *d, const struct sip_message *request, struct slice local_tag,
                        bool confirmed);
void sip_dialog_fini(struct sip_dialog *d);

/* We sent the 2xx to the request that created it (12.1.1). A client's dialog is confirmed by sip_dialog_answered. */
void sip_dialog_confirm(struct sip_dialog *d);

/* The key of a dialog in a table: Call-ID, local and remote tag, in an order that both kinds of message give. Appends. */
void sip_dialog_key(struct slice call_id, struct slice local_tag, struct slice remote_tag, struct buf *out);

/* True if a message that came in belongs to it. */
bool sip_dialog_matches(const struct sip_dialog *d, const struct sip_message *message);

/* A request inside it came in (12.2.2): 0, or the status to refuse it with (500 when its CSeq is lower than the last). A target refresh is taken over. */
unsigned sip_dialog_receive(struct sip_dialog *d, const struct sip_message *request);

/* A response to a request of ours inside it, or the final one to the request that created it: a 2xx confirms it and sets the route set anew
 * (13.2.2.4); target refresh; a failure of the first INVITE, and 408 and 481 to any request, end it (12.2.1.2). 0, ERR_SYNTAX, ERR_LIMIT,
 * ERR_NO_MEMORY: nothing has changed. */
int sip_dialog_answered(struct sip_dialog *d, const struct sip_message *response);

/* Begins a request inside it: start line, Max-Forwards, Route (also as a strict router wants it, 12.2.1.1), From, To, Call-ID, CSeq. The caller
 * adds Contact and others and calls sip_end. cseq 0: the next number; ACK has that of its INVITE. */
void sip_dialog_begin_request(struct sip_dialog *d, const char *method, uint32_t cseq, struct buf *out);

/* The URI whose host and port say where a request goes: the first route (loose routing), or the target. */
struct slice sip_dialog_next_hop(const struct sip_dialog *d);

#endif
