#include "worker/safetensors.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/mem.h"

static const struct { const char *name; int size; } types[ST_TYPE_COUNT] = {
#define X(name, size) { #name, size },
    ST_TYPES(X)
#undef X
};

int64_t st_bytes(const struct st_tensor *t)
{
    int64_t n = types[t->type].size;

    for (int i = 0; i < t->n_dims; i++)
        if (__builtin_mul_overflow(n, t->dims[i], &n))
            return -1;
    return n;
}

// Writing.

static json_t *tensor_json(const struct st_tensor *t)
{
    json_t *shape = json_array();

    for (int i = 0; i < t->n_dims; i++)
        json_array_append_new(shape, json_integer(t->dims[i]));
    return json_pack("{s:s, s:o, s:[I,I]}", "dtype", types[t->type].name,
                     "shape", shape, "data_offsets", (json_int_t)t->begin,
                     (json_int_t)t->end);
}

uint8_t *st_write_header(struct st_tensor *tensors, int n,
                         const json_t *metadata, size_t *len)
{
    json_t *all = json_pack("{s:O}", "__metadata__", metadata);
    uint64_t at = 0;

    for (int i = 0; i < n; i++) {
        tensors[i].begin = at;
        tensors[i].end = at += (uint64_t)st_bytes(&tensors[i]);
        json_object_set_new(all, tensors[i].name, tensor_json(&tensors[i]));
    }
    char *text = json_dumps(all, JSON_COMPACT);
    size_t used = strlen(text), padded = (used + 7) / 8 * 8;
    uint8_t *out = xmalloc(8 + padded);

    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t)((uint64_t)padded >> (8 * i));
    memcpy(out + 8, text, used);
    memset(out + 8 + used, ' ', padded - used);
    free(text);
    json_decref(all);
    *len = 8 + padded;
    return out;
}

// Reading.

static int read_at(int fd, void *dst, uint64_t n, uint64_t at,
                   struct error *err)
{
    for (uint8_t *p = dst; n > 0; ) {
        ssize_t got = pread(fd, p, n, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return fail(err, got ? ERR_IO : ERR_DATA, "cannot read: %s",
                        got ? strerror(errno) : "the file ends too early");
        p += got;
        at += (uint64_t)got;
        n -= (uint64_t)got;
    }
    return 0;
}

static int read_type(struct st_tensor *t, const json_t *dtype,
                     struct error *err)
{
    const char *name = json_string_value(dtype);

    for (int i = 0; name && i < ST_TYPE_COUNT; i++)
        if (!strcmp(types[i].name, name)) {
            t->type = (enum st_type)i;
            return 0;
        }
    return fail(err, ERR_DATA, "tensor %.80s: dtype %.20s is not known",
                t->name, name ? name : "(none)");
}

static int read_shape(struct st_tensor *t, const json_t *shape,
                      struct error *err)
{
    size_t n = json_array_size(shape);

