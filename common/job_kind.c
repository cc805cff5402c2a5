/* common/job_kind.c: reading and writing the values of a job spec, by kind.
 *
 * A reader looks at one JSON value of any type and either stores it or says
 * that it is wrong; job.c turns that into a message.
 */
#include "common/job_kind.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/mem.h"

const char *const job_stage_names[JOB_STAGES] = {
    "layer1", "layer2", "layer3", "layer4"
};
const char *const job_quantity_names[QUANTITY_COUNT] = {
    "grad_out", "grad_w", "weight", "grad_rms", "update", "act_mean",
    "act_std", "act_zeros", "weight_grad", "grad_sample",
    "branch_share"
};

static void *member(const struct job_field *f, struct job *job)
{
    return (char *)job + f->offset;
}

static const void *member_of(const struct job_field *f, const struct job *job)
{
    return (const char *)job + f->offset;
}

/* ---- words ---- */

// Word i of "sgd|adam|adamw": its start, and its length in *len; or NULL.
static const char *word_at(const char *values, int i, size_t *len)
{
    const char *at = values;
    for (; at && i > 0; i--) {
        at = strchr(at, '|');
        at = at ? at + 1 : NULL;
    }
    *len = at ? strcspn(at, "|") : 0;
    return at;
}

static int word_find(const char *values, const char *text)
{
    const char *at;
    size_t len;
    for (int i = 0; (at = word_at(values, i, &len)); i++)
        if (strlen(text) == len && !memcmp(at, text, len))
            return i;
    return -1;
}

static int word_read(const struct job_field *f, const json_t *v,
                     struct job *job)
{
    int i = json_is_string(v) ? word_find(f->values, json_string_value(v)) : -1;
    if (i < 0)
        return READ_WRONG;
    *(int *)member(f, job) = i;
    return READ_FINE;
}

static json_t *word_write(const struct job_field *f, const struct job *job)
{
    size_t len;
    const char *at = word_at(f->values, *(const int *)member_of(f, job), &len);
    return json_stringn(at, len);
}

static json_t *text_write(const struct job_field *f, const struct job *job)
{
    return json_string(member_of(f, job));
}

// Copies a string that fits; its content has been checked.
static int text_store(const struct job_field *f, const json_t *v,
                      struct job *job)
{
    size_t len = json_string_length(v);
    if (len >= f->size)
        return READ_WRONG;
    memcpy(member(f, job), json_string_value(v), len + 1);
    return READ_FINE;
}

static int word_text_read(const struct job_field *f, const json_t *v,
                          struct job *job)
{
    if (!json_is_string(v) || word_find(f->values, json_string_value(v)) < 0)
        return READ_WRONG;
    return text_store(f, v, job);
}

/* ---- numbers ---- */

// 16.0 and 1e3 are whole numbers too: languages with one number type write
// them so. Limits are at most 2^53, so a double holds every good value.
static bool whole_number(const json_t *v, double low, double high, int64_t *out)
{
    double x = json_number_value(v);
    if (!json_is_number(v) || !(x >= low && x <= high) || x != floor(x))
        return false;
    *out = json_is_integer(v) ? (int64_t)json_integer_value(v) : (int64_t)x;
    return true;
}

static void store_whole(const struct job_field *f, int64_t x, struct job *job)
{
    if (f->size == sizeof(int))
        *(int *)member(f, job) = (int)x;
    else
        *(int64_t *)member(f, job) = x;
}

static int integer_read(const struct job_field *f, const json_t *v,
                        struct job *job)
{
    int64_t x;
    if (!whole_number(v, f->low, f->high, &x))
        return READ_WRONG;
    store_whole(f, x, job);
    return READ_FINE;
}

static json_t *integer_write(const struct job_field *f, const struct job *job)
{
    const void *at = member_of(f, job);
    return json_integer(f->size == sizeof(int) ? *(const int *)at
                                               : *(const int64_t *)at);
}

static int optional_read(const struct job_field *f, const json_t *v,
                         struct job *job)
{
    if (!json_is_null(v))
        return integer_read(f, v, job);
    store_whole(f, 0, job);
    return READ_FINE;
}

static json_t *optional_write(const struct job_field *f, const struct job *job)
{
    json_t *v = integer_write(f, job);
    if (json_integer_value(v))
        return v;
    json_decref(v);
    return json_null();
}

