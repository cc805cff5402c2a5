/* gpu/kernels/launch.cuh: how a kernel is started. Included in angle brackets:
 * tests put a header of this name before it that runs the grid on a CPU. */
#pragma once
#include <cuda_bf16.h>
#include <cuda_runtime.h>

template <typename... Params, typename... Args>
static void launch(void (*kernel)(Params...), dim3 grid, dim3 block,
                   cudaStream_t stream, Args... args)
{
    kernel<<<grid, block, 0, stream>>>(args...);
}
