/* gpu/kernels/tap.cu: L2 norms of whole tensors, and the end of a step. */
#include "gpu/kernels/pack.cuh"
#include "gpu/kernels/squares.cuh"

// 64 numbers a thread, so that few partial sums remain.
extern "C" int tap_partials(size_t n)
{
    size_t blocks = (n + THREADS * 64 - 1) / (THREADS * 64);

    return (int)(blocks < 1 ? 1 : blocks > 528 ? 528 : blocks);
}

template <typename T>
__device__ static double squares_of(const T *x, size_t n, size_t first,
                                    size_t step)
{
    enum { V = 16 / sizeof(T) };
    double sum = 0;

    for (size_t p = first; p < n / V; p += step) {
        float v[V];

        load<T, V>(v, x, p * V);
        for (int i = 0; i < V; i++)
            sum += (double)v[i] * (double)v[i];
    }
    for (size_t i = n / V * V + first; i < n; i += step)
        sum += (double)to_float(x[i]) * (double)to_float(x[i]);
    return sum;
}

// memory: reads each segment once. Row blockIdx.y of the grid is a segment.
__global__ void __launch_bounds__(THREADS)
tap_squares_kernel(const struct tap_segment *segments, double *partials)
{
    struct tap_segment s = segments[blockIdx.y];
    size_t first = first_thread(), step = (size_t)s.count * blockDim.x;

    if ((int)blockIdx.x >= s.count)
        return;
    double sum = s.elem == ELEM_F32
        ? squares_of((const float *)s.x, s.n, first, step)
        : squares_of((const bf16 *)s.x, s.n, first, step);
    sum_block(&partials[s.first + blockIdx.x], sum);
}

extern "C" void launch_tap_squares(const struct tap_segment *s, int n, int most,
                                   double *partials, cudaStream_t stream)
{
    if (n > 0)
        launch(tap_squares_kernel, dim3((unsigned)most, (unsigned)n),
               dim3(THREADS), stream, s, partials);
}

// A block a segment.
__global__ void __launch_bounds__(THREADS)
tap_finish_kernel(double *norm, const struct tap_segment *segments, int n,
                  const double *partials, struct score *result,
                  const struct score *score)
{
    __shared__ double total;
    double sum = 0;

    if (blockIdx.x == 0 && threadIdx.x == 0 && result)
        *result = *score;
    if ((int)blockIdx.x >= n)
        return;
    struct tap_segment s = segments[blockIdx.x];
    for (int i = (int)threadIdx.x; i < s.count; i += THREADS)
        sum += partials[s.first + i];
    sum_block(&total, sum);
    if (threadIdx.x == 0)
        norm[blockIdx.x] = sqrt(total);
}

extern "C" void launch_tap_finish(double *norm, const struct tap_segment *s,
                                  int n, const double *partials,
                                  struct score *result,
                                  const struct score *score,
                                  cudaStream_t stream)
{
    launch(tap_finish_kernel, dim3((unsigned)(n > 0 ? n : 1)), dim3(THREADS),
           stream, norm, s, n, partials, result, score);
}
