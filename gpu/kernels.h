/* gpu/kernels.h: every kernel of the project's own, as plain C.
 *
 * A launcher enqueues on the stream and returns; what went wrong shows in
 * cudaGetLastError(). Pointers are device memory unless said otherwise, no two
 * overlap unless said, and each starts at a multiple of 16 bytes. Activations
 * are (n, h, w, c), in float32 or bfloat16 (enum elem); everything else is
 * float32. Sums have a fixed order: the same input gives the same bits, on any
 * card. Several kernels end in "the last block adds up": such a launcher takes
 * counters, which are 0 before and after (kernel_counters() says how many) and
 * may be shared by launches that follow each other on one stream.
 *
 * mean and var of a norm are those of the batch (var biased) or the running
 * ones; 1 / sqrt(var + eps) is made where it is needed.
 */
#pragma once
#include <cuda_runtime_api.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "model/move.h"
#ifdef __cplusplus
extern "C" {
#endif

enum elem { ELEM_F32, ELEM_BF16, ELEMS };

size_t elem_bytes(enum elem e);
// Numbers of this type in the 16 bytes a thread reads at once.
int    elem_pack(enum elem e);

// Rows of c numbers: an activation (n, h, w, c) has n * h * w of them.
struct grid { enum elem elem; size_t rows; int c; };

// ---- input.cu ---------------------------------------------------------------

// How one side is resized; Pillow's bilinear rule in 22 bit fixed point. Made
// on the host (gpu/resize.c), used on the device.
struct resize_side {
    const int32_t *first, *count;       // (out): input pixels of each
    const int32_t *weight;              // (out, most)
    int            most;
};
// y (n, h, w, c) = (pixel / 255 - mean) / std; channels beyond 3 are 0.
struct input_args {
    void          *y;
    enum elem      elem;
    int            n, h, w, c;          // c: 3 or more
    const uint8_t *pixels;              // (images, from_h, from_w, 3)
    int            from_h, from_w;
    const int32_t *index;               // (n), into images; NULL: 0, 1, 2...
    const struct move *move;            // (n), or NULL: all stay as they are
    struct resize_side down, across;    // first is NULL: sizes are equal
    float          mean[3], std[3];
};
void launch_input(const struct input_args *a, cudaStream_t stream);

// ---- norm.cu, norm_back.cu --------------------------------------------------

// For the launchers that say so: floats of partial sums, and counters.
size_t kernel_partials(struct grid g);
int    kernel_counters(struct grid g);
// A byte holds the signs of one pack (elem_pack(), 1 if c does not divide).
size_t kernel_mask_bytes(struct grid g);

// Mean and biased variance of each column of x. running_mean and running_var
// move by rate towards them, var in its unbiased form; NULL: they stay.
struct norm_stats {
    float   *mean, *var;                // (c), overwritten
    float   *running_mean, *running_var;
    float    rate;
    float   *partial;
    unsigned *counter;
};
void launch_norm_stats(const void *x, struct grid g, struct norm_stats s,
                       cudaStream_t stream);
// The same from sums (2, c) over g's rows, of x and of x * x: what a
// convolution's epilogue makes. partial and counter are not used.
void launch_norm_finish(const float *sums, struct grid g, struct norm_stats s,
                        cudaStream_t stream);

// What normalising needs of a channel, (c) each.
struct norm_scale {
    const float *mean, *var, *gamma, *beta;
    float        eps;
};
// y = gamma * (x - mean) / std + beta, + z if z is not NULL; relu if mask is
// not NULL (mask: 1 where y > 0) or relu is set (no mask: nothing goes back).
void launch_norm_apply(void *y, uint8_t *mask, const void *x, const void *z,
                       struct grid g, struct norm_scale s, bool relu,
                       cudaStream_t stream);

// Sums over the batch of g = dy, + late if that is not NULL (where mask, if not
// NULL, says so): dbeta = sum(g), dgamma = sum(g * xhat), and their means for
// the second pass. dz, if not NULL, becomes g (+= if adds); it may be dy.
struct norm_sums {
    float    *dgamma, *dbeta;           // (c), overwritten
    float    *means;                    // (c, 2): of g, of g * xhat
    float    *partial;
    unsigned *counter;
};
void launch_norm_sums(void *dz, bool adds, const void *dy, const void *late,
                      const uint8_t *mask, const void *x, struct grid g,
                      struct norm_scale s, struct norm_sums to,
                      cudaStream_t stream);

// dx = gamma / std * (g - mean(g) - xhat * mean(g * xhat)), += if adds.
// squares, if not NULL, gets kernel_squares() sums of dx * dx, as stored.
void launch_norm_back(void *dx, bool adds, double *squares, const void *dy,
                      const uint8_t *mask, const void *x, struct grid g,
                      struct norm_scale s, const float *means,
                      cudaStream_t stream);
int kernel_squares(struct grid g);

// ---- bias.cu ----------------------------------------------------------------

void launch_bias(void *y, struct grid g, const float *bias,     // y += bias
                 cudaStream_t stream);
// db = sum of dy over the rows; partial and counter as for norms.
void launch_bias_back(float *db, const void *dy, struct grid g, float *partial,
                      unsigned *counter, cudaStream_t stream);

// ---- eltwise.cu: n numbers --------------------------------------------------

void launch_relu(void *y, const void *x, enum elem e, size_t n,
                 cudaStream_t stream);                          // y may be x
// dx = y > 0 ? dy : 0, += if adds. dx may be dy.
void launch_relu_back(void *dx, bool adds, const void *dy, const void *y,
                      enum elem e, size_t n, cudaStream_t stream);
void launch_add(void *y, const void *a, const void *b, enum elem e, size_t n,
                cudaStream_t stream);                           // y may be a, b
void launch_copy(void *y, const void *x, enum elem e, size_t n,
                 cudaStream_t stream);
// Between types. Numbers that are not zero, for measuring.
void launch_cast(void *y, enum elem to, const void *x, enum elem from, size_t n,
                 cudaStream_t stream);
void launch_fill(void *y, enum elem e, size_t n, uint64_t seed,
                 cudaStream_t stream);

// ---- pool.cu ----------------------------------------------------------------

// Window k x k, 2 * pad <= k <= 15. x (n, h, w, c), y (n, rows, cols, c).
struct pool { enum elem elem; int n, h, w, c, rows, cols, k, stride, pad; };
// place (n, rows, cols, c): where in its window each maximum was, the first in
// row-major order; the first nan wins.
void launch_maxpool(void *y, uint8_t *place, const void *x, struct pool p,
                    cudaStream_t stream);
void launch_maxpool_back(void *dx, bool adds, const void *dy,
                         const uint8_t *place, struct pool p,
                         cudaStream_t stream);
// The mean of a plane: y is (n, c) f32; k, stride, pad, rows, cols unused.
void launch_avgpool(float *y, const void *x, struct pool p,
                    cudaStream_t stream);
void launch_avgpool_back(void *dx, bool adds, const float *dy, struct pool p,
                         cudaStream_t stream);

// ---- xent.cu ----------------------------------------------------------------

// Cross-entropy of x (n, c) and labels (n), -1 = padding: the mean over valid
// rows, and how many have their label's logit as first largest.
struct score { double loss; int32_t correct, valid; };
struct xent {
    struct score  *score;
    float         *dx;                  // (n, c) or NULL; += if adds
    bool           adds;
    struct score  *row;                 // (n), scratch
    unsigned      *counter;             // 1
};
void launch_xent(struct xent to, const float *x, const int32_t *labels, int n,
                 int c, cudaStream_t stream);

// ---- optim.cu ---------------------------------------------------------------

// What changes from step to step, in device memory.
struct optim_step {
    float lr, momentum, weight_decay;
    float beta1, beta2, rest1, rest2;   // rest = 1 - beta, from double
    float eps;
    float step_size, root;              // lr / (1 - beta1^t), sqrt(1 - beta2^t)
    int32_t kind;                       // enum optim_kind
    int32_t first;                      // sgd: v = d
};
// All parameters in one block. The first n_low gradients have type low (the
// convolutions' weights), and w gets a copy in that type when copy is not
// NULL; the other gradients are f32. Both counts are multiples of 8.
struct optim_block {
    float      *w, *m, *v;              // v: Adam's, else NULL
    const void *low_grad;
    enum elem   low;
    void       *copy;                   // bf16
    const float *grad;                  // [n_low .. n) at grad[0]
    size_t      n_low, n;
};
void launch_optim(struct optim_block b, const struct optim_step *step,
                  cudaStream_t stream);

// ---- tap.cu -----------------------------------------------------------------

// What is measured, added up in double: 1e-22 squared is below what a float
// holds. STD takes two partial sums where the others take one; SAMPLES is the
// sum of the norms of `parts` equal parts, each with partial sums of its own.
enum tap_kind { TAP_NORM, TAP_MEAN, TAP_STD, TAP_ZEROS, TAP_SAMPLES };
struct tap_segment {
    const void  *x;
    const float *minus;                 // f32 as x: x - minus is measured; NULL
    size_t       n;                     // numbers, padding included
    size_t       real;                  // without padding, which is 0
    int32_t      elem, kind;            // enum elem, enum tap_kind
    int32_t      parts;                 // 1 but for SAMPLES
    int32_t      first, count;          // partial sums, and how many
};
int  tap_partials(size_t n, enum tap_kind kind, int parts);     // for .count
// One launch for n segments, none with more than `most` partial sums; the table
// is in device memory.
void launch_tap_sums(const struct tap_segment *s, int n, int most,
                     double *partials, cudaStream_t stream);
// out[i] = what segment i measures; *result = *score when both are given.
void launch_tap_finish(double *out, const struct tap_segment *s, int n,
                       const double *partials, struct score *result,
                       const struct score *score, cudaStream_t stream);

// ---- layout.cu: the seam; not on a step's way -------------------------------

// (n, c, plane) f32 <-> (n, plane, padded) in elem; padding is 0.
struct layout { enum elem elem; int n, c, padded; size_t plane; };
void launch_to_inside(void *y, const float *x, struct layout l,
                      cudaStream_t stream);
void launch_to_outside(float *y, const void *x, struct layout l,
                       cudaStream_t stream);

#ifdef __cplusplus
}
#endif
