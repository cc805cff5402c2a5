/* gpu/store.h: what plans of one network at several batch sizes share:
 * parameters, gradients, optimizer state, running statistics; the streams, so
 * that their steps follow each other; cuDNN and cuBLAS.
 *
 * Parameters in use come first, the convolutions' weights before the others,
 * in the same order in each block: the optimizer is one launch over all. Each
 * starts at a multiple of 64 numbers; what lies between is 0 and stays 0.
 * Convolution weights are (out, k, k, c); in bf16 their gradients are, too, and
 * they have a copy in bf16 that convolutions read.
 */
#pragma once
#include "gpu/blas.h"
#include "gpu/dnn.h"
#include "gpu/resident.h"
#include "model/backend.h"

struct stored {                         // by val; parameters and statistics
    size_t offset;                      // in numbers
    struct layout layout;               // of the value, f32
    bool   low;                         // a convolution's weight
};

struct store {
    struct stored *rows;
    struct optim   optim;
    enum elem      elem;                // of activations
    bool           tf32;
    int64_t        steps;
    size_t         n_low, n_used, n, n_state;   // numbers
    float         *w, *m, *v, *state;   // v only for Adam
    float         *grad;                // of [n_low, n_used)
    void          *low_grad;            // of [0, n_low), in elem
    void          *copy;                // bf16, of [0, n_low), or NULL
    float         *staging;             // one tensor on its way across the seam
    size_t         bytes, staging_bytes;

    cudaStream_t   main, side, updating, copying, fetching;
    cudaEvent_t    fork, join;          // between main and side
    cudaEvent_t    ready, updated;      // between main and updating
    struct dnn    *dnn;
    struct blas   *blas;
    struct resident resident;
};

// Channels as they lie in memory: the network's input is padded to 16 bytes a
// pixel where only convolutions read it.
int  store_padded(const struct graph *g, val v, enum elem e);

int  store_new(const struct graph *g, const struct plan_opts *o,
               struct store **out, struct error *err);
int  store_alloc(struct store *s, struct error *err);   // zeroed
void store_free(struct store *s);                       // NULL is fine

// Where they lie; of convolution weights, the copy that convolutions read.
float *store_value(const struct store *s, const struct graph *g, val v);
void  *store_weight(const struct store *s, val v);
void  *store_grad(const struct store *s, val v);
enum elem store_grad_elem(const struct store *s, val v);

// Across the seam; wait for the device.
int store_write(struct store *s, const struct graph *g, val v, enum side side,
                const float *src, struct error *err);
int store_read(struct store *s, const struct graph *g, val v, enum side side,
               float *dst, struct error *err);
// Any device tensor to the host, through the staging buffer.
int store_fetch(struct store *s, const void *x, struct layout l, float *dst,
                struct error *err);
