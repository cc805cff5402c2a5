/* What the daemon would say of jobs that ran without it. Events are what
 * gradwatch-train prints.
 *
 *   judge < EVENTS             the verdict, as JSON
 *   judge A... B...            as many files as before: the second half of
 *                              them compared with the first, as JSON
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "daemon/compare.h"
#include "daemon/views.h"

enum { MOST = 64 };

static int read_events(FILE *f, struct history *h, struct error *err)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t len;
    int rc = 0;

    while (!rc && (len = getline(&line, &room, f)) > 0)
        rc = history_add(h, line, (size_t)len, err);
    free(line);
    return rc;
}

static int take(const char *path, int64_t job, struct compare_run **out,
                struct error *err)
{
    FILE *f = fopen(path, "r");
    struct history *h = history_new();
    int rc = f ? read_events(f, h, err)
               : fail(err, ERR_IO, "cannot open %s: %s", path, strerror(errno));

    if (!rc)
        rc = compare_take(h, job, -1, out, err);
    history_free(h);
    if (f)
        fclose(f);
    return rc;
}

static json_t *compare_files(char **paths, int n, struct error *err)
{
    struct compare_run *runs[MOST] = { 0 };
    struct view_query q = { .quantity = -1 };
    json_t *answer = NULL;
    int i = 0;

    while (i < n && !take(paths[i], i + 1, &runs[i], err))
        i++;
    if (i == n)
        answer = compare_runs(runs, n / 2, runs + n / 2, n / 2, &q, err);
    for (i = 0; i < n; i++)
        compare_free(runs[i]);
    return answer;
}

int main(int argc, char **argv)
{
    struct view_query q = { .job = 1, .quantity = -1 };
    struct error err = { 0 };
    json_t *answer = NULL;

    if (argc % 2 == 0 || argc > MOST) {
        fputs("usage: judge < EVENTS, or judge A... B... (files)\n", stderr);
        return 2;
    }
    if (argc > 1) {
        answer = compare_files(argv + 1, argc - 1, &err);
    } else {
        struct history *h = history_new();
        if (!read_events(stdin, h, &err))
            answer = view_verdict(h, &q, &err);
        history_free(h);
    }
    if (answer)
        json_dumpf(answer, stdout, JSON_INDENT(1));
    else
        fprintf(stderr, "judge: %s\n", err.text);
    json_decref(answer);
    return answer ? 0 : 1;
}
