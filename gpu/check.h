/* gpu/check.h: what CUDA says, as this program's errors. The macros want a
 * struct error *err, an int rc and a label out where they stand. */
#pragma once
#include <cuda_runtime_api.h>
#include "common/error.h"

// ERR_MEMORY when the device is out of it, else ERR_DEVICE: most errors stick,
// and the process cannot use the device again.
int cuda_fail(struct error *err, cudaError_t status, const char *call,
              const char *file, int line);

#define CUDA_TRY(call)                                                         \
    do {                                                                       \
        cudaError_t status_ = (call);                                          \
        if (status_ != cudaSuccess) {                                          \
            rc = cuda_fail(err, status_, #call, __FILE__, __LINE__);           \
            goto out;                                                          \
        }                                                                      \
    } while (0)
