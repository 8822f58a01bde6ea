/* Comma-separated values: nasty lines, in any fragmentation, cost one line each and give the right line numbers. */
#include "base/err.h"
#include "cdr/csv.h"
#include "testing.h"

#include <stdio.h>

/* Reads the whole stream in pieces into one line of text per record: "line:field|field" or "line!rule". */
static void read_all(struct slice stream, size_t piece, enum csv_quoting quoting, struct buf *ret_text)
{
    struct csv c;
    struct csv_record r;
    uint64_t last_end = 0;
    csv_init(&c, quoting, 0, 1);
    for (size_t at = 0;;) {
        int n = csv_next(&c, &r);
        if (n == 0 && c.ended)
            break;
        if (n == 0 && at == stream.n) {
            csv_end(&c);
            continue;
        }
        if (n == 0) {
            size_t octets = stream.n - at < piece ? stream.n - at : piece;
            assert_int_equal(csv_feed(&c, slice_of(stream.p + at, octets)), 0);
            at += octets;
            continue;
        }
        assert_true(r.offset >= last_end && r.end_offset > r.offset && r.end_line >= r.line);
        last_end = r.end_offset;
        buf_printf(ret_text, "%llu", (unsigned long long)r.line);
        if (n < 0) {
            buf_printf(ret_text, "!%s\n", r.rule);
            continue;
        }
        for (size_t i = 0; i < r.field_count; i++) {
            buf_str(ret_text, i ? "|" : ":");
            buf_slice_put(ret_text, r.fields[i]);
        }
        buf_str(ret_text, "\n");
    }
    csv_fini(&c);
}

static void assert_reads_as(struct slice stream, enum csv_quoting quoting, const char *expected)
{
    size_t pieces[] = {1, 2, 3, 7, stream.n + 1};
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        struct buf text;
        buf_init(&text, 1 << 20);
        read_all(stream, pieces[i], quoting, &text);
        assert_string_equal(buf_text(&text), expected);
        buf_fini(&text);
    }
}

static void test_plain_and_quoted(void **state)
{
    (void)state;
    assert_reads_as(slice_str("a,b,c\n"), CSV_DOUBLED, "1:a|b|c\n");
    assert_reads_as(slice_str("\"a\",\"\",,\"x, y\"\r\n1,2"), CSV_DOUBLED, "1:a|||x, y\n2:1|2\n");
    assert_reads_as(slice_str("\"say \"\"hi\"\"\",\"\"\"\"\n"), CSV_DOUBLED, "1:say \"hi\"|\"\n");
    assert_reads_as(slice_str("a\"b\", \"c\"\n"), CSV_DOUBLED, "1:a\"b\"|c\n");
    assert_reads_as(slice_str(""), CSV_DOUBLED, "");
    assert_reads_as(slice_str("\n\r\n\nx\n"), CSV_DOUBLED, "4:x\n");
    assert_reads_as(slice_str(",\n"), CSV_DOUBLED, "1:|\n");
    assert_reads_as(slice_str("a\rb\n"), CSV_DOUBLED, "1:a\rb\n");
}

static void test_quoted_field_over_several_lines(void **state)
{
    (void)state;
    assert_reads_as(slice_str("1,\"two\nthree\r\nfour\"\n5,6\n"), CSV_DOUBLED, "1:1|two\nthree\r\nfour\n4:5|6\n");
}

static void test_lost_quote_costs_one_line(void **state)
{
    (void)state;
    assert_reads_as(slice_str("a,b\n\"c,d\ne,f\ng,h\n"), CSV_DOUBLED, "1:a|b\n2!a quote is not closed\n3:e|f\n4:g|h\n");
    assert_reads_as(slice_str("\"a\"b,c\nd\n"), CSV_DOUBLED,
                    "1!a comma or the end of the line follows a closing quote\n2:d\n");
}

static void test_loose_quotes(void **state)
{
    (void)state;
    assert_reads_as(slice_str("\"Joe \"X\" Y\",\"\",\"1\"\n"), CSV_LOOSE, "1:Joe \"X\" Y||1\n");
    assert_reads_as(slice_str("\"a\", \"b\"\r\n"), CSV_LOOSE, "1:a|b\n");
}

