#include "gpu/check.h"

#include <stdbool.h>

int cuda_fail(struct error *err, cudaError_t status, const char *call,
              const char *file, int line)
{
    bool full = status == cudaErrorMemoryAllocation;

    return fail(err, full ? ERR_MEMORY : ERR_DEVICE, "the GPU %s: %s (%s, "
                "%s:%d)", full ? "has too little memory" : "failed",
                cudaGetErrorString(status), call, file, line);
}
