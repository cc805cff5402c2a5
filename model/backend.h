/* model/backend.h: the seam between a graph and the machine that runs it.
 *
 * A backend compiles a whole sealed graph (forward, backward, update) to one
 * plan. After that the seam is crossed once per step, never once per op, so a
 * backend may fuse, alias buffers, and replay one captured CUDA graph. Hence
 * the rule: what changes from step to step (pixels, labels, learning rate,
 * step number) lives in a slot the plan owns, never in a launch argument.
 *
 * Tensors cross the seam as float32 in PyTorch's order, (n, c, h, w) and
 * (out, in, k, k). Layout and precision inside are the backend's affair.
 * Functions return 0, or a negative ERR_ code with *err filled. One plan, one
 * thread.
 */
#pragma once
#include <stddef.h>
#include "model/graph.h"
#include "model/move.h"

enum precision { PREC_F32, PREC_TF32, PREC_BF16 };
enum mode {
    MODE_TRAIN,                         // forward, backward, update
    MODE_GRAD,                          // forward, backward; weights stay, and
                                        // so do running statistics
    MODE_EVAL,                          // forward with running statistics
};

// PyTorch's formulas. SGD: d = g + wd w; v = d at the first step, m v + d
// after; w -= lr v. Adam: wd w is added to the gradient; AdamW: w -= lr wd w
// first; both bias-corrected. Unused parameters are never touched.
enum optim_kind { OPTIM_SGD, OPTIM_ADAM, OPTIM_ADAMW };
struct optim {
    enum optim_kind kind;
    double momentum, weight_decay;      // SGD; all
    double beta1, beta2, eps;           // Adam: 0.9, 0.999, 1e-8
};

struct plan_opts {
    int            device, slots;       // ordinal; staging batches, at least 1
    int            threads;             // 0 = the cores there are, or fewer
                                        // where more would not pay
    enum precision precision;
    struct optim   optim;
    uint64_t       seed;
    bool           keep_all;            // no fusing, no reuse: all is readable
    const char    *cache;               // folder for what a backend finds out
                                        // once; NULL = the user's
};

// A whole data set as bytes, h * w * c each. A backend that can hold it on the
// device takes it once; steps then name images by index, and gather, resize,
// augmentation and normalisation happen there.
struct images {
    const uint8_t *pixels;
    const int32_t *labels;
    int64_t        n;
    int            h, w;
};

struct slot {                           // owned by the plan, pinned if it helps
    int32_t     *index;                 // n; into the resident images, or ...
    struct move *move;                  // n; of those; NULL where none are held
    uint8_t     *pixels;                // ... n * h * w * c bytes when not; the
                                        // input op normalises them
    bool         by_index;              // false: pixels count, not index
    int32_t     *labels;                // n; -1 = padding, counts for nothing
    const float *values;                // (n, c, h, w), borrowed until collect:
                                        // taken as they are in place of pixels
                                        // when not NULL. For parity checks.
};

struct result {                         // of one step
    double  loss;                       // mean over the valid images
    int     correct;                    // top-1 hits
    double *taps;                       // graph.n_taps norms; caller's array;
                                        // untouched in MODE_EVAL
    float   millis;                     // time on the device
    float   tap_millis;                 // share of it that the taps took
};

struct device_info { char name[64]; size_t bytes_total, bytes_free; };

struct plan {                           // backends embed it as first member
    const struct backend *backend;
    const struct graph   *graph;        // borrowed; must outlive the plan
    struct plan_opts      opts;
    size_t                bytes;        // held on the device
};

struct backend {
    const char *name;                   // "cuda", "cpu"; job specs use it
    int         ahead;                  // steps worth handing over before the
                                        // oldest is collected; 0 = submit does
                                        // the step itself
    // How many devices there are; tells of the first `max`. What is free on a
    // GPU shows only to a process that opened it, which takes time and memory
    // there: told of device `mine`, -1 = none; of others all is free.
    int  (*probe)  (struct device_info *out, int max, int mine);
    // Parameters, running statistics and optimizer state (step count too) are
    // those of `share` when it is not NULL: the same network at another batch
    // size. share must outlive the new plan. Fresh ones are zero until
    // written.
    int  (*compile)(const struct graph *g, const struct plan_opts *o,
                    struct plan *share, struct plan **out, struct error *err);
    void (*destroy)(struct plan *p);                            // NULL is fine
    int  (*reside) (struct plan *p, const struct images *im,
                    struct error *err);         // 1 = held on the device
    struct slot *(*slot)(struct plan *p, int i);                // free to fill
    int  (*submit) (struct plan *p, int slot, enum mode m, double lr,
                    struct error *err);                 // enqueues and returns
    int  (*collect)(struct plan *p, struct result *r,
                    struct error *err);                 // waits for the oldest
    int  (*write)  (struct plan *p, val v, enum side s, const float *src,
                    struct error *err);         // PARAM and STATE, unused too
    int  (*read)   (struct plan *p, val v, enum side s, float *dst,
                    struct error *err);     // ROLE_ACT only under keep_all,
                                            // but the logits always
    // The same without rounding, for checkpoints; NULL where float32 holds all
    // there is.
    int  (*write_double)(struct plan *p, val v, enum side s, const double *src,
                         struct error *err);
    int  (*read_double) (struct plan *p, val v, enum side s, double *dst,
                         struct error *err);
    // Optimizer steps taken so far (Adam's t; SGD's "first step" rule).
    int64_t (*steps)    (const struct plan *p);
    void    (*set_steps)(struct plan *p, int64_t n);
};

extern const struct backend backend_cpu;                // cpu/plan.c
extern const struct backend backend_reference;          // model/reference.c
