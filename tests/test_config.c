/* The daemon's configuration: every key on the command line, in the file and in
 * what is printed; what is refused, and where it says that it is. */
#include "daemon/config.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "common/log.h"
#include "common/mem.h"
#include "scratch.h"
#include <cmocka.h>     // last: its macro fail() would hide the project's

// A value that is not the default, for every key: one row each, so that a new
// key is tried, too. It is also how --print-config shows it.
static const struct { const char *key, *value; } values[] = {
    { "listen", "[::1]:1234" }, { "state", "/nowhere/state" },
    { "data", "t=/tmp" }, { "allow-host", "lab.example" },
    { "token-file", "/nowhere/token" }, { "no-auth", "true" },
    { "open-metrics", "true" }, { "heartbeat", "7" },
    { "cache-limit", "0.5" }, { "queue-limit", "3" },
    { "log-level", "debug" }, { "log-format", "json" },
    { "verdict-vanishing-slope", "-0.5" }, { "verdict-vanishing-ratio", "-7" },
    { "verdict-exploding-slope", "0.07" }, { "verdict-exploding-ratio", "1" },
    { "verdict-line-r2", "0.75" }, { "verdict-dead-zeros", "0.875" },
    { "verdict-loss-errors", "2" }, { "verdict-loss-fall", "0.125" },
    { "verdict-loss-clear", "0.25" }, { "verdict-diverged-loss", "20" },
    { "web", "/nowhere/web" }, { "worker", "/nowhere/worker" },
};
enum { N_VALUES = sizeof values / sizeof *values };

static const char *value_of(const char *key)
{
    for (int i = 0; i < N_VALUES; i++)
        if (!strcmp(values[i].key, key))
            return values[i].value;
    fail_msg("no row about %s", key);
    return "";
}

static int load(struct config *c, struct error *err, char *a, char *b)
{
    char *argv[] = { (char *)"gradwatchd", a, b, NULL };

    *err = (struct error){ 0 };
    return config_load(c, b ? 3 : a ? 2 : 1, argv, err);
}

// What config_print() says, or the lines of one key; caller owns.
static char *printed(const struct config *c, const struct config_key *key)
{
    char *text;
    size_t len;
    FILE *f = open_memstream(&text, &len);

    if (key)
        config_print_key(f, c, key);
    else
        config_print(f, c);
    fclose(f);
    return text;
}

static void every_key_is_an_option_and_the_other_way_round(void **state)
{
    struct config c;
    struct error err;

    for (int i = 0; i < n_config_keys; i++) {
        const struct config_key *k = &config_keys[i];
        char *line = xasprintf("%s = %s\n", k->opt.name, value_of(k->opt.name));
        char *option = xasprintf("--%s=%s", k->opt.name, value_of(k->opt.name));

        assert_int_equal(load(&c, &err, option, NULL), 0);
        char *text = printed(&c, k);
        assert_string_equal(text, line);
        free(text);
        config_free(&c);

        scratch_write(*state, "conf", line, strlen(line));
        char *file = xasprintf("--config=%s/conf", (char *)*state);
        assert_int_equal(load(&c, &err, file, NULL), 0);
        text = printed(&c, k);
        assert_string_equal(text, line);
        free(text);
        config_free(&c);
        free(file);
        free(option);
        free(line);
    }
}

static void every_key_is_explained(void **state)
{
    (void)state;
    for (int i = 0; i < n_config_keys; i++) {
        const struct config_key *k = &config_keys[i];
        assert_non_null(k->opt.help);
        assert_non_null(k->more);
        assert_int_equal(k->more[strlen(k->more) - 1], '.');
        // Its default is either a value or a sentence.
        assert_true(!k->fallback != !k->unset);
    }
}

static void what_is_printed_reads_as_the_same(void **state)
{
    struct config c;
    struct error err;

    assert_int_equal(load(&c, &err, (char *)"--data=t=/tmp",
                          (char *)"--listen=localhost:0"), 0);
    char *first = printed(&c, NULL);
    config_free(&c);
    scratch_write(*state, "conf", first, strlen(first));
    char *file = xasprintf("--config=%s/conf", (char *)*state);
    assert_int_equal(load(&c, &err, file, NULL), 0);
    char *second = printed(&c, NULL);
    assert_string_equal(first, second);
    config_free(&c);
    free(first);
    free(second);
    free(file);
}