    if (!json_is_array(shape) || n > ST_DIMS)
        return fail(err, ERR_DATA, "tensor %.80s: shape must be a list of at "
                    "most %d numbers", t->name, ST_DIMS);
    t->n_dims = (int)n;
    for (size_t i = 0; i < n; i++) {
        const json_t *d = json_array_get(shape, i);
        t->dims[i] = json_integer_value(d);
        if (!json_is_integer(d) || t->dims[i] < 0)
            return fail(err, ERR_DATA, "tensor %.80s: shape has something that "
                        "is not a size", t->name);
    }
    if (st_bytes(t) < 0)
        return fail(err, ERR_DATA, "tensor %.80s: shape is too large", t->name);
    return 0;
}

static int read_offsets(struct st_tensor *t, const json_t *offsets,
                        uint64_t data_bytes, struct error *err)
{
    const json_t *from = json_array_get(offsets, 0);
    const json_t *to = json_array_get(offsets, 1);
    int64_t begin = json_integer_value(from), end = json_integer_value(to);

    if (json_array_size(offsets) != 2 || !json_is_integer(from) ||
        !json_is_integer(to) || begin < 0 || end < begin)
        return fail(err, ERR_DATA, "tensor %.80s: data_offsets must be two "
                    "numbers, the end not before the begin", t->name);
    if ((uint64_t)end > data_bytes)
        return fail(err, ERR_DATA, "tensor %.80s: ends at byte %" PRId64
                    " of %" PRIu64, t->name, end, data_bytes);
    if (end - begin != st_bytes(t))
        return fail(err, ERR_DATA, "tensor %.80s: has %" PRId64 " bytes, its "
                    "shape needs %" PRId64, t->name, end - begin, st_bytes(t));
    t->begin = (uint64_t)begin;
    t->end = (uint64_t)end;
    return 0;
}

static int read_tensor(struct st_tensor *t, const json_t *j, uint64_t bytes,
                       struct error *err)
{
    if (json_object_size(j) != 3)
        return fail(err, ERR_DATA, "tensor %.80s: must have dtype, shape and "
                    "data_offsets, and nothing else", t->name);
    int rc = read_type(t, json_object_get(j, "dtype"), err);
    if (!rc)
        rc = read_shape(t, json_object_get(j, "shape"), err);
    if (!rc)
        rc = read_offsets(t, json_object_get(j, "data_offsets"), bytes, err);
    return rc;
}

static int by_place(const void *a, const void *b)
{
    const struct st_tensor *x = a, *y = b;

    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return (x->end > y->end) - (x->end < y->end);
}

static int check_places(const struct st_header *h, struct error *err)
{
    uint64_t at = 0;

    for (int i = 0; i < h->n; i++) {
        const struct st_tensor *t = &h->tensors[i];
        if (t->begin != at)
            return fail(err, ERR_DATA, "tensor %.80s: begins at byte %" PRIu64
                        ", the one before ends at %" PRIu64, t->name, t->begin,
                        at);
        at = t->end;
    }
    if (at != h->data_bytes)
        return fail(err, ERR_DATA, "there are %" PRIu64 " bytes behind the "
                    "last tensor", h->data_bytes - at);
    return 0;
}

static int read_metadata(struct st_header *h, json_t *j, struct error *err)
{
    const char *key;
    json_t *value;

    if (!json_is_object(j))
        return fail(err, ERR_DATA, "__metadata__ must be an object");
    json_object_foreach(j, key, value)
        if (!json_is_string(value))
            return fail(err, ERR_DATA, "__metadata__: %.80s must be a text",
                        key);
    json_decref(h->metadata);
    h->metadata = json_incref(j);
    return 0;
}

static int read_json(struct st_header *h, json_t *all, struct error *err)
{
    const char *name;
    json_t *j;

    if (json_object_size(all) > ST_MOST_TENSORS)
        return fail(err, ERR_DATA, "more than %d tensors", ST_MOST_TENSORS);
    h->tensors = xcalloc(json_object_size(all) + 1, sizeof *h->tensors);
    json_object_foreach(all, name, j) {
        int rc;
        if (!strcmp(name, "__metadata__")) {
            rc = read_metadata(h, j, err);
        } else {
            struct st_tensor *t = &h->tensors[h->n++];
            t->name = xstrdup(name);
            rc = read_tensor(t, j, h->data_bytes, err);
        }
        if (rc)
            return rc;
    }
    qsort(h->tensors, (size_t)h->n, sizeof *h->tensors, by_place);
    return check_places(h, err);
}

int st_read_header(int fd, struct st_header *out, struct error *err)
{
    uint8_t size[8];
    uint64_t len = 0;
    struct stat st;
    json_error_t where;

    *out = (struct st_header){ .metadata = json_object() };
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return fail(err, ERR_IO, "not a file that can be read");
    int rc = read_at(fd, size, sizeof size, 0, err);
    if (rc)
        return rc;
    for (int i = 0; i < 8; i++)
        len |= (uint64_t)size[i] << (8 * i);
    if (len > ST_MOST_HEADER || len + 8 > (uint64_t)st.st_size)
        return fail(err, ERR_DATA, "a header of %" PRIu64 " bytes in a file of "
                    "%" PRId64 "; at most %d are read", len,
                    (int64_t)st.st_size, ST_MOST_HEADER);
    out->data_at = 8 + len;
    out->data_bytes = (uint64_t)st.st_size - out->data_at;
    char *text = xmalloc(len + 1);
    rc = read_at(fd, text, len, 8, err);
    if (!rc && (len == 0 || text[0] != '{'))
        rc = fail(err, ERR_DATA, "the header does not begin with {");
    json_t *all = rc ? NULL : json_loadb(text, len, JSON_REJECT_DUPLICATES,
                                         &where);
    free(text);
    if (!rc && !all)
        rc = fail(err, ERR_DATA, "the header is not JSON: %.200s", where.text);
    if (!rc)
        rc = read_json(out, all, err);
    json_decref(all);
    return rc;
}

const struct st_tensor *st_find(const struct st_header *h, const char *name)
{
    for (int i = 0; i < h->n; i++)
        if (!strcmp(h->tensors[i].name, name))
            return &h->tensors[i];
    return NULL;
}

int st_read(int fd, const struct st_header *h, const struct st_tensor *t,
            void *dst, struct error *err)
{
    return read_at(fd, dst, t->end - t->begin, h->data_at + t->begin, err);
}

void st_header_clear(struct st_header *h)
{
    for (int i = 0; i < h->n; i++)
        free(h->tensors[i].name);
    free(h->tensors);
    json_decref(h->metadata);
    *h = (struct st_header){ 0 };
}
