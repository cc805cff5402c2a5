/* worker/data_cifar.c: data.source "cifar10": the binary version.
 *
 * https://www.cs.toronto.edu/~kriz/cifar.html: files of records, each a byte
 * with the class and 1024 bytes each of red, green and blue, row by row. A
 * folder stands for its data_batch_*.bin, in the order of their names; a file,
 * such as test_batch.bin, for itself. Beside them lies batches.meta.txt, a
 * name of a class a line.
 */
#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/folder.h"
#include "common/mem.h"
#include "common/rng.h"
#include "worker/data_kind.h"
#include "worker/resize.h"
#include "worker/select.h"

enum {
    CIFAR_SIDE = 32, PLANE = CIFAR_SIDE * CIFAR_SIDE, ONE = 3 * PLANE,
    RECORD = 1 + ONE, MOST_RECORDS = 1 << 20, MOST_CLASSES = 256,
};

static void render(const struct data *d, int64_t i, uint8_t *pixels)
{
    resize_rgb(pixels, d->side, d->side, d->hold->raw + (size_t)i * ONE,
               CIFAR_SIDE, CIFAR_SIDE);
}

static void close_cifar(struct data *d)
{
    free(d->hold->raw);
    free(d->hold->labels);
}

// NULL: why says why not.
static FILE *open_file(const struct folder *f, const char *name,
                       const char **why)
{
    int fd = folder_open_file(f, name, why);

    return fd < 0 ? NULL : fdopen(fd, "r");
}

// Names of classes, up to the first empty line.
static int read_classes(struct data *d, const struct folder *f,
                        struct error *err)
{
    static const char name[] = "batches.meta.txt";
    const char *why = "";
    char line[256];
    FILE *in = open_file(f, name, &why);
    int rc = 0;

    d->classes = xcalloc(MOST_CLASSES, sizeof *d->classes);
    while (in && d->n_classes < MOST_CLASSES && fgets(line, sizeof line, in)) {
        line[strcspn(line, "\r\n")] = '\0';
        if (!*line)
            break;
        d->classes[d->n_classes++] = xstrdup(line);
    }
    if (!in)
        rc = fail(err, ERR_DATA, "cannot read %s/%s: %s", f->dir, name, why);
    else if (d->n_classes < 2)
        rc = fail(err, ERR_DATA, "%s/%s names %d classes; 2 are the least",
                  f->dir, name, d->n_classes);
    if (in)
        fclose(in);
    return rc;
}

static int take_record(struct data *d, const uint8_t *record, const char *path,
                       int64_t number, struct error *err)
{
    uint8_t *to = d->hold->raw + (size_t)d->n * ONE;

    if (record[0] >= d->n_classes)
        return fail(err, ERR_DATA, "record %" PRId64 " of %s is of class %d, "
                    "must be below %d", number, path, record[0], d->n_classes);
    for (int i = 0; i < PLANE; i++)
        for (int c = 0; c < 3; c++)
            *to++ = record[1 + c * PLANE + i];
    d->hold->labels[d->n++] = record[0];
    return 0;
}

static int read_file(struct data *d, const struct folder *f, const char *path,
                     const struct data_watch *watch, struct error *err)
{
    const char *why = "";
    FILE *in = open_file(f, path, &why);
    uint8_t record[RECORD];
    struct stat st;
    int rc = 0;

    if (!in || fstat(fileno(in), &st) != 0) {
        rc = fail(err, ERR_DATA, "cannot read %s/%s: %s", f->dir, path,
                  in ? strerror(errno) : why);
    } else if (st.st_size == 0 || st.st_size % RECORD != 0 ||
               d->n + st.st_size / RECORD > MOST_RECORDS) {
        rc = fail(err, ERR_DATA, "%s is %" PRId64 " bytes long, must be a "
                  "multiple of %d, at most %d of them in all", path,
                  (int64_t)st.st_size, RECORD, MOST_RECORDS);
    } else {
        int64_t more = st.st_size / RECORD;
        size_t all = (size_t)(d->n + more);

        d->hold->raw = xrealloc(d->hold->raw, all * ONE);
        d->hold->labels = xrealloc(d->hold->labels,
                                   all * sizeof *d->hold->labels);
        for (int64_t i = 0; i < more && !rc; i++) {
            if (fread(record, RECORD, 1, in) != 1)
                rc = fail(err, ERR_DATA, "%s became shorter", path);
            else
                rc = take_record(d, record, path, i, err);
        }
    }
    if (in)
        fclose(in);
    if (!rc && data_stopped(watch))
        rc = fail(err, ERR_STATE, "stopped while reading images");
    return rc;
}

