/* The parts of the client that need no daemon: events out of bytes, text for
 * terminals, pictures. */
#include "client/marks.h"
#include "client/spark.h"
#include "client/sse.h"
#include "client/text.h"
#include "common/clock.h"
#include <jansson.h>
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>     // last: its macro fail() would hide the project's

/* ---- events out of bytes ---- */

struct seen {
    char text[256];         // the messages, each in brackets
    bool stop;
};

static bool note(void *arg, const char *data, size_t len)
{
    struct seen *seen = arg;
    size_t at = strlen(seen->text);

    snprintf(seen->text + at, sizeof seen->text - at, "[%.*s]", (int)len, data);
    return seen->stop;
}

// The stream in pieces of n bytes.
static void feed(struct sse *s, const char *text, size_t n, struct seen *seen)
{
    for (size_t at = 0, len = strlen(text); at < len; at += n)
        sse_feed(s, text + at, n < len - at ? n : len - at, note, seen);
}

static void test_sse_in_any_pieces(void **state)
{
    (void)state;
    static const char stream[] =
        ": a comment\n\nid: 1\nevent: epoch\ndata: {\"a\":1}\n\n"
        "data:first\r\ndata: second\r\n\r\nid:2\rdata\r\rretry: 5\n\n"
        "data: unfinished\n";

    for (size_t n = 1; n < sizeof stream; n++) {
        struct sse s = {0};
        struct seen seen = {0};
        feed(&s, stream, n, &seen);
        assert_string_equal(seen.text, "[{\"a\":1}][first\nsecond][]");
        assert_string_equal(s.id, "2");
        sse_clear(&s);
    }
}

static void test_sse_stops_and_restarts(void **state)
{
    (void)state;
    struct sse s = {0};
    struct seen seen = {.stop = true};

    assert_true(sse_feed(&s, "id: 7\ndata: a\n\ndata: b\n\n", 23, note, &seen));
    assert_string_equal(seen.text, "[a]");
    seen.stop = false;
    sse_feed(&s, "data: hal", 9, note, &seen);
    sse_restart(&s);
    assert_false(sse_feed(&s, "data: c\n\n", 9, note, &seen));
    assert_string_equal(seen.text, "[a][c]");
    assert_string_equal(s.id, "7");
    sse_clear(&s);
}

/* ---- text ---- */

static void test_nothing_controls_the_terminal(void **state)
{
    (void)state;
    static const struct { const char *in, *utf8, *ascii; } rows[] = {
        {"plain", "plain", "plain"},
        {"\033[31mred\a\n", "\\x1b[31mred\\x07\\x0a",
         "\\x1b[31mred\\x07\\x0a"},
        {"\x7f", "\\x7f", "\\x7f"},
        {"gr\u00fcn", "gr\u00fcn", "gr\\u00fcn"},
        {"\xc2\x9b" "31m", "\\x9b31m", "\\x9b31m"},  // CSI in one character
        {"a\u202eb", "a\\u202eb", "a\\u202eb"},         // right to left
        {"\xff\xc0\x80", "\\xff\\xc0\\x80", "\\xff\\xc0\\x80"},
        {"\xe2\x82", "\\xe2\\x82", "\\xe2\\x82"},       // cut short
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *utf8 = text_clean(rows[i].in, true);
        char *ascii = text_clean(rows[i].in, false);
        assert_string_equal(utf8, rows[i].utf8);
        assert_string_equal(ascii, rows[i].ascii);
        free(utf8);
        free(ascii);
    }
}

static void test_text_is_cut_by_columns(void **state)
{
    (void)state;
    static const struct { const char *in; int columns; const char *out; }
        rows[] = {
            {"abc", 3, "abc"},          {"abcd", 3, "ab\u2026"},
            {"\u65e5\u672c\u8a9e", 6, "\u65e5\u672c\u8a9e"},
            {"\u65e5\u672c\u8a9e", 4, "\u65e5\u2026"},
            {"abc", 1, "\u2026"},       {"abc", 0, ""},
        };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *fit = text_fit(rows[i].in, rows[i].columns, true);
        assert_string_equal(fit, rows[i].out);
        free(fit);
    }
}

static void expect(char *text, const char *wanted)
{
    assert_string_equal(text, wanted);
    free(text);
}

static char *until(int seconds)
{
    char text[CLOCK_TEXT];

    clock_text(clock_unix_millis() + 1000 * (int64_t)seconds, text);
    return text_until(text);
}

static void test_numbers_for_reading(void **state)
{
    (void)state;

    expect(text_count(0), "0");
    expect(text_count(999), "999");
    expect(text_count(-1000), "-1,000");
    expect(text_count(23917832), "23,917,832");
    expect(text_bytes(512), "512 B");
    expect(text_bytes(1536), "1.5 KiB");
    expect(text_bytes(64.0 * 1024 * 1024), "64 MiB");
    expect(text_seconds(8.04), "8.0 s");
    expect(text_seconds(125), "2 min 05 s");
    expect(text_seconds(3600 * 3 + 600), "3 h 10 min");
    expect(text_seconds(NAN), "-");
    expect(until(-5), "now");
    expect(until(150), "in 2 min");             // half a unit: no race
    expect(until(9000), "in 2 h");
    expect(until(3 * 86400 - 43200), "in 2 d");
    expect(text_until(""), "-");
    expect(text_age("soon"), "-");
    expect(text_number(NAN, 3), "-");
    expect(text_number(0, 3), "0.00");
    expect(text_number(2.0, 4), "2.000");
    expect(text_number(205, 3), "205");
    expect(text_number(999.7, 3), "1000");
    expect(text_number(2664.2, 3), "2664");
    expect(text_number(-123456, 3), "-123456");
    expect(text_number(1e6, 3), "1.00e+06");
    expect(text_number(1e-22, 3), "1.00e-22");
}

