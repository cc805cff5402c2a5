#include "worker/keep.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "common/mem.h"
#include "model/init.h"

enum { LOSS, HITS, BESIDE };            // columns of rows, then the numbers

static int64_t width_of(const struct rig *rig)
{
    return BESIDE + rig->full.graph->n_taps;
}

// A file that somebody knows the checksum of has to have it.
static int verify(const struct keep *k, const char *path,
                  struct checkpoint_file *file, struct error *err)
{
    int rc = checkpoint_measure(path, file, err);

    for (int i = 0; i < k->n_sums && !rc; i++)
        if (!strcmp(k->sums[i].file, file->name) &&
            strcmp(k->sums[i].sha256, file->sha256) != 0)
            rc = fail(err, ERR_DATA, "checkpoint %s: it is not what was "
                      "written: its SHA-256 is %.16s..., not %.16s...", path,
                      file->sha256, k->sums[i].sha256);
    return rc;
}

// The weights that the rule or another run gives, whatever was in the plan.
static int first_weights(struct keep *k, const struct rig *rig, bool anew,
                         uint64_t seed, struct error *err)
{
    struct checkpoint_file file;
    struct checkpoint c = { 0 };
    int rc = 0;

    if (anew)
        rc = checkpoint_forget(rig->full.plan, err);
    if (anew && !rc)
        rc = init_plan(rig->full.plan, seed, err);
    if (rc || !k->init)
        return rc;
    rc = verify(k, k->init, &file, err);
    if (!rc)
        rc = checkpoint_read(k->init, NULL, true, rig->full.plan, &c, err);
    k->no_init = rc != 0;
    if (!rc)
        log_info("the first weights are those of %s", k->init);
    return rc;
}

static int load_file(struct keep *k, const char *path, const struct rig *rig,
                     struct error *err)
{
    struct checkpoint_file file;
    struct checkpoint c;
    int rc = verify(k, path, &file, err);

    if (!rc)
        rc = checkpoint_read(path, k->spec, false, rig->full.plan, &c, err);
    if (rc)
        return rc;
    if (c.step != c.epoch * rig->steps_per_epoch + c.rows.n ||
        (c.rows.n && (c.rows.width != width_of(rig) ||
                      c.rows.n >= rig->steps_per_epoch))) {
        rows_clear(&c.rows);
        return fail(err, ERR_DATA, "checkpoint %s: it is of another run: its "
                    "epochs have other steps", path);
    }
    rows_clear(&k->rows);
    k->rows = c.rows;
    k->rows_room = c.rows.n;
    k->epoch = c.epoch;
    k->step = c.step;
    k->file = file;
    return 0;
}

// One that a stop within an epoch left is further than all others, and is gone
// as soon as another one is written.
static bool load_partial(struct keep *k, const struct rig *rig, int newest,
                         bool *tried)
{
    char *path = xasprintf("%s/%s", k->resume, checkpoint_partial);
    struct error why = { 0 };
    int rc = access(path, F_OK) ? ERR_NOT_FOUND : load_file(k, path, rig, &why);
    bool good = !rc && k->epoch <= k->recorded && k->epoch >= newest;

    *tried = rc != ERR_NOT_FOUND;
    if (rc && *tried)
        log_warn("%s", why.text);
    if (!rc && !good) {
        rows_clear(&k->rows);
        k->rows_room = 0;
    }
    free(path);
    return good;
}

// A damaged file costs the epochs up to the one before, not the run.
static int load_newest(struct keep *k, const struct rig *rig, uint64_t seed,
                       struct error *err)
{
    int *epochs, n = checkpoint_list(k->resume, &epochs), rc = 0, newest = 0;
    bool tried;

    for (int i = n; i-- > 0; )
        newest = epochs[i] <= k->recorded ? epochs[i] : newest;
    if (load_partial(k, rig, newest, &tried)) {
        free(epochs);
        return 0;
    }
    k->epoch = 0;
    k->step = 0;
    for (int i = 0; i < n && !rc && !k->epoch; i++) {
        char name[CHECKPOINT_NAME];
        struct error why = { 0 };
        if (epochs[i] > k->recorded || !epochs[i])
            continue;
        checkpoint_name(epochs[i], name);
        char *path = xasprintf("%s/%s", k->resume, name);
        rc = load_file(k, path, rig, &why);
        if (rc == ERR_DATA || rc == ERR_IO || rc == ERR_NOT_FOUND) {
            log_warn("%s", why.text);
            json_array_append_new(k->damaged, json_pack("{s:s, s:s}", "path",
                                  name, "reason", why.text));
            rc = 0;
            tried = true;
        } else if (rc) {
            *err = why;
        }
        free(path);
    }
    free(epochs);
    // What was read of one that was not taken stays nowhere.
    return !rc && !k->epoch ? first_weights(k, rig, tried, seed, err) : rc;
}

