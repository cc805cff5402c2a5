#include "worker/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/crc32.h"
#include "common/event.h"
#include "common/mem.h"
#include "worker/checkpoint_content.h"

enum { CRC_DIGITS = 8, CRC_CHUNK = 1 << 16 };

static const char no_crc[] = "00000000";

// ---- between plan and bytes ------------------------------------------------

// buf has room for the largest tensor in doubles.
static int take(struct plan *p, const struct st_tensor *t,
                const struct source *from, void *buf, struct error *err)
{
    if (from->rows)
        memcpy(buf, from->rows->numbers, (size_t)st_bytes(t));
    else if (from->v == BAD_VAL)
        memcpy(buf, &from->count, sizeof from->count);
    else if (t->type == ST_F64)
        return p->backend->read_double(p, from->v, from->side, buf, err);
    else
        return p->backend->read(p, from->v, from->side, buf, err);
    return 0;
}

// As take(), the other way; numbers of the file's type, whatever the plan's.
static int put(struct plan *p, enum st_type type, const struct source *to,
               void *buf, struct error *err)
{
    int64_t n = graph_elements(p->graph, to->v);
    double *wide = buf;
    float *narrow = buf;

    if (type == ST_F64 && p->backend->write_double)
        return p->backend->write_double(p, to->v, to->side, wide, err);
    if (type == ST_F64)                 // in place: never ahead of the read
        for (int64_t i = 0; i < n; i++) {
            float x = (float)wide[i];
            memcpy(&narrow[i], &x, sizeof x);
        }
    return p->backend->write(p, to->v, to->side, narrow, err);
}

// ---- writing ---------------------------------------------------------------

void checkpoint_spec(const struct job *job, int64_t images,
                     char out[SHA256_TEXT])
{
    static const char *const other[] = {
        "name", "group", "priority", "after", "checkpoint" };
    json_t *spec = job_to_json(job);

    for (size_t i = 0; i < sizeof other / sizeof *other; i++)
        json_object_del(spec, other[i]);
    json_object_set_new(spec, "images", json_integer(images));
    char *text = event_text(spec);
    sha256_of(text, strlen(text), out);
    free(text);
    json_decref(spec);
}

const char checkpoint_partial[] = "partial.safetensors";

void checkpoint_name(int epoch, char out[CHECKPOINT_NAME])
{
    snprintf(out, CHECKPOINT_NAME, "epoch-%06d.safetensors", epoch);
}

static json_t *metadata_of(const struct checkpoint *c, const char *crc)
{
    char format[12], epoch[12], step[24];

    snprintf(format, sizeof format, "%d", CHECKPOINT_FORMAT);
    snprintf(epoch, sizeof epoch, "%d", c->epoch);
    snprintf(step, sizeof step, "%" PRId64, c->step);
    return json_pack("{s:s, s:s, s:s, s:s, s:s}", "format", format,
                     "epoch", epoch, "step", step, "spec", c->spec,
                     "crc32", crc);
}

