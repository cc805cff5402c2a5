/* daemon/history.c: event lines into arrays of numbers.
 *
 * A worker's lines are not trusted to be well formed: an event is first read
 * into a struct history_epoch of its own, and only a whole one is kept.
 */
#include "daemon/history.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/event.h"
#include "common/mem.h"
#include "daemon/history_pack.h"
#include "daemon/history_probe.h"

enum { MAX_EARLY = 1024, MAX_LAYERS = 4096 };

const char *const stat_names[STAT_COUNT] = {
    "min", "p05", "p25", "median", "p75", "p95", "max", "mean"
};

/* ---- numbers out of JSON ---- */

static double number_at(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);
    return json_is_number(v) ? json_number_value(v) : NAN;
}

static double number_of(const json_t *v)
{
    return json_is_number(v) ? json_number_value(v) : NAN;
}

// 0 when missing or negative.
static int64_t count_at(const json_t *object, const char *key)
{
    json_int_t n = json_integer_value(json_object_get(object, key));
    return n > 0 ? n : 0;
}

/* ---- freeing ---- */

static void epoch_clear(struct history *h, struct history_epoch *e)
{
    for (int i = 0; i < e->n_records; i++)
        free(e->records[i].samples);
    free(e->records);
    h->bytes -= e->bytes;
    *e = (struct history_epoch){ 0 };
}

static size_t early_bytes(const struct early_step *e)
{
    return sizeof *e + (size_t)e->n_values * sizeof *e->values;
}

static void early_clear(struct history *h)
{
    for (int i = 0; i < h->n_early; i++) {
        h->bytes -= early_bytes(&h->early[i]);
        free(h->early[i].values);
    }
    free(h->early);
    h->early = NULL;
    h->n_early = 0;
}

static void clear(struct history *h)
{
    for (int i = 0; i < h->n_epochs; i++)
        epoch_clear(h, &h->epochs[i]);
    epoch_clear(h, &h->live);
    early_clear(h);
    history_probes_clear(h);
    for (int i = 0; i < h->n_series; i++)
        free(h->series[i].layer);
    for (int i = 0; i < h->n_layers; i++)
        free(h->layers[i].name);
    free(h->epochs);
    free(h->series);
    free(h->layers);
    *h = (struct history){ .bytes = sizeof *h, .max_bytes = h->max_bytes };
}

struct history *history_new(void)
{
    struct history *h = xcalloc(1, sizeof *h);
    h->bytes = sizeof *h;
    h->max_bytes = HISTORY_MAX_BYTES;
    return h;
}

void history_free(struct history *h)
{
    if (h)
        clear(h);
    free(h);
}

/* ---- series ---- */

// The layer of that name; of a block ("layer1.1") its last one.
static const struct history_layer *find_layer(const struct history *h,
                                              const char *name)
{
    const char *tail = strrchr(name, '.');
    size_t len = tail && !strcmp(tail, ".weight") ? (size_t)(tail - name)
                                                  : strlen(name);
    const struct history_layer *last = NULL;

    for (int i = 0; i < h->n_layers; i++) {
        const struct history_layer *l = &h->layers[i];
        if (strncmp(l->name, name, len))
            continue;
        if (!l->name[len])
            return l;
        if (l->name[len] == '.' && l->main && (!last || l->depth > last->depth))
            last = l;
    }
    return last;
}

// The series of a quantity and a layer, made when new; -1 when there are too
// many. Events name them in the same order: the search starts at `hint`.
static int find_series(struct history *h, int quantity, const char *name,
                       int hint)
{
    for (int i = 0; i < h->n_series; i++) {
        int s = (hint + i) % h->n_series;
        if ((int)h->series[s].quantity == quantity &&
            !strcmp(h->series[s].layer, name))
            return s;
    }
    if (h->n_series == HISTORY_MAX_SERIES)
        return -1;
    const struct history_layer *layer = find_layer(h, name);
    h->series = xrealloc(h->series,
                         ((size_t)h->n_series + 1) * sizeof *h->series);
    h->series[h->n_series] = (struct series){
        .layer = xstrdup(name), .quantity = (enum job_quantity)quantity,
        .depth = layer ? layer->depth : 0, .main = layer && layer->main,
    };
    h->bytes += sizeof *h->series + strlen(name) + 1;
    h->quantities |= 1u << quantity;
    return h->n_series++;
}

