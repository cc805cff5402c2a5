/* client/run.h: what is known of a job that is being watched, event by event.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    RUN_BINS = 320,             // "decade8": eight a decade from 1e-30 to 1e10
    RUN_EPOCHS = 500,           // the newest so many are kept
    RUN_LOSSES = 1024,
};

struct run_row {                // a layer's record of a quantity
    int    quantity, layer;     // indices into the run's names
    double median;
    int    first, n;            // bins first .. first + n - 1
    float *counts;              // owned
};

struct run_epoch {
    int             number;
    bool            whole;      // false: still in progress
    struct run_row *rows;       // owned
    int             n_rows;
};

struct run_loss { double epochs, loss; };       // after so many epochs

struct run {
    json_int_t id;
    char      *name, *device;   // owned
    char       state[16];
    char      *reason;          // owned: why it ended as it did, or NULL
    int        epoch, epochs;   // the one in progress; 0 = none yet
    double     step, steps_per_epoch;
    double     images_per_second, eta_seconds, loss, accuracy;
    double     images, parameters;
    double     loaded, to_load; // images being decoded; to_load 0: none
    int        warnings;
    char      *warning;         // owned: the last one, or NULL
    char     **layers, **quantities;    // owned names; layers in network order
    int        n_layers, n_quantities;
    struct run_epoch *history;  // owned, oldest first
    int        n_history;
    struct run_loss losses[RUN_LOSSES];
    int        n_losses;
};

void run_apply(struct run *run, const json_t *event);
void run_clear(struct run *run);
bool run_is_done(const struct run *run);        // ended well

// A row of history[epoch], or NULL where nothing is recorded.
const struct run_row *run_find(const struct run *run, int epoch, int quantity,
                               int layer);
// The layers that have a row there: all of them, or else the notebook's, or as
// many spread over the depth where there are few of those. Fills indices (room
// for n_layers) and returns how many.
int  run_layers(const struct run *run, int epoch, int quantity, bool all,
                int *indices);
// Log10 of the ends of the bins that are filled in these layers; false: none.
bool run_range(const struct run *run, int epoch, int quantity,
               const int *indices, int n, double *low, double *high);
// -1, 0 or 1 for a median that fell, stayed or rose since the epoch before;
// false where there is none to compare with.
bool run_trend(const struct run *run, int epoch, const struct run_row *row,
               int *trend);
// Mean loss in each of n parts of the time so far; parts without one repeat
// the one before. Fills `means` and returns false where there is none.
bool run_losses(const struct run *run, double *means, int n);
static inline double run_edge(int i) { return i / 8.0 - 30; }   // log10
