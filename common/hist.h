/* common/hist.h: the grids on which gradient norms are counted.
 *
 * NOTEBOOK  49 bins, edges numpy.logspace(-10, 0, 50), of |x| + 1e-10, as in
 *           the notebook: zeros fall into the first bin, nothing below it.
 * EXTENDED  196 bins: the notebook's spacing (10/49 decade) from 1e-30 to
 *           1e10, of x itself; its bins 98..146 are the notebook's.
 * DECADE8   320 bins, eight a decade, from 1e-30 to 1e10, of x itself.
 *
 * Bins are half open, [edge, next edge); the last one is closed, as numpy's.
 * An edge is the double nearest to the true power of ten.
 */
#pragma once
#include <stdint.h>
#include <jansson.h>
#include "common/error.h"

enum grid { GRID_NOTEBOOK, GRID_EXTENDED, GRID_DECADE8, GRID_COUNT };
enum { HIST_MAX_BINS = 320 };

struct hist {
    enum grid grid;
    int64_t   counts[HIST_MAX_BINS];
    int64_t   underflow, overflow;      // finite, not zero, out of range
    int64_t   zeros, nonfinite;         // zeros stay 0 on GRID_NOTEBOOK
};

const char   *grid_name(enum grid grid);        // "notebook", ...
int           grid_find(const char *name);      // or -1
int           grid_bins(enum grid grid);
const double *grid_edges(enum grid grid);       // grid_bins() + 1 of them

void hist_add(struct hist *h, double x);        // x >= 0, inf or nan

// {"first": 3, "counts": [1, 4, 2], "underflow": 0, "overflow": 0}: the run
// from the first to the last bin that is not empty; first 0, [] when all are.
// Caller owns. Zeros and nonfinite are not in it: they stand beside it once.
json_t *hist_to_json(const struct hist *h);
// Adds what j says to h->counts, underflow, overflow. 0 or ERR_SPEC.
int     hist_from_json(struct hist *h, const json_t *j);

// Densities as numpy's density=True on linear x (per unit) or per decade of x;
// (bins) numbers that integrate to 1 over what is in range. Returns 0 and
// leaves out alone when nothing is in range, else 1.
int hist_density(const struct hist *h, int per_decade, double *out);
