/* Session descriptions: what is read, what an edit changes and leaves, and what offer and answer owe each other. */
#include "testing.h"

#include "base/mem.h"
#include "sip/sdp.h"

#include <stdio.h>
#include <string.h>

/* Unusual on purpose: ends of lines of both kinds, odd attributes, a stream that was refused. */
static const char offer[] = "v=0\r\n"
                            "o=ann 2890844526 7 IN IP4 host.example\r\n"
                            "s= \r\n"
                            "i=a talk\r\n"
                            "c=IN IP4 192.0.2.1\r\n"
                            "b=AS:100\r\n"
                            "t=0 0\r\n"
                            "a=sendonly\r\n"
                            "a=x-odd:  kept  as it is\n"
                            "m=audio 49170/2 RTP/AVP 0 8 101\r\n"
                            "i=voice\r\n"
                            "a=rtpmap:0 PCMU/8000\r\n"
                            "a=rtpmap:101 telephone-event/8000\r\n"
                            "a=fmtp:101 0-15\r\n"
                            "a=ptime:20\r\n"
                            "a=candidate:1 1 UDP 1 192.0.2.1 49170 typ host\r\n"
                            "a=candidate:2 1 UDP 2 192.0.2.1 49171 typ host\r\n"
                            "a=rtcp-mux\r\n"
                            "m=video 0 RTP/SAVP 99\r\n"
                            "m=image 49174 udptl t38\r\n"
                            "c=IN IP6 2001:db8::1\r\n"
                            "c=IN IP4 224.2.1.1/127/3\r\n"
                            "a=recvonly\r\n";

struct fixture {
    struct region region;
    struct sip_sdp sdp;
    struct sip_sdp_edit *e;
    struct buf out;
};

static void begin(struct fixture *f, const char *text)
{
    struct fault fault = {0};
    region_init(&f->region, 65536);
    if (sip_sdp_parse(&f->region, slice_str(text), &f->sdp, &fault) < 0)
        fail_msg("octet %zu: %s", fault.octet, fault.rule);
    f->e = sip_sdp_edit_new(&f->region, &f->sdp);
    assert_non_null(f->e);
    buf_init(&f->out, 65536);
}

static void end(struct fixture *f)
{
    buf_fini(&f->out);
    region_fini(&f->region);
}

/* The description with each of the pairs' first text replaced by its second. */
static void assert_written(struct fixture *f, const char *const *pairs)
{
    char wanted[4096];
    snprintf(wanted, sizeof wanted, "%.*s", SLICE_PRINT(f->sdp.octets));
    for (; pairs[0]; pairs += 2) {
        char *at = strstr(wanted, pairs[0]);
        assert_non_null(at);
        size_t old = strlen(pairs[0]), new = strlen(pairs[1]);
        memmove(at + new, at + old, strlen(at + old) + 1);
        memcpy(at, pairs[1], new);
    }
    buf_clear(&f->out);
    assert_int_equal(sip_sdp_edit_write(f->e, &f->out), 0);
    assert_string_equal(buf_text(&f->out), wanted);
}

#define ASSERT_WRITTEN(f, ...) assert_written(f, (const char *const[]){__VA_ARGS__, NULL})
#define NONE ((struct slice){NULL, 0})

