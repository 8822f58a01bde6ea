/* What a client transaction builds from its request: the ACK to a failure response (RFC 3261 17.1.1.3), and CANCEL (9.1). Both go the way
 * of the request: its Request-URI, topmost Via, Route, From, Call-ID and the number of its CSeq. */
#include "sip/transaction_core.h"

#define REGION_OCTETS_MAX (4 * SIP_MESSAGE_OCTETS_MAX)

static struct slice value_of(const struct sip_message *m, enum sip_header header)
{
    const struct sip_field *field = sip_field_first(m, header);
    return field ? field->value : slice_of(NULL, 0);
}

static int write_derived(struct buf *out, const struct sip_message *request, const char *method, struct slice to,
                         struct slice reason)
{
    struct slice number = value_of(request, SIP_CSEQ);
    struct sip_cursor c;
    struct sip_cseq cseq;
    sip_cursor_init(&c, request->octets, number);
    int err = sip_read_cseq(&c, &cseq);
    if (err)
        return err;
    buf_clear(out);
    sip_begin_request(out, method, request->uri);
    sip_put(out, SIP_VIA, value_of(request, SIP_VIA));
    sip_put(out, SIP_MAX_FORWARDS, slice_str("70"));
    for (const struct sip_field *f = sip_field_first(request, SIP_ROUTE); f; f = sip_field_next(request, f))
        sip_put(out, SIP_ROUTE, f->value);
    sip_put(out, SIP_FROM, value_of(request, SIP_FROM));
    sip_put(out, SIP_TO, to.n ? to : value_of(request, SIP_TO));
    sip_put(out, SIP_CALL_ID, value_of(request, SIP_CALL_ID));
    sip_put_text(out, SIP_CSEQ, "%u %s", cseq.number, method);
    if (reason.n)
        sip_put(out, SIP_REASON, reason);
    sip_end(out, slice_of(NULL, 0));
    return out->err;
}

static int derive(struct client *c, const char *method, struct slice to, struct slice reason,
                  struct packet **ret_packet)
{
    struct sip_layer *l = c->t.layer;
    struct slice octets = slice_of(c->t.packet->octets, c->t.packet->n);
    struct region region;
    struct sip_message request;
    region_init(&region, REGION_OCTETS_MAX);
    int err = sip_parse(&region, octets, SIP_DATAGRAM, &request, NULL);
    if (!err)
        err = write_derived(&l->scratch, &request, method, to, reason);
    region_fini(&region);
    if (err)
        return err;
    struct packet *packet = sip_packet_new(l, &c->t.packet->hop, buf_slice(&l->scratch));
    if (!packet)
        return ERR_NO_MEMORY;
    *ret_packet = packet;
    return 0;
}

int sip_client_derive_ack(struct client *c, const struct sip_message *response, struct packet **ret_packet)
{
    return derive(c, "ACK", value_of(response, SIP_TO), slice_of(NULL, 0), ret_packet);
}

int sip_client_derive_cancel(struct client *c, struct slice reason, struct packet **ret_packet)
{
    return derive(c, "CANCEL", slice_of(NULL, 0), reason, ret_packet);
}
