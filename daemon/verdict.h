/* daemon/verdict.h: is this training well? Judged from a job's records by few
 * rules, each a number held against a limit.
 *
 * No rule looks at how large a norm is: it depends on the batch, the picture
 * size and the number of classes. What counts is how norms compare from layer
 * to layer, zeros, and whether the loss falls. Limits come from the controls
 * (config/jobs/control-*.json), runs whose verdict is known beforehand; see
 * docs/experiments.md.
 */
#pragma once
#include "daemon/history.h"
#include "daemon/slope.h"

enum verdict { VERDICT_UNKNOWN, VERDICT_HEALTHY, VERDICT_VANISHING,
               VERDICT_EXPLODING, VERDICT_DEAD, VERDICT_STALLED,
               VERDICT_DIVERGED, VERDICT_COUNT };
extern const char *const verdict_names[VERDICT_COUNT];

// Name, the same in a configuration file (behind "verdict-"), value, what it
// may be set to, what it bounds. Decades are log10; a slope is in decades a
// layer towards the input; bottom and top are the first and the last eighth of
// the main path.
#define VERDICT_LIMITS(X)                                                      \
    /* No skip and no norm: -0.46..-0.40. Anything that learned: -0.04 up.  */ \
    X(vanishing_slope, "vanishing-slope", -0.2, -10, 0,                        \
      "gradients vanish when the slope is below")                              \
    /* The same: -36..-6.4 decades. Anything that learned: -1.7 up.         */ \
    X(vanishing_ratio, "vanishing-ratio", -4, -300, 0,                         \
      "or when log10 of bottom over top is below")                             \
    /* At the start no skip but norm: 0.058..0.079; skips: up to 0.046.     */ \
    X(exploding_slope, "exploding-slope", 0.05, 0, 10,                         \
      "gradients explode when the slope is above")                             \
    X(exploding_ratio, "exploding-ratio", 0.5, 0, 300,                         \
      "and log10 of bottom over top is above")                                 \
    /* Below it a line says nothing about the layers.                       */ \
    X(line_r2, "line-r2", 0.5, 0, 1,                                           \
      "a slope counts when its line has an r2 of at least")                    \
    X(dead_zeros, "dead-zeros", 0.99, 0, 1,                                    \
      "a layer is dead when its share of zeros reaches")                       \
    /* At learning rate 0 the loss seems to fall by that once in 700 epochs.*/ \
    X(loss_errors, "loss-errors", 3, 0, 100,                                   \
      "the loss falls when it does by more standard errors")                   \
    X(loss_fall, "loss-fall", 0.01, 0, 1,                                      \
      "and by more than this share of what it was")                            \
    /* There it falls by 6 % at most. Wild first steps must not hide a fall.*/ \
    X(loss_clear, "loss-clear", 0.2, 0, 1,                                     \
      "or by more than this share, whatever the errors")                       \
    /* Chance is the worst that learning gives; ten times that is no noise. */ \
    X(diverged_loss, "diverged-loss", 10, 1, 1e9,                              \
      "training diverged when the loss is more times what it was at the start")

struct verdict_limits {
#define X(name, key, value, least, most, text) double name;
    VERDICT_LIMITS(X)
#undef X
};
extern const struct verdict_limits verdict_defaults;

// Which rule decided. RULE_NONE: none was broken, or nothing could be judged.
enum verdict_rule { RULE_NONE, RULE_SLOPE, RULE_RATIO, RULE_GRADIENT_NONFINITE,
                    RULE_ZEROS, RULE_LOSS, RULE_STILL, RULE_LOSS_NONFINITE,
                    RULE_LOSS_GREW, RULE_COUNT };
extern const char *const verdict_rules[RULE_COUNT];

// What was found in one epoch, or in the first step.
struct finding {
    enum verdict      verdict;
    enum verdict_rule rule;
    int          epoch;             // 0 = the first step
    struct slope slope;             // of quantity
    double       loss, loss_first;  // of this epoch and of the first whole one
    double       loss_start;        // of the first step, else loss_first
    double       loss_error;        // standard error of their difference
    bool         still;             // no weight moved, by their records
    int          n_dead;            // layers that gave nothing but zeros
};

struct findings {
    enum verdict    verdict;        // over all: of the newest whole epoch
    int             quantity;       // grad_out, else grad_w; -1 = none
    struct finding *epochs;         // owned, as history_epoch()
    int             n_epochs;
    struct finding  start;          // of step 0; unknown when it was not kept
    const struct finding *decides;  // NULL while there is nothing
};

void verdict_find(const struct history *h, const struct verdict_limits *limits,
                  struct findings *f);
void verdict_clear(struct findings *f);

// The quantity whose records a rule looks at; -1 = the loss alone.
int verdict_quantity(const struct history *h, const struct findings *f,
                     enum verdict_rule rule);

// What the loss must be below to have fallen since the first whole epoch.
double verdict_loss_needed(const struct finding *f,
                           const struct verdict_limits *limits);

// Whether this series gave nothing but zeros in that epoch.
bool verdict_is_dead(const struct history *h, const struct history_epoch *e,
                     int series, const struct verdict_limits *limits);
