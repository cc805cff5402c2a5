/* common/job_rules.c: the fields of a job spec that have rules of their own. */
#include "common/job_kind_own.h"

#include <stdio.h>
#include <string.h>
#include "common/mem.h"

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
    return n >= 1 && n <= 64 ? job_text_store(f, v, job) : READ_WRONG;
}

// true, false, or the stages that keep their skips in any order.
static int skip_read(const struct job_field *f, const json_t *v,
                     struct job *job)
{
    bool *skip = job_member(f, job);
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
    const bool *skip = job_member_of(f, job);
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
    const char *s = job_member_of(f, job);
    return *s ? json_string(s) : json_null();
}

static int null_read(const struct job_field *f, struct job *job)
{
    *(char *)job_member(f, job) = '\0';
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
    return job_text_store(f, v, job);
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
    return job_text_store(f, v, job);
}

// A share, a path, or null for none.
static int validation_read(const struct job_field *f, const json_t *v,
                           struct job *job)
{
    struct job_validation *to = job_member(f, job);
    const char *s = json_string_value(v);
    double share = 0;

    if (s) {
        if (!path_is_safe(s) || strlen(s) >= sizeof to->path)
            return READ_WRONG;
    } else if (!json_is_null(v) &&
               !job_real_number(v, f->low, f->high, &share)) {
        return READ_WRONG;
    }
    to->share = share;
    strcpy(to->path, s ? s : "");
    return READ_FINE;
}

static json_t *validation_write(const struct job_field *f,
                                const struct job *job)
{
    const struct job_validation *from = job_member_of(f, job);

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
    unsigned *bits = job_member(f, job);
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
        if (!(*(const unsigned *)job_member_of(f, job) & 1u << q))
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
        return job_integer_read(f, v, job);
    job_store_whole(f, 0, job);
    return strcmp(json_string_value(v), "all") ? READ_WRONG : READ_FINE;
}

static json_t *samples_write(const struct job_field *f, const struct job *job)
{
    json_t *v = job_integer_write(f, job);
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
                       : job_word_find("auto|cpu|cuda|reference", s) >= 0;
    return good ? job_text_store(f, v, job) : READ_WRONG;
}

static int after_read(const struct job_field *f, const json_t *v,
                      struct job *job)
{
    if (!json_is_array(v) || json_array_size(v) > JOB_MAX_LIST)
        return READ_WRONG;
    for (size_t i = 0; i < json_array_size(v); i++) {
        int64_t *id = &job->after[job->n_after];
        if (!job_whole_number(json_array_get(v, i), f->low, f->high, id))
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

KIND(name, name_read, job_text_write,
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
KIND(device, device_read, job_text_write, "one of %, N from 0 to 99",
     .text = true);
KIND(after, after_read, after_write,
     "a list of at most 256 job ids from %", .list = true);