static bool real_number(const json_t *v, double low, double high, double *out)
{
    *out = json_number_value(v);
    return json_is_number(v) && *out >= low && *out <= high;
}

static int real_read(const struct job_field *f, const json_t *v,
                     struct job *job)
{
    double x;
    if (!real_number(v, f->low, f->high, &x))
        return READ_WRONG;
    *(double *)member(f, job) = x;
    return READ_FINE;
}

static json_t *real_write(const struct job_field *f, const struct job *job)
{
    return json_real(*(const double *)member_of(f, job));
}

static int triple_read(const struct job_field *f, const json_t *v,
                       struct job *job)
{
    double *x = member(f, job);
    if (json_array_size(v) != 3)
        return READ_WRONG;
    for (int i = 0; i < 3; i++)
        if (!real_number(json_array_get(v, (size_t)i), f->low, f->high, &x[i]))
            return i;
    return READ_FINE;
}

static json_t *triple_write(const struct job_field *f, const struct job *job)
{
    const double *x = member_of(f, job);
    return json_pack("[f, f, f]", x[0], x[1], x[2]);
}

static int bool_read(const struct job_field *f, const json_t *v,
                     struct job *job)
{
    if (!json_is_boolean(v))
        return READ_WRONG;
    *(bool *)member(f, job) = json_is_true(v);
    return READ_FINE;
}

static json_t *bool_write(const struct job_field *f, const struct job *job)
{
    return json_boolean(*(const bool *)member_of(f, job));
}

/* ---- fields with rules of their own ---- */

// Characters of UTF-8, or -1 when a control character is among them: C0, DEL,
// and C1 (U+0080..U+009F, which is C2 80..C2 9F).
static int characters(const char *s)
{
    int n = 0;
    for (const unsigned char *p = (const unsigned char *)s; *p; p++) {
        if (*p < 0x20 || *p == 0x7f || (*p == 0xc2 && p[1] < 0xa0))
            return -1;
        n += (*p & 0xc0) != 0x80;
    }
    return n;
}

static int name_read(const struct job_field *f, const json_t *v,
                     struct job *job)
{
    int n = json_is_string(v) ? characters(json_string_value(v)) : -1;
    return n >= 1 && n <= 64 ? text_store(f, v, job) : READ_WRONG;
}

// true, false, or the stages that keep their skips in any order.
static int skip_read(const struct job_field *f, const json_t *v,
                     struct job *job)
{
    bool *skip = member(f, job);
    if (!json_is_boolean(v) && !json_is_array(v))
        return READ_WRONG;
    for (int s = 0; s < JOB_STAGES; s++)
        skip[s] = json_is_true(v);
    for (size_t i = 0; i < json_array_size(v); i++) {
        const char *name = json_string_value(json_array_get(v, i));
        int s = 0;
        while (s < JOB_STAGES && !(name && !strcmp(name, job_stage_names[s])))
            s++;
        if (s == JOB_STAGES)
            return (int)i;
        skip[s] = true;
    }
    return READ_FINE;
}

static json_t *skip_write(const struct job_field *f, const struct job *job)
{
    const bool *skip = member_of(f, job);
    json_t *list = json_array();
    for (int s = 0; s < JOB_STAGES; s++)
        if (skip[s])
            json_array_append_new(list, json_string(job_stage_names[s]));
    size_t n = json_array_size(list);
    if (n && n < JOB_STAGES)
        return list;
    json_decref(list);
    return json_boolean(n);
}

static json_t *text_or_null_write(const struct job_field *f,
                                  const struct job *job)
{
    const char *s = member_of(f, job);
    return *s ? json_string(s) : json_null();
}

static int null_read(const struct job_field *f, struct job *job)
{
    *(char *)member(f, job) = '\0';
    return READ_FINE;
}

static bool is_plain_name(const char *s)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_-."
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    return *s && *s != '.' && !s[strspn(s, letters)];
}

bool job_is_group(const char *text)
{
    return is_plain_name(text) && strlen(text) <= 64;
}

// Of a data root, of a group.
static int plain_name_read(const struct job_field *f, const json_t *v,
                           struct job *job)
{
    if (json_is_null(v))
        return null_read(f, job);
    if (!json_is_string(v) || !is_plain_name(json_string_value(v)))
        return READ_WRONG;
    return text_store(f, v, job);
}