static void test_model(void **state)
{
    (void)state;
    struct fixture f;
    struct sip_sdp_connection c;
    struct sip_sdp_attribute a;
    begin(&f, offer);
    assert_int_equal(f.sdp.media_count, 3);
    assert_int_equal(f.sdp.session_lines, 9);
    assert_slice_text(f.sdp.origin.username, "ann");
    assert_slice_text(f.sdp.origin.address, "host.example");
    assert_int_equal(f.sdp.origin.version_number, 7);
    const struct sip_sdp_media *m = f.sdp.media;
    assert_slice_text(m[0].media, "audio");
    assert_int_equal(m[0].port, 49170);
    assert_int_equal(m[0].port_count, 2);
    assert_slice_text(m[0].protocol, "RTP/AVP");
    assert_slice_text(m[0].formats, "0 8 101");
    assert_int_equal(m[0].count, 9);
    assert_int_equal(m[1].port, 0);
    assert_int_equal(m[2].first + m[2].count, f.sdp.line_count);
    assert_true(sip_sdp_connection(&f.sdp, 0, &c));
    assert_slice_text(c.address, "192.0.2.1");
    assert_true(sip_sdp_connection(&f.sdp, 2, &c));
    assert_slice_text(c.address, "2001:db8::1");
    assert_slice_text(c.addrtype, "IP6");
    assert_true(sip_sdp_attribute_first(&f.sdp, SIP_SDP_SESSION, "x-odd", &a));
    assert_slice_text(a.value, "  kept  as it is");
    assert_true(sip_sdp_attribute_first(&f.sdp, 0, "rtcp-mux", &a));
    assert_null(a.value.p);
    assert_false(sip_sdp_attribute_first(&f.sdp, 1, "rtcp-mux", &a));
    assert_false(sip_sdp_attribute_first(&f.sdp, 3, "rtcp-mux", &a));
    assert_true(sip_sdp_attribute_of_format(&f.sdp, 0, "fmtp", slice_str("101"), &a));
    assert_slice_text(a.value, "0-15");
    assert_false(sip_sdp_attribute_of_format(&f.sdp, 0, "fmtp", slice_str("10"), &a));
    size_t position = 0, candidates = 0;
    while (sip_sdp_attribute_next(&f.sdp, 0, "candidate", &position, &a))
        candidates++;
    assert_int_equal(candidates, 2);
    end(&f);
}

static void test_directions(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, offer);
    assert_int_equal(sip_sdp_direction(&f.sdp, 0), SIP_SDP_SENDONLY);
    assert_int_equal(sip_sdp_direction(&f.sdp, 2), SIP_SDP_RECVONLY);
    assert_true(sip_sdp_holds(&f.sdp, 0));
    assert_false(sip_sdp_holds(&f.sdp, 2));
    assert_int_equal(sip_sdp_reverse(SIP_SDP_SENDONLY), SIP_SDP_RECVONLY);
    assert_int_equal(sip_sdp_reverse(SIP_SDP_RECVONLY), SIP_SDP_SENDONLY);
    assert_int_equal(sip_sdp_reverse(SIP_SDP_INACTIVE), SIP_SDP_INACTIVE);
    end(&f);
    begin(&f, "v=0\no=- 1 1 IN IP4 a\ns=-\nc=IN IP4 0.0.0.0\nt=0 0\nm=audio 1 RTP/AVP 0\n");
    assert_int_equal(sip_sdp_direction(&f.sdp, 0), SIP_SDP_SENDRECV);
    assert_true(sip_sdp_holds(&f.sdp, 0));
    end(&f);
}

#define HEAD "v=0\no=- 1 1 IN IP4 a\ns=-\nt=0 0\n"

