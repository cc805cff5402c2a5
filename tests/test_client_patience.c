/* wait, watch and log --follow while the daemon is away: how long they try
 * again, and what they say. The linker puts the clock, its sleep and the two
 * ways of asking (--wrap, tests/meson.build) in here, so half a minute passes
 * at once and to the second on any machine. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "client/follow.h"
#include "common/mem.h"
#include <cmocka.h>     // last: its macro fail() would hide the project's

static struct {
    double now;                 // seconds by the clock
    double dies, back;          // nobody answers between these
    double ends;                // the job
    char   said[2000];
} world;

double __wrap_clock_seconds(void);
int    __wrap_nanosleep(const struct timespec *t, struct timespec *left);
int    __wrap_http_send(struct http *h, const char *method, const char *path,
                        const char *body, struct response *r,
                        struct error *err);
int    __wrap_http_stream(struct http *h, const struct http_stream *s,
                          struct response *r, struct error *err);
void   __wrap_client_say(const char *fmt, ...);

double __wrap_clock_seconds(void)
{
    return world.now;
}

int __wrap_nanosleep(const struct timespec *t, struct timespec *left)
{
    (void)left;
    world.now += (double)t->tv_sec + 1e-9 * (double)t->tv_nsec;
    return 0;
}

static bool is_away(void)
{
    return world.now >= world.dies && world.now < world.back;
}

static void answer(struct response *r, const char *type, const char *body)
{
    *r = (struct response){.status = 200, .type = xstrdup(type),
                           .body = xstrdup(body), .len = strlen(body)};
}

int __wrap_http_send(struct http *h, const char *method, const char *path,
                     const char *body, struct response *r, struct error *err)
{
    (void)h;
    (void)body;
    assert_string_equal(method, "GET");
    assert_string_equal(path, "/api/v1/jobs/7");
    *r = (struct response){0};
    if (is_away())
        return (fail)(err, ERR_IO, "nobody is there");
    answer(r, "application/json", world.now < world.ends
        ? "{\"state\": \"running\"}" : "{\"state\": \"done\"}");
    return 0;
}

// A stream begins, breaks when the daemon dies, and ends with the job.
int __wrap_http_stream(struct http *h, const struct http_stream *s,
                       struct response *r, struct error *err)
{
    static const char first[] = "id: 1\ndata: {\"type\": \"started\"}\n\n";
    static const char last[] = "id: 2\ndata: {\"type\": \"finished\", "
                               "\"state\": \"done\"}\n\n";

    (void)h;
    *r = (struct response){0};
    if (is_away())
        return (fail)(err, ERR_IO, "nobody is there");
    answer(r, "text/event-stream", "");
    if (world.now < world.dies) {
        s->data(s->arg, first, strlen(first));
        world.now = world.dies;
        return (fail)(err, ERR_IO, "it broke");
    }
    assert_string_equal(s->last_id, "1");
    s->data(s->arg, last, strlen(last));
    return 0;
}

void __wrap_client_say(const char *fmt, ...)
{
    size_t len = strlen(world.said);
    va_list args;

    va_start(args, fmt);
    vsnprintf(world.said + len, sizeof world.said - len, fmt, args);
    va_end(args);
    strncat(world.said, "\n", sizeof world.said - strlen(world.said) - 1);
}

static const char away[] = "http://lab does not answer, trying again\n";
static const char back[] = "http://lab does not answer, trying again\n"
                           "http://lab is back\n";
static const char gone[] =
    "http://lab does not answer, trying again\n"
    "no answer from http://lab for 30 s: start it with gradwatchd\n";

/* ---- wait ---- */

// Runs `gradwatch wait 7`, with a timeout unless NULL.
static int wait_for_job(const char *timeout)
{
    static const struct opt table[] = {{.name = "timeout", .value = "SECONDS"}};
    char *argv[] = {(char *)"gradwatch", (char *)"7", (char *)"--timeout",
                    (char *)timeout};
    struct http http = {.base = (char *)"http://lab"};
    struct client c = {.http = &http, .quiet = true};
    struct error err = {0};

    assert_int_equal(opts_parse(&c.opts, table, 1, timeout ? 4 : 2, argv,
                                &err), 0);
    world.said[0] = 0;
    world.now = 100;
    int rc = command_wait(&c);
    opts_free(&c.opts);
    return rc;
}

