/* What each measure of a tap means, in plain loops over doubles. */
#include "model/reference_ops.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

static double norm_of(const double *x, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += x[i] * x[i];             // does not underflow above 1e-154
    return sqrt(sum);
}

static double distance_of(const double *x, const double *y, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += (x[i] - y[i]) * (x[i] - y[i]);
    return sqrt(sum);
}

static double mean_of(const double *x, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += x[i];
    return sum / n;
}

static double std_of(const double *x, size_t n)
{
    double mean = mean_of(x, n), sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += (x[i] - mean) * (x[i] - mean);
    return sqrt(sum / n);
}

static double zeros_of(const double *x, size_t n)
{
    size_t zeros = 0;

    for (size_t i = 0; i < n; i++)
        zeros += x[i] == 0;
    return (double)zeros / n;
}

static double samples_of(const double *x, struct shape s)
{
    size_t one = (size_t)s.c * s.h * s.w;
    double sum = 0;

    for (int n = 0; n < s.n; n++)
        sum += norm_of(x + n * one, one);
    return sum;
}

static bool begins(const struct graph *g, int tap, int node)
{
    return g->taps[tap].measure == MEASURE_BRANCH &&
           graph_branch(g, g->taps[tap].value) == node;
}

double *reference_branch_before(const struct pass *p, int node)
{
    const struct graph *g = p->graph;

    for (int i = 0; i < g->n_taps; i++)
        if (begins(g, i, node)) {
            val v = g->taps[i].value;
            size_t bytes = elements(shape_of(p, v)) * sizeof(double);
            return memcpy(xmalloc(bytes), p->grad[v], bytes);
        }
    return NULL;
}

void reference_branch(const struct pass *p, int node, double *before,
                      double *out)
{
    const struct graph *g = p->graph;

    for (int i = 0; before && i < g->n_taps; i++) {
        val v = g->taps[i].value;
        size_t n = elements(shape_of(p, v));

        if (begins(g, i, node))
            out[i] = distance_of(p->grad[v], before, n);
    }
    free(before);
}

void reference_measure(const struct pass *p, double **before, double *out)
{
    const struct graph *g = p->graph;

    for (int i = 0; i < g->n_taps; i++) {
        const struct tap *t = &g->taps[i];
        double *x = (t->side == SIDE_VALUE ? p->value : p->grad)[t->value];
        size_t n = elements(shape_of(p, t->value));

        switch (t->measure) {
        case MEASURE_NORM:  out[i] = norm_of(x, n);  break;
        case MEASURE_MEAN:  out[i] = mean_of(x, n);  break;
        case MEASURE_STD:   out[i] = std_of(x, n);   break;
        case MEASURE_ZEROS: out[i] = zeros_of(x, n); break;
        case MEASURE_SAMPLES:
            out[i] = samples_of(x, shape_of(p, t->value));
            break;
        case MEASURE_BRANCH:
            break;                      // by reference_branch()
        case MEASURE_CHANGE:
            before[i] = xmalloc(n * sizeof *x);
            memcpy(before[i], x, n * sizeof *x);
            break;
        }
    }
}

void reference_changes(const struct pass *p, double **before, double *out)
{
    const struct graph *g = p->graph;

    for (int i = 0; i < g->n_taps; i++) {
        size_t n = elements(shape_of(p, g->taps[i].value));
        const double *x = p->value[g->taps[i].value];

        if (!before[i])
            continue;
        out[i] = distance_of(x, before[i], n);
        free(before[i]);
        before[i] = NULL;
    }
}