static void test_good(void **state)
{
    (void)state;
    static const char *const rows[] = {
        HEAD,
        "v=0\r\no=- 1 18446744073709551615 IN IP4 a\r\ns=\r\nt=0 0", /* the last line has no end */
        "v=0\no=- 184467440737095516160 1 IN IP4 a\ns=-\nt=0 0\n",
        HEAD "r=1 2 3\nz=1 2\nt=5 6\nr=1 2\nk=x\na=b\na=c\n",
        HEAD "m=audio 1 RTP/AVP 0\nb=AS:1\nb=TIAS:2\nk=x\nm=audio 65535 x y",
        "v=0\no=- 1 1 IN IP4 a\ns=-\ne=a\ne=b\np=c\np=d\nc=IN IP4 a\nt=0 0\n",
        HEAD "\n\r\n\n",
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fixture f;
        begin(&f, rows[i]);
        ASSERT_WRITTEN(&f, "v=0", "v=0");
        end(&f);
    }
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int err;
        size_t octet;
    } rows[] = {
        {"", ERR_TRUNCATED, 0},
        {"v=0\n", ERR_TRUNCATED, 4},
        {"v=1\n", ERR_SYNTAX, 2},
        {"o=- 1 1 IN IP4 a\n", ERR_SYNTAX, 0},
        {"v=0\ns=-\n", ERR_SYNTAX, 4},
        {"v=0\nv=0\n", ERR_SYNTAX, 4},
        {"v=0\no=- 1 1 IN IP4\n", ERR_SYNTAX, 6},
        {"v=0\no=- 1 1 IN  a b\n", ERR_SYNTAX, 6},
        {"v=0\no=- 1 1 IN IP4 a b\n", ERR_SYNTAX, 6},
        {"v=0\no=- x 1 IN IP4 a\n", ERR_SYNTAX, 8},
        {"v=0\no=- 184467440737095516160\0231 1 IN IP4 a\n", ERR_SYNTAX, 8}, /* a number of any length, but a number */
        {"v=0\no=- 1 -1 IN IP4 a\n", ERR_SYNTAX, 10},
        {"v=0\no=- 1 18446744073709551616 IN IP4 a\n", ERR_RANGE, 10},
        {"v=0\no=- 1 1 IN IP4 a\ns=-\nm=audio 1 x 0\n", ERR_TRUNCATED, 25},
        {HEAD "c=IN IP4 a\n", ERR_SYNTAX, 31},
        {HEAD "x=1\n", ERR_SYNTAX, 31},
        {HEAD "a\n", ERR_SYNTAX, 31},
        {HEAD "\na=b\n", ERR_SYNTAX, 31},
        {HEAD "a=\n", ERR_SYNTAX, 33},
        {HEAD "a=:b\n", ERR_SYNTAX, 33},
        {HEAD "a=b\rc\n", ERR_SYNTAX, 34},
        {HEAD "m=audio 1 RTP/AVP\n", ERR_SYNTAX, 33},
        {HEAD "m=audio 1 RTP/AVP \n", ERR_SYNTAX, 33},
        {HEAD "m=audio 1 RTP/AVP 0  8\n", ERR_SYNTAX, 33},
        {HEAD "m=audio 65536 RTP/AVP 0\n", ERR_RANGE, 39},
        {HEAD "m=audio x RTP/AVP 0\n", ERR_SYNTAX, 39},
        {HEAD "m=audio 1/0 RTP/AVP 0\n", ERR_RANGE, 39},
        {HEAD "m=audio 1 RTP/AVP 0\na=b\nc=IN IP4 a\n", ERR_SYNTAX, 55},
        {HEAD "m=audio 1 RTP/AVP 0\nc=IN IP4\n", ERR_SYNTAX, 53},
        {HEAD "m=audio 1 RTP/AVP 0\nt=0 0\n", ERR_SYNTAX, 51},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct region region;
        struct sip_sdp sdp;
        struct fault fault = {0};
        region_init(&region, 65536);
        int err = sip_sdp_parse(&region, slice_str(rows[i].text), &sdp, &fault);
        if (err != rows[i].err || !fault.rule || fault.octet != rows[i].octet)
            fail_msg("%s: %d at octet %zu, not %zu: %s", rows[i].text, err, fault.octet, rows[i].octet, fault.rule);
        region_fini(&region);
    }
}

