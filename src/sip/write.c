/* New messages. */
#include "sip/write.h"
#include "sip/edit.h"
#include "sip/scan.h"

bool sip_value_is_good(struct slice value)
{
    const uint8_t *end = sip_end_of(value);
    for (const uint8_t *p = value.p; (p = sip_next_control(p, end)) < end; p++) {
        if (*p == '\r' && end - p > 2 && p[1] == '\n' && (p[2] == ' ' || p[2] == '\t'))
            p += 2;
        else if (*p == '\r' || *p == '\n' || (*p == 0 && (p == value.p || p[-1] != '\\')))
            return false;
    }
    return true;
}

static void put_field(struct buf *out, struct slice name, struct slice value)
{
    if (!sip_value_is_good(value) && !out->err)
        out->err = ERR_RANGE;
    uint8_t *p = buf_extend(out, name.n + value.n + 4);
    if (!p)
        return;
    memcpy(p, name.p, name.n);
    p += name.n;
    *p++ = ':';
    *p++ = ' ';
    if (value.n)
        memcpy(p, value.p, value.n);
    memcpy(p + value.n, "\r\n", 2);
}

void sip_begin_request(struct buf *out, const char *method, struct slice uri)
{
    buf_str(out, method);
    buf_str(out, " ");
    if (!sip_value_is_good(uri) && !out->err)
        out->err = ERR_RANGE;
    buf_slice_put(out, uri);
    buf_str(out, " SIP/2.0\r\n");
}

void sip_begin_response(struct buf *out, unsigned status, const char *reason)
{
    char digits[4] = {(char)('0' + status / 100 % 10), (char)('0' + status / 10 % 10), (char)('0' + status % 10), ' '};
    buf_str(out, "SIP/2.0 ");
    buf_put(out, digits, sizeof digits);
    buf_str(out, reason ? reason : sip_status_reason(status));
    buf_str(out, "\r\n");
}

void sip_put(struct buf *out, enum sip_header header, struct slice value)
{
    put_field(out, slice_str(sip_header_name(header)), value);
}

void sip_put_named(struct buf *out, const char *name, struct slice value)
{
    put_field(out, slice_str(name), value);
}

void sip_put_text(struct buf *out, enum sip_header header, const char *format, ...)
{
    va_list args;
    buf_str(out, sip_header_name(header));
    buf_str(out, ": ");
    size_t mark = out->n;
    va_start(args, format);
    buf_vprintf(out, format, args);
    va_end(args);
    if (!out->err && !sip_value_is_good(slice_of(out->p + mark, out->n - mark)))
        out->err = ERR_RANGE;
    buf_str(out, "\r\n");
}

void sip_end(struct buf *out, struct slice body)
{
    sip_put_text(out, SIP_CONTENT_LENGTH, "%u", (unsigned)body.n); /* a buffer ends long before that does */
    buf_str(out, "\r\n");
    buf_slice_put(out, body);
}

/* All fields of a header, each under its full name with the value as it came. */
static void copy_fields(struct buf *out, const struct sip_message *from, enum sip_header header)
{
    for (const struct sip_field *f = sip_field_first(from, header); f; f = sip_field_next(from, f))
        sip_put(out, header, f->value);
}

/* A response to it with a status from 101 to 299 creates a dialog (12.1; RFC 6665, RFC 3515). */
static bool creates_dialog(enum sip_method method)
{
    return method == SIP_INVITE || method == SIP_SUBSCRIBE || method == SIP_REFER || method == SIP_NOTIFY;
}

/* The check of a request that is refused may not have come as far as To. */
static bool has_to_tag(const struct sip_message *request, const struct sip_field *to)
{
    struct sip_address address;
    if (request->to.whole.n)
        return request->to.tag.n > 0;
    struct sip_cursor c = sip_field_cursor(request, to);
    return sip_read_address(&c, &address) && address.tag.n > 0;
}

void sip_begin_answer(struct buf *out, const struct sip_message *request, unsigned status, const char *reason,
                      struct slice to_tag)
{
    sip_begin_response(out, status, reason);
    copy_fields(out, request, SIP_VIA);
    if (status > 100 && status < 300 && creates_dialog(request->method))
        copy_fields(out, request, SIP_RECORD_ROUTE);
    copy_fields(out, request, SIP_FROM);
    const struct sip_field *to = sip_field_first(request, SIP_TO);
    if (to && status > 100 && to_tag.n && !has_to_tag(request, to)) {
        buf_str(out, "To: ");
        buf_slice_put(out, to->value);
        buf_str(out, ";tag=");
        buf_slice_put(out, to_tag);
        buf_str(out, "\r\n");
    } else {
        copy_fields(out, request, SIP_TO);
    }
    copy_fields(out, request, SIP_CALL_ID);
    copy_fields(out, request, SIP_CSEQ);
    if (status == 100)
        copy_fields(out, request, SIP_TIMESTAMP);
}