static int write_all(int fd, const void *data, size_t n, struct error *err)
{
    for (const char *p = data; n > 0; ) {
        ssize_t done = write(fd, p, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return fail(err, errno == ENOSPC || errno == EDQUOT ? ERR_FULL
                        : ERR_IO, "cannot write: %s", strerror(errno));
        p += done;
        n -= (size_t)done;
    }
    return 0;
}

// The checksum of header and numbers.
static int checksum(struct plan *p, const struct content *all,
                    const uint8_t *header, size_t len, void *buf,
                    uint32_t *crc, struct error *err)
{
    int rc = 0;

    *crc = crc32_of(header, len);
    for (int i = 0; i < all->n && !rc; i++) {
        rc = take(p, &all->tensors[i], &all->sources[i], buf, err);
        if (!rc)
            *crc = crc32_add(*crc, buf, (size_t)st_bytes(&all->tensors[i]));
    }
    return rc;
}

// A partial one is written while somebody waits for the program to end, and
// nobody asks for its checksum: that costs as much as all the rest.
static int write_numbers(int fd, struct plan *p, const struct content *all,
                         const uint8_t *header, size_t len, void *buf,
                         bool partial, struct checkpoint_file *out,
                         struct error *err)
{
    struct sha256 sha;
    int rc = write_all(fd, header, len, err);

    sha256_begin(&sha);
    sha256_add(&sha, header, len);
    out->bytes = (int64_t)len;
    for (int i = 0; i < all->n && !rc; i++) {
        size_t n = (size_t)st_bytes(&all->tensors[i]);
        rc = take(p, &all->tensors[i], &all->sources[i], buf, err);
        if (rc)
            break;
        if (!partial)
            sha256_add(&sha, buf, n);
        out->bytes += (int64_t)n;
        rc = write_all(fd, buf, n, err);
    }
    if (!partial)
        sha256_end(&sha, out->sha256);
    return rc;
}

static int write_file(int fd, const struct checkpoint *c, struct plan *p,
                      struct checkpoint_file *out, struct error *err)
{
    struct content all;
    char text[CRC_DIGITS + 1];
    uint32_t crc;
    size_t len;

    content_of(&all, p, p->backend->steps(p), &c->rows);
    void *buf = xcalloc((size_t)all.most + 1, sizeof(double));
    json_t *about = metadata_of(c, no_crc);
    uint8_t *header = st_write_header(all.tensors, all.n, about, &len);
    int rc = checksum(p, &all, header, len, buf, &crc, err);
    if (!rc) {
        snprintf(text, sizeof text, "%08" PRIx32, crc);
        json_object_set_new(about, "crc32", json_string(text));
        free(header);
        header = st_write_header(all.tensors, all.n, about, &len);
        rc = write_numbers(fd, p, &all, header, len, buf, c->rows.n > 0, out,
                           err);
    }
    free(header);
    json_decref(about);
    free(buf);
    content_clear(&all);
    return rc;
}

// A folder's names are safe once it is synced.
static int sync_dir(const char *dir, struct error *err)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;

    if (fd < 0 || fsync(fd) != 0)
        rc = fail(err, ERR_IO, "cannot sync %s: %s", dir, strerror(errno));
    if (fd >= 0)
        close(fd);
    return rc;
}

int checkpoint_write(const char *dir, const struct checkpoint *c,
                     struct plan *p, struct checkpoint_file *out,
                     struct error *err)
{
    *out = (struct checkpoint_file){ 0 };
    if (c->rows.n)
        snprintf(out->name, sizeof out->name, "%s", checkpoint_partial);
    else
        checkpoint_name(c->epoch, out->name);
    char *path = xasprintf("%s/%s", dir, out->name);
    char *tmp = xasprintf("%s.tmp", path);
    int rc = 0, fd = -1;

    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        rc = fail(err, errno == ENOSPC ? ERR_FULL : ERR_IO,
                  "cannot make %s: %s", dir, strerror(errno));
    if (!rc && (fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
                          0600)) < 0)
        rc = fail(err, errno == ENOSPC ? ERR_FULL : ERR_IO,
                  "cannot open %s: %s", tmp, strerror(errno));
    if (!rc)
        rc = write_file(fd, c, p, out, err);
    if (!rc && fsync(fd) != 0)
        rc = fail(err, errno == ENOSPC || errno == EDQUOT ? ERR_FULL : ERR_IO,
                  "cannot sync %s: %s", tmp, strerror(errno));
    if (fd >= 0)
        close(fd);
    if (!rc && rename(tmp, path) != 0)
        rc = fail(err, ERR_IO, "cannot rename %s: %s", tmp, strerror(errno));
    if (!rc)
        rc = sync_dir(dir, err);
    else
        unlink(tmp);
    free(tmp);
    free(path);
    return rc;
}

// ---- reading ---------------------------------------------------------------

