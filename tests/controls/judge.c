/* Reads a job's events (what gradwatch-train prints) on stdin and prints its
 * verdict as JSON. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "daemon/views.h"

int main(void)
{
    struct history *h = history_new();
    struct view_query q = { .job = 1, .quantity = -1 };
    struct error err = { 0 };
    char *line = NULL;
    size_t room = 0;
    ssize_t len;
    int rc = 0;

    while (!rc && (len = getline(&line, &room, stdin)) > 0)
        rc = history_add(h, line, (size_t)len, &err);
    json_t *verdict = rc ? NULL : view_verdict(h, &q, &err);
    if (verdict)
        json_dumpf(verdict, stdout, JSON_INDENT(1));
    else
        fprintf(stderr, "judge: %s\n", err.text);
    json_decref(verdict);
    history_free(h);
    free(line);
    return rc ? 1 : 0;
}
