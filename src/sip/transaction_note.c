/* The queue of events, and the messages in and out that they are about. */
#include "base/mem.h"
#include "sip/transaction_core.h"

#define REGION_OCTETS_MAX (8 * SIP_MESSAGE_OCTETS_MAX)

/* What a region gets at once besides the message: itself, and its header fields. */
#define FIELDS_USUAL 24
#define REGION_OCTETS_USUAL (sizeof(struct inbound) + FIELDS_USUAL * sizeof(struct sip_field) + 64)

void sip_note_push(struct sip_layer *l, struct note *note)
{
    note->is_queued = true;
    list_append(&l->notes, &note->link);
}

/* ---- messages that come in ---- */

static bool is_response(struct slice octets)
{
    return octets.n >= 4 && memcmp(octets.p, "SIP/", 4) == 0;
}

static struct slice copy_stamped(struct region *region, struct slice octets, const struct via_stamp *stamp)
{
    size_t added = strlen(stamp->text);
    uint8_t *p = region_alloc(region, octets.n + added);
    if (!p)
        return slice_of(NULL, 0);
    memcpy(p, octets.p, stamp->at);
    memcpy(p + stamp->at, stamp->text, added);
    memcpy(p + stamp->at + added, octets.p + stamp->at, octets.n - stamp->at);
    return slice_of(p, octets.n + added);
}

/* A text of the flow becomes the region's own. False: no memory. */
static bool keep_text(struct region *region, const char **text)
{
    if (!*text)
        return true;
    *text = region_text(region, slice_str(*text));
    return *text != NULL;
}

struct inbound *sip_inbound_new(const struct sip_flow *flow, struct slice octets)
{
    struct region region;
    struct via_stamp stamp = {0};
    region_init(&region, REGION_OCTETS_MAX);
    if (region_reserve(&region, octets.n + sizeof stamp.text + REGION_OCTETS_USUAL))
        return NULL;
    struct inbound *in = region_alloc(&region, sizeof *in);
    if (!in)
        return NULL;
    in->note.owner = NOTE_OF_INBOUND;
    in->holders = 1;
    list_init(&in->spent);
    in->flow = *flow;
    if (!is_response(octets))
        in->has_via = sip_via_stamp(octets, flow, &stamp, &in->hop);
    in->message.octets = copy_stamped(&region, octets, &stamp);
    bool kept = keep_text(&region, &in->flow.peer_domain) && keep_text(&region, &in->flow.peer_domains);
    in->region = region;
    if (!in->message.octets.p || !kept) {
        sip_inbound_drop(in);
        return NULL;
    }
    return in;
}

void sip_inbound_drop(struct inbound *in)
{
    if (--in->holders)
        return;
    struct region region = in->region; /* it lies in what it frees */
    region_fini(&region);
}

void sip_inbound_spend(struct sip_layer *l, struct inbound *in)
{
    list_append(&l->spent, &in->spent);
}

void sip_inbound_report(struct sip_layer *l, struct inbound *in, struct sip_event e)
{
    in->note.e = e;
    in->note.e.flow = &in->flow;
    in->note.e.message = &in->message;
    in->holders++;
    sip_note_push(l, &in->note);
}

/* ---- messages that go out ---- */

struct packet *sip_packet_new(struct sip_layer *l, const struct sip_hop *hop, struct slice octets)
{
    struct packet *p = mem_resize(NULL, sizeof *p + octets.n); /* all that counts is set here */
    if (!p)
        return NULL;
    p->layer = l;
    p->holders = 1;
    sip_hop_copy(&p->hop, hop);
    p->n = octets.n;
    memcpy(p->octets, octets.p, octets.n);
    p->note = (struct note){.owner = NOTE_OF_PACKET};
    p->note.e = (struct sip_event){.kind = SIP_SEND, .hop = &p->hop, .octets = slice_of(p->octets, p->n)};
    l->octets += sizeof *p + octets.n;
    return p;
}

void sip_packet_drop(struct packet *p)
{
    if (!p || --p->holders)
        return;
    p->layer->octets -= sizeof *p + p->n;
    mem_free(p);
}

/* What still waits in the queue is not sent twice. */
void sip_packet_send(struct packet *p)
{
    if (p->note.is_queued)
        return;
    p->holders++;
    sip_note_push(p->layer, &p->note);
}

/* ---- taking them ---- */

static void release(struct note *note)
{
    if (note->owner == NOTE_OF_PACKET) {
        sip_packet_drop(CONTAINER_OF(note, struct packet, note));
    } else if (note->owner == NOTE_OF_INBOUND) {
        sip_inbound_drop(CONTAINER_OF(note, struct inbound, note));
    } else {
        struct transaction *t = CONTAINER_OF(note, struct transaction, end);
        t->notes--;
        sip_transaction_free_unused(t);
    }
}

bool sip_layer_next(struct sip_layer *l, struct sip_event *ret_event)
{
    struct list *first;
    while ((first = list_pop(&l->spent)))
        sip_inbound_drop(CONTAINER_OF(first, struct inbound, spent));
    if (l->taken) {
        release(l->taken);
        l->taken = NULL;
    }
    first = list_pop(&l->notes);
    if (!first)
        return false;
    l->taken = CONTAINER_OF(first, struct note, link);
    l->taken->is_queued = false;
    *ret_event = l->taken->e;
    return true;
}