static int find_quantity(const char *name)
{
    for (int q = 0; q < QUANTITY_COUNT; q++)
        if (!strcmp(name, job_quantity_names[q]))
            return q;
    return -1;                  // of a newer worker: left out
}

/* ---- records ---- */

// The histograms of a RECORD, packed. Returns the bytes, 0 when one is wrong.
static size_t pack_hists(const json_t *record, uint8_t *to)
{
    const json_t *hists = json_object_get(record, "hist");
    size_t n = 0;
    for (int g = 0; g < GRID_COUNT; g++) {
        struct hist hist = { .grid = (enum grid)g };
        const json_t *j = json_object_get(hists, grid_name((enum grid)g));
        if (j && hist_from_json(&hist, j))
            return 0;
        n += pack_hist(to + n, j ? &hist : NULL);
    }
    return n;
}

static int record_read(struct record *r, const json_t *j, size_t *bytes,
                       struct error *err)
{
    uint8_t packed[GRID_COUNT * PACK_MAX];
    const json_t *samples = json_object_get(j, "samples");
    const json_t *steps = json_object_get(j, "sample_steps");
    size_t n = json_array_size(samples), n_packed = pack_hists(j, packed);

    if (!json_is_object(j) || !n_packed || n > 1000000)
        return fail(err, ERR_SPEC, "an event has a record that is none");
    r->present = true;
    r->count = count_at(j, "count");
    r->nonfinite = count_at(j, "nonfinite");
    r->zeros = count_at(j, "zeros");
    for (int s = 0; s < STAT_COUNT; s++)
        r->stats[s] = number_at(j, stat_names[s]);
    size_t block = n * (sizeof(double) + sizeof(int32_t)) + n_packed;
    r->n_samples = (int)n;
    r->samples = xmalloc(block);
    r->sample_steps = (int32_t *)(r->samples + n);
    r->packed = (uint8_t *)(r->sample_steps + n);
    for (size_t i = 0; i < n; i++) {
        const json_t *step = json_array_get(steps, i);
        r->samples[i] = number_of(json_array_get(samples, i));
        r->sample_steps[i] = json_is_integer(step)
            ? (int32_t)json_integer_value(step) : -1;
    }
    memcpy(r->packed, packed, n_packed);
    *bytes += block;
    return 0;
}

// Makes room for `series` in e.
static struct record *record_slot(struct history_epoch *e, int series,
                                  int n_series)
{
    if (series >= e->n_records) {
        e->records = xrealloc(e->records,
                              (size_t)n_series * sizeof *e->records);
        memset(e->records + e->n_records, 0,
               (size_t)(n_series - e->n_records) * sizeof *e->records);
        e->n_records = n_series;
    }
    return &e->records[series];
}

static int records_read(struct history *h, const json_t *quantities,
                        struct history_epoch *e, size_t *bytes,
                        struct error *err)
{
    const char *name, *layer;
    json_t *layers, *record;
    int hint = 0;
    json_object_foreach((json_t *)quantities, name, layers) {
        int q = find_quantity(name);
        if (q < 0)
            continue;
        json_object_foreach(layers, layer, record) {
            int s = find_series(h, q, layer, hint);
            if (s < 0)
                return fail(err, ERR_LIMIT, "more than %d layers are recorded",
                            HISTORY_MAX_SERIES);
            hint = s + 1;
            int rc = record_read(record_slot(e, s, h->n_series), record, bytes,
                                 err);
            if (rc)
                return rc;
        }
    }
    *bytes += (size_t)e->n_records * sizeof *e->records;
    return 0;
}

/* ---- events ---- */

