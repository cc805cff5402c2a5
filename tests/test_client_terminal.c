/* watch in a terminal: a pseudo terminal whose other end is this test, and a
 * stream of events that does not end. */
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <termios.h>
#include <time.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "tests/client_answers.h"

enum { PATIENCE = 120 };                // seconds

struct place {
    int    listener, stream, tty;
    pid_t  pid;
    size_t got, seen;
    char   text[1 << 20];               // all that came
    struct termios before;
};

static const char stream[] = STREAM(
    "id: 1\ndata: {\"type\": \"queued\", \"name\": \"a\\u001b[35m\"}\n\n"
    "id: 2\ndata: {\"type\": \"started\", \"spec\": {\"train\": {\"epochs\": "
    "3}}, \"device\": {}, \"layers\": [{\"name\": \"conv1\"}, {\"name\": "
    "\"b\"}, {\"name\": \"fc\"}]}\n\n"
    "id: 3\ndata: {\"type\": \"epoch\", \"epoch\": 1, \"loss\": 2, "
    "\"quantities\": {\"grad_out\": {\"conv1\": {\"median\": 4}, \"b\": "
    "{\"median\": 1}, \"fc\": {\"median\": 1}}, \"update\": {\"conv1\": "
    "{\"median\": 0.5}}}}\n\n"
    "id: 4\ndata: {\"type\": \"epoch\", \"epoch\": 2, \"loss\": 1, "
    "\"quantities\": {\"grad_out\": {\"conv1\": {\"median\": 8}, \"b\": "
    "{\"median\": 1}, \"fc\": {\"median\": 1}}, \"update\": {\"conv1\": "
    "{\"median\": 0.25}}}}\n\n");

static void listen_here(struct place *p, char *url, size_t size)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;

    p->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(p->listener, (struct sockaddr *)&at, len), 0);
    assert_int_equal(listen(p->listener, 1), 0);
    getsockname(p->listener, (struct sockaddr *)&at, &len);
    snprintf(url, size, "http://127.0.0.1:%d", ntohs(at.sin_port));
}

static int set_up(void **state)
{
    static char *argv[] = {(char *)"gradwatch", (char *)"watch", (char *)"7",
                           NULL};
    struct winsize size = {.ws_row = 24, .ws_col = 80};
    struct place *p = xcalloc(1, sizeof *p);
    char request[CANNED_REQUEST] = "", url[64];

    listen_here(p, url, sizeof url);
    p->pid = forkpty(&p->tty, NULL, NULL, &size);
    if (p->pid == 0) {
        setenv("TERM", "xterm", 1);
        signal(SIGHUP, SIG_DFL);        // nohup, if it runs this, ignores it
        client_exec(url, argv);
    }
    tcgetattr(p->tty, &p->before);
    p->stream = accept(p->listener, NULL, NULL);
    canned_read(p->stream, request);
    *state = p;
    return write(p->stream, stream, sizeof stream - 1) ==
           (ssize_t)sizeof stream - 1 ? 0 : -1;
}

static int tear_down(void **state)
{
    struct place *p = *state;

    if (p->pid) {
        kill(p->pid, SIGKILL);
        waitpid(p->pid, NULL, 0);
    }
    close(p->stream);
    close(p->listener);
    close(p->tty);
    free(p);
    return 0;
}

// Reads on; false at the end, or when nothing comes for too long.
static bool read_on(struct place *p)
{
    struct pollfd fd = {.fd = p->tty, .events = POLLIN};

    if (p->got == sizeof p->text - 1 || poll(&fd, 1, PATIENCE * 1000) <= 0)
        return false;
    ssize_t n = read(p->tty, p->text + p->got, sizeof p->text - 1 - p->got);
    if (n <= 0)
        return false;
    p->got += (size_t)n;
    p->text[p->got] = 0;
    return true;
}

// Waits until `part` has come since the last time; what came until then is old.
static void expect(struct place *p, const char *part)
{
    char *at;

    while (!(at = strstr(p->text + p->seen, part)))
        if (!read_on(p))
            fail_msg("\"%s\" never came after \"%s\"", part,
                     p->text + p->seen);
    p->seen = (size_t)(at - p->text) + strlen(part);
}

static void press(struct place *p, const char *keys)
{
    ssize_t n = (ssize_t)strlen(keys);

    assert_int_equal(write(p->tty, keys, (size_t)n), n);
}

