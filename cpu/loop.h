/* cpu/loop.h: loops over many floats, for what oneDNN has no fast primitive.
 *
 * All work in chunks of a fixed size, so results do not depend on the number
 * of threads. Memory-bound: the comments count reads and writes.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// How many doubles the loops below want as working space for n numbers.
size_t loop_partials(size_t n);
// The L2 norm, squares and sums in double: 1e-22 does not vanish. Reads 1.
double loop_norm(const float *x, size_t n, double *partial);

// The sum of the L2 norms of images of so many numbers each, one behind the
// other, and of all their squares. Reads 1; partial holds loop_partials(one)
// for each image.
struct loop_images { double norms, squares; };
struct loop_images loop_images(const float *x, int images, size_t one,
                               double *partial);

// What a tap may want to know of n numbers, in one pass. Reads 1.
struct loop_sums { double sum, squares, zeros; };
struct loop_sums loop_sums(const float *x, size_t n, double *partial);

void loop_copy(float *y, const float *x, size_t n);             // y = x: 1, 1
void loop_add(float *y, const float *x, size_t n);              // y += x: 2, 1
// y = a + b, or max(0, a + b): reads 2, writes 1. y may be a.
void loop_sum(float *y, const float *a, const float *b, bool relu, size_t n);
// The same y = max(0, a + b), and its sums.
struct loop_sums loop_sum_relu_sums(float *y, const float *a, const float *b,
                                    size_t n, double *partial);
void loop_relu(float *y, const float *x, size_t n);             // y may be x
// dx = y > 0 ? dy : 0, or += that: reads 2 (3), writes 1. dx may be dy.
void loop_mask(float *dx, const float *dy, const float *y, bool adds, size_t n);
// g = y > 0 ? g + x : 0: reads 3, writes 1.
void loop_add_masked(float *g, const float *x, const float *y, size_t n);
// The same, and the L2 norms of x and of what g then is.
struct loop_norms { double added, result; };
struct loop_norms loop_add_masked_norms(float *g, const float *x,
                                        const float *y, size_t n,
                                        double *partial);

struct loop_sgd { float lr, momentum, weight_decay; };
// d = g + weight_decay w;  v = momentum v + d;  w -= lr v: reads 3, writes 2.
void loop_sgd(float *w, float *v, const float *g, struct loop_sgd at, size_t n);

struct loop_adam {
    float lr, weight_decay, beta1, beta2, eps;
    float rest1, rest2;                 // 1 - beta
    float step, root;                   // lr / (1 - beta1^t); sqrt(1 - beta2^t)
    bool  decoupled;                    // AdamW: w -= lr weight_decay w first
};
// Reads 4, writes 3.
void loop_adam(float *w, float *m, float *v, const float *g,
               struct loop_adam at, size_t n);

// The same updates, bit for bit, and the L2 norms of w before, of g, and of
// what w changes by. Nothing more is read or written.
struct loop_watch {
    double *partial;                    // working space
    double  weight, grad, change;       // out
};
void loop_sgd_watched(float *w, float *v, const float *g, struct loop_sgd at,
                      size_t n, struct loop_watch *out);
void loop_adam_watched(float *w, float *m, float *v, const float *g,
                       struct loop_adam at, size_t n, struct loop_watch *out);
