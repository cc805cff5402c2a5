/* daemon/views_probe.c: what probes found, layer by layer. */
#include "daemon/views.h"

#include "common/event.h"
#include "daemon/view_pick.h"

static json_t *layer_json(const struct probe_layer *l)
{
    json_t *out = json_object();

    for (int i = 0; i < PROBE_NUMBERS; i++)
        json_object_set_new(out, probe_names[i], event_number(l->numbers[i]));
    return out;
}

json_t *view_probe(const struct history *h, const struct view_query *q,
                   struct error *err)
{
    json_t *probes = json_array();

    (void)err;
    for (int i = 0; i < h->n_probes; i++) {
        const struct history_probe *p = &h->probes[i];
        json_t *layers = json_object();

        for (int l = 0; l < p->n_layers; l++)
            if (view_wants_layer(q, p->layers[l].name))
                json_object_set_new(layers, p->layers[l].name,
                                    layer_json(&p->layers[l]));
        json_array_append_new(probes, json_pack(
            "{s:i, s:I, s:i, s:o, s:o, s:o}", "epoch", p->epoch,
            "step", (json_int_t)p->step, "images", p->images,
            "loss", event_number(p->loss),
            "seconds", event_number(p->seconds), "layers", layers));
    }
    return json_pack("{s:I, s:o}", "job", (json_int_t)q->job,
                     "probes", probes);
}
