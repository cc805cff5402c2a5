// Messages of the log: which are written, and how.
#include "common/log.h"
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>     // last: its macro fail() would hide the project's

static int saved;
static FILE *log_file;

// From here to end() stderr is a file.
static int begin(void **state)
{
    (void)state;
    log_set_level(LOG_INFO);
    log_set_format(LOG_TEXT);
    log_file = tmpfile();
    saved = dup(STDERR_FILENO);
    return dup2(fileno(log_file), STDERR_FILENO) < 0;
}

static void end(char *text, size_t size)
{
    fflush(stderr);
    dup2(saved, STDERR_FILENO);
    close(saved);
    rewind(log_file);
    text[fread(text, 1, size - 1, log_file)] = '\0';
    fclose(log_file);
}

static void levels_leave_out_what_is_less_important(void **state)
{
    char text[1000];

    (void)state;
    log_error("e1");
    log_info("i1");
    log_debug("d1");
    log_set_level(LOG_ERROR);
    log_warn("w2");
    log_set_level(LOG_DEBUG);
    log_debug("d3");
    end(text, sizeof text);
    assert_non_null(strstr(text, "Z error e1\n"));
    assert_non_null(strstr(text, "Z info  i1\n"));
    assert_null(strstr(text, "d1"));
    assert_null(strstr(text, "w2"));
    assert_non_null(strstr(text, "Z debug d3\n"));
}

static void a_message_is_one_line(void **state)
{
    char text[1000];

    (void)state;
    log_info("a\nb\033[31m\x7f");
    end(text, sizeof text);
    assert_non_null(strstr(text, " a?b?[31m?\n"));
}

static void as_json_a_line_is_an_object(void **state)
{
    char text[1000], time[40], level[10], message[100];
    json_error_t at;

    (void)state;
    log_set_format(LOG_JSON);
    log_warn("a \"quoted\"\nname, and a broken one: \xff\x80");
    end(text, sizeof text);
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
    json_t *line = json_loads(text, JSON_REJECT_DUPLICATES, &at);
    assert_non_null(line);
    assert_int_equal(json_object_size(line), 3);
    snprintf(time, sizeof time, "%s", json_string_value(json_object_get(
        line, "time")));
    snprintf(level, sizeof level, "%s", json_string_value(json_object_get(
        line, "level")));
    snprintf(message, sizeof message, "%s", json_string_value(json_object_get(
        line, "message")));
    json_decref(line);
    assert_int_equal(strlen(time), strlen("2026-01-31T12:34:56.789Z"));
    assert_string_equal(level, "warn");
    assert_string_equal(message, "a \"quoted\"\nname, and a broken one: ??");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(levels_leave_out_what_is_less_important, begin),
        cmocka_unit_test_setup(a_message_is_one_line, begin),
        cmocka_unit_test_setup(as_json_a_line_is_an_object, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
