/* ime-wire vap: a VAP message (draft-jennings-vipr-vap-02). */
#include "vap/message.h"
#include "wire.h"

static void print_service(struct print *p, const struct service_identity *service)
{
    static const struct {
        uint16_t subservice;
        const char *word;
    } words[] = {{SUBSERVICE_NUMBER, "number"}, {SUBSERVICE_VSERVICE, "VService"}};
    const char *word = NULL;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (words[i].subservice == service->subservice)
            word = words[i].word;
    print_code(p, "service", service->service, service_is_vipr(service) ? "ViPR" : NULL);
    print_code(p, "subservice", service->subservice, word);
    print_number_hex(p, "VServiceID", service->vservice_id, 8);
    print_number_hex(p, "instance", service->instance, 8);
}

static void print_ntp(struct print *p, uint64_t ntp)
{
    struct wall t = wall_from_ntp(ntp);
    print_number_hex(p, "ntp", ntp, 8);
    if (t.ms >= 0)
        print_time_ms(p, "time", (uint64_t)t.ms);
}

/* The value that the message holds for a type: the first of several. */
static void print_value(struct print *p, const struct vap_message *m, const struct tlv_attr *a)
{
    switch (a->type) {
    case TLV_USERNAME:
    case TLV_REALM:
    case TLV_CLIENT_NAME:
    case TLV_CLIENT_LABEL:
    case TLV_CALLING_NUM:
    case TLV_CALLED_NUM:
        print_text(p, "text", a->value);
        break;
    case TLV_SERVICE_CONTENT:
        if (m->service.subservice == SUBSERVICE_TICKET_KEYS)
            print_number(p, "octets_not_shown", a->value.n); /* keys of tickets */
        else
            print_text(p, "text", a->value);
        break;
    case TLV_ERROR_CODE:
        print_code(p, "code", m->error_code, vap_code_reason(m->error_code));
        print_text(p, "reason", m->reason);
        break;
    case TLV_CLIENT_HANDLE:
        print_number(p, "handle", m->client_handle);
        break;
    case TLV_PROTOCOL_VERSION:
        print_number(p, "major", m->version_major);
        print_number(p, "minor", m->version_minor);
        break;
    case TLV_KEEPALIVE:
        print_number(p, "ms", m->keepalive_ms);
        break;
    case TLV_SERVICE_IDENTITY:
        print_service(p, &m->service);
        break;
    case TLV_SERVICE_VERSION:
        print_number(p, "version", m->service_version);
        break;
    case TLV_SUBSCRIPTION_ID:
        print_number(p, "id", m->subscription_id);
        break;
    case TLV_CALL_DIRECTION:
        print_code(p, "direction", m->direction, m->direction == VAP_SENT ? "sent" : "received");
        break;
    case TLV_START_TIME:
        print_ntp(p, m->start_ntp);
        break;
    case TLV_STOP_TIME:
        print_ntp(p, m->stop_ntp);
        break;
    case TLV_QUOTA:
        print_number(p, "limit", m->quota_limit);
        print_number(p, "current", m->quota_current);
        break;
    case TLV_DHT_LIFETIME:
        print_number(p, "seconds", m->dht_lifetime_s);
        break;
    default:
        print_octets(p, "value", a->value);
    }
}

/* True if an attribute of the same type came before: then its value is not the message's. */
static bool is_repeated(const struct vap_message *m, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (m->attrs[k].type == m->attrs[i].type)
            return true;
    return false;
}

static void print_attr(struct print *p, const struct vap_message *m, size_t i)
{
    const struct tlv_attr *a = &m->attrs[i];
    print_object(p, NULL);
    print_code(p, "type", a->type, tlv_type_name(a->type));
    print_number(p, "octet", a->octet);
    print_number(p, "length", a->value.n);
    if (is_repeated(m, i))
        print_octets(p, "value", a->value);
    else
        print_value(p, m, a);
    print_end(p);
}

static int decode(struct slice octets, struct print *p, struct buf *reencoded, struct fault *ret_fault)
{
    struct vap_message m;
    int err = vap_decode(octets, &m, ret_fault);
    if (err)
        return err;
    print_code(p, "method", m.method, vap_method_name(m.method));
    print_code(p, "class", m.kind, vap_class_name(m.kind));
    print_octets(p, "transaction", slice_of(m.transaction.octets, sizeof m.transaction.octets));
    print_list(p, "attributes");
    for (size_t i = 0; i < m.attr_count; i++)
        print_attr(p, &m, i);
    print_end(p);
    if (reencoded)
        vap_encode(&m, reencoded);
    return 0;
}

const struct wire_command wire_vap = {
    .name = "vap",
    .summary = "a VAP message (draft-jennings-vipr-vap-02)",
    .decode = decode,
};
