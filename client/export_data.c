/* The records as numbers: the notebook's epoch_gradients, and tensors. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "client/api.h"
#include "client/export.h"
#include "common/mem.h"

enum { NOTEBOOK_SAMPLES = 20 };

/* ---- epoch_gradients ---- */

// As Python's json module writes and reads them. What was not finite is NaN:
// the notebook's cell leaves such a layer out, and would end at a null.
static void put_number(FILE *out, double x)
{
    if (isnan(x))
        fputs("NaN", out);
    else
        fprintf(out, "%.17g", x);
}

// Twenty samples: the first of each twentieth where there are more, followed
// by zeros where there are fewer.
static void put_samples(FILE *out, const json_t *samples)
{
    size_t n = json_array_size(samples);

    fputc('[', out);
    for (size_t i = 0; i < NOTEBOOK_SAMPLES; i++) {
        size_t at = n > NOTEBOOK_SAMPLES ? i * n / NOTEBOOK_SAMPLES : i;
        const json_t *x = json_array_get(samples, at);
        fputs(i ? ", " : "", out);
        put_number(out, !x ? 0 : json_is_number(x) ? json_number_value(x)
                                                   : NAN);
    }
    fputc(']', out);
}

static void put_layer(FILE *out, const char *name, const json_t *epochs)
{
    const json_t *epoch;
    char *quoted;
    size_t i;
    bool first = true;
    json_t *text = json_string(name);

    quoted = json_dumps(text, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
    fprintf(out, "%s: [", quoted);
    json_array_foreach(epochs, i, epoch) {
        const json_t *record = json_object_get(json_object_get(epoch, "layers"),
                                               name);
        if (json_is_false(json_object_get(epoch, "complete")))
            continue;                   // has no samples yet
        fputs(first ? "\n  " : ",\n  ", out);
        put_samples(out, json_object_get(record, "samples"));
        first = false;
    }
    fputs("]", out);
    free(quoted);
    json_decref(text);
}

// Of its six layers unless --layers says otherwise.
static int ask_notebook(const struct export *e, json_t **answer)
{
    json_t *names;
    int rc;

    *answer = NULL;
    if (opts_given(&e->c->opts, "layers"))
        return export_ask(e, "gradients", opts_value(&e->c->opts, "layers"),
                          answer);
    rc = views_layers(e->c, e->id, false, &names);
    if (rc)
        return rc;
    char *layers = views_notebook(names);
    rc = export_ask(e, "gradients", layers, answer);
    free(layers);
    json_decref(names);
    return rc;
}

int export_notebook(const struct export *e, FILE *out)
{
    json_t *answer, *name;
    size_t i;
    int rc = ask_notebook(e, &answer);

    if (rc)
        return rc;
    fputc('{', out);
    json_array_foreach(json_object_get(answer, "layers"), i, name) {
        fputs(i ? ",\n" : "", out);
        put_layer(out, json_string_value(name),
                  json_object_get(answer, "epochs"));
    }
    fputs("}\n", out);
    json_decref(answer);
    return 0;
}

/* ---- tensors ---- */

static const char *const stats[] = {"count", "nonfinite", "zeros", "min",
                                    "p05", "p25", "median", "p75", "p95",
                                    "max", "mean"};
enum { N_STATS = sizeof stats / sizeof *stats };

// Calls with each record in the order of the tensors; NULL where there is none.
static void each_record(const json_t *answer, FILE *out, size_t n_samples,
                        void (*put)(FILE *, const json_t *, size_t))
{
    const json_t *epoch, *name;
    size_t i, k;

    json_array_foreach(json_object_get(answer, "epochs"), i, epoch)
        json_array_foreach(json_object_get(answer, "layers"), k, name)
            put(out, json_object_get(json_object_get(epoch, "layers"),
                                     json_string_value(name)), n_samples);
}

static void put_double(FILE *out, double x)
{
    fwrite(&x, sizeof x, 1, out);
}

static void put_stats(FILE *out, const json_t *record, size_t n)
{
    (void)n;
    for (int i = 0; i < N_STATS; i++)
        put_double(out, api_number(record, stats[i]));
}

static void put_row(FILE *out, const json_t *record, size_t n)
{
    const json_t *samples = json_object_get(record, "samples");

    for (size_t i = 0; i < n; i++) {
        const json_t *x = json_array_get(samples, i);
        put_double(out, json_is_number(x) ? json_number_value(x) : NAN);
    }
}

static size_t most_samples(const json_t *answer)
{
    const json_t *epoch, *record;
    const char *name;
    size_t i, most = 0;

    json_array_foreach(json_object_get(answer, "epochs"), i, epoch)
        json_object_foreach(json_object_get(epoch, "layers"), name, record) {
            size_t n = json_array_size(json_object_get(record, "samples"));
            most = n > most ? n : most;
        }
    return most;
}

// The texts of metadata: lists as JSON, since metadata holds only texts.
static json_t *metadata(const json_t *answer)
{
    json_t *names = json_array();
    for (int i = 0; i < N_STATS; i++)
        json_array_append_new(names, json_string(stats[i]));
    char *layers = json_dumps(json_object_get(answer, "layers"), 0);
    char *columns = json_dumps(names, 0);
    char *job = xasprintf("%.0f", api_number(answer, "job"));
    json_t *all = json_pack("{s:s, s:s, s:s, s:s, s:s}", "format",
                            "gradwatch records 1", "job", job, "quantity",
                            api_text(answer, "quantity"), "layers", layers,
                            "statistics", columns);

    json_decref(names);
    free(layers);
    free(columns);
    free(job);
    return all;
}

static void describe(json_t *head, const char *name, const size_t *shape,
                     int rank, size_t *at)
{
    json_t *sizes = json_array();
    size_t bytes = sizeof(double);

    for (int i = 0; i < rank; i++) {
        json_array_append_new(sizes, json_integer((json_int_t)shape[i]));
        bytes *= shape[i];
    }
    json_object_set_new(head, name, json_pack(
        "{s:s, s:o, s:[I, I]}", "dtype", "F64", "shape", sizes, "data_offsets",
        (json_int_t)*at, (json_int_t)(*at + bytes)));
    *at += bytes;
}

// Length, JSON with blanks up to a multiple of 8, then come the numbers.
static void put_head(FILE *out, json_t *words, size_t shapes[3][3])
{
    json_t *head = json_pack("{s:o}", "__metadata__", words);
    size_t at = 0;

    describe(head, "epochs", shapes[0], 1, &at);
    describe(head, "summary", shapes[1], 3, &at);
    describe(head, "samples", shapes[2], 3, &at);
    char *text = json_dumps(head, JSON_COMPACT);
    uint64_t len = strlen(text), room = (len + 7) / 8 * 8;
    fwrite(&room, sizeof room, 1, out);         // little-endian, as x86 and Arm
    fprintf(out, "%s%*s", text, (int)(room - len), "");
    free(text);
    json_decref(head);
}

int export_records(const struct export *e, FILE *out)
{
    json_t *answer;
    int rc = export_ask(e, "gradients", opts_value(&e->c->opts, "layers"),
                        &answer);

    if (rc)
        return rc;
    const json_t *epochs = json_object_get(answer, "epochs"), *epoch;
    size_t n_epochs = json_array_size(epochs), i;
    size_t n_layers = json_array_size(json_object_get(answer, "layers"));
    size_t n_samples = most_samples(answer);
    put_head(out, metadata(answer), (size_t[3][3]){
        {n_epochs}, {n_epochs, n_layers, N_STATS},
        {n_epochs, n_layers, n_samples}});
    json_array_foreach(epochs, i, epoch)
        put_double(out, api_number(epoch, "epoch"));
    each_record(answer, out, 0, put_stats);
    each_record(answer, out, n_samples, put_row);
    json_decref(answer);
    return 0;
}