static void test_limits(void **state)
{
    (void)state;
    struct buf text;
    struct region region;
    struct sip_sdp sdp;
    buf_init(&text, 1 << 20);
    region_init(&region, 1 << 20);
    buf_str(&text, HEAD);
    for (unsigned i = 0; i < SIP_SDP_MEDIA_MAX; i++)
        buf_str(&text, "m=audio 1 x 0\n");
    assert_int_equal(sip_sdp_parse(&region, buf_slice(&text), &sdp, NULL), 0);
    buf_str(&text, "m=audio 1 x 0\n");
    assert_int_equal(sip_sdp_parse(&region, buf_slice(&text), &sdp, NULL), ERR_LIMIT);
    buf_clear(&text);
    buf_str(&text, HEAD);
    for (unsigned i = 0; i < SIP_SDP_LINES_MAX; i++)
        buf_str(&text, "a=b\n");
    assert_int_equal(sip_sdp_parse(&region, buf_slice(&text), &sdp, NULL), ERR_LIMIT);
    region_fini(&region);
    buf_fini(&text);
}

/* ---- edits ---- */

static struct addr address(const char *text)
{
    struct addr addr;
    assert_int_equal(addr_parse(slice_str(text), 1, &addr), 0);
    return addr;
}

static void test_addresses(void **state)
{
    (void)state;
    struct fixture f;
    struct addr v4 = address("198.51.100.7"), v6 = address("[2001:db8::7]");
    begin(&f, offer);
    ASSERT_WRITTEN(&f, "v=0", "v=0");
    sip_sdp_edit_connection(f.e, SIP_SDP_SESSION, &v6);
    sip_sdp_edit_connection(f.e, 0, &v6);
    sip_sdp_edit_connection(f.e, 0, &v4);
    sip_sdp_edit_connection(f.e, 2, &v4);
    sip_sdp_edit_port(f.e, 0, 2);
    sip_sdp_edit_port(f.e, 0, 30000);
    sip_sdp_edit_port(f.e, 1, 3);
    sip_sdp_edit_protocol(f.e, 0, slice_str("RTP/SAVP"));
    sip_sdp_edit_version(f.e, 8);
    sip_sdp_edit_origin_address(f.e, &v4);
    ASSERT_WRITTEN(&f, "IP4 192.0.2.1", "IP6 2001:db8::7", "i=voice\r\n", "i=voice\r\nc=IN IP4 198.51.100.7\r\n",
                   "c=IN IP6 2001:db8::1\r\nc=IN IP4 224.2.1.1/127/3", "c=IN IP4 198.51.100.7", "audio 49170/2 RTP/AVP",
                   "audio 30000/2 RTP/SAVP", "m=video 0", "m=video 3", " 7 IN IP4 host.example",
                   " 8 IN IP4 198.51.100.7");
    end(&f);
    begin(&f, HEAD "m=audio 1 x 0");
    sip_sdp_edit_add(f.e, 0, "b", NONE);
    sip_sdp_edit_connection(f.e, 0, &v4);
    sip_sdp_edit_connection(f.e, SIP_SDP_SESSION, &v6);
    ASSERT_WRITTEN(&f, "s=-\n", "s=-\nc=IN IP6 2001:db8::7\n", "x 0", "x 0\nc=IN IP4 198.51.100.7\na=b\n");
    end(&f);
}

