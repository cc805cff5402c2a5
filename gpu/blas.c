/* gpu/blas.c: cuBLASLt, row by row as everything else here. */
#include "gpu/blas.h"

#include <cublasLt.h>
#include <stdlib.h>
#include "common/mem.h"

struct blas_plan {
    struct blas_linear     at;
    cublasLtMatmulDesc_t   product;
    cublasLtMatrixLayout_t a, b, to;
    cublasLtMatmulAlgo_t   algo;
    struct blas_plan      *next;
};

struct blas {
    cublasLtHandle_t  handle;
    struct blas_plan *plans;
};

#define BLAS_TRY(call)                                                         \
    do {                                                                       \
        cublasStatus_t status_ = (call);                                       \
        if (status_ != CUBLAS_STATUS_SUCCESS) {                                \
            rc = fail(err, ERR_DEVICE, "%s: %s", #call,                        \
                      cublasLtGetStatusString(status_));                       \
            goto out;                                                          \
        }                                                                      \
    } while (0)

int blas_open(struct blas **out, struct error *err)
{
    struct blas *b = *out = xcalloc(1, sizeof *b);
    int rc = 0;

    BLAS_TRY(cublasLtCreate(&b->handle));
out:
    return rc;
}

void blas_close(struct blas *b)
{
    if (!b)
        return;
    while (b->plans) {
        struct blas_plan *p = b->plans;

        b->plans = p->next;
        cublasLtMatmulDescDestroy(p->product);
        cublasLtMatrixLayoutDestroy(p->a);
        cublasLtMatrixLayoutDestroy(p->b);
        cublasLtMatrixLayoutDestroy(p->to);
        free(p);
    }
    if (b->handle)
        cublasLtDestroy(b->handle);
    free(b);
}

// What is multiplied with what, by pass.
static const struct { cublasOperation_t a, b; } ops[] = {
    [BLAS_FORWARD] = { CUBLAS_OP_N, CUBLAS_OP_T },      // x w^T
    [BLAS_DX]      = { CUBLAS_OP_N, CUBLAS_OP_N },      // dy w
    [BLAS_DW]      = { CUBLAS_OP_T, CUBLAS_OP_N },      // dy^T x
};

static int matrix(cublasLtMatrixLayout_t *out, int rows, int columns,
                  struct error *err)
{
    int32_t order = CUBLASLT_ORDER_ROW;
    int rc = 0;

    BLAS_TRY(cublasLtMatrixLayoutCreate(out, CUDA_R_32F, (uint64_t)rows,
                                        (uint64_t)columns, columns));
    BLAS_TRY(cublasLtMatrixLayoutSetAttribute(*out,
        CUBLASLT_MATRIX_LAYOUT_ORDER, &order, sizeof order));
out:
    return rc;
}

static int describe(struct blas_plan *p, struct error *err)
{
    struct blas_linear at = p->at;
    const int sizes[][2] = { { at.n, at.in }, { at.out, at.in },
                             { at.n, at.out } };        // x, w, y
    static const int which[][3] = { [BLAS_FORWARD] = { 0, 1, 2 },
        [BLAS_DX] = { 2, 1, 0 }, [BLAS_DW] = { 2, 0, 1 } };
    const int *use = which[at.pass];
    cublasLtMatrixLayout_t *const layouts[] = { &p->a, &p->b, &p->to };
    int rc = 0;

    BLAS_TRY(cublasLtMatmulDescCreate(&p->product,
        at.tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F,
        CUDA_R_32F));
    BLAS_TRY(cublasLtMatmulDescSetAttribute(p->product,
        CUBLASLT_MATMUL_DESC_TRANSA, &ops[at.pass].a, sizeof ops[0].a));
    BLAS_TRY(cublasLtMatmulDescSetAttribute(p->product,
        CUBLASLT_MATMUL_DESC_TRANSB, &ops[at.pass].b, sizeof ops[0].b));
    for (int i = 0; i < 3 && !rc; i++)
        rc = matrix(layouts[i], sizes[use[i]][0], sizes[use[i]][1], err);
out:
    return rc;
}

// cuBLAS's first guess among those that add up in a fixed order.
static int guess(struct blas *b, struct blas_plan *p, struct error *err)
{
    cublasLtMatmulPreference_t wish = NULL;
    cublasLtMatmulHeuristicResult_t result;
    size_t workspace = BLAS_WORKSPACE;
    uint32_t schemes = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
    int rc = 0, found = 0;

    BLAS_TRY(cublasLtMatmulPreferenceCreate(&wish));
    BLAS_TRY(cublasLtMatmulPreferenceSetAttribute(wish,
        CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace,
        sizeof workspace));
    BLAS_TRY(cublasLtMatmulPreferenceSetAttribute(wish,
        CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &schemes, sizeof schemes));
    BLAS_TRY(cublasLtMatmulAlgoGetHeuristic(b->handle, p->product, p->a, p->b,
        p->to, p->to, wish, 1, &result, &found));
    if (found)
        p->algo = result.algo;
    else
        rc = fail(err, ERR_DEVICE, "cuBLAS has no plan for a linear layer of "
                  "%d to %d at batch %d", p->at.in, p->at.out, p->at.n);
out:
    if (wish)
        cublasLtMatmulPreferenceDestroy(wish);
    return rc;
}

int blas_choose(struct blas *b, struct blas_linear at,
                const struct blas_plan **out, struct error *err)
{
    struct blas_plan *p = xcalloc(1, sizeof *p);
    int rc;

    p->at = at;
    p->next = b->plans;
    b->plans = p;
    *out = p;
    rc = describe(p, err);
    return rc ? rc : guess(b, p, err);
}

int blas_run(struct blas *b, const struct blas_plan *p, float *x, float *w,
             float *y, void *workspace, cudaStream_t stream, struct error *err)
{
    float one = 1, beta = p->at.adds;
    float *const from[] = { x, y, y }, *const with[] = { w, w, x };
    float *const to[] = { y, x, w };
    int i = p->at.pass, rc = 0;

    BLAS_TRY(cublasLtMatmul(b->handle, p->product, &one, from[i], p->a,
        with[i], p->b, &beta, to[i], p->to, to[i], p->to, &p->algo, workspace,
        BLAS_WORKSPACE, stream));
out:
    return rc;
}
