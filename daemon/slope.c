#include "daemon/slope.h"

#include <math.h>
#include <stdlib.h>
#include "common/mem.h"
#include "daemon/fit.h"

enum { END_SHARE = 8 };         // an end of the network is an eighth of it

void slope_begin(struct slope_points *p, int most)
{
    *p = (struct slope_points){
        .depth = xcalloc((size_t)most, sizeof *p->depth),
        .decades = xcalloc((size_t)most, sizeof *p->decades),
    };
}

void slope_add(struct slope_points *p, const struct series *s, double norm)
{
    if (!s->main)
        return;
    if (!isfinite(norm)) {
        p->nonfinite++;
    } else if (!(norm > 0)) {
        p->zeros++;
    } else {
        p->depth[p->n] = s->depth;
        p->decades[p->n++] = log10(norm);
    }
}

// Layers come in network order: the first are next to the input.
static double ends_ratio(const struct slope_points *p)
{
    int end = p->n / END_SHARE > 1 ? p->n / END_SHARE : 1;
    double bottom = 0, top = 0;

    if (p->n < 2)
        return NAN;
    for (int i = 0; i < end; i++) {
        bottom += p->decades[i] / end;
        top += p->decades[p->n - 1 - i] / end;
    }
    return bottom - top;
}

struct slope slope_take(struct slope_points *p)
{
    struct fit f = fit_line(p->depth, p->decades, p->n);
    double decades = 0 - f.slope;       // not -f.slope, which may be -0
    double off = f.n > 2 ? fit_t95(f.n - 2) * f.error : NAN;
    struct slope s = {
        .n = p->n, .zeros = p->zeros, .nonfinite = p->nonfinite,
        .decades = decades, .low = decades - off, .high = decades + off,
        .r2 = f.r2, .ratio = ends_ratio(p),
    };

    p->n = p->zeros = p->nonfinite = 0;
    return s;
}

void slope_end(struct slope_points *p)
{
    free(p->depth);
    free(p->decades);
    *p = (struct slope_points){ 0 };
}

// Without norm layers a step back through a ReLU and a convolution halves the
// gradient's square and multiplies it by fan_in times the weights' variance,
// whatever stride and channels are: 1/3 by PyTorch's rule, 2 in_channels /
// out_channels by Kaiming's fan_out, which over a network comes to nothing.
// With batch norm the weights' size does not matter; what is left is that it
// divides by the standard deviation of rectified normal numbers, which have a
// mean that does not count.
const char *slope_theory(const struct history_net *net, double *decades)
{
    if (!net->known || net->skip)
        return NULL;
    if (net->norm) {
        *decades = log10(M_PI / (M_PI - 1)) / 2;
        return "Yang et al. 2019, arXiv:1902.08129";
    }
    *decades = net->kaiming ? 0 : -log10(6) / 2;
    return "He et al. 2015, arXiv:1502.01852";
}
