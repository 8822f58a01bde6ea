/* URIs: each is equal to itself, a number read out of one is read again, and what is escaped can stand in one. Two of them in the input, a line each. */
#include "base/text.h"
#include "sip/uri.h"

#include <stdlib.h>

static void need(bool good)
{
    if (!good)
        abort();
}

static bool within(struct slice part, struct slice whole)
{
    return part.n == 0 || (part.p >= whole.p && part.p + part.n <= whole.p + whole.n);
}

static bool read_uri(struct slice text, struct sip_uri *uri)
{
    struct fault fault = {0};
    if (sip_uri_parse(text, uri, &fault) < 0) {
        need(fault.rule && fault.octet <= text.n);
        return false;
    }
    need(within(uri->user, text) && within(uri->password, text) && within(uri->host, text) &&
         within(uri->params, text) && within(uri->headers, text));
    need(sip_uri_equal(uri, uri));
    char dialed[SIP_DIALED_MAX + 1];
    struct e164 number;
    bool is_dialed = sip_uri_dialed(uri, dialed);
    need(!sip_uri_number(uri, &number) || (is_dialed && strcmp(dialed, number.text) == 0));
    return true;
}

/* Any octets, as a user part. */
static void check_escapes(struct slice octets)
{
    struct buf text, again;
    struct sip_uri uri;
    buf_init(&text, 3 * octets.n + 32);
    buf_init(&again, octets.n + 1);
    buf_str(&text, "sip:");
    sip_escape_user(octets, &text);
    buf_str(&text, "@a.example");
    need(!text.err && sip_uri_parse(buf_slice(&text), &uri, NULL) == (octets.n ? 0 : ERR_SYNTAX));
    if (octets.n)
        need(sip_unescape(uri.user, &again) == 0 && slice_eq(buf_slice(&again), octets));
    buf_fini(&text);
    buf_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = slice_of(data, size);
    struct slice first = text_cut(&rest, '\n');
    struct sip_uri a, b;
    bool good = read_uri(first, &a);
    if (read_uri(rest, &b) && good)
        need(sip_uri_equal(&a, &b) == sip_uri_equal(&b, &a));
    check_escapes(first);
    return 0;
}
