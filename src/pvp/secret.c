/* Usernames, caller hints, passwords. */
#include "pvp/secret.h"

#include "base/text.h"
#include "crypt/digest.h"

#include <inttypes.h>
#include <stdio.h>

unsigned pvp_method_worth(enum pvp_method method)
{
    return method == PVP_METHOD_A ? 12 : 8;
}

/* Seconds of the NTP era, as 32 bits. */
static uint32_t ntp_seconds(struct wall t)
{
    return (uint32_t)(wall_to_ntp(t) >> 32);
}

const char *pvp_username_format(const struct pvp_username *u, char text[PVP_USERNAME_OCTETS_MAX + 1])
{
    char hint[2 * PVP_CALLER_HINT_OCTETS + 1];
    if (u->method == PVP_METHOD_A)
        hex_format(slice_of(u->caller_hint, sizeof u->caller_hint), hint);
    else
        snprintf(hint, sizeof hint, "%" PRIu32, ntp_seconds(u->instant));
    snprintf(text, PVP_USERNAME_OCTETS_MAX + 1, "%d;%c;%016" PRIx64 ";%s;%s;%" PRIu32 ";%" PRIu32 ";%u",
             PVP_USERNAME_VERSION, (char)u->method, u->vservice_id, u->called.text, hint, u->start_sketch,
             u->stop_sketch, u->try);
    return text;
}

/* Cuts fields off the text; the first fault is kept. */
struct fields {
    struct slice whole;
    struct slice rest; /* p is NULL behind the last field */
    int err;
    struct fault fault;
};

static struct slice next_field(struct fields *f, const char *rule, size_t *ret_octet)
{
    *ret_octet = 0;
    if (f->err)
        return (struct slice){0};
    *ret_octet = f->rest.p ? (size_t)(f->rest.p - f->whole.p) : f->whole.n;
    if (!f->rest.p) {
        f->err = ERR_TRUNCATED;
        f->fault = (struct fault){f->whole.n, rule};
        return (struct slice){0};
    }
    return text_cut(&f->rest, ';');
}

static void fail(struct fields *f, int err, size_t octet, const char *rule)
{
    if (!f->err) {
        f->err = err;
        f->fault = (struct fault){octet, rule};
    }
}

/* Decimal without leading zeros. */
static uint64_t next_number(struct fields *f, uint64_t max, const char *rule)
{
    size_t at;
    uint64_t v = 0;
    struct slice s = next_field(f, rule, &at);
    if (!f->err && s.n > 1 && s.p[0] == '0')
        fail(f, ERR_SYNTAX, at, rule);
    int err = f->err ? 0 : u64_parse(s, max, &v);
    if (err)
        fail(f, err, at, rule);
    return v;
}

/* Lower-case digits. */
static void next_hex(struct fields *f, uint8_t *ret_octets, size_t octets, const char *rule)
{
    size_t at;
    struct slice s = next_field(f, rule, &at);
    if (f->err)
        return;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] >= 'A' && s.p[i] <= 'F')
            fail(f, ERR_SYNTAX, at + i, rule);
    if (s.n != 2 * octets || hex_parse(s, ret_octets) < 0)
        fail(f, ERR_SYNTAX, at, rule);
}

static enum pvp_method next_method(struct fields *f)
{
    size_t at;
    struct slice s = next_field(f, "method is A or B", &at);
    bool known = slice_eq_str(s, "A") || slice_eq_str(s, "B");
    if (!known)
        fail(f, ERR_UNSUPPORTED, at, "method is A or B");
    return known ? (enum pvp_method)s.p[0] : PVP_METHOD_A;
}

int pvp_username_parse(struct slice text, uint32_t lattice_ms, struct pvp_username *ret_username,
                       struct fault *ret_fault)
{
    struct fields f = {.whole = text, .rest = text.n ? text : (struct slice){0}};
    struct pvp_username u = {0};
    size_t at;
    uint8_t id[8] = {0};
    if (text.n > PVP_USERNAME_OCTETS_MAX)
        fail(&f, ERR_LIMIT, PVP_USERNAME_OCTETS_MAX, "length of the username");
    if (next_number(&f, UINT32_MAX, "username version") != PVP_USERNAME_VERSION)
        fail(&f, ERR_UNSUPPORTED, 0, "username version is 1");
    u.method = next_method(&f);
    next_hex(&f, id, sizeof id, "VServiceID in 16 hexadecimal digits");
    for (size_t i = 0; i < sizeof id; i++)
        u.vservice_id = u.vservice_id << 8 | id[i];
    struct slice called = next_field(&f, "called number, E.164", &at);
    if (!f.err && !e164_parse(called, &u.called))
        fail(&f, ERR_SYNTAX, at, "called number, E.164");
    if (u.method == PVP_METHOD_A) {
        next_hex(&f, u.caller_hint, sizeof u.caller_hint, "caller hint in 16 hexadecimal digits");
    } else {
        uint64_t seconds = next_number(&f, UINT32_MAX, "instant in NTP seconds");
        u.instant = wall_from_ntp(seconds << 32);
    }
    u.start_sketch = (uint32_t)next_number(&f, lattice_ms - 1, "start sketch, below the lattice width");
    u.stop_sketch = (uint32_t)next_number(&f, lattice_ms - 1, "stop sketch, below the lattice width");
    u.try = (unsigned)next_number(&f, PVP_TRIES - 1, "try is 0, 1 or 2");
    if (!f.err && f.rest.p)
        fail(&f, ERR_SYNTAX, (size_t)(f.rest.p - text.p), "nothing after the try");
    if (f.err) {
        if (ret_fault)
            *ret_fault = f.fault;
        return f.err;
    }
    *ret_username = u;
    return 0;
}

static uint8_t *put_u32(uint8_t *at, uint32_t v)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        *at++ = (uint8_t)(v >> shift);
    return at;
}

void pvp_caller_hint(const struct e164 *called, uint64_t vservice_id, uint32_t start_sketch, uint32_t stop_sketch,
                     const struct e164 *caller, uint8_t ret_hint[PVP_CALLER_HINT_OCTETS])
{
    uint8_t key[E164_OCTETS_MAX + 16];
    uint8_t mac[SHA256_OCTETS];
    size_t n = strlen(called->text);
    memcpy(key, called->text, n);
    uint8_t *at = put_u32(key + n, (uint32_t)(vservice_id >> 32));
    at = put_u32(at, (uint32_t)vservice_id);
    at = put_u32(at, start_sketch);
    at = put_u32(at, stop_sketch);
    hmac_sha256(slice_of(key, (size_t)(at - key)), e164_slice(caller), mac);
    memcpy(ret_hint, mac, PVP_CALLER_HINT_OCTETS);
}

const char *pvp_password_format(const struct e164 *caller, int64_t start_cell, int64_t stop_cell,
                                char text[PVP_PASSWORD_OCTETS_MAX + 1])
{
    snprintf(text, PVP_PASSWORD_OCTETS_MAX + 1, "%s;%" PRId64 ";%" PRId64, caller ? caller->text : "", start_cell,
             stop_cell);
    return text;
}