static void test_attributes(void **state)
{
    (void)state;
    struct fixture f;
    struct sip_sdp_attribute a;
    begin(&f, offer);
    sip_sdp_edit_remove(f.e, 0, "candidate");
    sip_sdp_edit_set(f.e, 0, "ptime", slice_str("30"));
    sip_sdp_edit_set(f.e, 0, "ptime", slice_str("40"));
    sip_sdp_edit_set(f.e, 0, "rtcp", slice_str("5"));
    sip_sdp_edit_set(f.e, 0, "rtcp", slice_str("6"));
    sip_sdp_edit_add(f.e, 0, "crypto", slice_str("1 AES_CM_128_HMAC_SHA1_80 inline:x"));
    sip_sdp_edit_add(f.e, 0, "crypto", slice_str("2 AES_CM_128_HMAC_SHA1_32 inline:y"));
    sip_sdp_edit_add(f.e, 1, "setup", slice_str(""));
    assert_true(sip_sdp_attribute_first(&f.sdp, 0, "fmtp", &a));
    sip_sdp_edit_value(f.e, &a, slice_str("101 0-16"));
    assert_true(sip_sdp_attribute_first(&f.sdp, 0, "rtcp-mux", &a));
    sip_sdp_edit_remove_line(f.e, a.line);
    ASSERT_WRITTEN(
        &f, "a=candidate:1 1 UDP 1 192.0.2.1 49170 typ host\r\na=candidate:2 1 UDP 2 192.0.2.1 49171 typ host\r\n", "",
        "ptime:20", "ptime:40", "fmtp:101 0-15", "fmtp:101 0-16", "a=rtcp-mux\r\n",
        "a=rtcp:6\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x\r\n"
        "a=crypto:2 AES_CM_128_HMAC_SHA1_32 inline:y\r\n",
        "SAVP 99\r\n", "SAVP 99\r\na=setup:\r\n");
    sip_sdp_edit_remove(f.e, 0, "crypto");
    sip_sdp_edit_set(f.e, 0, "candidate", slice_str("x"));
    ASSERT_WRITTEN(
        &f, "a=candidate:1 1 UDP 1 192.0.2.1 49170 typ host\r\na=candidate:2 1 UDP 2 192.0.2.1 49171 typ host\r\n", "",
        "ptime:20", "ptime:40", "fmtp:101 0-15", "fmtp:101 0-16", "a=rtcp-mux\r\n", "a=rtcp:6\r\na=candidate:x\r\n",
        "SAVP 99\r\n", "SAVP 99\r\na=setup:\r\n");
    end(&f);
}

static void test_direction_edits(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, offer);
    sip_sdp_edit_direction(f.e, 0, SIP_SDP_INACTIVE);
    sip_sdp_edit_direction(f.e, 0, SIP_SDP_RECVONLY);
    sip_sdp_edit_direction(f.e, 2, SIP_SDP_RECVONLY);
    sip_sdp_edit_direction(f.e, SIP_SDP_SESSION, SIP_SDP_SENDRECV);
    ASSERT_WRITTEN(&f, "a=sendonly\r\n", "", "as it is\n", "as it is\na=sendrecv\r\n", "a=rtcp-mux\r\n",
                   "a=rtcp-mux\r\na=recvonly\r\n");
    end(&f);
}

static void test_formats(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, offer);
    sip_sdp_edit_remove_format(f.e, 0, slice_str("101"));
    sip_sdp_edit_remove_format(f.e, 0, slice_str("0"));
    sip_sdp_edit_remove_format(f.e, 0, slice_str("10"));
    ASSERT_WRITTEN(&f, "0 8 101", "8",
                   "a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n", "");
    sip_sdp_edit_remove_format(f.e, 0, slice_str("8"));
    assert_int_equal(sip_sdp_edit_write(f.e, &f.out), ERR_CONFLICT);
    end(&f);
}

/* No value brings another line with it; no section appears out of nothing. */
static void test_bad_edits(void **state)
{
    (void)state;
    static const char *const bad[] = {"a\r\nb", "a\nb", "a\r"};
    struct fixture f;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        begin(&f, offer);
        sip_sdp_edit_set(f.e, 0, "ptime", slice_str(bad[i]));
        sip_sdp_edit_set(f.e, 0, "ptime", slice_str("20"));
        assert_int_equal(sip_sdp_edit_write(f.e, &f.out), ERR_RANGE);
        end(&f);
        begin(&f, offer);
        sip_sdp_edit_add(f.e, 0, bad[i], NONE);
        assert_int_equal(sip_sdp_edit_write(f.e, &f.out), ERR_RANGE);
        assert_int_equal(f.out.n, 0);
        end(&f);
    }
    begin(&f, offer);
    sip_sdp_edit_port(f.e, 3, 1);
    assert_int_equal(sip_sdp_edit_write(f.e, &f.out), ERR_RANGE);
    end(&f);
    begin(&f, offer);
    sip_sdp_edit_port(f.e, SIP_SDP_SESSION, 1);
    assert_int_equal(sip_sdp_edit_write(f.e, &f.out), ERR_RANGE);
    end(&f);
    begin(&f, offer);
    sip_sdp_edit_connection(f.e, 0, &(struct addr){0});
    assert_int_equal(sip_sdp_edit_write(f.e, &f.out), ERR_RANGE);
    end(&f);
    begin(&f, offer);
    sip_sdp_edit_remove_line(f.e, &f.sdp.lines[0]);
    assert_int_equal(sip_sdp_edit_write(f.e, &f.out), ERR_CONFLICT);
    end(&f);
}

