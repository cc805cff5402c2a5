/* common/job.h: a job spec, and the only place with its fields, defaults,
 * limits and messages.
 *
 * One table of fields (job_fields.c) drives parsing, defaults, the checks and
 * their messages, the command line's options and the text about them: a new
 * field is one row there and one member here.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <jansson.h>
#include "common/error.h"

enum {
    JOB_STAGES = 4,
    JOB_MAX_LIST = 256,
    JOB_MAX_SWEEP = 256,        // jobs of one sweep; how many may wait is
};                              // another limit, of the queue

enum job_norm      { NORM_BATCH, NORM_NONE };
enum job_init      { INIT_PYTORCH, INIT_KAIMING, INIT_CHECKPOINT };
enum job_source    { SOURCE_SYNTHETIC, SOURCE_FOLDER, SOURCE_CIFAR10 };
enum job_augment   { AUGMENT_NONE, AUGMENT_FLIP, AUGMENT_CROP_FLIP };
enum job_optimizer { OPTIMIZER_SGD, OPTIMIZER_ADAM, OPTIMIZER_ADAMW };
enum job_schedule  { SCHEDULE_CONSTANT, SCHEDULE_COSINE, SCHEDULE_STEP };
enum job_precision { PRECISION_AUTO, PRECISION_F32, PRECISION_TF32,
                     PRECISION_BF16 };
enum job_nonfinite { NONFINITE_STOP, NONFINITE_CONTINUE };

// Bits of job.record.quantities; docs/quantities.md defines them. Names are the
// keys of events and views; in a spec act stands for the three act_.
enum job_quantity  { QUANTITY_GRAD_OUT, QUANTITY_GRAD_W, QUANTITY_WEIGHT,
                     QUANTITY_GRAD_RMS, QUANTITY_UPDATE, QUANTITY_ACT_MEAN,
                     QUANTITY_ACT_STD, QUANTITY_ACT_ZEROS,
                     QUANTITY_WEIGHT_GRAD, QUANTITY_GRAD_SAMPLE,
                     QUANTITY_BRANCH_SHARE,
                     QUANTITY_COUNT };
extern const char *const job_quantity_names[QUANTITY_COUNT];
// The bits of a word of record.quantities; 0 when there is no such word.
unsigned job_quantity_bits(const char *word);

struct job {
    char name[64 * 4 + 1];              // UTF-8, 1..64 characters
    char group[65];                     // of the jobs it belongs to; "" = none
    struct {
        char          arch[16];         // "resnet50"
        bool          skip[JOB_STAGES]; // by stage, layer1 first
        enum job_norm norm;
        enum job_init init;
        int64_t       init_job;         // of INIT_CHECKPOINT: whose newest one
        double        width;
        int           classes;          // 0 = the data set's
    } model;
    struct {
        enum job_source  source;
        char             root[65], path[1025];
        int              image_size;
        double           mean[3], std[3];
        int64_t          limit;         // 0 = all (null in JSON)
        bool             shuffle;
        enum job_augment augment;
        struct job_validation {
            double share;               // of the images; 0 = none held out
            char   path[1025];          // below the root; "" = not given
        } validation;
        struct { int classes, images, size; } synthetic;
    } data;
    struct {
        int                epochs, batch;
        enum job_optimizer optimizer;
        double             lr, momentum, weight_decay;
        enum job_schedule  schedule;
        int                warmup_epochs;
        enum job_precision precision;
        uint64_t           seed;
        enum job_nonfinite on_nonfinite;
    } train;
    struct {
        char    *layers[JOB_MAX_LIST];  // globs, owned; "all", "notebook" and
        int      n_layers;              // [] are kept as written
        bool     layers_word;           // a word in JSON, not a list
        unsigned quantities;            // bits 1 << QUANTITY_
        int      samples;               // per layer and epoch; 0 = all
        bool     early_steps;
        struct job_probe {
            bool    epochs;             // before the first step of each
            int64_t steps[JOB_MAX_LIST];        // of the run, from 0
            int     n_steps;
        } probe;
        int      probe_images;
    } record;
    struct {
        int  every, keep;               // epochs; the newest that stay
        bool initial;
    } checkpoint;
    char    device[16];                 // auto cpu cuda cuda:N reference
    int     priority;
    int64_t after[JOB_MAX_LIST];
    int     n_after;
};

// Reads a spec as clients write it: any subset of the fields, and "preset".
// Returns the job (job_free), or NULL and an array of
// {"pointer", "value", "message"} in *problems, one for every mistake; the
// caller owns it. Never looks at data roots or ids: the daemon does.
struct job *job_parse(const json_t *spec, json_t **problems);

// The whole spec with every default filled in, in the table's order.
// job_parse(job_to_json(j)) gives j again. Caller owns.
json_t     *job_to_json(const struct job *job);
void        job_free(struct job *job);

// Strict JSON text: no duplicate keys, no more than 32 deep, one object.
json_t     *job_load_text(const char *text, size_t len, struct error *err);

// The job whose checkpoint a stored spec starts from, or 0.
int64_t     job_init_of(const json_t *spec);

// Whether a network is made without skip connections: model.skip must be false.
bool job_arch_has_no_skip(const char *arch);

// The table, for those who make options, documents and forms of it.
struct job_field {
    const char *path;           // "train.batch"
    const char *values;         // "2..4096", "sgd|adam|adamw", "text", ...
    const char *help;           // one line
    const char *option;         // "--batch"; NULL = only in a spec file
    bool        flag;           // --x / --no-x, takes no value
    const char *fallback;       // default as JSON; NULL = follows from others,
                                // as help says

    // For job.c and job_kind.c alone (job_kind.h).
    const struct job_kind *kind;
    size_t                 offset, size;        // of the member of struct job
    double                 low, high;           // limits of numbers
};
const struct job_field *job_fields(int *n);

// The value that an option's text stands for: a number, true, false, null, a
// list where the field takes one ("conv1,fc"), else a string. Only job_parse()
// judges it. Caller owns.
json_t *job_option_value(const struct job_field *f, const char *text);

// A field's value as a stored spec has it: 1 for 1.0, true for a list of all
// stages. NULL when no job may have it. Caller owns.
json_t *job_value(const struct job_field *f, const json_t *v);

// Sets a member of a spec by its path; makes the objects on the way. Takes
// value.
void job_spec_set(json_t *spec, const char *path, json_t *value);
// Whether text may be a group's name.
bool job_is_group(const char *text);

// Presets by name: a merge patch over the defaults (borrowed text), or NULL.
const char *job_preset(const char *name);
extern const char *const job_preset_names[];    // ends with NULL

// The layers of the notebook; ends with NULL.
extern const char *const job_notebook_layers[];
