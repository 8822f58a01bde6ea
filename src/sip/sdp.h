/* Session descriptions (RFC 8866, which replaces RFC 4566), read without loss: every line is a slice of the octets received, and what nobody
 * changes goes out octet for octet. Values are read on demand. Edits, and the checks of offer and answer (RFC 3264).
 *
 * Lines may end with CR LF or with LF alone (RFC 8866 5); the last one may have no end. What is put in ends as the first line does. */
#ifndef SIP_SDP_H
#define SIP_SDP_H

#include "base/addr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/region.h"

#define SIP_SDP_LINES_MAX 4096
#define SIP_SDP_MEDIA_MAX 64
#define SIP_SDP_SESSION (-1) /* in place of a media index: the part before the first m= */

struct sip_sdp_line {
    char type;          /* 'v', 'o', … */
    struct slice line;  /* with its end */
    struct slice value; /* behind the equals sign */
};

/* o=, 5.2 */
struct sip_sdp_origin {
    struct slice username, session_id, version, nettype, addrtype, address;
    uint64_t version_number;
};

/* m=, 5.14 */
struct sip_sdp_media {
    struct slice media;    /* "audio" */
    struct slice protocol; /* "RTP/AVP" */
    struct slice formats;  /* separated by spaces; text_cut walks them */
    struct slice port_text;
    uint16_t port;       /* 0: rejected, or not in use */
    uint16_t port_count; /* "/2": ports in a row; 1 if not given */
    size_t first, count; /* its lines, m= included */
};

struct sip_sdp {
    struct slice octets;
    const struct sip_sdp_line *lines;
    size_t line_count;
    const struct sip_sdp_media *media;
    size_t media_count;
    size_t session_lines; /* before the first m= */
    struct sip_sdp_origin origin;
    struct slice tail; /* empty lines at the end, which some write */
};

/* Borrows the octets, lives in the region. 0, ERR_SYNTAX, ERR_RANGE (a port, a version), ERR_LIMIT, ERR_TRUNCATED (a mandatory line is missing),
 * ERR_NO_MEMORY. The order of lines is that of RFC 8866 9. ret_fault may be NULL. */
int sip_sdp_parse(struct region *region, struct slice octets, struct sip_sdp *ret_sdp, struct fault *ret_fault);

/* c=, 5.7 */
struct sip_sdp_connection {
    struct slice nettype, addrtype;
    struct slice address; /* without TTL and count */
};

/* Of a media section; where it has none, of the session. False: none. */
bool sip_sdp_connection(const struct sip_sdp *sdp, int media, struct sip_sdp_connection *ret_connection);

/* a=, 5.13 */
struct sip_sdp_attribute {
    const struct sip_sdp_line *line;
    struct slice name;
    struct slice value; /* behind the colon; no address: there is none */
};

/* The next attribute of that name (NULL: of any) in the session's or a media section's own lines. position begins at 0. Names are compared with
 * their case (RFC 8866 5.13). */
bool sip_sdp_attribute_next(const struct sip_sdp *sdp, int media, const char *name, size_t *position,
                            struct sip_sdp_attribute *ret_attribute);
bool sip_sdp_attribute_first(const struct sip_sdp *sdp, int media, const char *name,
                             struct sip_sdp_attribute *ret_attribute);

/* The one about a format: rtpmap, fmtp, rtcp-fb. The value of ret_attribute is what follows the format. */
bool sip_sdp_attribute_of_format(const struct sip_sdp *sdp, int media, const char *name, struct slice format,
                                 struct sip_sdp_attribute *ret_attribute);

/* RFC 8866 6.7: of the section, else of the session, else sendrecv. As its writer sees it. */
enum sip_sdp_direction { SIP_SDP_SENDRECV, SIP_SDP_SENDONLY, SIP_SDP_RECVONLY, SIP_SDP_INACTIVE };
enum sip_sdp_direction sip_sdp_direction(const struct sip_sdp *sdp, int media);
enum sip_sdp_direction sip_sdp_reverse(enum sip_sdp_direction direction); /* as the other side sees it */
const char *sip_sdp_direction_name(enum sip_sdp_direction direction);

/* Its writer has put the other side on hold: sendonly or inactive (RFC 3264 8.4), or, the old way, an address of zeros. */
bool sip_sdp_holds(const struct sip_sdp *sdp, int media);

/* ---- edits ---- */

/* An edit belongs to one description. Texts are copied. Errors stick and come out of sip_sdp_edit_write: ERR_RANGE for a value with a line end or NUL
 * or an unknown section, ERR_NO_MEMORY. Later changes work on what earlier ones left. */
struct sip_sdp_edit;
struct sip_sdp_edit *sip_sdp_edit_new(struct region *region, const struct sip_sdp *sdp); /* NULL: no memory */

/* o= */
void sip_sdp_edit_version(struct sip_sdp_edit *e, uint64_t version);
void sip_sdp_edit_origin_address(struct sip_sdp_edit *e, const struct addr *address);

/* Other octets behind the equals sign of any line. */
void sip_sdp_edit_line(struct sip_sdp_edit *e, const struct sip_sdp_line *line, struct slice value);

/* c= of that section, put in if it has none. The port of the address is not looked at. */
void sip_sdp_edit_connection(struct sip_sdp_edit *e, int media, const struct addr *address);

/* m= */
void sip_sdp_edit_port(struct sip_sdp_edit *e, int media, uint16_t port); /* 0: rejected, 6; a count of ports stays */
void sip_sdp_edit_protocol(struct sip_sdp_edit *e, int media, struct slice protocol);

/* Takes a format away, with what is said about it (rtpmap, fmtp, rtcp-fb). The last one cannot go: ERR_CONFLICT. Not there: nothing. */
void sip_sdp_edit_remove_format(struct sip_sdp_edit *e, int media, struct slice format);

/* Attributes of one section. value NULL as its address: a property ("a=rtcp-mux"). set: in place of the first of that name, all others away, or at the
 * end; add: at the end. */
void sip_sdp_edit_set(struct sip_sdp_edit *e, int media, const char *name, struct slice value);
void sip_sdp_edit_add(struct sip_sdp_edit *e, int media, const char *name, struct slice value);
void sip_sdp_edit_remove(struct sip_sdp_edit *e, int media, const char *name);
void sip_sdp_edit_value(struct sip_sdp_edit *e, const struct sip_sdp_attribute *attribute,
                        struct slice value); /* one */
void sip_sdp_edit_remove_line(struct sip_sdp_edit *e, const struct sip_sdp_line *line);
void sip_sdp_edit_direction(struct sip_sdp_edit *e, int media, enum sip_sdp_direction direction);

/* Appends the description. 0, the first error, or the buffer's. */
int sip_sdp_edit_write(const struct sip_sdp_edit *e, struct buf *out);

/* ---- offer and answer (RFC 3264): 0, or ERR_CONFLICT with octet (of the second one) and rule; ret_fault may be NULL ---- */

/* An answer to an offer: as many m= lines in the same order, no stream that was not offered, directions that fit (section 6). check_streams does not
 * look at directions, which some get wrong who mean no harm. */
int sip_sdp_check_answer(const struct sip_sdp *offer, const struct sip_sdp *answer, struct fault *ret_fault);
int sip_sdp_check_streams(const struct sip_sdp *offer, const struct sip_sdp *answer, struct fault *ret_fault);

/* What one side says after what the same side said before: the same session; the version one higher if anything changed, else the same; no m= line
 * gone (section 8). What a line is may change: voice becomes fax (8.3.3). */
int sip_sdp_check_next(const struct sip_sdp *before, const struct sip_sdp *next, struct fault *ret_fault);

#endif
