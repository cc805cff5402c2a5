/* daemon/routes_checkpoints.c: a job's checkpoints, listed and handed out. */
#include "daemon/routes.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "common/mem.h"
#include "common/sha256.h"
#include "daemon/checkpoints.h"

// What was said of them when they were stored; NULL with the problem in rp.
static json_t *known(struct request *rq, struct reply *rp)
{
    struct job_row row = { 0 };
    struct error err = { 0 };
    json_t *list = NULL;

    if (store_job(rq->server->store, rq->id, &row, &err) != 0) {
        reply_error(rp, &err);
    } else {
        json_t *summary = json_loads(row.summary, 0, NULL);
        list = json_incref(json_object_get(summary, "checkpoints"));
        json_decref(summary);
        if (!list)
            list = json_array();
    }
    job_row_clear(&row);
    return list;
}

static char *path_of(struct request *rq, int64_t epoch)
{
    char *dir = checkpoints_of(rq->server, rq->id);
    char name[CHECKPOINTS_NAME];

    checkpoints_name(epoch, name);
    char *path = xasprintf("%s/%s", dir, name);
    free(dir);
    return path;
}

void routes_checkpoints(struct request *rq, struct reply *rp)
{
    json_t *list = known(rq, rp), *out = json_array(), *row;
    size_t i;

    json_array_foreach(list, i, row) {
        int64_t epoch = json_integer_value(json_object_get(row, "epoch"));
        char *path = path_of(rq, epoch);
        if (access(path, F_OK) == 0) {
            char *href = xasprintf("/api/v1/jobs/%" PRId64 "/checkpoints/%"
                                   PRId64, rq->id, epoch);
            json_object_set_new(row, "href", json_string(href));
            json_array_append(out, row);
            free(href);
        }
        free(path);
    }
    if (list)
        reply_json(rp, 200, json_pack("{s:I, s:O}", "job", (json_int_t)rq->id,
                                      "checkpoints", out));
    json_decref(out);
    json_decref(list);
}

// Whether the open file is what was written then.
static bool is_whole(int fd, const json_t *row)
{
    const char *want = json_string_value(json_object_get(row, "sha256"));
    char got[SHA256_TEXT], *chunk = xmalloc(1 << 16);
    struct sha256 sha;
    off_t at = 0;
    ssize_t n;

    sha256_begin(&sha);
    while ((n = pread(fd, chunk, 1 << 16, at)) > 0) {
        sha256_add(&sha, chunk, (size_t)n);
        at += n;
    }
    sha256_end(&sha, got);
    free(chunk);
    return n == 0 && want && !strcmp(want, got);
}

// Takes fd.
static void hand_out(struct request *rq, struct reply *rp, int fd,
                     const json_t *row)
{
    struct stat st;
    int64_t epoch = json_integer_value(json_object_get(row, "epoch"));
    const char *sum = json_string_value(json_object_get(row, "sha256"));

    if (fstat(fd, &st) != 0 || !is_whole(fd, row)) {
        log_error("job %" PRId64 ": the checkpoint of epoch %" PRId64
                  " is damaged on disk", rq->id, epoch);
        reply_problem(rp, 500, NULL, "the checkpoint of epoch %" PRId64
                      " is damaged on disk", epoch);
        close(fd);
        return;
    }
    rp->type = "application/octet-stream";
    reply_header(rp, "ETag", "\"%s\"", sum);
    reply_header(rp, "Content-Disposition",
                 "attachment; filename=\"job-%" PRId64 "-epoch-%" PRId64
                 ".safetensors\"", rq->id, epoch);
    rp->stream = MHD_create_response_from_fd64((uint64_t)st.st_size, fd);
}

// {epoch} is a number, or "last".
void routes_checkpoint(struct request *rq, struct reply *rp)
{
    json_t *list = known(rq, rp), *found = NULL, *row;
    char number[24];
    size_t i;

    if (!list)
        return;
    json_array_foreach(list, i, row) {
        snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT,
                 json_integer_value(json_object_get(row, "epoch")));
        if (!strcmp(rq->word, number) || !strcmp(rq->word, "last"))
            found = row;
    }
    int fd = -1;
    if (found) {
        char *path = path_of(rq, json_integer_value(json_object_get(found,
                                                                    "epoch")));
        fd = open(path, O_RDONLY | O_CLOEXEC);
        free(path);
    }
    if (fd < 0)
        reply_problem(rp, 404, NULL, "job %" PRId64 " has no checkpoint of "
                      "epoch %.20s", rq->id, rq->word);
    else
        hand_out(rq, rp, fd, found);
    json_decref(list);
}
