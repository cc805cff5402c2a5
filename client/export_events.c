/* An event file for TensorBoard: histograms and scalars, an epoch a step.
 *
 * The file is a list of records: length (8 bytes), its checksum, that many
 * bytes, their checksum (TensorFlow's TFRecord). The bytes are a message Event
 * in Protocol Buffers' wire format, of which the little that is needed is
 * written by hand here: Event, Summary, Summary.Value, HistogramProto.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "client/api.h"
#include "client/export.h"
#include "client/records.h"
#include "common/mem.h"

// Numbers of the fields, from TensorFlow's event.proto, summary.proto and
// histogram.proto.
enum { EVENT_TIME = 1, EVENT_STEP, EVENT_VERSION, EVENT_SUMMARY = 5 };
enum { SUMMARY_VALUE = 1 };
enum { VALUE_TAG = 1, VALUE_SIMPLE, VALUE_HISTOGRAM = 5 };
enum { HISTO_MIN = 1, HISTO_MAX, HISTO_NUM, HISTO_SUM, HISTO_SQUARES,
       HISTO_LIMIT, HISTO_BUCKET };
enum { WIRE_VARINT, WIRE_DOUBLE, WIRE_BYTES, WIRE_FLOAT = 5 };

/* ---- wire format ---- */

struct message { FILE *f; char *bytes; size_t len; };

static void begin(struct message *m)
{
    m->f = open_memstream(&m->bytes, &m->len);
}

static void put_varint(FILE *f, uint64_t x)
{
    for (; x >= 128; x >>= 7)
        fputc((int)(x & 127) | 128, f);
    fputc((int)x, f);
}

static void put_key(struct message *m, int field, int wire)
{
    put_varint(m->f, (uint64_t)field << 3 | (uint64_t)wire);
}

static void put_double(struct message *m, int field, double x)
{
    put_key(m, field, WIRE_DOUBLE);
    fwrite(&x, sizeof x, 1, m->f);
}

static void put_float(struct message *m, int field, float x)
{
    put_key(m, field, WIRE_FLOAT);
    fwrite(&x, sizeof x, 1, m->f);
}

static void put_bytes(struct message *m, int field, const void *bytes,
                      size_t len)
{
    put_key(m, field, WIRE_BYTES);
    put_varint(m->f, len);
    fwrite(bytes, 1, len, m->f);
}

// Ends `part` and puts it into m.
static void put_message(struct message *m, int field, struct message *part)
{
    fclose(part->f);
    put_bytes(m, field, part->bytes, part->len);
    free(part->bytes);
}

/* ---- records ---- */

// CRC-32C (Castagnoli), bit by bit: a file is small.
static uint32_t crc32c(const void *data, size_t len)
{
    const unsigned char *bytes = data;
    uint32_t crc = ~0u;

    for (size_t i = 0; i < len; i++) {
        crc ^= bytes[i];
        for (int k = 0; k < 8; k++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78u : 0);
    }
    return ~crc;
}

// Turned and shifted, so that the checksum of data that holds checksums is
// one, too.
static uint32_t masked(uint32_t crc)
{
    return (crc >> 15 | crc << 17) + 0xA282EAD8u;
}

// Ends the event.
static void put_record(FILE *out, struct message *event)
{
    fclose(event->f);
    uint64_t len = event->len;
    uint32_t of_len = masked(crc32c(&len, sizeof len));
    uint32_t of_data = masked(crc32c(event->bytes, event->len));

    fwrite(&len, sizeof len, 1, out);
    fwrite(&of_len, sizeof of_len, 1, out);
    fwrite(event->bytes, 1, event->len, out);
    fwrite(&of_data, sizeof of_data, 1, out);
    free(event->bytes);
}

/* ---- what is told ---- */

static void begin_event(struct message *event, double when, double step)
{
    begin(event);
    put_double(event, EVENT_TIME, when);
    put_key(event, EVENT_STEP, WIRE_VARINT);
    put_varint(event->f, (uint64_t)step);
}

