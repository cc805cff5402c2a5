/* gpu/kernels/xent.cu: softmax, cross-entropy, hits and the first gradient of
 * a step, in one launch. A block a row; the last one adds up the loss. */
#include "gpu/kernels/pack.cuh"

enum { ROW_THREADS = 128 };

struct best { float x; int at; };

// The first largest; nan is never the largest, as with a plain loop of ">".
__device__ static inline struct best better(struct best a, struct best b)
{
    if (b.x > a.x || (b.x == a.x && b.at < a.at))
        return b;
    return a;
}

// Over the block; everyone gets the result. room is shared, and used once.
__device__ static struct best largest(struct best mine, struct best *room)
{
    int t = (int)threadIdx.x;

    room[t] = mine;
    __syncthreads();
    for (int half = ROW_THREADS / 2; half > 0; half /= 2) {
        if (t < half)
            room[t] = better(room[t], room[t + half]);
        __syncthreads();
    }
    return room[0];
}

// The same, and room can be used again.
template <typename N> __device__ static N sum_row(N mine, N *room)
{
    int t = (int)threadIdx.x;

    room[t] = mine;
    __syncthreads();
    for (int half = ROW_THREADS / 2; half > 0; half /= 2) {
        if (t < half)
            room[t] += room[t + half];
        __syncthreads();
    }
    mine = room[0];
    __syncthreads();
    return mine;
}

// Whether this is the last block to arrive: then what thread 0 of each of them
// wrote before can be read. Puts the counter back to 0.
__device__ static bool last_row(unsigned *counter)
{
    __shared__ bool last;

    if (threadIdx.x == 0) {
        __threadfence();
        last = atomicAdd(counter, 1u) == gridDim.x - 1;
        if (last)
            *counter = 0;
    }
    __syncthreads();
    __threadfence();
    return last;
}

__device__ static void add_rows(struct xent to, int n, double *room,
                                int *count)
{
    double loss = 0;
    int correct = 0, valid = 0;

    for (int i = (int)threadIdx.x; i < n; i += ROW_THREADS) {
        volatile const struct score *row = &to.row[i];
        loss += row->loss;
        correct += row->correct;
        valid += row->valid;
    }
    loss = sum_row(loss, room);
    correct = sum_row(correct, count);
    valid = sum_row(valid, count);
    if (threadIdx.x == 0)
        *to.score = score{ valid ? loss / valid : 0, correct, valid };
}

__global__ void __launch_bounds__(ROW_THREADS)
xent_kernel(struct xent to, const float *x, const int32_t *labels, int n, int c)
{
    __shared__ double room[ROW_THREADS];
    __shared__ int count[ROW_THREADS];
    __shared__ struct best tops[ROW_THREADS];
    int t = (int)threadIdx.x, label = labels[blockIdx.x], valid = 0;
    const float *row = x + (size_t)blockIdx.x * c;
    float *dx = to.dx ? to.dx + (size_t)blockIdx.x * c : NULL;
    struct best top = { -INFINITY, c };
    double sum = 0;

    for (int i = t; i < n; i += ROW_THREADS)
        valid += labels[i] >= 0;
    valid = sum_row(valid, count);
    for (int i = t; i < c; i += ROW_THREADS)
        top = better(top, best{ row[i], i });
    top = largest(top, tops);
    for (int i = t; i < c; i += ROW_THREADS)
        sum += expf(row[i] - top.x);
    sum = sum_row(sum, room);
    for (int i = t; dx && i < c; i += ROW_THREADS) {
        float p = expf(row[i] - top.x) / (float)sum;
        float g = label < 0 ? 0 : (p - (i == label)) / (float)valid;
        dx[i] = to.adds ? dx[i] + g : g;
    }
    if (t == 0)
        to.row[blockIdx.x] = label < 0 ? score{ 0, 0, 0 }
            : score{ (double)top.x + log(sum) - (double)row[label],
                     top.at == label, 1 };
    if (last_row(to.counter))
        add_rows(to, n, room, count);
}

extern "C" void launch_xent(struct xent to, const float *x,
                            const int32_t *labels, int n, int c,
                            cudaStream_t stream)
{
    launch(xent_kernel, dim3((unsigned)n), dim3(ROW_THREADS), stream, to, x,
           labels, n, c);
}