static void test_no_memory(void **state)
{
    (void)state;
    unsigned long nth = 1;
    for (int err = ERR_NO_MEMORY; err; nth++) {
        struct region region;
        struct sip_sdp sdp;
        struct sip_sdp_edit *e = NULL;
        struct buf out;
        region_init(&region, 1 << 20);
        buf_init(&out, 65536);
        mem_fail_at(nth);
        err = sip_sdp_parse(&region, slice_str(offer), &sdp, NULL);
        if (!err) {
            e = sip_sdp_edit_new(&region, &sdp);
            err = e ? 0 : ERR_NO_MEMORY;
        }
        for (unsigned i = 0; e && i < 200; i++)
            sip_sdp_edit_add(e, 0, "an-attribute-that-takes-some-room", slice_str("value"));
        if (e)
            err = sip_sdp_edit_write(e, &out);
        mem_fail_at(0);
        assert_true(err == 0 || err == ERR_NO_MEMORY);
        buf_fini(&out);
        region_fini(&region);
    }
    assert_true(nth > 4);
}

/* ---- offer and answer ---- */

#define ANSWER(version) "v=0\no=- 1 " version " IN IP4 a\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\n"

static int check(bool is_answer, const char *first, const char *second, size_t *ret_octet)
{
    struct fixture a, b;
    struct fault fault = {0};
    begin(&a, first);
    begin(&b, second);
    int err = is_answer ? sip_sdp_check_answer(&a.sdp, &b.sdp, &fault) : sip_sdp_check_next(&a.sdp, &b.sdp, &fault);
    assert_true((err != 0) == (fault.rule != NULL));
    *ret_octet = fault.octet;
    end(&a);
    end(&b);
    return err;
}

