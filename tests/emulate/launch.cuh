/* tests/emulate/launch.cuh: stands in for gpu/kernels/launch.cuh so that the
 * kernels run on a CPU, compiled by the host's compiler alone.
 *
 * Blocks run one after the other; the threads of a block are fibers that meet
 * at __syncthreads() and in warp shuffles. A block whose threads wait for each
 * other in different places aborts the program, as it would hang a card; races
 * are found by races.cpp.
 */
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>

#include <cuda_runtime_api.h>
#include <vector_functions.h>
#include <cuda_bf16.h>

#undef __global__
#undef __device__
#undef __shared__
#undef __launch_bounds__
#define __global__
#define __device__
#define __shared__ static               // one block at a time
#define __launch_bounds__(...)

using std::isnan;

// Set for the thread that runs.
extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;

void __syncthreads();
void __threadfence();

// Puts 8 bytes into the warp's slots, waits for the other lanes and gives those
// of the lane `down` further on, or its own when there is none.
uint64_t emulate_shuffle(uint64_t mine, int down);

template <typename T>
static T __shfl_down_sync(unsigned, T x, int down)
{
    uint64_t bits = 0;
    static_assert(sizeof(T) <= sizeof bits, "one slot a lane");

    memcpy(&bits, &x, sizeof x);
    bits = emulate_shuffle(bits, down);
    memcpy(&x, &bits, sizeof x);
    return x;
}

template <typename T> static T __ldcg(const T *x) { return *x; }

unsigned atomicAdd(unsigned *x, unsigned y);

// Runs it now, or when the graph that is being captured runs: then as late as
// the events between streams allow, so that a missing one shows.
void emulate_enqueue(cudaStream_t stream, std::function<void()> work);
void emulate_grid(dim3 grid, dim3 block, const std::function<void()> &thread);

template <typename... Params, typename... Args>
static void launch(void (*kernel)(Params...), dim3 grid, dim3 block,
                   cudaStream_t stream, Args... args)
{
    emulate_enqueue(stream, [=] {
        emulate_grid(grid, block, [=] { kernel(args...); });
    });
}
