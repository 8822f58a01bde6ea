/* A byte stream cut into SIP messages, however it arrives; what no message can be made of; keep-alives. */
#include "base/mem.h"
#include "sip/framer.h"
#include "testing.h"

#include <stdio.h>

#define LIMIT 600
#define STEPS_MAX 32

/* What came out, step by step: the message's size, PING, or the error. */
#define PING 0

struct outcome {
    long steps[STEPS_MAX];
    size_t count;
    struct buf messages; /* all octets given out, errors' heads included */
};

static bool step(struct sip_framer *f, struct slice *input, struct outcome *out)
{
    struct slice message;
    int framed = sip_framer_next(f, input, &message);
    if (framed == SIP_FRAMED_NOTHING)
        return true;
    assert_true(out->count < STEPS_MAX);
    if (framed == SIP_FRAMED_PING)
        out->steps[out->count++] = PING;
    else
        out->steps[out->count++] = framed == SIP_FRAMED_MESSAGE ? (long)message.n : framed;
    buf_slice_put(&out->messages, message);
    return framed > 0;
}

static void feed(struct slice stream, size_t piece, struct outcome *ret)
{
    struct sip_framer f;
    bool going = true;
    *ret = (struct outcome){0};
    buf_init(&ret->messages, 1u << 20);
    sip_framer_init(&f, LIMIT);
    for (size_t at = 0; at < stream.n && going; at += piece) {
        struct slice input = slice_of(stream.p + at, stream.n - at < piece ? stream.n - at : piece);
        size_t count;
        do {
            count = ret->count;
            going = step(&f, &input, ret);
        } while (going && ret->count > count);
        if (going)
            assert_int_equal(input.n, 0);
    }
    sip_framer_fini(&f);
}

/* In pieces of any size the stream gives these steps, and these octets. */
static void assert_steps(const char *stream, const long *steps, size_t count, const char *messages)
{
    for (size_t piece = 1; piece <= strlen(stream); piece++) {
        struct outcome out;
        feed(slice_str(stream), piece, &out);
        assert_int_equal(out.count, count);
        assert_memory_equal(out.steps, steps, count * sizeof *steps);
        if (messages)
            assert_slice_text(buf_slice(&out.messages), messages);
        buf_fini(&out.messages);
    }
}

#define STEPS(stream, messages, ...) \
    assert_steps(stream, (const long[]){__VA_ARGS__}, sizeof((const long[]){__VA_ARGS__}) / sizeof(long), messages)

#define EMPTY "OPTIONS sip:a SIP/2.0\r\nContent-Length: 0\r\n\r\n"
#define FIVE "SIP/2.0 200 OK\r\nCall-ID: 1\r\nl : 5\r\nX: y\r\n\r\n12345"
#define FOLDED "BYE sip:a SIP/2.0\r\nContent-Length:\r\n \t 3 \r\nSubject: l: 9\r\n l: 8\r\n\r\na\r\n"

static void test_any_fragmentation_gives_the_same_messages(void **state)
{
    (void)state;
    STEPS(EMPTY FIVE FOLDED EMPTY, EMPTY FIVE FOLDED EMPTY, sizeof EMPTY - 1, sizeof FIVE - 1, sizeof FOLDED - 1,
          sizeof EMPTY - 1);
}

static void test_line_ends_between_messages(void **state)
{
    (void)state;
    STEPS("\r\n" EMPTY "\r\n" FIVE "\r\n", EMPTY FIVE, sizeof EMPTY - 1, sizeof FIVE - 1);
    STEPS("\r\n\r\n" EMPTY "\r\n\r\n\r\n" FIVE "\r\n\r\n\r\n\r\n", EMPTY FIVE, PING, sizeof EMPTY - 1, PING,
          sizeof FIVE - 1, PING, PING);
    STEPS("\r\r\n" EMPTY, "", ERR_SYNTAX);
    STEPS("\n" EMPTY, "", ERR_SYNTAX);
}

