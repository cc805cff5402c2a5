/* common/job_kind.c: reading and writing the values of a job spec, by kind.
 *
 * A reader looks at one JSON value of any type and either stores it or says
 * that it is wrong; job.c turns that into a message.
 */
#include "common/job_kind_own.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const char *const job_stage_names[JOB_STAGES] = {
    "layer1", "layer2", "layer3", "layer4"
};
const char *const job_quantity_names[QUANTITY_COUNT] = {
    "grad_out", "grad_w", "weight", "grad_rms", "update", "act_mean",
    "act_std", "act_zeros", "weight_grad", "grad_sample",
    "branch_share"
};

void *job_member(const struct job_field *f, struct job *job)
{
    return (char *)job + f->offset;
}

const void *job_member_of(const struct job_field *f, const struct job *job)
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

int job_word_find(const char *values, const char *text)
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
    const char *s = json_string_value(v);
    int i = s ? job_word_find(f->values, s) : -1;
    if (i < 0)
        return READ_WRONG;
    *(int *)job_member(f, job) = i;
    return READ_FINE;
}

static json_t *word_write(const struct job_field *f, const struct job *job)
{
    size_t len;
    const int *i = job_member_of(f, job);
    const char *at = word_at(f->values, *i, &len);
    return json_stringn(at, len);
}

json_t *job_text_write(const struct job_field *f, const struct job *job)
{
    return json_string(job_member_of(f, job));
}

int job_text_store(const struct job_field *f, const json_t *v,
                      struct job *job)
{
    size_t len = json_string_length(v);
    if (len >= f->size)
        return READ_WRONG;
    memcpy(job_member(f, job), json_string_value(v), len + 1);
    return READ_FINE;
}

static int word_text_read(const struct job_field *f, const json_t *v,
                          struct job *job)
{
    const char *s = json_string_value(v);
    if (!s || job_word_find(f->values, s) < 0)
        return READ_WRONG;
    return job_text_store(f, v, job);
}

/* ---- numbers ---- */

bool job_whole_number(const json_t *v, double low, double high, int64_t *out)
{
    double x = json_number_value(v);
    if (!json_is_number(v) || !(x >= low && x <= high) || x != floor(x))
        return false;
    *out = json_is_integer(v) ? (int64_t)json_integer_value(v) : (int64_t)x;
    return true;
}

void job_store_whole(const struct job_field *f, int64_t x, struct job *job)
{
    if (f->size == sizeof(int))
        *(int *)job_member(f, job) = (int)x;
    else
        *(int64_t *)job_member(f, job) = x;
}

int job_integer_read(const struct job_field *f, const json_t *v,
                        struct job *job)
{
    int64_t x;
    if (!job_whole_number(v, f->low, f->high, &x))
        return READ_WRONG;
    job_store_whole(f, x, job);
    return READ_FINE;
}

json_t *job_integer_write(const struct job_field *f, const struct job *job)
{
    const void *at = job_member_of(f, job);
    return json_integer(f->size == sizeof(int) ? *(const int *)at
                                               : *(const int64_t *)at);
}

static int optional_read(const struct job_field *f, const json_t *v,
                         struct job *job)
{
    if (!json_is_null(v))
        return job_integer_read(f, v, job);
    job_store_whole(f, 0, job);
    return READ_FINE;
}

static json_t *optional_write(const struct job_field *f, const struct job *job)
{
    json_t *v = job_integer_write(f, job);
    if (json_integer_value(v))
        return v;
    json_decref(v);
    return json_null();
}

bool job_real_number(const json_t *v, double low, double high, double *out)
{
    *out = json_number_value(v);
    return json_is_number(v) && *out >= low && *out <= high;
}

static int real_read(const struct job_field *f, const json_t *v,
                     struct job *job)
{
    double x;
    if (!job_real_number(v, f->low, f->high, &x))
        return READ_WRONG;
    *(double *)job_member(f, job) = x;
    return READ_FINE;
}

static json_t *real_write(const struct job_field *f, const struct job *job)
{
    return json_real(*(const double *)job_member_of(f, job));
}

static int triple_read(const struct job_field *f, const json_t *v,
                       struct job *job)
{
    double *x = job_member(f, job);
    if (json_array_size(v) != 3)
        return READ_WRONG;
    for (int i = 0; i < 3; i++)
        if (!job_real_number(json_array_get(v, (size_t)i), f->low, f->high,
                             &x[i]))
            return i;
    return READ_FINE;
}

static json_t *triple_write(const struct job_field *f, const struct job *job)
{
    const double *x = job_member_of(f, job);
    return json_pack("[f, f, f]", x[0], x[1], x[2]);
}

static int bool_read(const struct job_field *f, const json_t *v,
                     struct job *job)
{
    if (!json_is_boolean(v))
        return READ_WRONG;
    *(bool *)job_member(f, job) = json_is_true(v);
    return READ_FINE;
}

static json_t *bool_write(const struct job_field *f, const struct job *job)
{
    return json_boolean(*(const bool *)job_member_of(f, job));
}

/* ---- the kinds ---- */

KIND(word, word_read, word_write, "one of %");
KIND(word_text, word_text_read, job_text_write, "one of %");
KIND(integer, job_integer_read, job_integer_write, "a whole number from %");
KIND(optional, optional_read, optional_write, "a whole number from %");
KIND(real, real_read, real_write, "a number from %");
KIND(bool, bool_read, bool_write, "true or false");
KIND(triple, triple_read, triple_write, "three numbers from %", .list = true);

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
