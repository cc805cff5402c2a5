/* probe: per-sample gradients, layer by layer. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "client/api.h"
#include "client/table.h"
#include "client/text.h"
#include "common/mem.h"

// The probe before that step, or the last one; NULL when there is none.
static const json_t *find(const json_t *probes, const char *step)
{
    size_t n = json_array_size(probes);

    if (!step)
        return json_array_get(probes, n - 1);
    for (size_t i = 0; i < n; i++) {
        const json_t *probe = json_array_get(probes, i);
        char *text = text_json(json_object_get(probe, "step"), false);
        bool found = !strcmp(text, step);
        free(text);
        if (found)
            return probe;
    }
    return NULL;
}

static void print(struct client *c, const json_t *probe)
{
    static const struct column columns[] = {
        {"LAYER", false, true}, {"COSINE", true, false},
        {"CONFUSION", true, false}, {"SNR", true, false}};
    static const char *const names[] = {"cosine", "confusion", "snr"};
    struct table *t = table_new(c, columns, 4);
    const char *layer;
    json_t *row;

    if (!c->quiet)
        printf("before step %.0f (epoch %.0f), %.0f images, %.3g s\n",
               api_number(probe, "step"), api_number(probe, "epoch"),
               api_number(probe, "images"), api_number(probe, "seconds"));
    json_object_foreach(json_object_get(probe, "layers"), layer, row) {
        table_add(t, layer);
        for (int i = 0; i < 3; i++)
            table_take(t, text_number(api_number(row, names[i]), 3));
    }
    table_print(t, c);
    table_free(t);
}

int command_probe(struct client *c)
{
    const char *layers = opts_value(&c->opts, "layers");
    json_t *answer = NULL;
    json_int_t id;
    int rc = client_id(c, "probe", 0, &id);

    if (rc)
        return rc;
    char *quoted = http_escape(layers ? layers : "");
    char *below = xasprintf("/probe%s%s", layers ? "?layers=" : "", quoted);
    char *path = api_job(id, below);
    rc = c->json ? api_print(c, path)
                 : api_json(c, "GET", path, NULL, &answer);
    free(path);
    free(below);
    free(quoted);
    if (rc || c->json)
        return rc;
    const json_t *probe = find(json_object_get(answer, "probes"),
                               opts_value(&c->opts, "step"));
    if (probe) {
        print(c, probe);
    } else {
        client_say("there is no such probe; a job makes some when it is "
                   "submitted with --probe epochs or --probe STEP,...");
        rc = EXIT_NO;
    }
    json_decref(answer);
    return rc;
}
