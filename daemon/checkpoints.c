#include "daemon/checkpoints.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "common/mem.h"

static const char init_stem[] = "init-", tail[] = ".safetensors";

char *checkpoints_of(const struct server *s, int64_t job)
{
    return xasprintf("%s/%" PRId64, s->checkpoints, job);
}

void checkpoints_name(int64_t epoch, char out[CHECKPOINTS_NAME])
{
    snprintf(out, CHECKPOINTS_NAME, "epoch-%06" PRId64 "%s", epoch, tail);
}

void checkpoints_remove(const struct server *s, int64_t job)
{
    char *dir = checkpoints_of(s, job);
    DIR *d = opendir(dir);
    struct dirent *e;

    while (d && (e = readdir(d)))
        if (e->d_name[0] != '.' && unlinkat(dirfd(d), e->d_name, 0) != 0)
            log_warn("cannot remove %s/%s: %s", dir, e->d_name,
                     strerror(errno));
    if (d)
        closedir(d);
    rmdir(dir);
    free(dir);
}

// The checksum in the name of an adopted file; false of any other name.
static bool sum_in(const char *name, char sha256[SHA256_TEXT])
{
    size_t stem = sizeof init_stem - 1, digits = SHA256_TEXT - 1;

    if (strlen(name) != stem + digits + sizeof tail - 1 ||
        strncmp(name, init_stem, stem) || strcmp(name + stem + digits, tail))
        return false;
    memcpy(sha256, name + stem, digits);
    sha256[digits] = '\0';
    return true;
}

// One that an attempt before has adopted.
static char *find_adopted(const char *dir, char sha256[SHA256_TEXT])
{
    DIR *d = opendir(dir);
    struct dirent *e;
    char *path = NULL;

    while (d && !path && (e = readdir(d)))
        if (sum_in(e->d_name, sha256))
            path = xasprintf("%s/%s", dir, e->d_name);
    if (d)
        closedir(d);
    return path;
}

// The newest one that is told of: its file and checksum. *ended: whether no
// other can come.
static int find_newest(const struct server *s, int64_t job, char **path,
                       char sha256[SHA256_TEXT], bool *ended,
                       struct error *err)
{
    struct job_row row = { 0 };
    int rc = store_job(s->store, job, &row, err);

    *ended = true;
    if (rc)
        return rc;
    *ended = queue_is_ended(row.state);
    json_t *summary = json_loads(row.summary, 0, NULL);
    const json_t *list = json_object_get(summary, "checkpoints");
    const json_t *last = json_array_get(list, json_array_size(list) - 1);
    const char *sum = json_string_value(json_object_get(last, "sha256"));
    if (!sum || strlen(sum) != SHA256_TEXT - 1) {
        rc = fail(err, ERR_NOT_FOUND, "job %" PRId64 " has no checkpoint", job);
    } else {
        char *dir = checkpoints_of(s, job), name[CHECKPOINTS_NAME];
        checkpoints_name(json_integer_value(json_object_get(last, "epoch")),
                         name);
        *path = xasprintf("%s/%s", dir, name);
        memcpy(sha256, sum, SHA256_TEXT);
        free(dir);
    }
    json_decref(summary);
    job_row_clear(&row);
    return rc;
}

int checkpoints_expect(const struct server *s, int64_t from, struct error *err)
{
    char *path = NULL, sha256[SHA256_TEXT];
    bool ended;
    int rc = find_newest(s, from, &path, sha256, &ended, err);

    free(path);
    return rc == ERR_NOT_FOUND && !ended ? 0 : rc;
}

int checkpoints_adopt(const struct server *s, int64_t job, int64_t from,
                      char **path, char sha256[SHA256_TEXT],
                      struct error *err)
{
    char *dir = checkpoints_of(s, job), *newest = NULL;
    bool ended;

    *path = find_adopted(dir, sha256);
    int rc = *path ? 0 : find_newest(s, from, &newest, sha256, &ended, err);
    if (!rc && newest) {
        *path = xasprintf("%s/%s%s%s", dir, init_stem, sha256, tail);
        // Another name for the same file, which nobody ever changes.
        if ((mkdir(dir, 0700) != 0 && errno != EEXIST) ||
            link(newest, *path) != 0)
            rc = fail(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO,
                      "cannot take the weights of job %" PRId64 " from %s: %s",
                      from, newest, strerror(errno));
    }
    free(newest);
    free(dir);
    return rc;
}
