/* gpu/kernels/tap.cu: numbers about whole tensors, and the end of a step. */
#include "gpu/kernels/pack.cuh"
#include "gpu/kernels/squares.cuh"

enum { MOST_SUMS = 528, MOST_OF_A_PART = 8 };

// 64 numbers a thread, so that few partial sums remain.
extern "C" int tap_partials(size_t n, enum tap_kind kind, int parts)
{
    size_t most = kind == TAP_SAMPLES ? MOST_OF_A_PART : MOST_SUMS;
    size_t blocks = (n / parts + THREADS * 64 - 1) / (THREADS * 64);

    if (blocks > most)
        blocks = most;
    return (int)(blocks < 1 ? 1 : blocks) * parts * (kind == TAP_STD ? 2 : 1);
}

// What is added up of a number.
enum term { SQUARE, ITSELF, IS_ZERO };

__device__ static inline double term_of(enum term t, float x)
{
    return t == SQUARE ? (double)x * (double)x
         : t == ITSELF ? (double)x : x == 0 ? 1.0 : 0.0;
}

// Which numbers of a segment a thread adds up: n from x[at] on.
struct share { size_t at, n, first, step; };

template <typename T>
__device__ static double sum_of(const struct tap_segment &s, enum term t,
                                struct share at)
{
    enum { V = 16 / sizeof(T) };
    const T *x = (const T *)s.x + at.at;
    size_t packs = at.at % V ? 0 : at.n / V;    // a part may begin anywhere
    double sum = 0;

    for (size_t p = at.first; p < packs; p += at.step) {
        float v[V];

        load<T, V>(v, x, p * V);
        for (int i = 0; i < V; i++)
            sum += term_of(t, s.minus ? v[i] - s.minus[p * V + i] : v[i]);
    }
    for (size_t i = packs * V + at.first; i < at.n; i += at.step)
        sum += term_of(t, to_float(x[i]) - (s.minus ? s.minus[i] : 0));
    return sum;
}

// memory: reads each segment once (a deviation's twice, the second time mostly
// from the cache). Row blockIdx.y of the grid is a segment; its blocks go by
// parts (one but for samples).
__global__ void __launch_bounds__(THREADS)
tap_sums_kernel(const struct tap_segment *segments, double *partials)
{
    struct tap_segment s = segments[blockIdx.y];
    int block = (int)blockIdx.x, blocks = s.count;
    enum term t = s.kind == TAP_MEAN ? ITSELF
                : s.kind == TAP_ZEROS ? IS_ZERO : SQUARE;

    if (block >= blocks)
        return;
    if (s.kind == TAP_STD) {            // first half squares, then sums
        blocks /= 2;
        t = block < blocks ? SQUARE : ITSELF;
    }
    blocks /= s.parts;
    size_t n = s.n / s.parts;
    struct share at = { s.kind == TAP_STD ? 0 : block / blocks * n, n,
        (size_t)(block % blocks) * blockDim.x + threadIdx.x,
        (size_t)blocks * blockDim.x };
    double sum = s.elem == ELEM_F32 ? sum_of<float>(s, t, at)
                                    : sum_of<bf16>(s, t, at);
    sum_block(&partials[s.first + block], sum);
}

extern "C" void launch_tap_sums(const struct tap_segment *s, int n, int most,
                                double *partials, cudaStream_t stream)
{
    if (n > 0)
        launch(tap_sums_kernel, dim3((unsigned)most, (unsigned)n),
               dim3(THREADS), stream, s, partials);
}

// Everyone calls it; thread 0 gets the sum.
__device__ static double sum_partials(const double *x, int n)
{
    double sum = 0, total = 0;

    for (int i = (int)threadIdx.x; i < n; i += THREADS)
        sum += x[i];
    sum_block(&total, sum);
    return total;
}

// The same of the norms of parts.
__device__ static double sum_norms(const double *x, const struct tap_segment &s)
{
    int each = s.count / s.parts;
    double sum = 0, total = 0;

    for (int i = (int)threadIdx.x; i < s.parts; i += THREADS) {
        double squares = 0;

        for (int k = 0; k < each; k++)
            squares += x[i * each + k];
        sum += sqrt(squares);
    }
    sum_block(&total, sum);
    return total;
}

__device__ static double measured(const struct tap_segment &s, double total,
                                  double sum)
{
    double n = (double)s.real, variance = total / n - sum / n * (sum / n);

    switch (s.kind) {
    case TAP_MEAN:  return total / n;
    case TAP_STD:   return variance < 0 ? 0 : sqrt(variance);
    case TAP_SAMPLES: return total;
    case TAP_ZEROS: return (total - (double)(s.n - s.real)) / n;
    default:        return sqrt(total);
    }
}

// A block a segment.
__global__ void __launch_bounds__(THREADS)
tap_finish_kernel(double *out, const struct tap_segment *segments, int n,
                  const double *partials, struct score *result,
                  const struct score *score)
{
    double sum = 0;

    if (blockIdx.x == 0 && threadIdx.x == 0 && result)
        *result = *score;
    if ((int)blockIdx.x >= n)
        return;
    struct tap_segment s = segments[blockIdx.x];
    int half = s.kind == TAP_STD ? s.count / 2 : s.count;
    double total = s.kind == TAP_SAMPLES
                 ? sum_norms(partials + s.first, s)
                 : sum_partials(partials + s.first, half);
    if (s.kind == TAP_STD) {
        __syncthreads();
        sum = sum_partials(partials + s.first + half, half);
    }
    if (threadIdx.x == 0)
        out[blockIdx.x] = measured(s, total, sum);
}

extern "C" void launch_tap_finish(double *out, const struct tap_segment *s,
                                  int n, const double *partials,
                                  struct score *result,
                                  const struct score *score,
                                  cudaStream_t stream)
{
    launch(tap_finish_kernel, dim3((unsigned)(n > 0 ? n : 1)), dim3(THREADS),
           stream, out, s, n, partials, result, score);
}
