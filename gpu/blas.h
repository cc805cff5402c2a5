/* gpu/blas.h: the three products of a linear layer, in float32: the only file
 * besides blas.c that knows cuBLASLt. Sums repeat bit for bit. */
#pragma once
#include "common/error.h"
#include "gpu/kernels.h"

// y (n, out) = x (n, in) * w (out, in)^T; dx (n, in) = dy * w;
// dw (out, in) = dy^T * x.
enum blas_pass { BLAS_FORWARD, BLAS_DX, BLAS_DW };
struct blas_linear {
    enum blas_pass pass;
    bool           tf32, adds;          // adds: += in place of =
    int            n, in, out;
};

struct blas;
struct blas_plan;                       // owned by struct blas
enum { BLAS_WORKSPACE = 4 << 20 };      // bytes that blas_run() wants

int  blas_open(struct blas **out, struct error *err);
void blas_close(struct blas *b);        // NULL is fine
int  blas_choose(struct blas *b, struct blas_linear at,
               const struct blas_plan **out, struct error *err);
// As dnn_run().
int  blas_run(struct blas *b, const struct blas_plan *p, float *x, float *w,
              float *y, void *workspace, cudaStream_t stream,
              struct error *err);
