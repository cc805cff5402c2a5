/* tests/emulate/faulty.cpp: see faulty.h. */
#include <launch.cuh>
#include "faulty.h"

// As gpu/kernels do it: threads meet in shared memory, blocks in partial.
__global__ static void faulty_kernel(float *sums, float *partial,
                                     unsigned *counter, enum lack lack)
{
    enum { N = FAULTY_THREADS };
    __shared__ float room[N];
    __shared__ bool last;
    int t = (int)threadIdx.x, other = N - 1 - t;

    if (lack != LACKS_A_WRITE || t > 0)
        room[t] = 1;
    if (lack != LACKS_BARRIER)
        __syncthreads();
    float sum = room[t] + room[other];
    if (lack != LACKS_BARRIER_BEFORE_WRITE)
        __syncthreads();
    room[t] = sum;
    partial[blockIdx.x * N + t] = room[t];
    if (lack != LACKS_FENCE)
        __threadfence();
    if (lack != LACKS_BARRIER_BEFORE_COUNT)
        __syncthreads();
    if (t == 0)
        last = (lack == LACKS_COUNT ? blockIdx.x : atomicAdd(counter, 1u)) ==
               gridDim.x - 1;
    if (lack != LACKS_BARRIER_BEHIND_COUNT)
        __syncthreads();
    if (lack != LACKS_FENCE_BEHIND_COUNT)
        __threadfence();
    if (!last)
        return;
    sum = 0;
    for (unsigned b = 0; b < gridDim.x; b++)
        sum += partial[b * N + other];
    sums[t] = sum;
}

extern "C" void launch_faulty(float *sums, float *partial, unsigned *counter,
                              enum lack lack)
{
    launch(faulty_kernel, dim3(FAULTY_BLOCKS), dim3(FAULTY_THREADS), NULL,
           sums, partial, counter, lack);
}