static void test_answers(void **state)
{
    (void)state;
    static const struct {
        const char *offer, *answer;
        int err;
        const char *at; /* the fault's octet in the answer; NULL: its end */
    } rows[] = {
        {"m=audio 1 RTP/AVP 0\n", "m=audio 2 RTP/AVP 0\n", 0, NULL},
        {"m=audio 1 RTP/AVP 0\nm=video 3 RTP/AVP 9\n", "m=audio 2 RTP/AVP 0\nm=video 0 RTP/AVP 9\n", 0, NULL},
        {"m=audio 1 RTP/AVP 0\nm=video 3 RTP/AVP 9\n", "m=audio 2 RTP/AVP 0\n", ERR_CONFLICT, NULL},
        {"m=audio 1 RTP/AVP 0\n", "m=audio 2 RTP/AVP 0\nm=video 3 RTP/AVP 9\n", ERR_CONFLICT, "m=video"},
        {"m=audio 1 RTP/AVP 0\nm=video 3 RTP/AVP 9\n", "m=video 2 RTP/AVP 9\nm=audio 3 RTP/AVP 0\n", ERR_CONFLICT,
         "video"},
        {"m=audio 0 RTP/AVP 0\n", "m=audio 2 RTP/AVP 0\n", ERR_CONFLICT, "2 RTP"},
        {"m=audio 0 RTP/AVP 0\n", "m=audio 0 RTP/AVP 0\n", 0, NULL},
        {"m=audio 1 RTP/SAVP 0\n", "m=audio 2 RTP/AVP 0\n", ERR_CONFLICT, "RTP/AVP"},
        {"m=audio 1 RTP/SAVP 0\n", "m=audio 0 RTP/AVP 0\n", 0, NULL},
        {"m=audio 1 RTP/AVP 0\na=sendonly\n", "m=audio 2 RTP/AVP 0\n", ERR_CONFLICT, "m=audio"},
        {"m=audio 1 RTP/AVP 0\na=sendonly\n", "m=audio 2 RTP/AVP 0\na=recvonly\n", 0, NULL},
        {"m=audio 1 RTP/AVP 0\na=sendonly\n", "m=audio 2 RTP/AVP 0\na=inactive\n", 0, NULL},
        {"m=audio 1 RTP/AVP 0\na=inactive\n", "m=audio 2 RTP/AVP 0\na=recvonly\n", ERR_CONFLICT, "m=audio"},
        {"m=audio 1 RTP/AVP 0\na=recvonly\n", "m=audio 2 RTP/AVP 0\na=recvonly\n", ERR_CONFLICT, "m=audio"},
        {"m=audio 1 RTP/AVP 0\n", "m=audio 2 RTP/AVP 0\na=recvonly\n", 0, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char first[512], second[512];
        size_t octet;
        snprintf(first, sizeof first, ANSWER("1") "%s", rows[i].offer);
        snprintf(second, sizeof second, ANSWER("1") "%s", rows[i].answer);
        assert_int_equal(check(true, first, second, &octet), rows[i].err);
        if (rows[i].err)
            assert_int_equal(octet, rows[i].at ? (size_t)(strstr(second, rows[i].at) - second) : strlen(second));
    }
}

static void test_next(void **state)
{
    (void)state;
    static const struct {
        const char *before, *next;
        int err;
    } rows[] = {
        {ANSWER("7") "m=audio 1 x 0\n", ANSWER("7") "m=audio 1 x 0\n", 0},
        {ANSWER("7") "m=audio 1 x 0\n", ANSWER("8") "m=audio 1 x 0\n", 0},
        {ANSWER("7") "m=audio 1 x 0\n", ANSWER("7") "m=audio 2 x 0\n", ERR_CONFLICT},
        {ANSWER("7") "m=audio 1 x 0\n", ANSWER("9") "m=audio 2 x 0\n", ERR_CONFLICT},
        {ANSWER("7") "m=audio 1 x 0\n", "v=0\no=- 2 8 IN IP4 a\ns=-\nt=0 0\nm=audio 1 x 0\n", ERR_CONFLICT},
        {ANSWER("7") "m=audio 1 x 0\n", "v=0\no=- 1 8 IN IP4 b\ns=-\nt=0 0\nm=audio 1 x 0\n", ERR_CONFLICT},
        {ANSWER("7") "m=audio 1 x 0\n", ANSWER("8"), ERR_CONFLICT},
        {ANSWER("7") "m=audio 1 x 0\n", ANSWER("8") "m=audio 0 x 0\nm=video 1 x 0\n", 0},
        {ANSWER("7") "m=audio 1 x 0\n", ANSWER("8") "m=image 1 udptl t38\n", 0},
        {ANSWER("7") "m=audio 0 x 0\n", ANSWER("8") "m=video 1 x 0\n", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t octet;
        if (check(false, rows[i].before, rows[i].next, &octet) != rows[i].err)
            fail_msg("row %zu, octet %zu", i, octet);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model),      cmocka_unit_test(test_directions),      cmocka_unit_test(test_good),
        cmocka_unit_test(test_refused),    cmocka_unit_test(test_limits),          cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_attributes), cmocka_unit_test(test_direction_edits), cmocka_unit_test(test_formats),
        cmocka_unit_test(test_bad_edits),  cmocka_unit_test(test_no_memory),       cmocka_unit_test(test_answers),
        cmocka_unit_test(test_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
