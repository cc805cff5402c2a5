/* gpu/kernels/norm.cu: batch norm forward: statistics, and normalising with
 * what follows it (adding a shortcut, relu). */
#include "gpu/kernels/columns.cuh"

enum { STATS_BLOCKS = 528 };            // four a multiprocessor of an H200

extern "C" size_t kernel_partials(struct grid g)
{
    return (size_t)columns_of(g, STATS_BLOCKS).ranges * g.c * 2;
}

extern "C" int kernel_counters(struct grid g)
{
    return columns_of(g, STATS_BLOCKS).slabs;
}

extern "C" size_t kernel_mask_bytes(struct grid g)
{
    return g.rows * (size_t)g.c / pack_of(g.elem, g.c);
}

// ---- statistics -------------------------------------------------------------
//
// Each block takes its first row away from all of its rows, so that squares
// stay small beside the variance, whatever the mean; its own mean and sum of
// squared differences then meet those of the other blocks in double.

__device__ static inline size_t rows_of(struct columns a, int range)
{
    size_t first = range * a.rows_per_block;
    size_t left = a.rows - first;

    return left < a.rows_per_block ? left : a.rows_per_block;
}

__device__ static void finish_stats(size_t rows, struct norm_stats s, int c,
                                    double2 sum)
{
    double n = (double)rows, mean = sum.x / n;
    double var = sum.y / n - mean * mean;

    if (var < 0)
        var = 0;                        // of a constant column, by rounding
    s.mean[c] = (float)mean;
    s.var[c] = (float)var;
    if (!s.running_mean)
        return;
    double rate = s.rate, unbiased = n > 1 ? var * n / (n - 1) : var;
    double old_mean = s.running_mean[c], old_var = s.running_var[c];
    s.running_mean[c] = (float)(old_mean + rate * (mean - old_mean));
    s.running_var[c] = (float)(old_var + rate * (unbiased - old_var));
}

// memory: reads x once.
template <typename T, int V>
__global__ void __launch_bounds__(THREADS)
norm_stats_kernel(const T *x, struct columns a, struct norm_stats s)
{
    __shared__ float room[THREADS * V];
    struct place me = place_of<V>(a);
    float shift[V] = { 0 }, sum[V] = { 0 }, squares[V] = { 0 };

    if (!me.idle)
        load<T, V>(shift, x, me.first * a.c + me.c);
#pragma unroll 4
    for (size_t r = me.first + threadIdx.y; !me.idle && r < me.last;
         r += a.down) {
        float v[V];

        load<T, V>(v, x, r * a.c + me.c);
        for (int i = 0; i < V; i++) {
            float d = v[i] - shift[i];
            sum[i] += d;
            squares[i] += d * d;
        }
    }
    sum_down<V>(sum, room);
    sum_down<V>(squares, room);
    if (threadIdx.y == 0 && !me.idle) {
        float n = (float)(me.last - me.first);
        float *to = s.partial + ((size_t)blockIdx.x * a.c + me.c) * 2;
        for (int i = 0; i < V; i++) {
            to[2 * i] = shift[i] + sum[i] / n;
            to[2 * i + 1] = squares[i] - sum[i] * (sum[i] / n);
        }
    }
    if (!last_block(s.counter, a.ranges))
        return;
    sum_ranges<V>(a, [=](int range, int c) {
        const float *from = s.partial + ((size_t)range * a.c + c) * 2;
        double n = (double)rows_of(a, range);
        double mean = __ldcg(from), squared = __ldcg(from + 1);
        return make_double2(n * mean, squared + n * mean * mean);
    }, [=](int c, double2 sums) { finish_stats(a.rows, s, c, sums); });
}

extern "C" void launch_norm_stats(const void *x, struct grid g,
                                  struct norm_stats s, cudaStream_t stream)
{
    struct columns a = columns_of(g, STATS_BLOCKS);

    by_pack(g.elem, g.c, [&](auto t, auto v) {
        using T = decltype(t);
        launch(norm_stats_kernel<T, decltype(v)::value>, grid_of(a),
               block_of(a), stream, (const T *)x, a, s);
    });
}

// A thread a channel.
__global__ void __launch_bounds__(THREADS)
norm_finish_kernel(const float *sums, size_t rows, int c, struct norm_stats s)
{
    for (size_t i = first_thread(); i < (size_t)c; i += all_threads())
        finish_stats(rows, s, (int)i, make_double2(sums[i], sums[c + i]));
}

extern "C" void launch_norm_finish(const float *sums, struct grid g,
                                   struct norm_stats s, cudaStream_t stream)
{
    launch(norm_finish_kernel, blocks_for((size_t)g.c), dim3(THREADS), stream,
           sums, g.rows, g.c, s);
}

// ---- normalising ------------------------------------------------------------

// memory: reads x (and z) once, writes y and a byte a pack.
template <typename T, int V>
__global__ void __launch_bounds__(THREADS)
norm_apply_kernel(T *__restrict__ y, uint8_t *__restrict__ mask,
                  const T *__restrict__ x, const T *__restrict__ z,
                  struct columns a, struct norm_scale s, bool relu)
{
    struct place me = place_of<V>(a);
    float mean[V], factor[V], beta[V];

    if (me.idle)
        return;
    for (int i = 0; i < V; i++) {
        int c = me.c + i;
        mean[i] = s.mean[c];
        factor[i] = s.gamma[c] * (1.0f / sqrtf(s.var[c] + s.eps));
        beta[i] = s.beta[c];
    }
#pragma unroll 4
    for (size_t r = me.first + threadIdx.y; r < me.last; r += a.down) {
        size_t at = r * a.c + me.c;
        float v[V], w[V] = { 0 };
        unsigned bits = 0;

        load<T, V>(v, x, at);
        if (z)
            load<T, V>(w, z, at);
        for (int i = 0; i < V; i++) {
            v[i] = factor[i] * (v[i] - mean[i]) + beta[i] + w[i];
            if (relu && v[i] <= 0)      // nan stays nan
                v[i] = 0;
        }
        store<T, V>(y, at, v);
        for (int i = 0; i < V; i++)     // of what was stored
            bits |= !(v[i] <= 0) ? 1u << i : 0u;
        if (mask)
            mask[at / V] = (uint8_t)bits;
    }
}

extern "C" void launch_norm_apply(void *y, uint8_t *mask, const void *x,
                                  const void *z, struct grid g,
                                  struct norm_scale s, bool relu,
                                  cudaStream_t stream)
{
    struct columns a = columns_of(g, MOST_BLOCKS);

    by_pack(g.elem, g.c, [&](auto t, auto v) {
        using T = decltype(t);
        launch(norm_apply_kernel<T, decltype(v)::value>, grid_of(a),
               block_of(a), stream, (T *)y, mask, (const T *)x, (const T *)z,
               a, s, relu || mask);
    });
}
