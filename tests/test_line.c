// common/line.c: whole lines out of pipes, whatever pieces they come in.
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/line.h"

struct pair { int in, out; struct line_reader *r; };

static struct pair pair_open(size_t longest)
{
    int fd[2];
    assert_int_equal(pipe2(fd, O_NONBLOCK | O_CLOEXEC), 0);
    return (struct pair){ fd[1], fd[0], line_new(fd[0], longest) };
}

static void put(struct pair *p, const char *text)
{
    assert_int_equal(write(p->in, text, strlen(text)), (int)strlen(text));
}

static void hang_up(struct pair *p)
{
    close(p->in);
    p->in = -1;
}

static void pair_close(struct pair *p)
{
    line_free(p->r);
    if (p->in >= 0)
        close(p->in);
    close(p->out);
}

// Expects the next line, or with NULL that there is none now.
static void expect(struct pair *p, const char *want, bool want_end)
{
    struct error err = { 0 };
    size_t len = 0;
    bool end = false;
    const char *line = line_next(p->r, &len, &end, &err);

    assert_int_equal(err.code, 0);
    if (want) {
        assert_non_null(line);
        assert_string_equal(line, want);
        assert_int_equal(len, strlen(want));
    } else {
        assert_null(line);
    }
    assert_int_equal(end, want_end);
}

static void lines_come_whole_from_any_pieces(void **state)
{
    (void)state;
    struct pair p = pair_open(100);
    expect(&p, NULL, false);
    put(&p, "on");
    expect(&p, NULL, false);
    put(&p, "e\n\ntwo\nthr");
    expect(&p, "one", false);
    expect(&p, "", false);
    expect(&p, "two", false);
    expect(&p, NULL, false);
    put(&p, "ee\n");
    expect(&p, "three", false);
    pair_close(&p);
}

static void a_last_piece_without_newline_is_dropped(void **state)
{
    (void)state;
    struct pair p = pair_open(100);
    put(&p, "whole\npart");
    hang_up(&p);
    expect(&p, "whole", false);
    expect(&p, NULL, true);
    expect(&p, NULL, true);
    pair_close(&p);
}

static void the_longest_line_passes_and_one_byte_more_fails(void **state)
{
    (void)state;
    struct pair p = pair_open(5);
    struct error err = { 0 };
    size_t len;
    bool end;

    put(&p, "12345\n12345\n");
    expect(&p, "12345", false);
    expect(&p, "12345", false);
    put(&p, "123456");
    assert_null(line_next(p.r, &len, &end, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_true(end);
    assert_non_null(strstr(err.text, "5 bytes"));
    put(&p, "\nok\n");          // a failed reader stays failed
    assert_null(line_next(p.r, &len, &end, &err));
    assert_true(end);
    pair_close(&p);
}

static void lines_longer_than_a_pipe_are_put_together(void **state)
{
    (void)state;
    enum { LONG = 1 << 20 };
    struct pair p = pair_open(LONG);
    struct error err = { 0 };
    char *text = malloc(LONG + 1);
    size_t sent = 0, len = 0;
    bool end = false;
    const char *line = NULL;

    for (size_t i = 0; i < LONG; i++)
        text[i] = (char)('a' + i % 26);
    text[LONG] = '\n';
    while (!line) {
        ssize_t n = write(p.in, text + sent, LONG + 1 - sent);
        if (n > 0)
            sent += (size_t)n;
        line = line_next(p.r, &len, &end, &err);
        assert_int_equal(err.code, 0);
    }
    assert_int_equal(len, LONG);
    assert_memory_equal(line, text, LONG);
    free(text);
    pair_close(&p);
}

static void a_nul_byte_shows_in_the_length(void **state)
{
    (void)state;
    struct pair p = pair_open(100);
    struct error err = { 0 };
    size_t len = 0;
    bool end;

    assert_int_equal(write(p.in, "a\0b\n", 4), 4);
    assert_non_null(line_next(p.r, &len, &end, &err));
    assert_int_equal(len, 3);
    pair_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_come_whole_from_any_pieces),
        cmocka_unit_test(a_last_piece_without_newline_is_dropped),
        cmocka_unit_test(the_longest_line_passes_and_one_byte_more_fails),
        cmocka_unit_test(lines_longer_than_a_pipe_are_put_together),
        cmocka_unit_test(a_nul_byte_shows_in_the_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
