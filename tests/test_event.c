/* Events as lines: numbers, order, stamping, a reader that left. */
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/event.h"

static void has_type_and_time_first(void **state)
{
    (void)state;
    json_t *e = event_new("warning");
    char *text = event_text(e);

    assert_memory_equal(text, "{\"type\":\"warning\",\"time\":\"20", 28);
    assert_int_equal(text[strlen(text) - 3], 'Z');
    free(text);
    json_decref(e);
}

static void numbers_are_short_and_exact(void **state)
{
    (void)state;
    static const struct { double x; const char *text; } rows[] = {
        { 0.1, "0.1" }, { 1, "1.0" }, { -0.5, "-0.5" }, { 1e-22, "1e-22" },
        { 1.0 / 3, "0.3333333333333333" }, { 1e300, "1e+300" },
        { 0x1.fffffffffffffp-1, "0.9999999999999999" },
        { NAN, "null" }, { INFINITY, "null" }, { -INFINITY, "null" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        json_t *j = event_number(rows[i].x);
        char *text = event_text(j);
        assert_string_equal(text, rows[i].text);
        if (isfinite(rows[i].x))
            assert_true(strtod(text, NULL) == rows[i].x);
        free(text);
        json_decref(j);
    }
}

static void a_line_is_the_same_json(void **state)
{
    (void)state;
    json_t *e = json_pack("{s:s, s:[i,f,b,b,n], s:{}, s:[]}", "a\"b\n", "c\td",
                          "list", 1, 2.5, 1, 0, "object", "array");
    char *text = event_text(e);
    json_t *back = json_loads(text, 0, NULL);

    assert_null(strchr(text, '\n'));
    assert_true(json_equal(e, back));
    free(text);
    json_decref(e);
    json_decref(back);
}

static void written_as_one_line(void **state)
{
    (void)state;
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);

    assert_int_equal(event_write(f, json_pack("{s:i}", "a", 1), NULL), 0);
    assert_int_equal(event_write(f, json_pack("{s:i}", "a", 2), NULL), 0);
    fclose(f);
    assert_string_equal(text, "{\"a\":1}\n{\"a\":2}\n");
    free(text);
}

static void a_reader_that_left_is_an_error(void **state)
{
    (void)state;
    int fd[2];
    struct error err = { 0 };

    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(pipe(fd), 0);
    close(fd[0]);
    FILE *f = fdopen(fd[1], "w");
    assert_int_equal(event_write(f, event_new("live"), &err), ERR_IO);
    assert_int_equal(err.code, ERR_IO);
    fclose(f);
}

static void stamping(void **state)
{
    (void)state;
    static const struct { const char *line; int64_t seq, n; const char *want; }
    rows[] = {
        { "{\"type\":\"x\"}", 3, 9,
          "{\"job\":7,\"seq\":3,\"n\":9,\"type\":\"x\"}" },
        { "{\"type\":\"live\"}", 0, 0, "{\"job\":7,\"type\":\"live\"}" },
        { "{}", 1, 2, "{\"job\":7,\"seq\":1,\"n\":2}" },
        { " { \"a\": 1 }", 1, 2, "{\"job\":7,\"seq\":1,\"n\":2,\"a\": 1 }" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *got = event_stamp(rows[i].line, 7, rows[i].seq, rows[i].n);
        assert_string_equal(got, rows[i].want);
        free(got);
    }
}

static void stored_and_last(void **state)
{
    (void)state;
    assert_true(event_is_stored("epoch") && event_is_stored("warning"));
    assert_false(event_is_stored("live") || event_is_stored("loading"));
    assert_true(event_is_last("finished") && event_is_last("failed") &&
                event_is_last("cancelled"));
    assert_false(event_is_last("epoch") || event_is_last("interrupted"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(has_type_and_time_first),
        cmocka_unit_test(numbers_are_short_and_exact),
        cmocka_unit_test(a_line_is_the_same_json),
        cmocka_unit_test(written_as_one_line),
        cmocka_unit_test(a_reader_that_left_is_an_error),
        cmocka_unit_test(stamping),
        cmocka_unit_test(stored_and_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
