/* Command lines: what common/opts.c accepts, what it refuses and how it says
 * so, and the help that comes from the same table. */
#include "common/opts.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>     // last: its macro fail() would hide the project's

static const struct opt table[] = {
    {.name = "listen", .value = "HOST:PORT", .help = "where to listen"},
    {.name = "data", .value = "NAME=DIR", .repeat = true, .help = "a root"},
    {.name = "output", .letter = 'o', .value = "FILE", .help = "where to"},
    {.name = "quiet", .letter = 'q', .help = "less"},
    {.name = "skip", .negatable = true, .help = "shortcuts"},
    {.name = "colour", .negatable = true, .maybe = "WHEN", .help = "colours"},
    {.name = "heartbeat", .value = "SECONDS",
     .help = "a worker that has been silent for so long is ended and its job "
             "is failed with a reason that names the seconds"},
    {.name = "arch", .value = "VALUE", .help = "the network (resnet18|resnet34|"
     "resnet50|resnet101|resnet152|vgg11|vgg13|vgg16|vgg19|vgg38) [resnet50]"},
};
enum { N = sizeof table / sizeof *table, MAX_ARGS = 16 };

// Parses the words after the program's name, up to NULL.
static int parse(struct opts *o, struct error *err, ...)
{
    char *argv[MAX_ARGS] = {(char *)"program"};
    int argc = 1;
    va_list args;

    va_start(args, err);
    while (argc < MAX_ARGS && (argv[argc] = va_arg(args, char *)))
        argc++;
    va_end(args);
    return opts_parse(o, table, N, argc, argv, err);
}

static void test_forms(void **state)
{
    (void)state;
    struct opts o;
    struct error err = {0};

    assert_int_equal(parse(&o, &err, "word", "--listen", "a:1", "-q", "-o",
                           "f", "-", "--", "--skip", NULL), 0);
    assert_string_equal(opts_value(&o, "listen"), "a:1");
    assert_string_equal(opts_value(&o, "output"), "f");
    assert_true(opts_given(&o, "quiet"));
    assert_false(opts_given(&o, "skip"));
    assert_int_equal(o.n_words, 3);
    assert_string_equal(o.words[0], "word");
    assert_string_equal(o.words[1], "-");
    assert_string_equal(o.words[2], "--skip");
    opts_free(&o);

    assert_int_equal(parse(&o, &err, "--listen=", "-of", NULL), 0);
    assert_string_equal(opts_value(&o, "listen"), "");
    assert_string_equal(opts_value(&o, "output"), "f");
    assert_null(opts_value(&o, "data"));
    opts_free(&o);
}

static void test_flags_can_be_switched_off(void **state)
{
    (void)state;
    struct opts o;
    struct error err = {0};

    assert_int_equal(parse(&o, &err, "--no-skip", NULL), 0);
    assert_true(opts_given(&o, "skip"));
    assert_false(opts_flag(&o, "skip", true));
    assert_true(opts_flag(&o, "quiet", true));
    opts_free(&o);
}

static void test_some_flags_may_have_a_value(void **state)
{
    (void)state;
    struct opts o;
    struct error err = {0};

    assert_int_equal(parse(&o, &err, "--colour", "word", NULL), 0);
    assert_null(opts_value(&o, "colour"));
    assert_int_equal(o.n_words, 1);
    opts_free(&o);
    assert_int_equal(parse(&o, &err, "--colour=never", NULL), 0);
    assert_string_equal(opts_value(&o, "colour"), "never");
    opts_free(&o);
    assert_int_equal(parse(&o, &err, "--no-colour=never", NULL), ERR_USAGE);
    assert_string_equal(err.text, "--no-colour takes no value");
    opts_free(&o);
}

static void test_repeated_values_keep_their_order(void **state)
{
    (void)state;
    struct opts o;
    struct error err = {0};
    int at = 0;

    assert_int_equal(parse(&o, &err, "--data", "a=1", "--data=b=2", NULL), 0);
    assert_string_equal(opts_next(&o, "data", &at), "a=1");
    assert_string_equal(opts_next(&o, "data", &at), "b=2");
    assert_null(opts_next(&o, "data", &at));
    opts_free(&o);
}

