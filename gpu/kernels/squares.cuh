/* gpu/kernels/squares.cuh: one double per block, added in a fixed order. */
#pragma once
#include <launch.cuh>

// *out = the sum of x over the block, by thread 0. Every thread calls it; at
// most 256; again only behind a __syncthreads().
__device__ static inline void sum_block(double *out, double x)
{
    __shared__ double room[8];
    int t = (int)(threadIdx.y * blockDim.x + threadIdx.x);
    int threads = (int)(blockDim.x * blockDim.y);
    int left = threads - t / 32 * 32;           // in this warp and behind it
    unsigned lanes = left >= 32 ? ~0u : (1u << left) - 1;

    for (int half = 16; half > 0; half /= 2) {
        double other = __shfl_down_sync(lanes, x, half);
        if (t % 32 + half < left && t % 32 < half)
            x += other;
    }
    if (t % 32 == 0)
        room[t / 32] = x;
    __syncthreads();
    if (t != 0)
        return;
    for (int warp = 1; warp < (threads + 31) / 32; warp++)
        x += room[warp];
    *out = x;
}