static void test_wait_gives_up(void **state)
{
    (void)state;
    world.dies = 105, world.back = INFINITY, world.ends = 110;
    assert_int_equal(wait_for_job(NULL), EXIT_UNREACHABLE);
    assert_string_equal(world.said, gone);
    // Half a minute after the last answer, within a question or two.
    assert_true(world.now > 134 && world.now < 137);
}

static void test_wait_outlasts_a_restart(void **state)
{
    (void)state;
    world.dies = 105, world.back = 133, world.ends = 140;
    assert_int_equal(wait_for_job(NULL), 0);
    assert_string_equal(world.said, back);
    assert_true(world.now >= 140 && world.now < 142);
}

static void test_a_timeout_counts_while_nobody_answers(void **state)
{
    (void)state;
    world.dies = 105, world.back = INFINITY, world.ends = INFINITY;
    assert_int_equal(wait_for_job("10"), EXIT_TIMEOUT);
    assert_non_null(strstr(world.said, away));
    assert_non_null(strstr(world.said, "job 7 has not ended yet\n"));
    assert_true(world.now >= 110 && world.now < 112);
}

static void test_a_daemon_that_never_answered_is_not_waited_for(void **state)
{
    (void)state;
    world.dies = 0, world.back = INFINITY;
    assert_int_equal(wait_for_job(NULL), EXIT_UNREACHABLE);
    assert_string_equal(world.said, "nobody is there\n");
    assert_true(world.now == 100);
}

/* ---- watch and log --follow ---- */

struct seen { int events, lost, back, ends; };

static void on_event(void *arg, const char *line, size_t len,
                     const json_t *event)
{
    (void)line;
    (void)len;
    (void)event;
    ((struct seen *)arg)->events++;
}

static void on_lost(void *arg, bool lost)
{
    struct seen *seen = arg;
    *(lost ? &seen->lost : &seen->back) += 1;
}

static void on_end(void *arg)
{
    ((struct seen *)arg)->ends++;
}

static int follow(struct seen *seen)
{
    struct follower f = {.event = on_event, .lost = on_lost, .end = on_end,
                         .arg = seen};
    struct http http = {.base = (char *)"http://lab"};
    struct client c = {.http = &http};

    *seen = (struct seen){0};
    world.said[0] = 0;
    world.now = 100;
    return follow_job(&c, 7, &f);
}

static void test_following_gives_up(void **state)
{
    struct seen seen;

    (void)state;
    world.dies = 105, world.back = INFINITY;
    // It heard something when the stream began, at 100.
    assert_int_equal(follow(&seen), EXIT_UNREACHABLE);
    assert_string_equal(world.said, strstr(gone, "no answer"));
    assert_true(world.now > 130 && world.now < 135);
    assert_int_equal(seen.events, 1);
    assert_int_equal(seen.lost, 1);
    assert_int_equal(seen.back, 0);
    assert_int_equal(seen.ends, 1);     // before the last words
}

static void test_following_outlasts_a_restart(void **state)
{
    struct seen seen;

    (void)state;
    world.dies = 105, world.back = 125;
    assert_int_equal(follow(&seen), 0);
    assert_string_equal(world.said, "");
    assert_int_equal(seen.events, 2);   // each once
    assert_int_equal(seen.lost, 1);
    assert_int_equal(seen.back, 1);
    assert_int_equal(seen.ends, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wait_gives_up),
        cmocka_unit_test(test_wait_outlasts_a_restart),
        cmocka_unit_test(test_a_timeout_counts_while_nobody_answers),
        cmocka_unit_test(test_a_daemon_that_never_answered_is_not_waited_for),
        cmocka_unit_test(test_following_gives_up),
        cmocka_unit_test(test_following_outlasts_a_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