static void test_nul_is_refused(void **state)
{
    (void)state;
    assert_reads_as(slice_of("a,\0b\nc\n\"\0\"\nd\n", 13), CSV_DOUBLED,
                    "1!a line has no NUL\n2:c\n3!a line has no NUL\n4:d\n");
}

static void test_too_many_fields(void **state)
{
    (void)state;
    char line[2 * CSV_FIELDS_MAX + 4];
    memset(line, ',', CSV_FIELDS_MAX);
    strcpy(line + CSV_FIELDS_MAX, "\nx\n");
    assert_reads_as(slice_str(line), CSV_DOUBLED, "1!a line has at most 64 fields\n2:x\n");
}

static void test_huge_records(void **state)
{
    (void)state;
    struct buf stream;
    buf_init(&stream, 1 << 20);
    /* A line without end, a quote that swallows lines up to the limit, a record that just fits. */
    for (size_t i = 0; i < 3 * CSV_RECORD_OCTETS_MAX; i++)
        buf_u8(&stream, 'x');
    buf_str(&stream, "\nfirst\n\"");
    for (size_t i = 0; i < 20000; i++)
        buf_str(&stream, "line\n");
    struct buf text;
    const size_t pieces[] = {CSV_FEED_OCTETS_MAX, 1000};
    for (size_t i = 0; i < 2; i++) {
        buf_init(&text, 1 << 20);
        read_all(buf_slice(&stream), pieces[i], CSV_DOUBLED, &text);
        const char *expected =
            "1!a record has at most 64 KiB\n2:first\n3!a record has at most 64 KiB\n4:line\n5:line\n";
        assert_memory_equal(buf_text(&text), expected, strlen(expected));
        assert_non_null(strstr(buf_text(&text), "\n20002:line\n"));
        buf_fini(&text);
    }
    buf_fini(&stream);
}

static void test_goes_on_where_it_was(void **state)
{
    (void)state;
    const char *stream = "a,b\n\"c\nd\",e\nf,g\n";
    struct csv c;
    struct csv_record r;
    csv_init(&c, CSV_DOUBLED, 0, 1);
    assert_int_equal(csv_feed(&c, slice_str(stream)), 0);
    assert_int_equal(csv_next(&c, &r), 1);
    assert_int_equal(csv_next(&c, &r), 1);
    assert_int_equal(r.line, 2);
    assert_int_equal(r.end_line, 4);
    uint64_t offset = r.end_offset, line = r.end_line;
    csv_fini(&c);
    csv_init(&c, CSV_DOUBLED, offset, line);
    assert_int_equal(csv_feed(&c, slice_str(stream + offset)), 0);
    assert_int_equal(csv_next(&c, &r), 1);
    assert_int_equal(r.line, 4);
    assert_slice_text(r.fields[0], "f");
    assert_int_equal(r.end_offset, strlen(stream));
    csv_fini(&c);
}

static void test_waits_for_the_end_of_the_last_line(void **state)
{
    (void)state;
    struct csv c;
    struct csv_record r;
    csv_init(&c, CSV_DOUBLED, 0, 1);
    assert_int_equal(csv_feed(&c, slice_str("a,b")), 0);
    assert_int_equal(csv_next(&c, &r), 0);
    assert_int_equal(csv_feed(&c, slice_str("c\n")), 0);
    assert_int_equal(csv_next(&c, &r), 1);
    assert_slice_text(r.fields[1], "bc");
    assert_int_equal(csv_next(&c, &r), 0);
    csv_fini(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_and_quoted),
        cmocka_unit_test(test_quoted_field_over_several_lines),
        cmocka_unit_test(test_lost_quote_costs_one_line),
        cmocka_unit_test(test_loose_quotes),
        cmocka_unit_test(test_nul_is_refused),
        cmocka_unit_test(test_too_many_fields),
        cmocka_unit_test(test_huge_records),
        cmocka_unit_test(test_goes_on_where_it_was),
        cmocka_unit_test(test_waits_for_the_end_of_the_last_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
