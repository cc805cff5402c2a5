#include "daemon/routes.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/job.h"
#include "common/mem.h"
#include "daemon/submit.h"
#include "model/nets.h"

// Models.

void routes_models(struct request *rq, struct reply *rp)
{
    json_t *models = json_array();

    (void)rq;
    for (int i = 0; net_names[i]; i++) {
        char *href = xasprintf("/api/v1/models/%s", net_names[i]);
        json_array_append_new(models, json_pack("{s:s, s:{s:s}}",
            "name", net_names[i], "links", "self", href));
        free(href);
    }
    reply_json(rp, 200, json_pack("{s:o}", "models", models));
}

// The parameters of this route, each a field of the job spec.
static const struct { const char *param, *object, *field; } fields[] = {
    { "skip", "model", "skip" },        { "norm", "model", "norm" },
    { "width", "model", "width" },      { "classes", "model", "classes" },
    { "image_size", "data", "image_size" },
};
enum { N_FIELDS = sizeof fields / sizeof *fields, DEFAULT_CLASSES = 200 };

// What a parameter's text says in JSON: a number, true, false, a list of
// stages ("layer3,layer4"), or the text itself.
static json_t *value_of(const char *param, const char *text)
{
    json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);

    if (json_is_number(value) || json_is_boolean(value))
        return value;
    json_decref(value);
    if (strcmp(param, "skip") != 0)
        return json_string(text);
    char *list = xstrdup(text), *save = NULL;
    value = json_array();
    for (char *s = strtok_r(list, ",", &save); s;
         s = strtok_r(NULL, ",", &save))
        json_array_append_new(value, json_string(s));
    free(list);
    return value;
}

// The spec that the address means. Caller owns.
static json_t *spec_of(const struct request *rq)
{
    json_t *spec = json_pack("{s:{s:s, s:i}, s:{}}", "model", "arch", rq->word,
                             "classes", DEFAULT_CLASSES, "data");

    for (int k = 0; k < N_FIELDS; k++) {
        const char *text = uri_param(&rq->uri, fields[k].param);
        if (text)
            json_object_set_new(json_object_get(spec, fields[k].object),
                                fields[k].field,
                                value_of(fields[k].param, text));
    }
    return spec;
}

static int64_t parameters_of(const struct graph *g, int node)
{
    int64_t n = 0;

    for (int i = 0; i < MAX_PARAM; i++)
        if (g->nodes[node].param[i] != BAD_VAL)
            n += graph_elements(g, g->nodes[node].param[i]);
    return n;
}

static json_t *describe(const struct graph *g, const struct job *job)
{
    struct net_layer *layers = NULL;
    json_t *list = json_array(), *spec = job_to_json(job);
    const json_t *model = json_object_get(spec, "model");
    int n = net_layers(g, &layers);

    for (int i = 0; i < n; i++) {
        const struct net_layer *l = &layers[i];
        json_array_append_new(list, json_pack(
            "{s:s, s:[iii], s:I, s:i, s:b}", "name", l->name,
            "shape", l->out.c, l->out.h, l->out.w,
            "parameters", (json_int_t)parameters_of(g, l->node),
            "depth", l->depth, "main", l->main));
    }
    free(layers);
    json_t *answer = json_pack("{s:s, s:O, s:O, s:O, s:i, s:i, s:{s:I, s:I},"
        " s:o}", "name", job->model.arch,
        "skip", json_object_get(model, "skip"),
        "norm", json_object_get(model, "norm"),
        "width", json_object_get(model, "width"),
        "classes", job->model.classes, "image_size", job->data.image_size,
        "parameters", "held", (json_int_t)net_parameters(g, false),
        "used", (json_int_t)net_parameters(g, true), "layers", list);
    json_decref(spec);
    return answer;
}

void routes_model(struct request *rq, struct reply *rp)
{
    struct error err = { 0 };
    json_t *problems = NULL;
    int i = 0;

    while (net_names[i] && strcmp(net_names[i], rq->word) != 0)
        i++;
    if (!net_names[i]) {
        reply_problem(rp, 404, NULL, "there is no model %.60s", rq->word);
        return;
    }
    json_t *spec = spec_of(rq);
    struct job *job = job_parse(spec, &problems);
    json_decref(spec);
    if (!job) {
        reply_problem(rp, 422, problems, "such a model cannot be");
        return;
    }
    struct net_opts net = net_opts_of(job, job->model.classes, 1);
    struct graph *g = net_build(&net, &err);
    if (g)
        reply_json(rp, 200, describe(g, job));
    else
        submit_refuse(rp, "/data/image_size",
                      json_integer(job->data.image_size), "%s", err.text);
    graph_free(g);
    job_free(job);
}

// Data sets.

static int is_folder(const struct dirent *d)
{
    return d->d_name[0] != '.' &&
           (d->d_type == DT_DIR || d->d_type == DT_UNKNOWN ||
            d->d_type == DT_LNK);
}

// Names of what a root holds: what data.path may begin with.
static json_t *folders_of(const char *dir)
{
    enum { MOST = 100 };
    struct dirent **names = NULL;
    json_t *list = json_array();
    int n = scandir(dir, &names, is_folder, alphasort);

    for (int i = 0; i < n; i++) {
        json_t *name = i < MOST ? json_string(names[i]->d_name) : NULL;
        if (name)
            json_array_append_new(list, name);
        free(names[i]);
    }
    free(names);
    return list;
}

void routes_datasets(struct request *rq, struct reply *rp)
{
    const struct config *c = rq->server->config;
    json_t *sets = json_array();

    json_array_append_new(sets, json_pack("{s:s, s:n, s:b, s:[]}",
        "source", "synthetic", "root", "available", 1, "folders"));
    for (int i = 0; i < c->n_roots; i++)
        json_array_append_new(sets, json_pack("{s:s, s:s, s:b, s:o}",
            "source", "folder", "root", c->roots[i].name,
            "available", access(c->roots[i].dir, R_OK | X_OK) == 0,
            "folders", folders_of(c->roots[i].dir)));
    reply_json(rp, 200, json_pack("{s:o}", "datasets", sets));
}
