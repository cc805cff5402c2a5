/* daemon/history.h: a job's records in memory, built from its event lines.
 *
 * The event log is the truth; a history says the same in a form that views can
 * be computed from: arrays of numbers, no JSON. Feed it the job's stored lines
 * in order, then every line (live ones too) as it comes. It is open data, read
 * by views.c; only history.c writes it. No locks: the caller sees to it that
 * nobody reads while a line is added.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/clock.h"
#include "common/error.h"
#include "common/hist.h"
#include "common/job.h"

// Records beyond this are not kept (the events still have them). 54 layers,
// 300 epochs and 20 samples take about 7 MiB.
enum { HISTORY_MAX_BYTES = 256 << 20, HISTORY_MAX_SERIES = 4096 };

// Names are min p05 p25 median p75 p95 max mean.
enum statistic { STAT_MIN, STAT_P05, STAT_P25, STAT_MEDIAN, STAT_P75, STAT_P95,
            STAT_MAX, STAT_MEAN, STAT_COUNT };
extern const char *const stat_names[STAT_COUNT];

// A layer of the network, as `started` tells.
struct history_layer {
    char *name;
    int   depth;
    bool  main;                     // a convolution of the main path
};

// One quantity of one layer: what records and early values are about. The
// layer of grad_w and weight may be written "conv1" or "conv1.weight".
struct series {
    char             *layer;
    enum job_quantity quantity;
    int               depth;        // convolutions up to here; 0 = not known
    bool              main;
};

// The numbers of one series in one epoch. Not finite and null are NAN here.
struct record {
    bool     present;               // the epoch has this series
    int64_t  count, nonfinite, zeros;
    double   stats[STAT_COUNT];
    int      n_samples;
    double  *samples;               // in step order; owned, and the next two
    int32_t *sample_steps;          // point into the same block; -1 = not said
    uint8_t *packed;                // histograms; history_hist() reads them
};

struct history_epoch {
    int     epoch;
    bool    complete;
    char    time[CLOCK_TEXT];       // when this was told; "" = not said
    int64_t steps, images, nonfinite_steps;
    double  loss, accuracy, images_per_second, recording_share,
            duration_seconds;
    bool    validated;              // the next two are of validation images
    double  validation_loss, validation_accuracy;
    struct record *records;         // by series; n_records may be less than
    int            n_records;       // n_series: history_record() looks
    size_t         bytes;           // held by it
};

struct early_step {
    int64_t step;
    double  loss;
    double *values;                 // by series, NAN where there is none
    int     n_values;
};

// How the images of a fixed batch agreed about a layer's weight, before a step
// of the run; docs/quantities.md.
enum { PROBE_NUMBERS = 3 };
extern const char *const probe_names[PROBE_NUMBERS];    // cosine confusion snr
struct probe_layer { char *name; double numbers[PROBE_NUMBERS]; };

struct history_probe {
    int     epoch, images;
    int64_t step;
    double  loss, seconds;
    struct probe_layer *layers;
    int                 n_layers;
};

// What the network is, as far as the views' rules and theory go.
struct history_net {
    bool known;                     // `started` had a spec
    bool skip, norm, kaiming;       // any skips; batch norm; init kaiming
    int  classes;                   // 0 = not said
};

struct history {
    struct history_net    net;
    char                  ended[12];    // "done", "diverged", "failed",
                                        // "cancelled"; "" = goes on
    struct history_layer *layers;   // in network order
    int                   n_layers;
    struct series *series;          // as they came: quantity by quantity, each
    int            n_series;        // in network order
    unsigned       quantities;      // bits 1 << QUANTITY_: asked for or seen
    struct history_epoch *epochs;   // ended ones, ascending
    int                   n_epochs;
    struct history_epoch  live;     // the one in progress; epoch 0 = none
    struct early_step    *early;
    int                   n_early;
    struct history_probe *probes;   // by step
    int                   n_probes;
    size_t                bytes;    // held, all told
    size_t                max_bytes;    // HISTORY_MAX_BYTES, but for tests
};

struct history *history_new(void);
void            history_free(struct history *h);

// Takes in one event line (without newline). Types that carry no records are
// looked at and left. A `started` starts over: what follows is another try of
// the same job; an epoch told again replaces itself and what came after. The
// last event of a job, and `interrupted`, end the epoch in progress. ERR_SPEC
// when the line is no event, ERR_LIMIT when its records would take the history
// over HISTORY_MAX_BYTES (loss, accuracy and times of an epoch are kept all the
// same); records are taken whole or not at all.
int             history_add(struct history *h, const char *line, size_t len,
                            struct error *err);
size_t          history_bytes(const struct history *h);

// Epochs in order, the one in progress last. 0 <= i < history_epochs().
int                         history_epochs(const struct history *h);
const struct history_epoch *history_epoch(const struct history *h, int i);

// NULL when the epoch has nothing of this series.
const struct record *history_record(const struct history_epoch *e, int series);
// The histogram of all steps of the epoch; false when the event had none.
bool                 history_hist(const struct record *r, enum grid grid,
                                  struct hist *out);
