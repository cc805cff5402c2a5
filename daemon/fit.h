/* daemon/fit.h: a straight line through points, and how sure it is. */
#pragma once

struct fit {
    int    n;           // points
    double slope;       // NAN with fewer than two different x
    double error;       // standard error of the slope; NAN below three points
    double r2;          // share of the variance of y that the line takes; NAN
                        // when y does not vary
};

// Ordinary least squares of y on x.
struct fit fit_line(const double *x, const double *y, int n);

// The t for which |T| <= t has probability 0.95 with df >= 1 degrees of
// freedom: slope +- t * error is a 95 % interval when df = n - 2.
double fit_t95(int df);