// To its end; its exit status. The terminal is as it was.
static int finish(struct place *p)
{
    struct termios after;
    int status;

    while (read_on(p))
        ;
    waitpid(p->pid, &status, 0);
    p->pid = 0;
    tcgetattr(p->tty, &after);
    assert_int_equal(after.c_lflag, p->before.c_lflag);
    const char *enter = strstr(p->text, "\033[?1049h\033[?25l");
    assert_non_null(enter);
    assert_non_null(strstr(enter, "\033[?25h\033[?1049l"));
    assert_null(strstr(p->text, "\033[35m"));
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void test_keys(void **state)
{
    struct place *p = *state;

    expect(p, "grad_out, epoch 2");
    expect(p, "8.00 \u2191");           // it was 4
    expect(p, "left/right epoch  ? help");
    press(p, "\t");
    expect(p, "update, epoch 2");
    expect(p, "0.250 \u2193");
    press(p, "\033[D");                 // left
    expect(p, "update, epoch 1");
    expect(p, "0.500");
    press(p, "\tl");
    expect(p, "grad_out, epoch 1");
    expect(p, "\nb ");                  // not one of the notebook's layers
    press(p, "\033OC");                 // right, of another mode
    expect(p, "grad_out, epoch 2");
    press(p, "?");
    expect(p, "the next quantity");
    press(p, "\033[99~x?");             // nobody's
    expect(p, "grad_out, epoch 2");
    press(p, "q");
    assert_int_equal(finish(p), 130);
    // The last picture stays, behind what belongs to the other screen.
    const char *after = strstr(p->text + p->seen, "\033[?1049l");
    assert_has(after, "grad_out, epoch 2");
    assert_has(after, "job 7 goes on; end it with: gradwatch cancel 7");
}

static void test_resizing(void **state)
{
    static const struct winsize sizes[] = {
        {.ws_row = 10, .ws_col = 40}, {.ws_row = 40, .ws_col = 120},
        {.ws_row = 5, .ws_col = 12}, {.ws_row = 24, .ws_col = 80}};
    struct place *p = *state;

    expect(p, "grad_out, epoch 2");
    for (int i = 0; i < 4; i++) {
        ioctl(p->tty, TIOCSWINSZ, &sizes[i]);
        expect(p, "\033[H\033[2J");
        size_t from = p->seen;
        expect(p, "\033[J");
        // Lines are counted, so that the screen never scrolls.
        int lines = 0;
        for (size_t k = from; k < p->seen; k++)
            lines += p->text[k] == '\n';
        assert_in_range(lines, 1, sizes[i].ws_row > 6 ? sizes[i].ws_row - 1
                                                      : 6);
    }
    press(p, "q");
    assert_int_equal(finish(p), 130);
}

static void test_ctrl_z_gives_the_terminal_back(void **state)
{
    struct place *p = *state;
    struct termios now;
    int status;

    expect(p, "grad_out, epoch 2");
    tcgetattr(p->tty, &now);
    assert_int_equal(now.c_lflag & ICANON, 0);
    press(p, "\032");
    expect(p, "\033[?1049l");
    assert_int_equal(waitpid(p->pid, &status, WUNTRACED), p->pid);
    assert_true(WIFSTOPPED(status));
    tcgetattr(p->tty, &now);
    assert_int_equal(now.c_lflag, p->before.c_lflag);
    kill(p->pid, SIGCONT);
    expect(p, "\033[?1049h");
    expect(p, "grad_out, epoch 2");
    tcgetattr(p->tty, &now);
    assert_int_equal(now.c_lflag & ICANON, 0);
    press(p, "q");
    assert_int_equal(finish(p), 130);
}

static void test_signals_give_the_terminal_back(void **state)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};

    for (int i = 0; i < 3; i++) {
        if (i) {
            tear_down(state);
            set_up(state);
        }
        struct place *p = *state;
        expect(p, "grad_out, epoch 2");
        if (i == 0)
            press(p, "\003");           // Ctrl-C
        else
            kill(p->pid, signals[i]);
        assert_int_equal(finish(p), 130);
    }
}

static void test_the_end_of_the_job(void **state)
{
    struct place *p = *state;
    static const char end[] =
        "id: 5\ndata: {\"type\": \"finished\", \"state\": \"diverged\", "
        "\"reason\": \"loss\\u001b[35m\"}\n\n";

    expect(p, "grad_out, epoch 2");
    assert_int_equal(write(p->stream, end, sizeof end - 1), sizeof end - 1);
    assert_int_equal(finish(p), 1);
    assert_has(strstr(p->text + p->seen, "\033[?1049l"),
               "diverged: loss\\x1b[35m");
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        ROW(test_keys),
        ROW(test_resizing),
        ROW(test_ctrl_z_gives_the_terminal_back),
        ROW(test_signals_give_the_terminal_back),
        ROW(test_the_end_of_the_job),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