static void put_scalar(struct message *summary, const char *tag, double x)
{
    struct message value;

    if (!isfinite(x))
        return;                 // a gap in the line
    begin(&value);
    put_bytes(&value, VALUE_TAG, tag, strlen(tag));
    put_float(&value, VALUE_SIMPLE, (float)x);
    put_message(summary, SUMMARY_VALUE, &value);
}

struct histogram {
    double *limits, *counts;    // owned; the upper edge of each bucket
    size_t  n;
    double  least, most, sum, squares, total;
};

// Takes h's numbers.
static void put_histogram(struct message *summary, const char *tag,
                          struct histogram *h)
{
    struct message value, histo;

    if (h->n) {
        begin(&value);
        put_bytes(&value, VALUE_TAG, tag, strlen(tag));
        begin(&histo);
        put_double(&histo, HISTO_MIN, h->least);
        put_double(&histo, HISTO_MAX, h->most);
        put_double(&histo, HISTO_NUM, h->total);
        put_double(&histo, HISTO_SUM, h->sum);
        put_double(&histo, HISTO_SQUARES, h->squares);
        put_bytes(&histo, HISTO_LIMIT, h->limits, h->n * sizeof *h->limits);
        put_bytes(&histo, HISTO_BUCKET, h->counts, h->n * sizeof *h->counts);
        put_message(&value, VALUE_HISTOGRAM, &histo);
        put_message(summary, SUMMARY_VALUE, &value);
    }
    free(h->limits);
    free(h->counts);
}

// A bucket that ends at `limit`, its values taken to be at `middle`.
static void add_bucket(struct histogram *h, double limit, double count,
                       double middle)
{
    h->limits[h->n] = limit;
    h->counts[h->n++] = count;
    h->total += count;
    h->sum += count * middle;
    h->squares += count * middle * middle;
}

static double edge_of(const json_t *edges, size_t i, bool logs)
{
    double x = json_number_value(json_array_get(edges, i));

    return logs ? log10(x) : x;
}

// From the bins that are filled, of x itself or of log10(x). Zeros have a
// bucket of their own, and no logarithm.
static struct histogram histogram_of(const json_t *layer, const json_t *edges,
                                     bool logs)
{
    const json_t *counts = json_object_get(layer, "counts");
    size_t n = json_array_size(counts), from = 0, to = n;
    double zeros = logs ? 0 : api_number(layer, "zeros");
    struct histogram h = {.limits = xcalloc(n + 2, sizeof *h.limits),
                          .counts = xcalloc(n + 2, sizeof *h.counts)};

    while (from < n && !json_number_value(json_array_get(counts, from)))
        from++;
    while (to > from && !json_number_value(json_array_get(counts, to - 1)))
        to--;
    if (from < to && !(zeros > 0))
        h.least = edge_of(edges, from, logs);
    if (zeros > 0)
        add_bucket(&h, from < to ? edge_of(edges, from, false) : 0, zeros, 0);
    for (size_t i = from; i < to; i++) {
        double low = edge_of(edges, i, true);
        double high = edge_of(edges, i + 1, true);
        double middle = (low + high) / 2;
        add_bucket(&h, edge_of(edges, i + 1, logs),
                   json_number_value(json_array_get(counts, i)),
                   logs ? middle : pow(10, middle));
        h.most = h.limits[h.n - 1];
    }
    return h;
}

// What is known better than by bins.
static void sharpen(struct histogram *h, const json_t *record)
{
    if (!isfinite(api_number(record, "max")))
        return;
    h->least = api_number(record, "min");
    h->most = api_number(record, "max");
    h->sum = api_number(record, "mean") * h->total;
}

static void put_layer(struct message *summary, const char *quantity,
                      const char *name, const json_t *layer,
                      const json_t *record, const json_t *edges)
{
    char *raw = xasprintf("%s/%s", quantity, name);
    char *log = xasprintf("log10_%s", raw), *median;
    struct histogram h = histogram_of(layer, edges, false);

    sharpen(&h, record);
    put_histogram(summary, raw, &h);
    h = histogram_of(layer, edges, true);
    put_histogram(summary, log, &h);
    median = xasprintf("%s_median/%s", quantity, name);
    put_scalar(summary, median, api_number(record, "median"));
    free(raw);
    free(log);
    free(median);
}