static int epoch_read(struct history *h, const json_t *event,
                      struct history_epoch *e, struct error *err)
{
    int64_t epoch = count_at(event, "epoch");
    *e = (struct history_epoch){ 0 };
    if (epoch < 1 || epoch > INT32_MAX - 1)
        return fail(err, ERR_SPEC, "an event lacks its epoch");
    *e = (struct history_epoch){
        .epoch = (int)epoch,
        .complete = json_is_true(json_object_get(event, "complete")),
        .images = count_at(event, "images"),
        .nonfinite_steps = count_at(event, "nonfinite_steps"),
        .loss = number_at(event, "loss"),
        .accuracy = number_at(event, "accuracy"),
        .images_per_second = number_at(event, "images_per_second"),
        .recording_share = number_at(event, "recording_share"),
        .duration_seconds = number_at(event, "duration_seconds"),
    };
    const char *time = json_string_value(json_object_get(event, "time"));
    snprintf(e->time, sizeof e->time, "%s", time ? time : "");
    const json_t *validation = json_object_get(event, "validation");
    e->validated = json_is_object(validation);
    e->validation_loss = number_at(validation, "loss");
    e->validation_accuracy = number_at(validation, "accuracy");
    size_t bytes = 0;
    int rc = records_read(h, json_object_get(event, "quantities"), e, &bytes,
                          err);
    if (!rc && h->bytes + bytes > h->max_bytes)
        rc = fail(err, ERR_LIMIT, "the records of epoch %d do not fit into the "
                  "%zu MiB kept of a job", e->epoch, h->max_bytes >> 20);
    if (rc) {
        for (int i = 0; i < e->n_records; i++)
            free(e->records[i].samples);
        free(e->records);
        e->records = NULL;
        e->n_records = 0;
        bytes = 0;
    }
    e->bytes = bytes + sizeof *e;
    h->bytes += e->bytes;
    return rc;
}

static void early_read(struct history *h, const json_t *list)
{
    size_t n = json_array_size(list);
    if (!n || n > MAX_EARLY)
        return;
    early_clear(h);
    h->early = xcalloc(n, sizeof *h->early);
    h->n_early = (int)n;
    for (size_t i = 0; i < n; i++) {
        const json_t *from = json_array_get(list, i);
        struct early_step *to = &h->early[i];
        const char *name, *layer;
        json_t *layers, *value;
        to->step = count_at(from, "step");
        to->loss = number_at(from, "loss");
        to->n_values = h->n_series;
        to->values = xmalloc((size_t)h->n_series * sizeof *to->values);
        for (int s = 0; s < h->n_series; s++)
            to->values[s] = NAN;
        h->bytes += early_bytes(to);
        json_object_foreach(json_object_get(from, "quantities"), name, layers) {
            int q = find_quantity(name), hint = 0;
            json_object_foreach(layers, layer, value) {
                int s = q < 0 ? -1 : find_series(h, q, layer, hint);
                if (s >= 0 && s < to->n_values)
                    to->values[s] = number_of(value);
                hint = s + 1;
            }
        }
    }
}

static int add_epoch(struct history *h, const json_t *event, struct error *err)
{
    struct history_epoch e;
    int rc = epoch_read(h, event, &e, err);
    if (!e.epoch || rc == ERR_SPEC) {
        epoch_clear(h, &e);
        return rc;
    }
    e.steps = count_at(event, "steps");
    while (h->n_epochs && h->epochs[h->n_epochs - 1].epoch >= e.epoch)
        epoch_clear(h, &h->epochs[--h->n_epochs]);
    h->epochs = xrealloc(h->epochs,
                         ((size_t)h->n_epochs + 1) * sizeof *h->epochs);
    h->epochs[h->n_epochs++] = e;
    epoch_clear(h, &h->live);
    early_read(h, json_object_get(event, "early"));
    return rc;
}

static int add_live(struct history *h, const json_t *event, struct error *err)
{
    struct history_epoch e;
    epoch_clear(h, &h->live);
    int rc = epoch_read(h, event, &e, err);
    bool old = h->n_epochs && e.epoch <= h->epochs[h->n_epochs - 1].epoch;
    if (rc == ERR_SPEC || !e.epoch || old) {
        epoch_clear(h, &e);
        return rc;
    }
    e.steps = count_at(event, "step");
    e.complete = false;
    h->live = e;
    return rc;
}

