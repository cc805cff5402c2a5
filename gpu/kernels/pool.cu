/* gpu/kernels/pool.cu: max pooling that repeats bit for bit, and the mean of a
 * plane. */
#include "gpu/kernels/columns.cuh"

// Numbers a thread works on: a pack of channels of one pixel.
struct pixel { int n, h, w, c; };

template <int V>
__device__ static inline struct pixel pixel_of(size_t i, int h, int w, int c)
{
    struct pixel p;
    int packs = c / V;

    p.c = (int)(i % packs) * V;
    i /= packs;
    p.w = (int)(i % w);
    i /= w;
    p.h = (int)(i % h);
    p.n = (int)(i / h);
    return p;
}

// ---- maximum ----------------------------------------------------------------

// memory: reads x (k / stride)^2 times, mostly from the cache; writes y and a
// byte a number.
template <typename T, int V>
__global__ void __launch_bounds__(THREADS)
maxpool_kernel(T *y, uint8_t *place, const T *x, struct pool p)
{
    size_t packs = (size_t)p.n * p.rows * p.cols * p.c / V;

    for (size_t i = first_thread(); i < packs; i += all_threads()) {
        struct pixel at = pixel_of<V>(i, p.rows, p.cols, p.c);
        int top = at.h * p.stride - p.pad, left = at.w * p.stride - p.pad;
        float best[V] = { 0 };
        pack<uint8_t, V> where = { { 0 } };
        bool first = true;

        for (int kh = 0; kh < p.k; kh++)
            for (int kw = 0; kw < p.k; kw++) {
                int h = top + kh, w = left + kw;
                float v[V];

                if (h < 0 || h >= p.h || w < 0 || w >= p.w)
                    continue;
                load<T, V>(v, x, (((size_t)at.n * p.h + h) * p.w + w) * p.c +
                           at.c);
                for (int j = 0; j < V; j++)
                    if (first || v[j] > best[j] ||
                        (isnan(v[j]) && !isnan(best[j]))) {
                        best[j] = v[j];
                        where.at[j] = (uint8_t)(kh * p.k + kw);
                    }
                first = false;
            }
        store<T, V>(y, i * V, best);
        *reinterpret_cast<pack<uint8_t, V> *>(place + i * V) = where;
    }
}

extern "C" void launch_maxpool(void *y, uint8_t *place, const void *x,
                               struct pool p, cudaStream_t stream)
{
    size_t n = (size_t)p.n * p.rows * p.cols * p.c;

    by_pack(p.elem, p.c, [&](auto t, auto v) {
        using T = decltype(t);
        launch(maxpool_kernel<T, decltype(v)::value>,
               blocks_for(n / decltype(v)::value), dim3(THREADS), stream,
               (T *)y, place, (const T *)x, p);
    });
}

// A pixel of x asks each window that sees it, in order, whether it was the
// maximum there. memory: reads dy and place (k / stride)^2 times, mostly from
// the cache; writes dx.
template <typename T, int V>
__global__ void __launch_bounds__(THREADS)
maxpool_back_kernel(T *dx, bool adds, const T *dy, const uint8_t *place,
                    struct pool p)
{
    size_t packs = (size_t)p.n * p.h * p.w * p.c / V;

    for (size_t i = first_thread(); i < packs; i += all_threads()) {
        struct pixel at = pixel_of<V>(i, p.h, p.w, p.c);
        int h = at.h + p.pad, w = at.w + p.pad;
        int row = h < p.k ? 0 : (h - p.k) / p.stride + 1;
        int col0 = w < p.k ? 0 : (w - p.k) / p.stride + 1;
        float sum[V] = { 0 };

        for (; row < p.rows && row * p.stride <= h; row++)
            for (int col = col0; col < p.cols && col * p.stride <= w; col++) {
                size_t y = (((size_t)at.n * p.rows + row) * p.cols + col) *
                           p.c + at.c;
                int me = (h - row * p.stride) * p.k + w - col * p.stride;
                auto where = *reinterpret_cast<const pack<uint8_t, V> *>(
                    place + y);
                float g[V];

                load<T, V>(g, dy, y);
                for (int j = 0; j < V; j++)
                    sum[j] += where.at[j] == me ? g[j] : 0;
            }
        if (adds)
            store_added<T, V>(dx, i * V, sum);
        else
            store<T, V>(dx, i * V, sum);
    }
}

extern "C" void launch_maxpool_back(void *dx, bool adds, const void *dy,
                                    const uint8_t *place, struct pool p,
                                    cudaStream_t stream)
{
    size_t n = (size_t)p.n * p.h * p.w * p.c;

    by_pack(p.elem, p.c, [&](auto t, auto v) {
        using T = decltype(t);
        launch(maxpool_back_kernel<T, decltype(v)::value>,
               blocks_for(n / decltype(v)::value), dim3(THREADS), stream,
               (T *)dx, adds, (const T *)dy, place, p);
    });
}

// ---- mean of a plane --------------------------------------------------------
//
// A block is as in columns.cuh, with an image as its range of rows.

static struct columns planes_of(struct pool p)
{
    struct grid g = { p.elem, (size_t)p.n * p.h * p.w, p.c };
    struct columns a = columns_of(g, 1);

    a.rows_per_block = (size_t)p.h * p.w;
    a.ranges = p.n;
    return a;
}

// memory: reads x once.
template <typename T, int V>
__global__ void __launch_bounds__(THREADS)
avgpool_kernel(float *y, const T *x, struct columns a)
{
    __shared__ float room[THREADS * V];
    struct place me = place_of<V>(a);
    float sum[V] = { 0 };

    for (size_t r = me.first + threadIdx.y; !me.idle && r < me.last;
         r += a.down) {
        float v[V];

        load<T, V>(v, x, r * a.c + me.c);
        for (int i = 0; i < V; i++)
            sum[i] += v[i];
    }
    sum_down<V>(sum, room);
    if (threadIdx.y > 0 || me.idle)
        return;
    for (int i = 0; i < V; i++)
        y[(size_t)blockIdx.x * a.c + me.c + i] =
            sum[i] / (float)a.rows_per_block;
}

extern "C" void launch_avgpool(float *y, const void *x, struct pool p,
                               cudaStream_t stream)
{
    struct columns a = planes_of(p);

    by_pack(p.elem, p.c, [&](auto t, auto v) {
        using T = decltype(t);
        launch(avgpool_kernel<T, decltype(v)::value>, grid_of(a), block_of(a),
               stream, y, (const T *)x, a);
    });
}

// memory: writes dx.
template <typename T, int V>
__global__ void __launch_bounds__(THREADS)
avgpool_back_kernel(T *dx, bool adds, const float *dy, struct columns a)
{
    struct place me = place_of<V>(a);
    float g[V];

    if (me.idle)
        return;
    for (size_t r = me.first + threadIdx.y; r < me.last; r += a.down) {
        for (int i = 0; i < V; i++)
            g[i] = dy[(size_t)blockIdx.x * a.c + me.c + i] /
                   (float)a.rows_per_block;
        if (adds)
            store_added<T, V>(dx, r * a.c + me.c, g);
        else
            store<T, V>(dx, r * a.c + me.c, g);
    }
}

extern "C" void launch_avgpool_back(void *dx, bool adds, const float *dy,
                                    struct pool p, cudaStream_t stream)
{
    struct columns a = planes_of(p);

    by_pack(p.elem, p.c, [&](auto t, auto v) {
        using T = decltype(t);
        launch(avgpool_back_kernel<T, decltype(v)::value>, grid_of(a),
               block_of(a), stream, (T *)dx, adds, dy, a);
    });
}
