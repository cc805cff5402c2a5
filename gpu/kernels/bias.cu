/* gpu/kernels/bias.cu: one number per channel, added; and its gradient. */
#include "gpu/kernels/columns.cuh"

enum { BIAS_BLOCKS = 528 };             // as kernel_partials() reckons

// memory: reads and writes y once.
template <typename T, int V>
__global__ void __launch_bounds__(THREADS)
bias_kernel(T *y, struct columns a, const float *bias)
{
    struct place me = place_of<V>(a);
    float b[V];

    if (me.idle)
        return;
    for (int i = 0; i < V; i++)
        b[i] = bias[me.c + i];
#pragma unroll 4
    for (size_t r = me.first + threadIdx.y; r < me.last; r += a.down) {
        float v[V];

        load<T, V>(v, y, r * a.c + me.c);
        for (int i = 0; i < V; i++)
            v[i] += b[i];
        store<T, V>(y, r * a.c + me.c, v);
    }
}

extern "C" void launch_bias(void *y, struct grid g, const float *bias,
                            cudaStream_t stream)
{
    struct columns a = columns_of(g, MOST_BLOCKS);

    by_pack(g.elem, g.c, [&](auto t, auto v) {
        using T = decltype(t);
        launch(bias_kernel<T, decltype(v)::value>, grid_of(a), block_of(a),
               stream, (T *)y, a, bias);
    });
}

// memory: reads dy once.
template <typename T, int V>
__global__ void __launch_bounds__(THREADS)
bias_back_kernel(float *db, const T *dy, struct columns a, float *partial,
                 unsigned *counter)
{
    __shared__ float room[THREADS * V];
    struct place me = place_of<V>(a);
    float sum[V] = { 0 };

#pragma unroll 4
    for (size_t r = me.first + threadIdx.y; !me.idle && r < me.last;
         r += a.down) {
        float v[V];

        load<T, V>(v, dy, r * a.c + me.c);
        for (int i = 0; i < V; i++)
            sum[i] += v[i];
    }
    sum_down<V>(sum, room);
    if (threadIdx.y == 0 && !me.idle)
        for (int i = 0; i < V; i++)
            partial[(size_t)blockIdx.x * a.c + me.c + i] = sum[i];
    if (!last_block(counter, a.ranges))
        return;
    sum_ranges<V>(a, [=](int range, int c) {
        return make_double2(__ldcg(partial + (size_t)range * a.c + c), 0);
    }, [=](int c, double2 sums) { db[c] = (float)sums.x; });
}

extern "C" void launch_bias_back(float *db, const void *dy, struct grid g,
                                 float *partial, unsigned *counter,
                                 cudaStream_t stream)
{
    struct columns a = columns_of(g, BIAS_BLOCKS);

    by_pack(g.elem, g.c, [&](auto t, auto v) {
        using T = decltype(t);
        launch(bias_back_kernel<T, decltype(v)::value>, grid_of(a),
               block_of(a), stream, db, (const T *)dy, a, partial, counter);
    });
}