// skip is true, false or a list of stages.
static struct history_net net_of(const json_t *started)
{
    const json_t *spec = json_object_get(started, "spec");
    const json_t *model = json_object_get(spec, "model");
    const json_t *skip = json_object_get(model, "skip");
    const char *norm = json_string_value(json_object_get(model, "norm"));
    const char *init = json_string_value(json_object_get(model, "init"));

    return (struct history_net){
        .known = model != NULL,
        .skip = json_is_true(skip) || json_array_size(skip) > 0,
        .norm = norm && !strcmp(norm, "batch"),
        .kaiming = init && !strcmp(init, "kaiming"),
        .classes = (int)count_at(started, "classes"),
    };
}

static int add_started(struct history *h, const json_t *event,
                       struct error *err)
{
    const json_t *layers = json_object_get(event, "layers");
    const json_t *record = json_object_get(json_object_get(event, "spec"),
                                           "record");
    const json_t *names = json_object_get(record, "quantities");
    size_t n = json_array_size(layers);

    // Another attempt goes on where the one before had got to.
    if (h->n_layers && count_at(event, "attempt") > 1) {
        epoch_clear(h, &h->live);
        return 0;
    }
    clear(h);
    h->net = net_of(event);
    if (n > MAX_LAYERS)
        return fail(err, ERR_LIMIT, "a network of %zu layers; the most is %d",
                    n, MAX_LAYERS);
    h->layers = xcalloc(n, sizeof *h->layers);
    for (size_t i = 0; i < n; i++) {
        const json_t *from = json_array_get(layers, i);
        const char *name = json_string_value(json_object_get(from, "name"));
        h->layers[h->n_layers++] = (struct history_layer){
            .name = xstrdup(name ? name : ""),
            .depth = (int)count_at(from, "depth"),
            .main = json_is_true(json_object_get(from, "main")),
        };
        h->bytes += sizeof *h->layers + strlen(name ? name : "") + 1;
    }
    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *word = json_string_value(json_array_get(names, i));
        if (word)
            h->quantities |= job_quantity_bits(word);
    }
    return 0;
}

// `finished` says whether the job is done or diverged.
static void add_last(struct history *h, const json_t *event, const char *type)
{
    const char *state = json_string_value(json_object_get(event, "state"));

    epoch_clear(h, &h->live);
    snprintf(h->ended, sizeof h->ended, "%s",
             strcmp(type, "finished") ? type : state ? state : "done");
}

int history_add(struct history *h, const char *line, size_t len,
                struct error *err)
{
    json_error_t e;
    json_t *event = json_loadb(line, len, 0, &e);
    const char *type = json_string_value(json_object_get(event, "type"));
    int rc = 0;

    if (!type)
        rc = fail(err, ERR_SPEC, "not an event: %s",
                  event ? "it has no type" : e.text);
    else if (!strcmp(type, "started"))
        rc = add_started(h, event, err);
    else if (!strcmp(type, "epoch"))
        rc = add_epoch(h, event, err);
    else if (!strcmp(type, "live"))
        rc = add_live(h, event, err);
    else if (!strcmp(type, "probe"))
        rc = history_probe_add(h, event, err);
    else if (!strcmp(type, "interrupted"))
        epoch_clear(h, &h->live);
    else if (event_is_last(type))
        add_last(h, event, type);
    json_decref(event);
    return rc;
}

/* ---- reading ---- */

size_t history_bytes(const struct history *h)
{
    return h->bytes;
}

int history_epochs(const struct history *h)
{
    return h->n_epochs + (h->live.epoch > 0);
}

const struct history_epoch *history_epoch(const struct history *h, int i)
{
    return i < h->n_epochs ? &h->epochs[i] : &h->live;
}

const struct record *history_record(const struct history_epoch *e, int series)
{
    return series < e->n_records && e->records[series].present
        ? &e->records[series] : NULL;
}

bool history_hist(const struct record *r, enum grid grid, struct hist *out)
{
    const uint8_t *at = r->packed;
    int found = 0;
    for (int g = 0; g <= (int)grid; g++) {
        *out = (struct hist){ .grid = (enum grid)g };
        at = unpack_hist(at, out, &found);
    }
    out->zeros = grid == GRID_NOTEBOOK ? 0 : r->zeros;
    out->nonfinite = r->nonfinite;
    return found;
}
