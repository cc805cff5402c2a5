/* tests/emulate/dnn.cpp: gpu/dnn.h and gpu/blas.h in plain loops, in place of
 * cuDNN and cuBLAS. Sums are exact; what is multiplied is rounded to TF32 where
 * that is allowed. Workspaces and what is overwritten are spoilt first, as
 * libraries do. With GRADWATCH_EMULATED_SUMS there are plans that make sums. */
#include <launch.cuh>

#include <cstdlib>
#include <list>
#include <vector>

extern "C" {
#include "gpu/blas.h"
#include "gpu/dnn.h"
}

struct dnn_plan { struct dnn_conv at; };
struct dnn { std::list<dnn_plan> plans; };
enum { WORKSPACE = 100 };

static double get(const void *x, enum elem e, size_t i)
{
    return e == ELEM_F32 ? ((const float *)x)[i]
                         : __bfloat162float(((const __nv_bfloat16 *)x)[i]);
}

static void put(void *x, enum elem e, size_t i, double value)
{
    if (e == ELEM_F32)
        ((float *)x)[i] = (float)value;
    else
        ((__nv_bfloat16 *)x)[i] = __float2bfloat16((float)value);
}

// To the nearest number of 10 bits behind the point, as cards do.
static double rounded(float x, bool tf32)
{
    uint32_t bits;

    if (!tf32 || !std::isfinite(x))
        return x;
    memcpy(&bits, &x, sizeof x);
    bits = (bits + 0xfff + (bits >> 13 & 1)) & ~0x1fffu;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static double factor(const struct dnn_conv &a, const void *x, size_t i)
{
    return rounded((float)get(x, a.elem, i), a.tf32 && a.elem == ELEM_F32);
}

// Calls f(x's place, w's, y's) for every product of a convolution.
template <typename F> static void each_product(const struct dnn_conv &a, F f)
{
    for (int n = 0; n < a.n; n++)
    for (int row = 0; row < a.rows; row++)
    for (int col = 0; col < a.cols; col++)
    for (int kh = 0; kh < a.k; kh++)
    for (int kw = 0; kw < a.k; kw++) {
        int h = row * a.stride - a.pad + kh, w = col * a.stride - a.pad + kw;

        if (h < 0 || h >= a.h || w < 0 || w >= a.w)
            continue;
        size_t x = (((size_t)n * a.h + h) * a.w + w) * a.c;
        size_t y = (((size_t)n * a.rows + row) * a.cols + col) * a.out;
        for (int o = 0; o < a.out; o++)
            for (int c = 0; c < a.c; c++)
                f(x + c, (((size_t)o * a.k + kh) * a.k + kw) * a.c + c, y + o);
    }
}

static void run_conv(const struct dnn_conv a, void *x, void *w, void *y,
                     float *sums)
{
    size_t sizes[] = { (size_t)a.n * a.rows * a.cols * a.out,
                       (size_t)a.n * a.h * a.w * a.c,
                       (size_t)a.out * a.k * a.k * a.c };
    void *const to[] = { y, x, w };
    std::vector<double> sum(sizes[a.pass]);

    each_product(a, [&](size_t i, size_t j, size_t k) {
        if (a.pass == DNN_FORWARD)
            sum[k] += factor(a, x, i) * factor(a, w, j);
        else if (a.pass == DNN_DX)
            sum[i] += factor(a, w, j) * factor(a, y, k);
        else
            sum[j] += factor(a, x, i) * factor(a, y, k);
    });
    for (size_t i = 0; i < sum.size(); i++)
        put(to[a.pass], a.elem, i, sum[i]);
    for (int c = 0; sums && c < a.out; c++)
        sums[c] = sums[a.out + c] = 0;
    for (size_t i = 0; sums && i < sum.size(); i++) {
        float y = (float)get(to[a.pass], a.elem, i);

        sums[i % a.out] += y;
        sums[a.out + i % a.out] += y * y;
    }
}

extern "C" {

int dnn_open(const char *, struct dnn **out, struct error *)
{
    *out = new dnn;
    return 0;
}

void dnn_close(struct dnn *d)
{
    delete d;
}

int dnn_choose(struct dnn *d, const struct dnn_conv *at,
               const struct dnn_plan **out, struct error *)
{
    *out = NULL;
    if (at->stats && !getenv("GRADWATCH_EMULATED_SUMS"))
        return 0;
    d->plans.push_back({ *at });
    *out = &d->plans.back();
    return 0;
}

size_t dnn_workspace(const struct dnn_plan *)
{
    return WORKSPACE;
}

int dnn_run(struct dnn *, const struct dnn_plan *p, struct dnn_data data,
            cudaStream_t stream, struct error *)
{
    struct dnn_conv at = p->at;

    emulate_enqueue(stream, [=] {
        memset(data.workspace, 0xff, WORKSPACE);
        run_conv(at, data.x, data.w, data.y, data.sums);
    });
    return 0;
}

// ---- linear -----------------------------------------------------------------

struct blas_plan { struct blas_linear at; };
struct blas { std::list<blas_plan> plans; };

int blas_open(struct blas **out, struct error *)
{
    *out = new blas;
    return 0;
}

void blas_close(struct blas *b)
{
    delete b;
}

int blas_choose(struct blas *b, struct blas_linear at,
              const struct blas_plan **out, struct error *)
{
    b->plans.push_back({ at });
    *out = &b->plans.back();
    return 0;
}

static void run_linear(const struct blas_linear a, float *x, float *w, float *y)
{
    size_t n = (size_t)a.n, in = (size_t)a.in, outs = (size_t)a.out;
    size_t sizes[] = { n * outs, n * in, outs * in };
    float *const to[] = { y, x, w };
    std::vector<double> sum(sizes[a.pass]);

    for (size_t r = 0; r < n; r++)
        for (size_t o = 0; o < outs; o++)
            for (size_t i = 0; i < in; i++) {
                double xi = rounded(x[r * in + i], a.tf32);
                double wi = rounded(w[o * in + i], a.tf32);
                double yi = rounded(y[r * outs + o], a.tf32);

                if (a.pass == BLAS_FORWARD)
                    sum[r * outs + o] += xi * wi;
                else if (a.pass == BLAS_DX)
                    sum[r * in + i] += yi * wi;
                else
                    sum[o * in + i] += yi * xi;
            }
    for (size_t i = 0; i < sum.size(); i++)
        to[a.pass][i] = (float)(sum[i] + (a.adds ? to[a.pass][i] : 0));
}

int blas_run(struct blas *, const struct blas_plan *p, float *x, float *w,
             float *y, void *workspace, cudaStream_t stream, struct error *)
{
    struct blas_linear at = p->at;

    emulate_enqueue(stream, [=] {
        memset(workspace, 0xff, BLAS_WORKSPACE);
        run_linear(at, x, w, y);
    });
    return 0;
}

}
