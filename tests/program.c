#include "program.h"

#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_ARGS = 16 };

static void program_path(char out[PATH_MAX])
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

    self[n > 0 ? n : 0] = 0;
    const char *other = getenv("GRADWATCH_TEST_WORKER");
    if (other && *other == '/')
        snprintf(out, PATH_MAX, "%s", other);
    else
        snprintf(out, PATH_MAX, "%.3000s/%s", dirname(self),
                 other ? other : "../worker/gradwatch-train");
}

// In the child; does not return.
static void become(const char *path, const char *const *args, int in, int out)
{
    const char *argv[MAX_ARGS] = { "gradwatch-train" };
    int null = open("/dev/null", O_WRONLY);

    for (int i = 0; args && args[i] && i + 2 < MAX_ARGS; i++)
        argv[i + 1] = args[i];
    dup2(in, 0);
    dup2(out, 1);
    if (!getenv("GRADWATCH_LOG"))       // set it to see the log
        dup2(null, 2);
    execv(path, (char **)argv);
    _exit(127);
}

struct program program_start(const char *spec, const char *const *args)
{
    int in[2], out[2];
    char path[PATH_MAX];
    size_t len = strlen(spec);

    program_path(path);
    // A spec fits into a pipe, so that nobody has to read while it is written.
    if (len > 60000 || pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC))
        abort();
    pid_t pid = fork();
    if (pid == 0)
        become(path, args, in[0], out[1]);
    close(in[0]);
    close(out[1]);
    if (pid < 0 || write(in[1], spec, len) != (ssize_t)len)
        abort();
    close(in[1]);
    return (struct program){ pid, fdopen(out[0], "r") };
}

json_t *program_next(struct program *p)
{
    char *line = NULL;
    size_t size = 0;
    json_t *event = NULL;

    if (getline(&line, &size, p->events) > 0) {
        event = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
        if (!event)
            abort();                    // a line that is not JSON
    }
    free(line);
    return event;
}

int program_end(struct program *p)
{
    int status = 0;

    if (p->events)
        fclose(p->events);
    waitpid(p->pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int program_run(const char *spec, const char *const *args, json_t **events)
{
    struct program p = program_start(spec, args);
    json_t *event;

    *events = json_array();
    while ((event = program_next(&p)))
        json_array_append_new(*events, event);
    return program_end(&p);
}
