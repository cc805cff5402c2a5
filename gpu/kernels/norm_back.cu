/* gpu/kernels/norm_back.cu: batch norm backward in two passes: sums over the
 * batch, then dx together with its squared norm, so that recording the
 * gradient at a convolution's output reads nothing again. */
#include "gpu/kernels/columns.cuh"
#include "gpu/kernels/squares.cuh"

enum { SUMS_BLOCKS = 528, BACK_BLOCKS = MOST_BLOCKS };

// g = dy + late where the mask says so.
template <typename T, int V>
__device__ static inline void load_masked(float g[V], const T *dy,
                                          const T *late, const uint8_t *mask,
                                          size_t at)
{
    unsigned bits = mask ? mask[at / V] : ~0u;
    float more[V] = { 0 };

    load<T, V>(g, dy, at);
    if (late)
        load<T, V>(more, late, at);
    for (int i = 0; i < V; i++)
        g[i] = bits >> i & 1 ? g[i] + more[i] : 0;
}

// memory: reads dy, late, x and a byte a pack; writes dz if there is one.
template <typename T, int V>
__global__ void __launch_bounds__(THREADS)
norm_sums_kernel(T *dz, bool adds, const T *dy, const T *late,
                 const uint8_t *mask, const T *x, struct columns a,
                 struct norm_scale s, struct norm_sums to)
{
    __shared__ float room[THREADS * V];
    struct place me = place_of<V>(a);
    float mean[V] = { 0 }, sum[V] = { 0 }, product[V] = { 0 };

    for (int i = 0; !me.idle && i < V; i++)
        mean[i] = s.mean[me.c + i];
#pragma unroll 2
    for (size_t r = me.first + threadIdx.y; !me.idle && r < me.last;
         r += a.down) {
        size_t at = r * a.c + me.c;
        float g[V], v[V];

        load_masked<T, V>(g, dy, late, mask, at);
        load<T, V>(v, x, at);
        for (int i = 0; i < V; i++) {
            sum[i] += g[i];
            product[i] += g[i] * (v[i] - mean[i]);
        }
        if (dz && adds)
            store_added<T, V>(dz, at, g);
        else if (dz)
            store<T, V>(dz, at, g);
    }
    sum_down<V>(sum, room);
    sum_down<V>(product, room);
    if (threadIdx.y == 0 && !me.idle) {
        float *out = to.partial + ((size_t)blockIdx.x * a.c + me.c) * 2;
        for (int i = 0; i < V; i++) {
            out[2 * i] = sum[i];
            out[2 * i + 1] = product[i];
        }
    }
    if (!last_block(to.counter, a.ranges))
        return;
    sum_ranges<V>(a, [=](int range, int c) {
        const float *from = to.partial + ((size_t)range * a.c + c) * 2;
        return make_double2(__ldcg(from), __ldcg(from + 1));
    }, [=](int c, double2 sums) {
        double rstd = 1.0 / sqrt((double)s.var[c] + (double)s.eps);
        to.dbeta[c] = (float)sums.x;
        to.dgamma[c] = (float)(sums.y * rstd);
        to.means[2 * c] = (float)(sums.x / (double)a.rows);
        to.means[2 * c + 1] = (float)(sums.y * rstd / (double)a.rows);
    });
}

extern "C" void launch_norm_sums(void *dz, bool adds, const void *dy,
                                 const void *late, const uint8_t *mask,
                                 const void *x, struct grid g,
                                 struct norm_scale s, struct norm_sums to,
                                 cudaStream_t stream)
{
    struct columns a = columns_of(g, SUMS_BLOCKS);

    by_pack(g.elem, g.c, [&](auto t, auto v) {
        using T = decltype(t);
        launch(norm_sums_kernel<T, decltype(v)::value>, grid_of(a),
               block_of(a), stream, (T *)dz, adds, (const T *)dy,
               (const T *)late, mask, (const T *)x, a, s, to);
    });
}

// memory: reads dy, x and a byte a pack, writes dx. Squares in double cost a
// multiply-add a number, which hides behind the memory on cards whose double
// rate is 1/64 of their float rate, too.
template <typename T, int V>
__global__ void __launch_bounds__(THREADS)
norm_back_kernel(T *__restrict__ dx, bool adds, double *squares,
                 const T *__restrict__ dy, const uint8_t *__restrict__ mask,
                 const T *__restrict__ x, struct columns a,
                 struct norm_scale s, const float *means)
{
    struct place me = place_of<V>(a);
    float mean[V], rstd[V], factor[V], mean_g[V], mean_gx[V];
    double sum = 0;

    for (int i = 0; !me.idle && i < V; i++) {
        int c = me.c + i;
        mean[i] = s.mean[c];
        rstd[i] = 1.0f / sqrtf(s.var[c] + s.eps);
        factor[i] = s.gamma[c] * rstd[i];
        mean_g[i] = means[2 * c];
        mean_gx[i] = means[2 * c + 1];
    }
#pragma unroll 2
    for (size_t r = me.first + threadIdx.y; !me.idle && r < me.last;
         r += a.down) {
        size_t at = r * a.c + me.c;
        float g[V], v[V];

        load_masked<T, V>(g, dy, NULL, mask, at);
        load<T, V>(v, x, at);
        for (int i = 0; i < V; i++) {
            float xhat = (v[i] - mean[i]) * rstd[i];
            g[i] = factor[i] * (g[i] - mean_g[i] - xhat * mean_gx[i]);
        }
        if (adds)
            store_added<T, V>(dx, at, g);
        else
            store<T, V>(dx, at, g);
        for (int i = 0; squares && i < V; i++)
            sum += (double)g[i] * (double)g[i];
    }
    if (squares)
        sum_block(&squares[blockIdx.y * gridDim.x + blockIdx.x], sum);
}

extern "C" void launch_norm_back(void *dx, bool adds, double *squares,
                                 const void *dy, const uint8_t *mask,
                                 const void *x, struct grid g,
                                 struct norm_scale s, const float *means,
                                 cudaStream_t stream)
{
    struct columns a = columns_of(g, BACK_BLOCKS);

    by_pack(g.elem, g.c, [&](auto t, auto v) {
        using T = decltype(t);
        launch(norm_back_kernel<T, decltype(v)::value>, grid_of(a),
               block_of(a), stream, (T *)dx, adds, squares, (const T *)dy,
               mask, (const T *)x, a, s, means);
    });
}

extern "C" int kernel_squares(struct grid g)
{
    struct columns a = columns_of(g, BACK_BLOCKS);

    return a.ranges * a.slabs;
}