static void test_heads_without_an_end(void **state)
{
    (void)state;
    /* Each gives the head, so that a request can be answered; what is behind it is nobody's. */
    STEPS("ACK sip:a SIP/2.0\r\n\r\n" EMPTY, "ACK sip:a SIP/2.0\r\n\r\n", ERR_SYNTAX);
    STEPS("ACK sip:a SIP/2.0\r\nl: -1\r\n\r\n", "ACK sip:a SIP/2.0\r\nl: -1\r\n\r\n", ERR_SYNTAX);
    STEPS("ACK sip:a SIP/2.0\r\nl: 1,1\r\n\r\n", "ACK sip:a SIP/2.0\r\nl: 1,1\r\n\r\n", ERR_SYNTAX);
    STEPS("ACK sip:a SIP/2.0\r\nl:\r\n\r\n", "ACK sip:a SIP/2.0\r\nl:\r\n\r\n", ERR_SYNTAX);
    STEPS("ACK sip:a SIP/2.0\r\nl: 600\r\n\r\n", "ACK sip:a SIP/2.0\r\nl: 600\r\n\r\n", ERR_LIMIT);
    STEPS("ACK sip:a SIP/2.0\r\nl: 18446744073709551617\r\n\r\n",
          "ACK sip:a SIP/2.0\r\nl: 18446744073709551617\r\n\r\n", ERR_LIMIT);
    /* Two lengths, even of the same value: one of them might be read by somebody else. */
    STEPS("ACK sip:a SIP/2.0\r\nl: 0\r\nContent-Length: 0\r\n\r\n", "", ERR_SYNTAX);
    /* Content-Length in the place of the start line, or as the beginning of another name, is none. */
    STEPS("l: 0\r\n\r\n", "l: 0\r\n\r\n", ERR_SYNTAX);
    STEPS("ACK sip:a SIP/2.0\r\nContent-Length-X: 0\r\nlen: 4\r\n\r\n", NULL, ERR_SYNTAX);
}

static void test_what_is_no_sip_is_given_up_at_once(void **state)
{
    (void)state;
    STEPS("\x16\x03\x01\x02", "", ERR_SYNTAX); /* TLS */
    STEPS(" ACK", "", ERR_SYNTAX);
    STEPS("ACK sip:a SIP/2.0\nl: 0\n\n", "", ERR_SYNTAX); /* bare line feeds end nothing */
}

static void test_sizes(void **state)
{
    char text[2 * LIMIT + 1];
    struct outcome out;
    (void)state;
    /* Just fits. */
    int n = snprintf(text, sizeof text, "INFO sip:a SIP/2.0\r\nContent-Length: ");
    int body = LIMIT - n - 3 - 4;
    n += snprintf(text + n, sizeof text - (size_t)n, "%d\r\n\r\n", body);
    memset(text + n, 'b', (size_t)body);
    for (size_t piece = 1; piece <= LIMIT; piece++) {
        feed(slice_of(text, LIMIT), piece, &out);
        assert_int_equal(out.count, 1);
        assert_int_equal(out.steps[0], LIMIT);
        buf_fini(&out.messages);
    }
    /* A head that never ends is given up when it is as long as a message may be. */
    memset(text, 'h', sizeof text);
    for (size_t piece = 1; piece <= sizeof text; piece += 7) {
        feed(slice_of(text, sizeof text), piece, &out);
        assert_int_equal(out.count, 1);
        assert_int_equal(out.steps[0], ERR_LIMIT);
        assert_int_equal(out.messages.n, 0);
        buf_fini(&out.messages);
    }
}

static void test_begun(void **state)
{
    struct sip_framer f;
    struct slice message, input = slice_str("\r\n" EMPTY "OPT");
    (void)state;
    sip_framer_init(&f, LIMIT);
    assert_false(sip_framer_begun(&f));
    assert_int_equal(sip_framer_next(&f, &input, &message), SIP_FRAMED_MESSAGE);
    assert_int_equal(sip_framer_memory(&f), 0); /* it was not copied */
    assert_false(sip_framer_begun(&f));
    assert_int_equal(sip_framer_next(&f, &input, &message), SIP_FRAMED_NOTHING);
    assert_true(sip_framer_begun(&f));
    assert_true(sip_framer_memory(&f) > 0);
    input = slice_str("IONS sip:a SIP/2.0\r\nl:0\r\n\r\n");
    assert_int_equal(sip_framer_next(&f, &input, &message), SIP_FRAMED_MESSAGE);
    assert_slice_text(message, "OPTIONS sip:a SIP/2.0\r\nl:0\r\n\r\n");
    assert_false(sip_framer_begun(&f));
    sip_framer_fini(&f);
}

static void test_no_memory(void **state)
{
    struct sip_framer f;
    struct slice message, input = slice_str("OPT");
    (void)state;
    sip_framer_init(&f, LIMIT);
    mem_fail_at(1);
    assert_int_equal(sip_framer_next(&f, &input, &message), ERR_NO_MEMORY);
    mem_fail_at(0);
    sip_framer_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_fragmentation_gives_the_same_messages),
        cmocka_unit_test(test_line_ends_between_messages),
        cmocka_unit_test(test_heads_without_an_end),
        cmocka_unit_test(test_what_is_no_sip_is_given_up_at_once),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_begun),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
