/* A byte stream cut into messages, however it arrives. */
#include "testing.h"
#include "vap/message.h"

#define LIMIT 256

static const struct vap_transaction transaction = {{1}};

static void put_message(struct buf *b, size_t text_octets)
{
    static const uint8_t text[1024] = {'x'};
    size_t mark = vap_begin(b, VAP_REGISTER, VAP_REQUEST, &transaction);
    tlv_put(b, 0x9000, slice_of(text, text_octets));
    vap_end(b, mark);
}

/* Feeds the stream in pieces; the outcome of each step is noted: the message's size, or 0 for one above the limit. */
static size_t feed(struct slice stream, size_t piece, size_t *ret_sizes, int *ret_err)
{
    struct vap_framer f;
    size_t count = 0;
    vap_framer_init(&f, LIMIT);
    *ret_err = 0;
    for (size_t at = 0; at < stream.n && !*ret_err; at += piece) {
        struct slice input = slice_of(stream.p + at, stream.n - at < piece ? stream.n - at : piece);
        struct slice message;
        int n;
        while ((n = vap_framer_next(&f, &input, &message)) != 0) {
            if (n == ERR_LIMIT) {
                assert_int_equal(message.n, VAP_HEADER_OCTETS);
                ret_sizes[count++] = 0;
            } else if (n == 1) {
                ret_sizes[count++] = message.n;
            } else {
                *ret_err = n;
                break;
            }
        }
        if (!*ret_err)
            assert_int_equal(input.n, 0);
    }
    vap_framer_fini(&f);
    return count;
}

static void test_any_fragmentation_gives_the_same_messages(void **state)
{
    (void)state;
    struct buf b;
    size_t sizes[16];
    int err;
    buf_init(&b, 4096);
    put_message(&b, 0);
    put_message(&b, 100);
    put_message(&b, LIMIT); /* too large */
    put_message(&b, 7);
    put_message(&b, LIMIT - VAP_HEADER_OCTETS - 4); /* just fits */
    put_message(&b, 1000);                          /* too large */
    put_message(&b, 1);
    for (size_t piece = 1; piece <= b.n; piece++) {
        assert_int_equal(feed(buf_slice(&b), piece, sizes, &err), 7);
        assert_int_equal(err, 0);
        const size_t expected[] = {24, 124, 0, 32, LIMIT, 0, 28};
        assert_memory_equal(sizes, expected, sizeof expected);
    }
    buf_fini(&b);
}

static void test_what_is_no_vap_is_given_up(void **state)
{
    (void)state;
    size_t sizes[16];
    int err;
    struct buf b;
    buf_init(&b, 4096);
    put_message(&b, 3);
    buf_str(&b, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    for (size_t piece = 1; piece <= b.n; piece++) {
        assert_int_equal(feed(buf_slice(&b), piece, sizes, &err), 1);
        assert_int_equal(err, ERR_SYNTAX);
    }
    buf_fini(&b);
}

static void test_nothing_is_no_message(void **state)
{
    (void)state;
    struct vap_framer f;
    struct slice message;
    struct slice input = {0};
    vap_framer_init(&f, LIMIT);
    assert_int_equal(vap_framer_next(&f, &input, &message), 0);
    vap_framer_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_fragmentation_gives_the_same_messages),
        cmocka_unit_test(test_what_is_no_vap_is_given_up),
        cmocka_unit_test(test_nothing_is_no_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
