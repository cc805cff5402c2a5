#include "worker/keep.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/log.h"
#include "common/mem.h"
#include "model/init.h"

static int load_file(struct keep *k, const char *path, const struct rig *rig,
                     struct error *err)
{
    struct checkpoint c;
    int rc = checkpoint_read(path, k->spec, false, rig->full.plan, &c, err);

    if (rc)
        return rc;
    if (c.step != c.epoch * rig->steps_per_epoch)
        return fail(err, ERR_DATA, "checkpoint %s: it is of another run: its "
                    "epochs have other steps", path);
    k->epoch = c.epoch;
    k->step = c.step;
    rc = checkpoint_measure(path, &k->file, err);
    log_info("going on from %s", path);
    return rc;
}

// A damaged file costs the epochs up to the one before, not the run.
static int load_newest(struct keep *k, const struct rig *rig, uint64_t seed,
                       struct error *err)
{
    int *epochs, n = checkpoint_list(k->resume, &epochs), rc = 0;
    bool tried = false;

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
    if (!rc && tried && !k->epoch) {    // what was read of it stays nowhere
        rig->backend->set_steps(rig->full.plan, 0);
        rc = init_plan(rig->full.plan, seed, err);
    }
    return rc;
}

int keep_load(struct keep *k, const struct rig *rig, uint64_t seed,
              struct error *err)
{
    struct stat st;

    k->damaged = json_array();
    if (!k->resume)
        return 0;
    if (stat(k->resume, &st) != 0 && errno == ENOENT && k->dir &&
        !strcmp(k->dir, k->resume))
        return 0;                       // none was written yet
    if (stat(k->resume, &st) != 0)
        return fail(err, ERR_NOT_FOUND, "cannot go on from %s: %s", k->resume,
                    strerror(errno));
    return S_ISDIR(st.st_mode) ? load_newest(k, rig, seed, err)
                               : load_file(k, k->resume, rig, err);
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

json_t *keep_prune(const struct keep *k, const struct job *job)
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

void keep_clear(struct keep *k)
{
    json_decref(k->damaged);
}
