#include "client/terminal.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

// xterm's other screen, and the cursor.
#define ENTER "\033[?1049h\033[?25l\033[2J"
#define LEAVE "\033[?25h\033[?1049l"

static volatile sig_atomic_t changed;
static volatile sig_atomic_t begun, keys;
static bool deaf;               // the other end of stdin is gone
static struct termios before, raw;

// What a signal handler may call.
static void say(const char *bytes, size_t len)
{
    (void)!write(STDOUT_FILENO, bytes, len);
}

static void take(void)
{
    if (keys)
        tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
    say(ENTER, sizeof ENTER - 1);
    changed = 1;
}

static void give_back(void)
{
    say(LEAVE, sizeof LEAVE - 1);
    if (keys)
        tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
}

static void on_signal(int signal)
{
    if (!begun)
        return;
    if (signal == SIGTSTP) {
        give_back();
        raise(SIGSTOP);         // goes on in the handler of SIGCONT
    } else if (signal == SIGCONT) {
        take();
    }
    changed = 1;
}

void terminal_begin(void)
{
    static const int signals[] = {SIGTSTP, SIGCONT, SIGWINCH};
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    static bool once;

    if (begun)
        return;
    // In the background the terminal is another's.
    keys = isatty(STDIN_FILENO) && tcgetpgrp(STDIN_FILENO) == getpgrp() &&
           !tcgetattr(STDIN_FILENO, &before);
    raw = before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    fflush(stdout);
    begun = 1;
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaction(signals[i], &action, NULL);
    if (!once)
        atexit(terminal_end);
    once = true;
    take();
}

void terminal_end(void)
{
    if (!begun)
        return;
    fflush(stdout);
    begun = 0;
    give_back();
}

bool terminal_keys(void)
{
    return begun && keys && !deaf;
}

bool terminal_changed(void)
{
    bool was = changed;

    changed = 0;
    return was;
}

/* ---- keys ---- */

static const struct { const char *bytes; int key; } sequences[] = {
    {"[A", KEY_UP}, {"[B", KEY_DOWN}, {"[C", KEY_RIGHT}, {"[D", KEY_LEFT},
    {"OA", KEY_UP}, {"OB", KEY_DOWN}, {"OC", KEY_RIGHT}, {"OD", KEY_LEFT},
    {"[H", KEY_HOME}, {"[F", KEY_END}, {"OH", KEY_HOME}, {"OF", KEY_END},
    {"[1~", KEY_HOME}, {"[4~", KEY_END}, {"[5~", KEY_PAGE_UP},
    {"[6~", KEY_PAGE_DOWN}, {"[7~", KEY_HOME}, {"[8~", KEY_END},
};
enum { LONGEST = 8 };

static int next_byte(void)
{
    struct pollfd fd = {.fd = STDIN_FILENO, .events = POLLIN};
    unsigned char byte;

    if (deaf || poll(&fd, 1, 0) <= 0)
        return -1;
    if (read(STDIN_FILENO, &byte, 1) == 1)
        return byte;
    deaf = true;
    return -1;
}

// What comes after an escape; all of it is read, known or not.
static int escaped(void)
{
    char bytes[LONGEST + 1] = "";
    int n = 0, byte;

    while (n < LONGEST && (byte = next_byte()) >= 0) {
        bytes[n++] = (char)byte;
        if (n > 1 && byte >= '@' && byte <= '~')
            break;
    }
    for (size_t i = 0; i < sizeof sequences / sizeof *sequences; i++)
        if (!strcmp(sequences[i].bytes, bytes))
            return sequences[i].key;
    return KEY_NONE;
}

int terminal_key(void)
{
    if (!terminal_keys())
        return KEY_NONE;
    for (int byte; (byte = next_byte()) >= 0;) {
        int key = byte == '\033' ? escaped() : byte;
        if (key)
            return key;
    }
    return KEY_NONE;
}

/* ---- pictures ---- */

void terminal_draw(const char *picture, bool anew)
{
    fputs(anew ? "\033[H\033[2J" : "\033[H", stdout);
    for (const char *line = picture; *line;) {
        size_t len = strcspn(line, "\n");
        printf("%.*s\033[K\n", (int)len, line);
        line += len + (line[len] == '\n');
    }
    fputs("\033[J", stdout);
    fflush(stdout);
}