static void the_command_line_wins_and_lists_add_up(void **state)
{
    struct config c;
    struct error err;
    static const char text[] = "heartbeat = 5\nlog-level = warn\n"
                               "data = b=/tmp\nopen-metrics = true\n";
    char *file = xasprintf("--config=%s/conf", (char *)*state);

    scratch_write(*state, "conf", text, strlen(text));
    assert_int_equal(load(&c, &err, file, (char *)"--heartbeat=9"), 0);
    assert_int_equal(c.heartbeat, 9);
    assert_int_equal(c.log_level, LOG_WARN);
    config_free(&c);
    assert_int_equal(load(&c, &err, file, (char *)"--data=a=/"), 0);
    assert_int_equal(c.n_roots, 2);
    assert_string_equal(config_root(&c, "a")->dir, "/");
    assert_string_equal(config_root(&c, "b")->dir, "/tmp");
    config_free(&c);
    assert_int_equal(load(&c, &err, file, (char *)"--open-metrics=false"), 0);
    assert_false(c.open_metrics);
    config_free(&c);
    free(file);
}

static void comments_and_blanks_do_not_count(void **state)
{
    struct config c;
    struct error err;
    static const char text[] =
        "# a comment = not a value\n; another\n\n  \t\nheartbeat=5\r\n"
        "   queue-limit   =  3   \nlog-level = debug ; said aside\n"
        "  log-format = json";
    char *file = xasprintf("--config=%s/conf", (char *)*state);

    scratch_write(*state, "conf", text, strlen(text));
    assert_int_equal(load(&c, &err, file, NULL), 0);
    assert_int_equal(c.heartbeat, 5);
    assert_int_equal(c.queue_limit, 3);
    assert_int_equal(c.log_level, LOG_DEBUG);
    assert_int_equal(c.log_format, LOG_JSON);
    config_free(&c);
    free(file);
}

static void mistakes_are_named_with_their_lines(void **state)
{
    static const struct { const char *text, *says; } rows[] = {
        { "heartbeat = 0\n", "conf:1: heartbeat: \"0\" is not a whole number "
                             "from 1 to 86400" },
        { "\n\nheartbeat = 1e3\n", "conf:3: heartbeat: \"1e3\"" },
        { "queue-limit = 10001\n", "from 1 to 10000" },
        { "queue-limit =\n", "\"\" is not a whole number" },
        { "log-level = loud\n", "conf:1: log-level: \"loud\" is none of "
                                "error|warn|info|debug" },
        { "log-level = war\n", "none of" },
        { "state =\n", "conf:1: state: needs a value" },
        { "hearbeat = 1\n", "conf:1: unknown key hearbeat, did you mean "
                            "heartbeat" },
        { "config = x\n", "unknown key config" },
        { "heartbeat 5\n", "conf:1: \"heartbeat 5\" is not key = value" },
        { "listen: 127.0.0.1:1\n", "is not key = value" },
        { "[gradwatchd]\nheartbeat = 5\n", "conf:2: there are no sections, but "
                                           "this is in [gradwatchd]" },
        { "[open\n", "conf:1: is not key = value" },
        { "heartbeat = 1\nheartbeat = 2\n", "conf:2: heartbeat: is given "
                                            "twice" },
        { "data = a\n", "conf:1: data: --data is \"a\", must be NAME=VALUE" },
        { "data = a=/does/not/exist\n", "conf:1: data: cannot use "
                                        "/does/not/exist" },
    };
    struct config c;
    struct error err;
    char *file = xasprintf("--config=%s/conf", (char *)*state);

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        scratch_write(*state, "conf", rows[i].text, strlen(rows[i].text));
        assert_int_equal(load(&c, &err, file, NULL), ERR_USAGE);
        if (!strstr(err.text, rows[i].says))
            fail_msg("of %s: %s", rows[i].text, err.text);
        config_free(&c);
    }
    free(file);
}