static int is_batch(const struct dirent *e)
{
    return fnmatch("data_batch_*.bin", e->d_name, 0) == 0;
}

static int read_folder(struct data *d, const struct folder *f, DIR *dir,
                       const struct data_watch *watch, struct error *err)
{
    struct dirent **names = NULL;
    int n = scandirat(dirfd(dir), ".", &names, is_batch, alphasort), rc = 0;

    if (n <= 0)
        rc = fail(err, ERR_DATA, "no data_batch_*.bin in %s", f->dir);
    for (int i = 0; i < n; i++) {
        if (!rc)
            rc = read_file(d, f, names[i]->d_name, watch, err);
        free(names[i]);
    }
    free(names);
    return rc;
}

// Reads a folder's files, or the one file that f is.
static int read_all(struct data *d, struct folder *f,
                    const struct data_watch *watch, struct error *err)
{
    DIR *dir = folder_open_dir(f, "");
    int rc;

    if (dir) {
        rc = read_classes(d, f, err);
        if (!rc)
            rc = read_folder(d, f, dir, watch, err);
        closedir(dir);
        return rc;
    }
    char *slash = strrchr(f->dir, '/'), *name = xstrdup(slash + 1);
    slash[slash == f->dir] = '\0';      // f is its folder now
    rc = read_classes(d, f, err);
    if (!rc)
        rc = read_file(d, f, name, watch, err);
    free(name);
    return rc;
}

// Keeps `limit` images, one of each class in turn while there are any.
static void keep_some(struct data *d, int64_t limit, uint64_t seed)
{
    if (limit <= 0 || d->n <= limit)
        return;
    int64_t have[MOST_CLASSES], want[MOST_CLASSES] = { 0 }, kept = 0;
    bool *chosen = xcalloc((size_t)d->n, sizeof *chosen);

    select_count(d->hold->labels, d->n, d->n_classes, have);
    for (int64_t left = limit; left > 0;)
        for (int c = 0; c < d->n_classes && left > 0; c++)
            if (want[c] < have[c]) {
                want[c]++;
                left--;
            }
    select_images(d->hold->labels, d->n, d->n_classes, want, seed,
                  STREAM_LIMIT, chosen);
    for (int64_t i = 0; i < d->n; i++) {
        if (!chosen[i])
            continue;
        memmove(d->hold->raw + kept * ONE, d->hold->raw + i * ONE, ONE);
        d->hold->labels[kept++] = d->hold->labels[i];
    }
    d->n = kept;
    free(chosen);
}

int data_cifar_open(struct data *d, const struct job *job,
                    const char *root_dir, const struct data_cache *cache,
                    const struct data_watch *watch, struct error *err)
{
    struct folder *f = NULL;
    int rc = folder_open(root_dir, job->data.path, &f, err);

    (void)cache;
    d->hold->close = close_cifar;
    if (!rc)
        rc = read_all(d, f, watch, err);
    folder_free(f);
    if (rc)
        return rc;
    keep_some(d, job->data.limit, job->train.seed);
    d->labels = d->hold->labels;
    d->hold->render = render;
    if (d->side == CIFAR_SIDE)
        d->pixels = d->hold->raw;
    data_progress(watch, d->n, d->n);
    return 0;
}