/* ---- pictures ---- */

// What spark_row() writes; the caller owns it.
static char *row_text(const double *columns, int n, int row, int rows,
                      bool utf8)
{
    char *text;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    spark_row(out, columns, n, spark_most(columns, n), row, rows, utf8);
    fclose(out);
    return text;
}

static void test_heights(void **state)
{
    (void)state;
    static const double columns[] = {0, 1e-9, 4, 8};

    expect(row_text(columns, 4, 0, 1, true), " \u2581\u2584\u2588");
    expect(row_text(columns, 4, 0, 1, false), " .=@");
    expect(row_text(columns, 4, 0, 2, false), "   @");
    expect(row_text(columns, 4, 1, 2, false), " .@@");
    static const double nothing[] = {0, 0};
    expect(row_text(nothing, 2, 0, 1, true), "  ");
}

static void test_bins_are_shared_by_columns(void **state)
{
    (void)state;
    struct axis axis = {.low = -2, .high = 0, .columns = 4};
    double columns[4] = {0};

    // Three columns' worth, of which the first lies outside.
    spark_add(&axis, -2.5, -1, 6, columns);
    assert_float_equal(columns[0], 2, 1e-12);   // of sums of three halves
    assert_float_equal(columns[1], 2, 1e-12);
    assert_float_equal(columns[2], 0, 0);
}

static void test_an_axis_is_whole_decades(void **state)
{
    (void)state;
    struct axis axis = {.low = 1, .high = 0};

    spark_widen(&axis, -3.2, -0.5);
    assert_int_equal(axis.low, -4);
    assert_int_equal(axis.high, 0);
    spark_widen(&axis, -2, 1.5);
    assert_int_equal(axis.low, -4);
    assert_int_equal(axis.high, 2);
    axis = (struct axis){.low = 1, .high = 0};
    spark_widen(&axis, -3, -3);
    assert_int_equal(axis.high - axis.low, 1);
}

static void test_an_axis_is_labelled_at_its_ends(void **state)
{
    (void)state;
    for (int columns = 12; columns < 100; columns++) {
        struct axis axis = {.low = -21, .high = 1, .columns = columns};
        char *text, *rest;
        size_t len;
        FILE *out = open_memstream(&text, &len);
        spark_axis(out, &axis, 2, false);
        fclose(out);
        char *ticks = strtok_r(text, "\n", &rest);
        char *labels = strtok_r(NULL, "\n", &rest);
        assert_int_equal(strlen(ticks), columns + 2);
        assert_int_equal(ticks[2], '+');
        assert_int_equal(ticks[columns + 1], '+');
        assert_int_equal(strncmp(labels, "  1e-21 ", 8), 0);
        assert_int_equal(strlen(labels), columns + 2);
        assert_string_equal(labels + columns - 2, " 1e1");
        free(text);
    }
}

static void test_marks(void **state)
{
    (void)state;

    // Eleven columns from -1 to 1: a fifth each.
    expect(marks_interval(-0.4, 0, 0.4, 1, 11, false), "   [-o-]   ");
    expect(marks_interval(0.2, 0.4, 0.8, 1, 11, false), "     |[o-] ");
    expect(marks_interval(-0.8, -0.6, -0.4, 1, 11, true),
           " \u251c\u25cf\u2524 \u2502     ");
    expect(marks_interval(NAN, 0.6, NAN, 1, 11, false), "     |  o  ");
    expect(marks_interval(2, 3, 4, 1, 11, false), "     |    >");
    expect(marks_interval(-INFINITY, -3, 0, 1, 11, false), "<    |     ");
    expect(marks_interval(-4, -3, 0, 1, 11, false), "<----]     ");
    expect(marks_interval(NAN, NAN, NAN, 1, 3, false), " | ");
    expect(marks_gauge(0, 6, false), "    | ");
    expect(marks_gauge(0.5, 6, false), "##  | ");
    expect(marks_gauge(1, 6, false), "####| ");
    expect(marks_gauge(1.25, 6, false), "##### ");
    expect(marks_gauge(9, 6, false), "#####>");
    expect(marks_gauge(-3, 6, false), "    | ");
    expect(marks_gauge(NAN, 6, true), "    \u2502 ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sse_in_any_pieces),
        cmocka_unit_test(test_sse_stops_and_restarts),
        cmocka_unit_test(test_nothing_controls_the_terminal),
        cmocka_unit_test(test_text_is_cut_by_columns),
        cmocka_unit_test(test_numbers_for_reading),
        cmocka_unit_test(test_heights),
        cmocka_unit_test(test_marks),
        cmocka_unit_test(test_bins_are_shared_by_columns),
        cmocka_unit_test(test_an_axis_is_whole_decades),
        cmocka_unit_test(test_an_axis_is_labelled_at_its_ends),
    };
    setlocale(LC_CTYPE, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
