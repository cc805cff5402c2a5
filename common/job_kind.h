/* common/job_kind.h: how one field of a job spec is read and written. For
 * job.c; everyone else uses job.h.
 */
#pragma once
#include "common/job.h"

// The table of fields, in the order of the stored spec.
extern const struct job_field job_table[];
extern const int              job_n_fields;

// What reading gives: fine, wrong as a whole, or the index of the first wrong
// element of a list.
enum { READ_FINE = -1, READ_WRONG = -2 };

struct job_kind {
    // Of a good value, to follow "must be": "true or false". NULL: made from
    // the field's values.
    const char *wants;
    bool        list;           // an option's text is split at commas
    bool        text;           // ... is taken as it is
    int       (*read)(const struct job_field *f, const json_t *v,
                      struct job *job);
    json_t   *(*write)(const struct job_field *f, const struct job *job);
};

// Into an enum, a char array, int, int64_t or uint64_t, an optional one (0 is
// null), double, bool, double[3]; the rest are for one field each.
extern const struct job_kind kind_word, kind_word_text, kind_integer,
    kind_optional, kind_real, kind_bool, kind_triple, kind_name, kind_skip,
    kind_root, kind_group, kind_path, kind_validation, kind_layers,
    kind_quantities, kind_samples, kind_device, kind_after,
    kind_init, kind_probe;

// "a whole number from 2 to 4096", "one of sgd, adam, adamw". Caller frees.
char *job_kind_wants(const struct job_field *f);

// What optimizers use when nothing is said; by enum job_optimizer.
extern const double job_usual_lr[], job_usual_decay[];

extern const char *const job_stage_names[JOB_STAGES];   // "layer1", ...