// A whole number of the metadata, as it is written: no sign, no leading zero.
static int read_number(const json_t *about, const char *key, int64_t most,
                       int64_t *out, struct error *err)
{
    const char *text = json_string_value(json_object_get(about, key));
    char back[24], *end;

    errno = 0;
    *out = text ? strtoll(text, &end, 10) : -1;
    snprintf(back, sizeof back, "%" PRId64, *out);
    if (!text || errno || *out < 0 || *out > most || strcmp(back, text) != 0)
        return fail(err, ERR_DATA, "its metadata has no %s from 0 to %" PRId64,
                    key, most);
    return 0;
}

static int read_about(const json_t *about, struct checkpoint *out,
                      struct error *err)
{
    const char *spec = json_string_value(json_object_get(about, "spec"));
    int64_t format, epoch;
    int rc = read_number(about, "format", INT32_MAX, &format, err);

    if (!rc && format != CHECKPOINT_FORMAT)
        rc = fail(err, ERR_DATA, "its format is %" PRId64 ", this program "
                  "knows %d", format, CHECKPOINT_FORMAT);
    if (!rc)
        rc = read_number(about, "epoch", INT32_MAX, &epoch, err);
    if (!rc)
        rc = read_number(about, "step", INT64_MAX, &out->step, err);
    if (!rc && (!spec || strlen(spec) != SHA256_TEXT - 1))
        rc = fail(err, ERR_DATA, "its metadata has no spec");
    if (rc)
        return rc;
    out->epoch = (int)epoch;
    memcpy(out->spec, spec, SHA256_TEXT);
    return 0;
}

// The file's checksum, its own digits taken as zeros, is what they say.
static int check_sum(int fd, const struct st_header *h, struct error *err)
{
    const char *text = json_string_value(json_object_get(h->metadata,
                                                         "crc32"));
    char *chunk = xmalloc(h->data_at > CRC_CHUNK ? h->data_at : CRC_CHUNK);
    uint32_t crc = 0;
    char *digits, got[CRC_DIGITS + 1] = "";
    ssize_t n = pread(fd, chunk, h->data_at, 0);
    uint64_t at = h->data_at;

    if (text && strlen(text) == CRC_DIGITS && n == (ssize_t)h->data_at) {
        char *mark = xasprintf("\"crc32\":\"%s\"", text);
        digits = memmem(chunk, h->data_at, mark, strlen(mark));
        free(mark);
        if (digits)
            memcpy(digits + strlen("\"crc32\":\""), no_crc, CRC_DIGITS);
        crc = crc32_of(chunk, h->data_at);
        while ((n = pread(fd, chunk, CRC_CHUNK, (off_t)at)) > 0) {
            crc = crc32_add(crc, chunk, (size_t)n);
            at += (uint64_t)n;
        }
        snprintf(got, sizeof got, "%08" PRIx32, crc);
    }
    free(chunk);
    if (!text || strcmp(got, text) != 0)
        return fail(err, ERR_DATA, "it is damaged: its checksum is %s, not %s",
                    got, text ? text : "there");
    return 0;
}

// "64 x 3 x 7 x 7 F32"
static void describe(const struct st_tensor *t, char *out, size_t size)
{
    static const char *const names[] = {
#define X(name, bytes) #name,
        ST_TYPES(X)
#undef X
    };
    size_t n = 0;

    *out = '\0';
    for (int i = 0; i < t->n_dims && n < size; i++)
        n += (size_t)snprintf(out + n, size - n, "%" PRId64 "%s", t->dims[i],
                              i + 1 < t->n_dims ? " x " : " ");
    if (n < size)
        snprintf(out + n, size - n, "%s", names[t->type]);
}

static int check_shape(const struct st_tensor *has,
                       const struct st_tensor *needs, struct error *err)
{
    bool same = has->n_dims == needs->n_dims &&
                !memcmp(has->dims, needs->dims,
                        (size_t)needs->n_dims * sizeof *needs->dims);
    bool type = needs->type == ST_I64 ? has->type == ST_I64
                                      : has->type == ST_F32 ||
                                        has->type == ST_F64;
    if (same && type)
        return 0;
    char is[128], wanted[128];
    describe(has, is, sizeof is);
    describe(needs, wanted, sizeof wanted);
    return fail(err, ERR_DATA, "it is of another network: its %s is %s, not "
                "%s", needs->name, is, wanted);
}

