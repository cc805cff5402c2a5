/* gpu/resident.c: see the header. Resizing follows Pillow's bilinear filter
 * (its Resample.c): output pixel o looks at the input around (o + 0.5) * scale,
 * scale = in / out, and input i weighs triangle((i + 0.5 - center) / support),
 * support = max(scale, 1); weights are normalised in double and rounded to 22
 * bit fixed point. */
#include "gpu/resident.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/mem.h"
#include "gpu/check.h"

enum { WEIGHT_BITS = 22 };

// Left to the plans that come later and to the library.
static const size_t SPARE_BYTES = (size_t)512 << 20;

// ---- tables: first (out), count (out), weight (out, most) -------------------

static double support_of(int in, int out)
{
    return in > out ? (double)in / out : 1.0;
}

static int most_of(int in, int out)
{
    return (int)ceil(support_of(in, out)) * 2 + 1;
}

static size_t table_numbers(int in, int out)
{
    return in == out ? 0 : (size_t)out * (2 + (size_t)most_of(in, out));
}

static double triangle(double x)
{
    return fabs(x) < 1.0 ? 1.0 - fabs(x) : 0.0;
}

static void fill_pixel(int32_t *first, int32_t *count, int32_t *weight, int o,
                       int in, int out)
{
    double support = support_of(in, out), sum = 0;
    double center = (o + 0.5) * ((double)in / out);
    int from = (int)(center - support + 0.5);
    int to = (int)(center + support + 0.5);

    from = from < 0 ? 0 : from;
    to = to > in ? in : to;
    *first = from;
    *count = to - from;
    for (int i = from; i < to; i++)     // times the inverse: the last bit
        sum += triangle((i - center + 0.5) * (1.0 / support));
    for (int i = from; i < to; i++) {
        double w = triangle((i - center + 0.5) * (1.0 / support));
        weight[i - from] = (int32_t)(0.5 + w / sum * (1 << WEIGHT_BITS));
    }
}

// Fills host; the addresses are those of its copy on the device.
static struct resize_side fill_side(int32_t *host, const int32_t *device,
                                    int in, int out)
{
    int most = most_of(in, out);

    if (in == out)
        return (struct resize_side){ 0 };
    for (int o = 0; o < out; o++)
        fill_pixel(&host[o], &host[out + o], &host[2 * out + o * most], o, in,
                   out);
    return (struct resize_side){ device, device + out, device + 2 * out, most };
}

static int make_tables(struct resident *r, int to_h, int to_w,
                       cudaStream_t stream, struct error *err)
{
    size_t down = table_numbers(r->h, to_h), across = table_numbers(r->w, to_w);
    size_t bytes = (down + across) * sizeof(int32_t);
    int32_t *host = NULL;
    int rc = 0;

    if (!bytes)
        return 0;
    host = xcalloc(down + across, sizeof *host);
    CUDA_TRY(cudaMalloc((void **)&r->tables, bytes));
    r->down = fill_side(host, r->tables, r->h, to_h);
    r->across = fill_side(host + down, r->tables + down, r->w, to_w);
    CUDA_TRY(cudaMemcpyAsync(r->tables, host, bytes, cudaMemcpyHostToDevice,
                             stream));
    CUDA_TRY(cudaStreamSynchronize(stream));
out:
    free(host);
    return rc;
}

// ---- pixels -----------------------------------------------------------------

int resident_take(struct resident *r, const struct images *im, int to_h,
                  int to_w, cudaStream_t stream, struct error *err)
{
    size_t bytes = (size_t)im->n * (size_t)im->h * (size_t)im->w * 3;
    size_t left, total;
    int rc = 0;

    if (r->host)
        return r->host == im->pixels && r->n == im->n && r->h == im->h &&
               r->w == im->w;
    CUDA_TRY(cudaMemGetInfo(&left, &total));
    if (bytes + SPARE_BYTES > left)
        return 0;
    *r = (struct resident){ .n = im->n, .h = im->h, .w = im->w };
    CUDA_TRY(cudaMalloc((void **)&r->pixels, bytes));
    CUDA_TRY(cudaMemcpyAsync(r->pixels, im->pixels, bytes,
                             cudaMemcpyHostToDevice, stream));
    CUDA_TRY(cudaStreamSynchronize(stream));
    rc = make_tables(r, to_h, to_w, stream, err);
out:
    if (rc) {
        resident_drop(r);
        return rc;
    }
    r->host = im->pixels;
    return 1;
}

void resident_drop(struct resident *r)
{
    cudaFree(r->pixels);
    cudaFree(r->tables);
    memset(r, 0, sizeof *r);
}
