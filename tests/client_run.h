/* tests/client_run.h: the program `gradwatch`, run to its end. */
#pragma once
#include <libgen.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "clean.h"

enum { MOST_ARGS = 24, MOST_OUTPUT = 1 << 16 };

struct ran {
    int  status;                // minus the signal that ended it
    char out[MOST_OUTPUT], err[MOST_OUTPUT];
};

// Before main(): what a test sets itself is for the program.
__attribute__((constructor)) static void client_clean(void)
{
    clean_environment();
}

// Becomes ../client/gradwatch, seen from this test.
static inline void client_exec(const char *server, char **argv)
{
    char self[PATH_MAX], path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

    self[n > 0 ? n : 0] = 0;
    snprintf(path, sizeof path, "%.3000s/../client/gradwatch", dirname(self));
    setenv("GRADWATCH_SERVER", server, 1);
    setenv("XDG_STATE_HOME", "/nonexistent", 0);        // no token of others
    setenv("LC_ALL", "C.UTF-8", 1);
    setenv("http_proxy", "http://127.0.0.1:9", 1);      // must not be asked
    execv(path, argv);
    _exit(126);
}

static inline void client_take(int fd, char *text)
{
    ssize_t n = pread(fd, text, MOST_OUTPUT - 1, 0);

    text[n < 0 ? 0 : n] = 0;
    close(fd);
}

// Runs `gradwatch ARGS...`, which end with NULL, on an input.
static inline void client_run(struct ran *r, const char *server,
                              const char *input, ...)
{
    char *argv[MOST_ARGS] = {(char *)"gradwatch"};
    int out = memfd_create("out", MFD_CLOEXEC);
    int err = memfd_create("err", MFD_CLOEXEC);
    int in = memfd_create("in", MFD_CLOEXEC), status;
    va_list args;

    va_start(args, input);
    for (int i = 1; i < MOST_ARGS && (argv[i] = va_arg(args, char *)); i++)
        ;
    va_end(args);
    if (pwrite(in, input, strlen(input), 0) != (ssize_t)strlen(input))
        abort();
    pid_t pid = fork();
    if (pid == 0) {
        dup2(in, 0);
        dup2(out, 1);
        dup2(err, 2);
        client_exec(server, argv);
    }
    waitpid(pid, &status, 0);
    r->status = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    close(in);
    client_take(out, r->out);
    client_take(err, r->err);
}