static int read_tensor(int fd, const struct st_header *h,
                       const struct st_tensor *needs,
                       const struct source *to, struct plan *p, void *buf,
                       struct error *err)
{
    const struct st_tensor *has = st_find(h, needs->name);

    if (!has)
        return fail(err, ERR_DATA, "it is of another network: it has no %s",
                    needs->name);
    int rc = check_shape(has, needs, err);
    if (!rc)
        rc = st_read(fd, h, has, buf, err);
    if (!rc && to->v != BAD_VAL)
        rc = put(p, has->type, to, buf, err);
    else if (!rc && !strcmp(needs->name, "optim.step")) {
        int64_t steps;
        memcpy(&steps, buf, sizeof steps);
        p->backend->set_steps(p, steps);
    }
    return rc;
}

static bool is_optim(const char *name)
{
    return !strncmp(name, "optim.", strlen("optim."));
}

static int read_rows(int fd, const struct st_header *h, struct rows *rows,
                     struct error *err)
{
    const struct st_tensor *t = st_find(h, "run.steps");

    if (!t)
        return 0;
    if (t->type != ST_F64 || t->n_dims != 2 || !t->dims[0] || !t->dims[1])
        return fail(err, ERR_DATA, "its run.steps are none");
    *rows = (struct rows){ .n = t->dims[0], .width = t->dims[1],
                           .numbers = xmalloc((size_t)st_bytes(t)) };
    return st_read(fd, h, t, rows->numbers, err);
}

static int read_numbers(int fd, const struct st_header *h, bool weights,
                        struct plan *p, struct rows *rows, struct error *err)
{
    struct content all;
    int rc = weights ? 0 : read_rows(fd, h, rows, err);

    content_of(&all, p, 0, NULL);
    void *buf = xcalloc((size_t)all.most + 1, sizeof(double));
    if (!rc && !weights && h->n != all.n + (rows->n > 0))
        rc = fail(err, ERR_DATA, "it is of another network or optimizer: it "
                  "has %d tensors, not %d", h->n, all.n);
    for (int i = 0; i < all.n && !rc; i++)
        if (!weights || !is_optim(all.tensors[i].name))
            rc = read_tensor(fd, h, &all.tensors[i], &all.sources[i], p, buf,
                             err);
    free(buf);
    content_clear(&all);
    return rc;
}

void rows_clear(struct rows *r)
{
    free(r->numbers);
    *r = (struct rows){ 0 };
}

int checkpoint_read(const char *path, const char *wanted, bool weights,
                    struct plan *p, struct checkpoint *out,
                    struct error *err)
{
    struct st_header h = { 0 };
    struct error why = { 0 };
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return fail(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO,
                    "cannot open %s: %s", path, strerror(errno));
    int rc = st_read_header(fd, &h, &why);
    out->rows = (struct rows){ 0 };
    if (!rc)
        rc = check_sum(fd, &h, &why);
    if (!rc)
        rc = read_about(h.metadata, out, &why);
    if (!rc && wanted && strcmp(wanted, out->spec) != 0)
        rc = fail(&why, ERR_DATA, "it is of another run: spec or images "
                  "differ");
    if (!rc)
        rc = read_numbers(fd, &h, weights, p, &out->rows, &why);
    st_header_clear(&h);
    close(fd);
    if (rc)
        rows_clear(&out->rows);
    return rc ? fail(err, rc, "checkpoint %s: %s", path, why.text) : 0;
}

int checkpoint_forget(struct plan *p, struct error *err)
{
    struct content all;
    int rc = 0;

    content_of(&all, p, 0, NULL);
    float *zeros = xcalloc((size_t)all.most + 1, sizeof *zeros);
    p->backend->set_steps(p, 0);
    for (int i = 0; i < all.n && !rc; i++)
        if (is_optim(all.tensors[i].name) && all.sources[i].v != BAD_VAL)
            rc = p->backend->write(p, all.sources[i].v, all.sources[i].side,
                                   zeros, err);
    free(zeros);
    content_clear(&all);
    return rc;
}