static void test_a_negative_number_is_a_value(void **state)
{
    (void)state;
    struct opts o;
    struct error err = {0};
    double x = 30;

    assert_int_equal(parse(&o, &err, NULL), 0);
    assert_int_equal(opts_number(&o, "heartbeat", 1, 3600, &x, &err), 0);
    assert_float_equal(x, 30, 0);
    opts_free(&o);
    assert_int_equal(parse(&o, &err, "--heartbeat", "-5", NULL), 0);
    assert_int_equal(opts_number(&o, "heartbeat", 1, 3600, &x, &err),
                     ERR_USAGE);
    assert_string_equal(err.text, "--heartbeat is -5, must be a number from 1 "
                                  "to 3600");
    opts_free(&o);
}

static void test_numbers_are_whole_texts(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "5s", " 5", "nan", "inf", "0x10"};
    struct error err = {0};
    double x = 0;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct opts o;
        assert_int_equal(parse(&o, &err, "--heartbeat", bad[i], NULL), 0);
        assert_int_equal(opts_number(&o, "heartbeat", 0, 9e9, &x, &err),
                         ERR_USAGE);
        opts_free(&o);
    }
}

static void test_mistakes_are_named(void **state)
{
    (void)state;
    static const struct { const char *args[3], *says; } rows[] = {
        {{"--listn", "x"}, "unknown option --listn, did you mean --listen?"},
        {{"--zzzzzz"}, "unknown option --zzzzzz"},
        {{"--no-quiet"}, "unknown option --no-quiet"},
        {{"--no-skipp"},
         "unknown option --no-skipp, did you mean --no-skip?"},
        {{"-x"}, "unknown option -x"},
        {{"--listen"}, "--listen needs a value: --listen HOST:PORT"},
        {{"-o"}, "-o needs a value: -o FILE"},
        {{"--listen", "--quiet"},
         "--listen needs a value: --listen HOST:PORT"},
        {{"--quiet=1"}, "--quiet takes no value"},
        {{"--no-skip=1"}, "--no-skip takes no value"},
        {{"--listen=a", "--listen=b"}, "--listen is given twice"},
        {{"--quiet", "-q"}, "--quiet is given twice"},
        {{"--skip", "--no-skip"}, "--skip is given twice"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct opts o;
        struct error err = {0};
        const char *const *a = rows[i].args;
        assert_int_equal(parse(&o, &err, a[0], a[1], a[2], NULL), ERR_USAGE);
        assert_string_equal(err.text, rows[i].says);
        opts_free(&o);
    }
}

static void test_pairs(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "name", "=dir", "name="};
    struct error err = {0};
    char *left;
    const char *right;

    assert_int_equal(opts_pair("data", "a=/x=y", &left, &right, &err), 0);
    assert_string_equal(left, "a");
    assert_string_equal(right, "/x=y");
    free(left);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(opts_pair("data", bad[i], &left, &right, &err),
                         ERR_USAGE);
    assert_string_equal(err.text, "--data is \"name=\", must be NAME=VALUE");
}

static void test_help_fits_and_names_everything(void **state)
{
    (void)state;
    char *text = NULL, *rest, *line;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    opts_help(out, table, N);
    fclose(out);
    assert_non_null(strstr(text, "--[no-]skip"));
    assert_non_null(strstr(text, "--[no-]colour[=WHEN]"));
    assert_non_null(strstr(text, "-o, --output FILE"));
    assert_non_null(strstr(text, "seconds\n"));
    for (line = strtok_r(text, "\n", &rest); line;
         line = strtok_r(NULL, "\n", &rest))
        assert_in_range(strlen(line), 1, OPTS_HELP_COLUMNS);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_flags_can_be_switched_off),
        cmocka_unit_test(test_some_flags_may_have_a_value),
        cmocka_unit_test(test_repeated_values_keep_their_order),
        cmocka_unit_test(test_a_negative_number_is_a_value),
        cmocka_unit_test(test_numbers_are_whole_texts),
        cmocka_unit_test(test_mistakes_are_named),
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_help_fits_and_names_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