/* ---- answers to events ---- */

struct answers {                // of the API; owned
    json_t *job, *metrics, *gradients, *histograms;
};

static const json_t *of_epoch(const json_t *answer, double number)
{
    const json_t *epoch;
    size_t i;

    json_array_foreach(json_object_get(answer, "epochs"), i, epoch)
        if (api_number(epoch, "epoch") == number)
            return epoch;
    return NULL;
}

static void put_training(struct message *summary, const json_t *epoch)
{
    static const char *const keys[] = {"loss", "accuracy", "images_per_second",
                                       "recording_share"};
    const json_t *validation = json_object_get(epoch, "validation");

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        put_scalar(summary, keys[i], api_number(epoch, keys[i]));
        char *tag = xasprintf("validation/%s", keys[i]);
        put_scalar(summary, tag, api_number(validation, keys[i]));
        free(tag);
    }
}

static void put_epoch(FILE *out, const struct answers *a, const json_t *epoch,
                      double when)
{
    double number = api_number(epoch, "epoch");
    const json_t *records = json_object_get(of_epoch(a->gradients, number),
                                            "layers");
    const json_t *edges = json_object_get(json_object_get(a->histograms,
                                                          "bins"), "edges");
    struct message event, summary;
    const char *name;
    json_t *layer;

    begin_event(&event, when, number);
    begin(&summary);
    put_training(&summary, of_epoch(a->metrics, number));
    json_object_foreach(json_object_get(epoch, "layers"), name, layer)
        put_layer(&summary, api_text(a->histograms, "quantity"), name, layer,
                  json_object_get(records, name), edges);
    put_message(&event, EVENT_SUMMARY, &summary);
    put_record(out, &event);
}

static int ask_all(const struct export *e, struct answers *a)
{
    struct client *c = e->c;
    char *job = api_job(e->id, ""), *metrics = api_job(e->id, "/metrics");
    char *histograms = records_path(c, e->id, "histograms",
        opts_value(&c->opts, "layers"), opts_value(&c->opts, "epochs"),
        "bins=decade8");
    int rc = export_ask(e, "gradients", opts_value(&c->opts, "layers"),
                        &a->gradients);

    if (!rc)
        rc = api_json(c, "GET", histograms, NULL, &a->histograms);
    if (!rc)
        rc = api_json(c, "GET", metrics, NULL, &a->metrics);
    if (!rc)
        rc = api_json(c, "GET", job, NULL, &a->job);
    free(job);
    free(metrics);
    free(histograms);
    return rc;
}

static double started_at(const json_t *job)
{
    struct tm tm = {0};

    return strptime(api_text(job, "started_at"), "%Y-%m-%dT%H:%M:%S", &tm)
               ? (double)timegm(&tm) : 0;
}

int export_tensorboard(const struct export *e, FILE *out)
{
    static const char version[] = "brain.Event:2";
    struct answers a = {0};
    struct message event;
    const json_t *epoch;
    size_t i;
    int rc = ask_all(e, &a);

    if (!rc) {
        double when = started_at(a.job);
        begin(&event);
        put_double(&event, EVENT_TIME, when);
        put_bytes(&event, EVENT_VERSION, version, sizeof version - 1);
        put_record(out, &event);
        json_array_foreach(json_object_get(a.histograms, "epochs"), i, epoch) {
            double took = api_number(of_epoch(a.metrics, api_number(
                epoch, "epoch")), "duration_seconds");
            when += isfinite(took) ? took : 0;
            put_epoch(out, &a, epoch, when);
        }
    }
    json_decref(a.job);
    json_decref(a.metrics);
    json_decref(a.gradients);
    json_decref(a.histograms);
    return rc;
}
