/* daemon/history_probe.c: probe events into arrays of numbers. A worker's lines
 * are not trusted: what is missing is not a number. */
#include "daemon/history_probe.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/mem.h"

enum { MAX_PROBES = 65536, MAX_LAYERS = 4096 };

const char *const probe_names[PROBE_NUMBERS] = { "cosine", "confusion", "snr" };

static double number_at(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);
    return json_is_number(v) ? json_number_value(v) : NAN;
}

static size_t bytes_of(const struct history_probe *p)
{
    size_t bytes = sizeof *p + (size_t)p->n_layers * sizeof *p->layers;

    for (int i = 0; i < p->n_layers; i++)
        bytes += strlen(p->layers[i].name) + 1;
    return bytes;
}

static void probe_clear(struct history *h, struct history_probe *p)
{
    h->bytes -= bytes_of(p);
    for (int i = 0; i < p->n_layers; i++)
        free(p->layers[i].name);
    free(p->layers);
}

void history_probes_clear(struct history *h)
{
    while (h->n_probes)
        probe_clear(h, &h->probes[--h->n_probes]);
    free(h->probes);
    h->probes = NULL;
}

static struct history_probe read(const json_t *event)
{
    json_t *layers = json_object_get(event, "layers"), *numbers;
    size_t n = json_object_size(layers);
    const char *name;
    struct history_probe p = {
        .epoch = (int)json_integer_value(json_object_get(event, "epoch")),
        .step = json_integer_value(json_object_get(event, "step")),
        .images = (int)json_integer_value(json_object_get(event, "images")),
        .loss = number_at(event, "loss"),
        .seconds = number_at(event, "seconds"),
        .layers = xcalloc(n, sizeof *p.layers),
    };

    json_object_foreach(layers, name, numbers) {
        struct probe_layer *l = &p.layers[p.n_layers++];
        l->name = xstrdup(name);
        for (int i = 0; i < PROBE_NUMBERS; i++)
            l->numbers[i] = number_at(numbers, probe_names[i]);
    }
    return p;
}

int history_probe_add(struct history *h, const json_t *event,
                      struct error *err)
{
    const json_t *layers = json_object_get(event, "layers");

    if (!json_is_object(layers) || json_object_size(layers) > MAX_LAYERS)
        return fail(err, ERR_SPEC, "a probe event without layers");
    struct history_probe p = read(event);
    size_t bytes = bytes_of(&p);
    h->bytes += bytes;
    // Taken again by another attempt: that and what came after is void.
    while (h->n_probes && h->probes[h->n_probes - 1].step >= p.step)
        probe_clear(h, &h->probes[--h->n_probes]);
    if (h->n_probes == MAX_PROBES || h->bytes > h->max_bytes) {
        probe_clear(h, &p);
        return fail(err, ERR_LIMIT, "more probes than are kept of a job");
    }
    h->probes = xrealloc(h->probes,
                         ((size_t)h->n_probes + 1) * sizeof *h->probes);
    h->probes[h->n_probes++] = p;
    return 0;
}
