#include "worker/prober.h"

#include <math.h>
#include <stdlib.h>

#include "common/event.h"
#include "common/mem.h"
#include "model/nets.h"

struct prober {
    struct graph         *graph;
    struct plan          *plan;
    struct probe         *probe;
    struct net_layer     *layers;       // those that are looked at
    struct probe_numbers *numbers;      // of them, of the last probe
    int                   n, images;
    double                loss;
};

// The plan's slot, filled once. Their labels are the probe's.
static void fill(struct prober *p, const struct data *data)
{
    struct slot *slot = p->plan->backend->slot(p->plan, 0);
    struct data plain = *data;
    int32_t *chosen = xcalloc((size_t)p->images, sizeof *chosen);

    plain.augment = AUGMENT_NONE;
    for (int i = 0; i < p->images; i++)
        chosen[i] = (int32_t)(data->n * i / p->images);
    slot->values = NULL;
    slot->by_index = false;
    data_batch(&plain, 1, chosen, p->images, slot->pixels, slot->labels);
    free(chosen);
}

static void choose_layers(struct prober *p, const struct job *job)
{
    val *weights;
    int n = net_layers(p->graph, &p->layers);

    for (int i = 0; i < n; i++)
        if (taps_want(job, p->layers[i].name))
            p->layers[p->n++] = p->layers[i];
    p->numbers = xcalloc((size_t)p->n, sizeof *p->numbers);
    weights = xcalloc((size_t)p->n, sizeof *weights);
    for (int i = 0; i < p->n; i++)
        weights[i] = p->graph->nodes[p->layers[i].node].param[0];
    p->probe = probe_new(p->plan, p->plan->backend->slot(p->plan, 0)->labels,
                         weights, p->n);
    free(weights);
}

int prober_open(const struct rig *rig, const struct job *job,
                const struct data *data, struct prober **out,
                struct error *err)
{
    const struct job_probe *when = &job->record.probe;

    *out = NULL;
    if (!when->epochs && !when->n_steps)
        return 0;
    struct prober *p = xcalloc(1, sizeof *p);
    p->images = data->n < job->record.probe_images
        ? (int)data->n : job->record.probe_images;
    struct net_opts net = net_opts_of(job, job->model.classes, p->images);
    struct plan_opts opts = rig->full.plan->opts;
    opts.slots = 1;
    int rc = (p->graph = net_build(&net, err)) ? 0 : err->code;
    if (!rc)
        rc = rig->backend->compile(p->graph, &opts, rig->full.plan, &p->plan,
                                   err);
    if (rc) {
        prober_close(p, rig);
        return rc;
    }
    fill(p, data);
    choose_layers(p, job);
    *out = p;
    return 0;
}

void prober_close(struct prober *p, const struct rig *rig)
{
    if (!p)
        return;
    probe_free(p->probe);
    if (p->plan)
        rig->backend->destroy(p->plan);
    graph_free(p->graph);
    free(p->layers);
    free(p->numbers);
    free(p);
}

bool prober_due(const struct prober *p, const struct job *job, int64_t step,
                bool first)
{
    const struct job_probe *when = &job->record.probe;

    for (int i = 0; p && i < when->n_steps; i++)
        if (when->steps[i] == step)
            return true;
    return p && when->epochs && first;
}

int prober_take(struct prober *p, bool (*stopped)(void *arg), void *arg,
                struct error *err)
{
    return probe_take(p->probe, stopped, arg, p->numbers, &p->loss, err);
}

void prober_tell(const struct prober *p, struct tell *t, int epoch,
                 int64_t step, double seconds)
{
    json_t *e = event_new("probe"), *layers = json_object();

    for (int i = 0; i < p->n; i++)
        json_object_set_new(layers, p->layers[i].name, json_pack(
            "{s:o, s:o, s:o}", "cosine", event_number(p->numbers[i].cosine),
            "confusion", event_number(p->numbers[i].confusion),
            "snr", event_number(p->numbers[i].snr)));
    json_object_update_new(e, json_pack("{s:i, s:I, s:i, s:o, s:f, s:o}",
        "epoch", epoch, "step", (json_int_t)step, "images", p->images,
        "loss", event_number(p->loss), "seconds", seconds, "layers", layers));
    tell(t, e);
}
