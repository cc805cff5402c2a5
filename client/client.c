#include "client/client.h"

#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "client/text.h"
#include "common/mem.h"

static volatile sig_atomic_t interrupted;

static void interrupt(int signal)
{
    (void)signal;
    interrupted = 1;
}

void client_catch_interrupts(void)
{
    struct sigaction action = {.sa_handler = interrupt}, was;

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    // The terminal is gone; under nohup it may.
    if (!sigaction(SIGHUP, NULL, &was) && was.sa_handler != SIG_IGN)
        sigaction(SIGHUP, &action, NULL);
}

bool client_interrupted(void)
{
    return interrupted;
}

// What is said, with nothing in it that would control a terminal: words of the
// command line, of files and of answers may be in it.
static char *vtext(const char *fmt, va_list args)
{
    char *text = NULL;

    if (vasprintf(&text, fmt, args) < 0)
        abort();                // out of memory
    char *clean = text_clean(text, true);
    free(text);
    return clean;
}

void client_say(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    char *text = vtext(fmt, args);
    va_end(args);
    fprintf(stderr, "gradwatch: %s\n", text);
    free(text);
}

int client_refuse(const char *command, const char *fmt, ...)
{
    struct error err = {.code = ERR_USAGE};
    char *program = xasprintf("gradwatch %s", command);
    va_list args;

    va_start(args, fmt);
    char *text = vtext(fmt, args);
    va_end(args);
    snprintf(err.text, sizeof err.text, "%s", text);
    free(text);
    int rc = opts_refuse(*command ? program : "gradwatch", &err);
    free(program);
    return rc;
}

int client_id(struct client *c, const char *command, int i, json_int_t *id)
{
    const char *word = c->opts.words[i];
    size_t len = strlen(word);

    if (!len || len > 18 || strspn(word, "0123456789") != len || *word == '0')
        return client_refuse(command, "%s is not a job's id, must be a number "
                             "as in gradwatch list", word);
    *id = strtoll(word, NULL, 10);
    return 0;
}

void client_measure(struct client *c)
{
    struct winsize size = {0};

    ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    c->columns = size.ws_col ? size.ws_col : 80;
    c->rows = size.ws_row ? size.ws_row : 24;
}
