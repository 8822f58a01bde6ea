/* Call records: the same records however the octets arrive, and nothing but good numbers and times out of them. */
#include "base/err.h"
#include "cdr/call.h"

#include <stdlib.h>

static uint64_t add(uint64_t hash, struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        hash = (hash ^ s.p[i]) * 1099511628211u;
    return hash * 31 + s.n;
}

static void check_call(const struct cdr_rules *rules, const struct csv_record *record)
{
    struct cdr_call call;
    char reason[CDR_REASON_OCTETS];
    if (cdr_read(rules, record, &call, reason) != CDR_CALL)
        return;
    bool calling_good = !call.calling.text[0] || e164_is_valid(e164_slice(&call.calling));
    if (!calling_good || !e164_is_valid(e164_slice(&call.called)) || call.stop.ms < call.start.ms)
        abort();
}

static uint64_t read_all(struct slice stream, size_t piece, const struct cdr_rules *rules)
{
    struct csv c;
    struct csv_record r;
    uint64_t hash = 0, end = 0;
    csv_init(&c, rules->format == CDR_ASTERISK ? CSV_DOUBLED : CSV_LOOSE, 0, 1);
    for (size_t at = 0;;) {
        int n = csv_next(&c, &r);
        if (n == 0 && c.ended)
            break;
        if (n == 0 && at == stream.n) {
            csv_end(&c);
        } else if (n == 0) {
            size_t octets = stream.n - at < piece ? stream.n - at : piece;
            csv_feed(&c, slice_of(stream.p + at, octets));
            at += octets;
        } else {
            if (r.offset < end || r.end_offset <= r.offset || r.end_offset > stream.n)
                abort();
            end = r.end_offset;
            hash = hash * 31 + r.line + (uint64_t)(n < 0);
            for (size_t i = 0; n > 0 && i < r.field_count; i++)
                hash = add(hash, r.fields[i]);
            if (n > 0)
                check_call(rules, &r);
        }
    }
    csv_fini(&c);
    return hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cdr_rules rules;
    struct dial_range own;
    cdr_rules_init(&rules);
    dial_rules_set_country(&rules.dial, slice_str("49"));
    if (dial_range_parse(slice_str("+4930123*"), &own) == 0) {
        rules.own = &own;
        rules.own_count = 1;
    }
    for (int format = CDR_ASTERISK; format <= CDR_FREESWITCH; format++) {
        rules.format = (enum cdr_format)format;
        if (read_all(slice_of(data, size), 5, &rules) != read_all(slice_of(data, size), CSV_FEED_OCTETS_MAX, &rules))
            abort();
    }
    return 0;
}