static void all_mistakes_are_named_at_once(void **state)
{
    struct config c;
    struct error err;
    static const char text[] = "heartbeat = no\n\nbananas = 3\n";
    char *file = xasprintf("--config=%s/conf", (char *)*state);

    scratch_write(*state, "conf", text, strlen(text));
    assert_int_equal(load(&c, &err, file, NULL), ERR_USAGE);
    assert_non_null(strstr(err.text, "conf:1: heartbeat"));
    assert_non_null(strstr(err.text, "\n"));
    assert_non_null(strstr(err.text, "conf:3: unknown key bananas"));
    config_free(&c);
    free(file);
}

static void a_line_is_never_cut(void **state)
{
    enum { LONG = 10000 };
    char text[LONG + 40];
    struct config c;
    struct error err;
    char *file = xasprintf("--config=%s/conf", (char *)*state);

    memset(text, 'x', sizeof text);
    memcpy(text, "state = /", 9);
    strcpy(text + LONG, "\nheartbeat = no\n");
    scratch_write(*state, "conf", text, strlen(text));
    assert_int_equal(load(&c, &err, file, NULL), ERR_USAGE);
    assert_non_null(strstr(err.text, "conf:1: a line of more than"));
    assert_non_null(strstr(err.text, "conf:2: heartbeat"));
    config_free(&c);
    free(file);
}

// What --print-config says reads as the same: it says nothing that a file has
// another meaning for.
static void what_no_file_can_say_is_refused(void **state)
{
    static const char *const wrong[] = { ";a", "a ;b", " a", "a ", "a\nb",
                                         "a\t;", "a\r", " " };
    static const char *const fine[] = { "a;b", "a #b", "#a", "a b" };
    struct config c;
    struct error err;

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char *option = xasprintf("--web=%s", wrong[i]);
        assert_int_equal(load(&c, &err, option, NULL), ERR_USAGE);
        assert_non_null(strstr(err.text, "cannot stand in a file"));
        config_free(&c);
        free(option);
    }
    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++) {
        char *option = xasprintf("--web=%s", fine[i]);
        assert_int_equal(load(&c, &err, option, NULL), 0);
        char *first = printed(&c, NULL);
        scratch_write(*state, "conf", first, strlen(first));
        char *file = xasprintf("--config=%s/conf", (char *)*state);
        config_free(&c);
        assert_int_equal(load(&c, &err, file, NULL), 0);
        assert_string_equal(c.web, fine[i]);
        config_free(&c);
        free(file);
        free(first);
        free(option);
    }
}

static void a_worker_that_cannot_run_is_told(void **state)
{
    static const struct { const char *option, *says; } rows[] = {
        { "--worker=/no/such/worker",
          "cannot run /no/such/worker: No such file or directory" },
        { "--worker=/dev/null", "cannot run /dev/null: Permission denied" },
        { "--worker=/", "worker: / is no program" },
    };
    struct config c;
    struct error err;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(load(&c, &err, (char *)rows[i].option, NULL), 0);
        assert_int_equal(config_check(&c, &err), ERR_USAGE);
        assert_non_null(strstr(err.text, rows[i].says));
        config_free(&c);
    }
    assert_int_equal(load(&c, &err, NULL, NULL), 0);
    assert_int_equal(config_check(&c, &err), 0);
    config_free(&c);
}

// The daemon looks for its worker in PATH.
static int setup(void **state)
{
    *state = scratch_new();
    scratch_write(*state, "gradwatch-train", "", 0);
    char *worker = scratch_path(*state, "gradwatch-train");
    chmod(worker, 0700);
    free(worker);
    setenv("PATH", *state, 1);
    return 0;
}

static int teardown(void **state)
{
    scratch_remove(*state);
    return 0;
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(every_key_is_an_option_and_the_other_way_round),
        TEST(every_key_is_explained),
        TEST(what_is_printed_reads_as_the_same),
        TEST(the_command_line_wins_and_lists_add_up),
        TEST(comments_and_blanks_do_not_count),
        TEST(mistakes_are_named_with_their_lines),
        TEST(all_mistakes_are_named_at_once),
        TEST(a_line_is_never_cut),
        TEST(what_no_file_can_say_is_refused),
        TEST(a_worker_that_cannot_run_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
