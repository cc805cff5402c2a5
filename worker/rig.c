#include "worker/rig.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "model/init.h"
#include "model/nets.h"
#include "worker/augment.h"

enum { MAX_THREADS = 1024 };
// Batches that are small, and so done soon, go by more at once; of large ones
// two are enough, and more would take memory.
enum { LEAST_AHEAD = 2, SLOTS_BYTES = 64 << 20 };
enum { LAG_MILLIS = 100 };              // of news, but for LEAST_AHEAD steps

int rig_cut(struct rig *rig, int64_t n, int batch, struct error *err)
{
    if (n < 2)
        return fail(err, ERR_DATA, "%" PRId64 " image is not enough: a batch "
                    "needs at least 2", n);
    rig->full.n = n < batch ? (int)n : batch;
    rig->tail.n = (int)(n % rig->full.n);
    rig->leftover = rig->tail.n == 1;
    if (rig->leftover)
        rig->tail.n = 0;
    rig->steps_per_epoch = n / rig->full.n + (rig->tail.n > 0);
    rig->images_per_epoch = n - rig->leftover;
    return 0;
}

// Adam's constants are PyTorch's defaults; the spec has no fields for them.
static struct optim optim_of(const struct job *job)
{
    static const enum optim_kind kinds[] = {
        [OPTIMIZER_SGD] = OPTIM_SGD,
        [OPTIMIZER_ADAM] = OPTIM_ADAM,
        [OPTIMIZER_ADAMW] = OPTIM_ADAMW,
    };
    return (struct optim){
        .kind = kinds[job->train.optimizer],
        .momentum = job->train.momentum,
        .weight_decay = job->train.weight_decay,
        .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8,
    };
}

// OMP_NUM_THREADS as everywhere; 0 = the cores there are.
static int threads(void)
{
    const char *text = getenv("OMP_NUM_THREADS");
    int n = text ? atoi(text) : 0;

    return n > 0 && n <= MAX_THREADS ? n : 0;
}

static int open_part(struct rig *rig, struct rig_part *part,
                     struct plan *share, int slots, const struct job *job,
                     const struct taps *taps, struct error *err)
{
    struct net_opts net = net_opts_of(job, job->model.classes, part->n);
    struct plan_opts opts = {
        .device = rig->ordinal, .slots = slots, .threads = threads(),
        .precision = rig->precision,
        .optim = optim_of(job), .seed = job->train.seed,
        .cache = rig->cache,
    };

    part->graph = net_build(&net, err);
    if (!part->graph)
        return err->code;
    part->sources = taps_apply(taps, part->graph);
    int rc = rig->backend->compile(part->graph, &opts, share, &part->plan,
                                   err);
    for (int i = 0; !rc && i < slots; i++)
        part->slots[i] = rig->backend->slot(part->plan, i);
    return rc;
}

int rig_ahead(const struct backend *b, int image_size, int n)
{
    int64_t batch = 3 * (int64_t)image_size * image_size * n;
    int64_t fit = SLOTS_BYTES / batch - 2;

    if (fit < LEAST_AHEAD)
        fit = LEAST_AHEAD;
    return fit < b->ahead ? (int)fit : b->ahead;
}

int rig_open(struct rig *rig, const struct job *job, const struct taps *taps,
             struct error *err)
{
    rig->ahead = rig_ahead(rig->backend, job->data.image_size, rig->full.n);
    rig->slots = rig->ahead + 2;
    assert(rig->slots <= RIG_MOST_SLOTS);
    int rc = open_part(rig, &rig->full, NULL, rig->slots, job, taps, err);

    if (!rc)
        rc = init_plan(rig->full.plan, job->train.seed, err);
    if (!rc && rig->tail.n)
        rc = open_part(rig, &rig->tail, rig->full.plan, 1, job, taps, err);
    return rc;
}

static int32_t place_of(const struct data *d, int32_t image)
{
    return d->picked ? d->picked[image] : image;
}

int rig_reside(struct rig *rig, const struct data *d, struct error *err)
{
    struct plan *const plans[] = { rig->full.plan, rig->tail.plan };
    struct images im = { d->pixels, d->labels, 0, d->side, d->side };
    int held = d->pixels != NULL;

    for (int32_t i = 0; i < d->n; i++)
        if (im.n <= place_of(d, i))
            im.n = (int64_t)place_of(d, i) + 1;
    for (int i = 0; i < 2 && held > 0; i++)
        if (plans[i])
            held = rig->backend->reside(plans[i], &im, err);
    rig->resident = held > 0;
    return held < 0 ? held : 0;
}

void rig_fill(const struct rig *rig, struct slot *slot, const struct data *d,
              int epoch, const int32_t *image, int n)
{
    slot->values = NULL;
    slot->by_index = rig->resident;
    if (!rig->resident) {
        data_batch(d, epoch, image, n, slot->pixels, slot->labels);
        return;
    }
    for (int i = 0; i < n; i++) {
        slot->index[i] = place_of(d, image[i]);
        slot->move[i] = augment_move(d->side, d->augment, d->seed, epoch,
                                     slot->index[i]);
        slot->labels[i] = d->labels[slot->index[i]];
    }
}

static void close_part(const struct rig *rig, struct rig_part *part)
{
    if (part->plan)
        rig->backend->destroy(part->plan);
    graph_free(part->graph);
    free(part->sources);
    *part = (struct rig_part){ 0 };
}

void rig_close(struct rig *rig)
{
    close_part(rig, &rig->tail);
    close_part(rig, &rig->full);
}

const struct rig_part *rig_part_of(const struct rig *rig, int64_t s)
{
    bool last = s == rig->steps_per_epoch - 1;
    return last && rig->tail.n ? &rig->tail : &rig->full;
}

int rig_slot_of(const struct rig *rig, int64_t s)
{
    return rig_part_of(rig, s) == &rig->tail ? 0 : (int)(s % rig->slots);
}

int rig_lag(const struct rig *rig, double millis)
{
    double most = millis > 0 ? LAG_MILLIS / millis : 0;

    if (most < LEAST_AHEAD)
        most = LEAST_AHEAD;
    return most < rig->ahead ? (int)most : rig->ahead;
}
