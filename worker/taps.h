/* worker/taps.h: which numbers of a network a job records.
 *
 * record.layers is matched against the names of the network's layers, each
 * entry a glob or a word: "all", or "notebook", of whose six layers those are
 * taken that the network has. The order is by quantity, then by layer as the
 * network runs; a tap's position in it is its number in STREAM_SAMPLE.
 */
#pragma once
#include "common/job.h"
#include "model/graph.h"
#include "worker/record.h"

// How a recorded number comes from those that a graph's taps give: a, a * b,
// a / b or a / (a + b), times scale.
struct tap_source {
    enum tap_rule { TAP_PLAIN, TAP_PRODUCT, TAP_RATIO, TAP_SHARE } rule;
    int    a, b;                        // taps of the graph
    double scale;
};

struct taps {                           // owns what it holds
    struct record_tap *tap;
    int                n;
};

// 0, or ERR_SPEC and an array of {"pointer", "value", "message"} in *problems,
// which the caller owns: an entry that matches nothing is a mistake.
int  taps_select(const struct job *job, const struct graph *g,
                 struct taps *out, json_t **problems);
// Puts them on a graph of the same network, of any batch size. A source per
// row of t; the caller frees.
struct tap_source *taps_apply(const struct taps *t, struct graph *g);
// The numbers to record, a row each of t, from those of the graph's taps.
void taps_values(const struct taps *t, const struct tap_source *sources,
                 const double *measured, double *out);
void taps_clear(struct taps *t);
// Whether record.layers chooses the layer.
bool taps_want(const struct job *job, const char *layer);
