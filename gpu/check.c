#include "gpu/check.h"

int cuda_fail(struct error *err, cudaError_t status, const char *call,
              const char *file, int line)
{
    int code = status == cudaErrorMemoryAllocation ? ERR_MEMORY : ERR_DEVICE;

    return fail(err, code, "%s (%s:%d): %s", call, file, line,
                cudaGetErrorString(status));
}