int keep_load(struct keep *k, const struct rig *rig, uint64_t seed,
              struct error *err)
{
    struct stat st;

    k->damaged = json_array();
    if (!k->resume || (stat(k->resume, &st) != 0 && errno == ENOENT && k->dir &&
                       !strcmp(k->dir, k->resume)))     // none was written yet
        return first_weights(k, rig, false, seed, err);
    if (stat(k->resume, &st) != 0)
        return fail(err, ERR_NOT_FOUND, "cannot go on from %s: %s", k->resume,
                    strerror(errno));
    int rc = S_ISDIR(st.st_mode) ? load_newest(k, rig, seed, err)
                                 : load_file(k, k->resume, rig, err);
    if (!rc && k->step)
        log_info("going on from %s, step %" PRId64, k->file.name, k->step);
    return rc;
}

bool keep_due(const struct keep *k, const struct job *job, int epoch)
{
    int every = job->checkpoint.every;

    if (!k->dir)
        return false;
    if (!epoch)
        return job->checkpoint.initial;
    return epoch == job->train.epochs || (every && epoch % every == 0);
}

int keep_write(struct keep *k, const struct rig *rig, struct error *err)
{
    struct checkpoint c = { .epoch = k->epoch, .step = k->step };

    memcpy(c.spec, k->spec, sizeof c.spec);
    return checkpoint_write(k->dir, &c, rig->full.plan, &k->file, err);
}

void keep_step(struct keep *k, const struct result *result, int n)
{
    struct rows *r = &k->rows;

    if (!k->dir)
        return;
    r->width = BESIDE + n;
    if (r->n == k->rows_room) {
        k->rows_room = 2 * r->n + 64;
        r->numbers = xrealloc(r->numbers, (size_t)(k->rows_room * r->width) *
                                          sizeof *r->numbers);
    }
    double *row = r->numbers + r->n++ * r->width;
    row[LOSS] = result->loss;
    row[HITS] = result->correct;
    memcpy(row + BESIDE, result->taps, (size_t)n * sizeof *row);
}

bool keep_noted(const struct keep *k, int64_t i, struct result *result)
{
    if (i >= k->rows.n)
        return false;
    const double *row = k->rows.numbers + i * k->rows.width;
    result->loss = row[LOSS];
    result->correct = (int)row[HITS];
    result->tap_millis = 0;
    memcpy(result->taps, row + BESIDE,
           (size_t)(k->rows.width - BESIDE) * sizeof *row);
    return true;
}

void keep_forget(struct keep *k)
{
    k->rows.n = 0;
}

void keep_write_partial(struct keep *k, const struct rig *rig, int epoch)
{
    struct checkpoint c = { .epoch = epoch, .rows = k->rows,
        .step = epoch * rig->steps_per_epoch + k->rows.n };
    struct checkpoint_file file;
    struct error err = { 0 };

    memcpy(c.spec, k->spec, sizeof c.spec);
    if (checkpoint_write(k->dir, &c, rig->full.plan, &file, &err) != 0)
        log_warn("%s", err.text);
}

// The epochs that stay, ascending; caller owns.
static json_t *prune(const struct keep *k, const struct job *job)
{
    json_t *kept = json_array();
    int *epochs;

    checkpoint_prune(k->dir, k->epoch, job->checkpoint.keep,
                     job->checkpoint.initial);
    for (int n = checkpoint_list(k->dir, &epochs); n > 0; n--)
        json_array_append_new(kept, json_integer(epochs[n - 1]));
    free(epochs);
    return kept;
}

void keep_tell_written(const struct keep *k, struct tell *t,
                       const struct job *job)
{
    json_t *kept = prune(k, job);

    tell_checkpoint(t, k->epoch, k->step, k->file.name, k->file.bytes,
                    k->file.sha256, kept);
}

void keep_tell_loaded(const struct keep *k, struct tell *t,
                      const struct job *job)
{
    json_t *row;
    size_t i;

    json_array_foreach(k->damaged, i, row)
        tell_warning(t, "checkpoint",
                     json_string_value(json_object_get(row, "path")),
                     json_string_value(json_object_get(row, "reason")));
    if (k->epoch && k->dir && !k->rows.n)
        keep_tell_written(k, t, job);
}

void keep_clear(struct keep *k)
{
    rows_clear(&k->rows);
    json_decref(k->damaged);
}