// No way out of the root: relative, without "..", no URL.
static bool path_is_safe(const char *s)
{
    if (*s == '/' || *s == '\0' || strstr(s, "://") || characters(s) < 0)
        return false;
    for (const char *part = s; part; part = strchr(part, '/')) {
        part += *part == '/';
        if (!strncmp(part, "..", 2) && (part[2] == '/' || part[2] == '\0'))
            return false;
    }
    return true;
}

static int path_read(const struct job_field *f, const json_t *v,
                     struct job *job)
{
    if (json_is_null(v))
        return null_read(f, job);
    if (!json_is_string(v) || !path_is_safe(json_string_value(v)))
        return READ_WRONG;
    return text_store(f, v, job);
}

// A share, a path, or null for none.
static int validation_read(const struct job_field *f, const json_t *v,
                           struct job *job)
{
    struct job_validation *to = member(f, job);
    const char *s = json_string_value(v);
    double share = 0;

    if (s) {
        if (!path_is_safe(s) || strlen(s) >= sizeof to->path)
            return READ_WRONG;
    } else if (!json_is_null(v) && !real_number(v, f->low, f->high, &share)) {
        return READ_WRONG;
    }
    to->share = share;
    strcpy(to->path, s ? s : "");
    return READ_FINE;
}

static json_t *validation_write(const struct job_field *f,
                                const struct job *job)
{
    const struct job_validation *from = member_of(f, job);

    if (*from->path)
        return json_string(from->path);
    return from->share > 0 ? json_real(from->share) : json_null();
}

// Commas and spaces separate globs on command lines and in addresses.
static bool is_glob(const json_t *v)
{
    const char *s = json_is_string(v) ? json_string_value(v) : "";
    size_t len = strlen(s);
    for (const char *p = s; *p; p++)
        if (*p <= ' ' || *p >= 0x7f || *p == ',')
            return false;
    return len >= 1 && len <= 128;
}

static int layers_read(const struct job_field *f, const json_t *v,
                       struct job *job)
{
    (void)f;
    job->record.layers_word = json_is_string(v);
    size_t n = json_is_string(v) ? 1 : json_array_size(v);
    if ((!json_is_string(v) && !json_is_array(v)) || n > JOB_MAX_LIST)
        return READ_WRONG;
    for (size_t i = 0; i < n; i++) {
        const json_t *glob = json_is_string(v) ? v : json_array_get(v, i);
        if (!is_glob(glob))
            return json_is_string(v) ? READ_WRONG : (int)i;
        job->record.layers[job->record.n_layers++] =
            xstrdup(json_string_value(glob));
    }
    return READ_FINE;
}

static json_t *layers_write(const struct job_field *f, const struct job *job)
{
    (void)f;
    if (job->record.layers_word)
        return json_string(job->record.layers[0]);
    json_t *list = json_array();
    for (int i = 0; i < job->record.n_layers; i++)
        json_array_append_new(list, json_string(job->record.layers[i]));
    return list;
}

static const unsigned ACT = 1u << QUANTITY_ACT_MEAN | 1u << QUANTITY_ACT_STD |
                            1u << QUANTITY_ACT_ZEROS;

unsigned job_quantity_bits(const char *word)
{
    if (!strcmp(word, "act"))
        return ACT;
    for (int q = 0; q < QUANTITY_COUNT; q++)
        if (!strcmp(word, job_quantity_names[q]))
            return 1u << q & ~ACT;
    return 0;
}

static int quantities_read(const struct job_field *f, const json_t *v,
                           struct job *job)
{
    unsigned *bits = member(f, job);
    *bits = 0;
    for (size_t i = 0; i < json_array_size(v); i++) {
        const char *word = json_string_value(json_array_get(v, i));
        unsigned more = word ? job_quantity_bits(word) : 0;
        if (!more)
            return (int)i;
        *bits |= more;
    }
    return *bits ? READ_FINE : READ_WRONG;
}

static json_t *quantities_write(const struct job_field *f,
                                const struct job *job)
{
    json_t *list = json_array();
    for (int q = 0; q < QUANTITY_COUNT; q++) {
        if (!(*(const unsigned *)member_of(f, job) & 1u << q))
            continue;
        if (q == QUANTITY_ACT_MEAN)
            json_array_append_new(list, json_string("act"));
        else if (!(ACT & 1u << q))
            json_array_append_new(list, json_string(job_quantity_names[q]));
    }
    return list;
}

