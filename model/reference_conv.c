/* What a convolution means. A patch is what the filter sees at one place of the
 * output: in * k * k numbers, in the order of a weight's (in, k, k), 0 where it
 * looks outside of the image. With it, at every place,
 *
 *     y[o]   = b[o] + w[o] . patch
 *     dw[o] += dy[o] * patch,   db[o] += dy[o]
 *     dpatch = sum over o of dy[o] * w[o]
 *
 * and dx gets every element of dpatch added where it was seen. */
#include "model/reference_ops.h"

#include <stddef.h>
#include <stdlib.h>

#include "common/mem.h"

struct window {
    int    n, in, h, w;                 // x
    int    out, rows, cols;             // y
    int    k, stride, pad;
    int    places;                      // rows * cols
    int    size;                        // of a patch
    size_t x_image, y_image;            // elements of one image
};

static struct window window_of(const struct pass *p, const struct node *node)
{
    struct shape x = shape_of(p, node->in[0]), y = shape_of(p, node->out);
    struct conv at = node->at.conv;

    return (struct window){
        .n = x.n, .in = x.c, .h = x.h, .w = x.w,
        .out = y.c, .rows = y.h, .cols = y.w,
        .k = at.k, .stride = at.stride, .pad = at.pad,
        .places = y.h * y.w, .size = x.c * at.k * at.k,
        .x_image = elements(x) / x.n, .y_image = elements(y) / y.n,
    };
}

// Where in an image of x element j of the patch at `place` is, or -1: outside.
static ptrdiff_t seen(const struct window *win, int place, int j)
{
    int i = j / (win->k * win->k), kh = j / win->k % win->k, kw = j % win->k;
    int h = place / win->cols * win->stride - win->pad + kh;
    int w = place % win->cols * win->stride - win->pad + kw;

    if (h < 0 || h >= win->h || w < 0 || w >= win->w)
        return -1;
    return ((ptrdiff_t)i * win->h + h) * win->w + w;
}

static double *patches_new(const struct window *win)
{
    return xcalloc((size_t)win->places * win->size, sizeof(double));
}

// x: one image. patches: (places, size)
static void cut(const struct pass *p, const struct window *win, const double *x,
                double *patches)
{
    PARALLEL_FOR
    for (int at = 0; at < win->places; at++)
        for (int j = 0; j < win->size; j++) {
            ptrdiff_t from = seen(win, at, j);
            patches[(size_t)at * win->size + j] = from < 0 ? 0 : x[from];
        }
}

// The other way round: patches overlap, so one thread adds them all.
static void paste(const struct window *win, double *dx, const double *dpatches)
{
    for (int at = 0; at < win->places; at++)
        for (int j = 0; j < win->size; j++) {
            ptrdiff_t to = seen(win, at, j);
            if (to >= 0)
                dx[to] += dpatches[(size_t)at * win->size + j];
        }
}

// In eight interleaved partial sums, which is what lets a compiler use vectors.
static double dot(const double *a, const double *b, int n)
{
    double sum = 0;

#pragma omp simd reduction(+:sum) simdlen(8)
    for (int i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

// y += a * x
static void add_scaled(double *y, double a, const double *x, int n)
{
#pragma omp simd
    for (int i = 0; i < n; i++)
        y[i] += a * x[i];
}

static void conv_forward(struct pass *p, const struct node *node)
{
    struct window win = window_of(p, node);
    const double *w = p->value[node->param[0]];
    const double *b = node->at.conv.bias ? p->value[node->param[1]] : NULL;
    double *patches = patches_new(&win);

    for (int n = 0; n < win.n; n++) {
        double *y = p->value[node->out] + n * win.y_image;

        cut(p, &win, p->value[node->in[0]] + n * win.x_image, patches);
        PARALLEL_FOR
        for (int o = 0; o < win.out; o++)
            for (int at = 0; at < win.places; at++)
                y[(size_t)o * win.places + at] = (b ? b[o] : 0) +
                    dot(w + (size_t)o * win.size,
                        patches + (size_t)at * win.size, win.size);
    }
    free(patches);
}

static void conv_backward_w(struct pass *p, const struct node *node)
{
    struct window win = window_of(p, node);
    double *dw = p->grad[node->param[0]];
    double *db = node->at.conv.bias ? p->grad[node->param[1]] : NULL;
    double *patches = patches_new(&win);

    for (int n = 0; n < win.n; n++) {
        const double *dy = p->grad[node->out] + n * win.y_image;

        cut(p, &win, p->value[node->in[0]] + n * win.x_image, patches);
        PARALLEL_FOR
        for (int o = 0; o < win.out; o++)
            for (int at = 0; at < win.places; at++) {
                double g = dy[(size_t)o * win.places + at];
                add_scaled(dw + (size_t)o * win.size, g,
                           patches + (size_t)at * win.size, win.size);
                if (db)
                    db[o] += g;
            }
    }
    free(patches);
}

static void conv_backward_x(struct pass *p, const struct node *node)
{
    struct window win = window_of(p, node);
    const double *w = p->value[node->param[0]];
    double *dpatches = patches_new(&win);

    for (int n = 0; n < win.n; n++) {
        const double *dy = p->grad[node->out] + n * win.y_image;

        PARALLEL_FOR
        for (int at = 0; at < win.places; at++) {
            double *dpatch = dpatches + (size_t)at * win.size;

            for (int j = 0; j < win.size; j++)
                dpatch[j] = 0;
            for (int o = 0; o < win.out; o++)
                add_scaled(dpatch, dy[(size_t)o * win.places + at],
                           w + (size_t)o * win.size, win.size);
        }
        paste(&win, p->grad[node->in[0]] + n * win.x_image, dpatches);
    }
    free(dpatches);
}

static void conv_backward(struct pass *p, const struct node *node)
{
    conv_backward_w(p, node);
    if (p->grad[node->in[0]])
        conv_backward_x(p, node);
}

const struct reference_op reference_op_conv = { conv_forward, conv_backward };
