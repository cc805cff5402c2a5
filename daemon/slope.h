/* daemon/slope.h: how norms change from layer to layer, in one line.
 *
 * The line is the least-squares fit of log10(norm) over depth, through the
 * convolutions of the main path (no downsample, no fc) whose norm is finite and
 * not zero. Its sign is turned so that more than 0 decades means: grows towards
 * the input. low and high bound it at 95 %, by Student's t with n - 2 degrees
 * of freedom on the standard error of the line.
 */
#pragma once
#include "daemon/history.h"

struct slope {
    int    n;                   // layers that the line goes through
    int    zeros, nonfinite;    // layers of the main path left out of it
    double decades;             // a layer; NAN with fewer than two layers
    double low, high;           // NAN with fewer than three
    double r2;
    double ratio;               // log10 of bottom over top: means of log10 over
                                // the first and the last eighth of the layers
};

// Collects what a line goes through; reused from slope to slope.
struct slope_points { double *depth, *decades; int n, zeros, nonfinite; };

void         slope_begin(struct slope_points *p, int most);     // aborts when
                                                        // out of memory
void         slope_add(struct slope_points *p, const struct series *s,
                       double norm);
struct slope slope_take(struct slope_points *p);        // and starts anew
void         slope_end(struct slope_points *p);

// What theory expects of a network at its start, in decades a layer towards the
// input, and where that is from; NULL when there is none (with skips).
const char  *slope_theory(const struct history_net *net, double *decades);