static int samples_read(const struct job_field *f, const json_t *v,
                        struct job *job)
{
    if (!json_is_string(v))
        return integer_read(f, v, job);
    store_whole(f, 0, job);
    return strcmp(json_string_value(v), "all") ? READ_WRONG : READ_FINE;
}

static json_t *samples_write(const struct job_field *f, const struct job *job)
{
    json_t *v = integer_write(f, job);
    if (json_integer_value(v))
        return v;
    json_decref(v);
    return json_string("all");
}

// auto, cpu, reference, cuda, cuda:0 .. cuda:99.
static int device_read(const struct job_field *f, const json_t *v,
                       struct job *job)
{
    const char *s = json_is_string(v) ? json_string_value(v) : "";
    size_t digits = 0;
    if (!strncmp(s, "cuda:", 5))
        digits = strspn(s + 5, "0123456789");
    bool good = digits ? digits <= 2 && s[5 + digits] == '\0' &&
                         (digits == 1 || s[5] != '0')
                       : word_find("auto|cpu|cuda|reference", s) >= 0;
    return good ? text_store(f, v, job) : READ_WRONG;
}

static int after_read(const struct job_field *f, const json_t *v,
                      struct job *job)
{
    if (!json_is_array(v) || json_array_size(v) > JOB_MAX_LIST)
        return READ_WRONG;
    for (size_t i = 0; i < json_array_size(v); i++) {
        int64_t *id = &job->after[job->n_after];
        if (!whole_number(json_array_get(v, i), f->low, f->high, id))
            return (int)i;
        job->n_after++;
    }
    return READ_FINE;
}

static json_t *after_write(const struct job_field *f, const struct job *job)
{
    (void)f;
    json_t *list = json_array();
    for (int i = 0; i < job->n_after; i++)
        json_array_append_new(list, json_integer(job->after[i]));
    return list;
}

/* ---- the kinds ---- */

#define KIND(stem, reader, writer, ...) \
    const struct job_kind kind_##stem = \
        { .read = reader, .write = writer, .wants = __VA_ARGS__ }

KIND(word, word_read, word_write, "one of %");
KIND(word_text, word_text_read, text_write, "one of %");
KIND(integer, integer_read, integer_write, "a whole number from %");
KIND(optional, optional_read, optional_write, "a whole number from %");
KIND(real, real_read, real_write, "a number from %");
KIND(bool, bool_read, bool_write, "true or false");
KIND(triple, triple_read, triple_write, "three numbers from %", .list = true);
KIND(name, name_read, text_write,
     "1 to 64 characters without control characters", .text = true);
KIND(skip, skip_read, skip_write,
     "true, false or a list of layer1, layer2, layer3, layer4", .list = true);
KIND(root, plain_name_read, text_or_null_write, "the name of a data root "
     "(1 to 64 letters, digits, '-', '_' or '.', no '.' first) or null",
     .text = true);
KIND(group, plain_name_read, text_or_null_write, "a name of 1 to 64 letters, "
     "digits, '-', '_' or '.', no '.' first, or null", .text = true);
KIND(path, path_read, text_or_null_write, "a path below the data root of at "
     "most 1024 bytes, without '..', not absolute and no URL, or null",
     .text = true);
KIND(validation, validation_read, validation_write, "null, a share of the "
     "images from %, or a path below the data root of at most 1024 bytes, "
     "without '..', not absolute and no URL");
KIND(layers, layers_read, layers_write, "all, notebook or a list of at most "
     "256 names or globs of layers, 1 to 128 characters each", .list = true);
KIND(quantities, quantities_read, quantities_write,
     "a list of one or more of %", .list = true);
KIND(samples, samples_read, samples_write, "a whole number from %");
KIND(device, device_read, text_write, "one of %, N from 0 to 99",
     .text = true);
KIND(after, after_read, after_write,
     "a list of at most 256 job ids from %", .list = true);

char *job_kind_wants(const struct job_field *f)
{
    char *out = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&out, &size);
    for (const char *p = f->kind->wants; *p; p++) {
        if (*p != '%') {
            fputc(*p, to);
            continue;
        }
        for (const char *v = f->values; *v; v++) {
            if (*v == '|')
                fputs(", ", to);
            else if (v[0] == '.' && v[1] == '.')
                fputs(" to ", to), v++;
            else
                fputc(*v, to);
        }
    }
    fclose(to);
    return out;
}
