/* client/run.h: what is known of a job that is being watched, event by event.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum { RUN_BINS = 320 };        // "decade8": eight a decade from 1e-30 to 1e10

struct run_layer {
    char  *name;                // owned
    bool   recorded;            // there is a record of it
    double median;
    double counts[RUN_BINS];
};

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
    struct run_layer *layers;   // owned, in network order
    int        n_layers;
};

void run_apply(struct run *run, const json_t *event);
void run_clear(struct run *run);
bool run_is_done(const struct run *run);        // ended well

// The layers to show: the notebook's, or all recorded if it has none of them.
// Fills indices (room for n_layers) and returns how many.
int  run_layers(const struct run *run, int *indices);
// Log10 of the ends of the bins that are filled in these layers; false: none.
bool run_range(const struct run *run, const int *indices, int n,
               double *low, double *high);
static inline double run_edge(int i) { return i / 8.0 - 30; }   // log10
