#include "worker/probe.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

struct probe {
    struct plan *plan;
    int32_t     *labels;        // (images)
    val         *weights;       // (n)
    float      **grads;         // (n) of (images, elements)
    int          images, n;
};

static size_t elements(const struct probe *p, int w)
{
    return (size_t)graph_elements(p->plan->graph, p->weights[w]);
}

struct probe *probe_new(struct plan *plan, const int32_t *labels,
                        const val *weights, int n)
{
    struct probe *p = xcalloc(1, sizeof *p);

    p->plan = plan;
    p->images = graph_shape(plan->graph, plan->graph->input).n;
    p->n = n;
    p->labels = xcalloc((size_t)p->images, sizeof *labels);
    memcpy(p->labels, labels, (size_t)p->images * sizeof *labels);
    p->weights = xcalloc((size_t)n, sizeof *weights);
    if (n)
        memcpy(p->weights, weights, (size_t)n * sizeof *weights);
    p->grads = xcalloc((size_t)n, sizeof *p->grads);
    for (int w = 0; w < n; w++)
        p->grads[w] = xcalloc((size_t)p->images * elements(p, w),
                              sizeof **p->grads);
    return p;
}

void probe_free(struct probe *p)
{
    for (int w = 0; p && w < p->n; w++)
        free(p->grads[w]);
    if (p) {
        free(p->grads);
        free(p->weights);
        free(p->labels);
    }
    free(p);
}

size_t probe_bytes(const struct probe *p)
{
    size_t bytes = 0;

    for (int w = 0; w < p->n; w++)
        bytes += (size_t)p->images * elements(p, w) * sizeof **p->grads;
    return bytes;
}

// The gradient of one image's loss with respect to every weight.
static int pass(struct probe *p, int image, double *loss, struct error *err)
{
    const struct backend *b = p->plan->backend;
    struct slot *slot = b->slot(p->plan, 0);
    struct result result = { 0 };

    for (int i = 0; i < p->images; i++)
        slot->labels[i] = i == image ? p->labels[i] : -1;
    int rc = b->submit(p->plan, 0, MODE_GRAD, 0, err);
    if (!rc)
        rc = b->collect(p->plan, &result, err);
    for (int w = 0; w < p->n && !rc; w++)
        rc = b->read(p->plan, p->weights[w], SIDE_GRAD,
                     p->grads[w] + (size_t)image * elements(p, w), err);
    *loss += result.loss / p->images;
    return rc;
}

static double dot(const float *x, const float *y, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * y[i];
    return sum;
}

// ---- numbers out of inner products, gram (n, n)
// ------------------------------

// Mean of gram over a block; all, or only those off the diagonal do.
static double block(const double *gram, int n, int from_i, int from_j,
                    int size)
{
    double sum = 0;

    for (int i = from_i; i < from_i + size; i++)
        for (int j = from_j; j < from_j + size; j++)
            sum += gram[i * n + j];
    return sum / size / size;
}

// a and b are the means of the g_i of the first and the second half. Their
// difference is noise, four times that of their mean; their product is the
// signal, with nothing added on average.
static double snr_of(const double *gram, int n)
{
    int half = n / 2;
    double aa = block(gram, n, 0, 0, half), bb = block(gram, n, half, half,
                                                        half);
    double ab = block(gram, n, 0, half, half);
    double noise = (aa + bb - 2 * ab) / 4;

    return noise > 0 ? ab / noise : NAN;
}

static struct probe_numbers numbers_of(const double *gram, int n)
{
    struct probe_numbers out = { .confusion = INFINITY };
    int pairs = n * (n - 1) / 2;

    for (int i = 0; i < n; i++)
        for (int j = i + 1; j < n; j++) {
            double norms = sqrt(gram[i * n + i]) * sqrt(gram[j * n + j]);
            double cosine = norms > 0 ? gram[i * n + j] / norms : NAN;

            out.cosine += cosine / pairs;
            if (!(cosine >= out.confusion))     // not a number stays
                out.confusion = cosine;
        }
    if (isnan(out.cosine))
        out.confusion = NAN;
    out.snr = snr_of(gram, n);
    return out;
}

int probe_take(struct probe *p, bool (*stopped)(void *arg), void *arg,
               struct probe_numbers *out, double *loss, struct error *err)
{
    int n = p->images, rc = 0;
    double *gram = xcalloc((size_t)n * (size_t)n, sizeof *gram);

    *loss = 0;
    for (int i = 0; i < n && !rc; i++)
        rc = stopped && stopped(arg) ? fail(err, ERR_STATE, "stopped")
                                     : pass(p, i, loss, err);
    for (int w = 0; w < p->n && !rc; w++) {
        size_t len = elements(p, w);

        for (int i = 0; i < n; i++)
            for (int j = i; j < n; j++)
                gram[i * n + j] = gram[j * n + i] =
                    dot(p->grads[w] + (size_t)i * len,
                        p->grads[w] + (size_t)j * len, len);
        out[w] = numbers_of(gram, n);
    }
    free(gram);
    return rc;
}
