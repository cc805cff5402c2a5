#include "daemon/metrics.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/views.h"

enum { MOST_JOBS = 16 };                // that run, of which series are made

static void head(FILE *f, const char *name, const char *type, const char *help)
{
    fprintf(f, "# HELP gradwatch_%s %s\n# TYPE gradwatch_%s %s\n", name, help,
            name, type);
}

static void of_daemon(FILE *f, struct server *s)
{
    head(f, "jobs", "gauge", "Jobs by state.");
    for (int i = 0; queue_states[i]; i++)
        fprintf(f, "gradwatch_jobs{state=\"%s\"} %" PRId64 "\n",
                queue_states[i], store_count(s->store, queue_states[i]));
    head(f, "watchers", "gauge", "Open event streams.");
    fprintf(f, "gradwatch_watchers %d\n", sse_watchers(s->sse));
    head(f, "http_requests_total", "counter", "Answers by status.");
    for (int i = 0; i < SERVER_STATUSES; i++) {
        unsigned long long n = atomic_load(&s->answers[i]);
        if (n)
            fprintf(f, "gradwatch_http_requests_total{code=\"%d\"} %llu\n", i,
                    n);
    }
    head(f, "start_time_seconds", "gauge", "When the daemon started.");
    fprintf(f, "gradwatch_start_time_seconds %.3f\n",
            (double)s->started / 1000);
}

// One number of each job; null is left out. The label is not `job`: that one is
// Prometheus' own, and it would rename ours.
static void of_jobs(FILE *f, const json_t *jobs)
{
    static const struct {
        const char *object, *member, *name, *help;
    } rows[] = {
        { "progress", "epoch", "job_epoch", "Epoch that a running job is in." },
        { "progress", "step", "job_step", "Step of that epoch." },
        { "progress", "images_per_second", "job_images_per_second",
          "Speed of a running job." },
        { NULL, "loss", "job_loss", "Mean loss of the epoch so far." },
        { NULL, "accuracy", "job_accuracy", "Accuracy of the epoch so far." },
    };
    const json_t *job;
    size_t k;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        head(f, rows[i].name, "gauge", rows[i].help);
        json_array_foreach(jobs, k, job) {
            const json_t *of = rows[i].object
                ? json_object_get(job, rows[i].object) : job;
            const json_t *x = json_object_get(of, rows[i].member);
            if (json_is_number(x))
                fprintf(f, "gradwatch_%s{id=\"%" JSON_INTEGER_FORMAT "\"} "
                        "%.17g\n", rows[i].name,
                        json_integer_value(json_object_get(job, "id")),
                        json_number_value(x));
        }
    }
}

// The newest epoch of a job's first quantity, as `gradients` has it.
static json_t *newest_of(struct server *s, int64_t job)
{
    const struct view_param last = { "epochs", "last" };
    const struct history *h;
    struct view_query q;
    json_t *problems = NULL, *view = NULL;

    if (records_open(s->records, job, &h, NULL) != 0)
        return NULL;
    if (view_query_parse(&q, VIEW_GRADIENTS, &last, 1, &problems) == 0) {
        q.job = job;
        view = view_gradients(h, &q, NULL);
    }
    view_query_clear(&q);
    json_decref(problems);
    records_close(s->records, h);
    return view;
}

// Layers' names are of letters, digits, dots: nothing to escape.
static void of_layers(FILE *f, struct server *s, const json_t *jobs)
{
    const json_t *job, *layer;
    const char *name;
    size_t k;

    head(f, "layer_median", "gauge",
         "Median over the steps of a running job's newest epoch.");
    json_array_foreach(jobs, k, job) {
        json_int_t id = json_integer_value(json_object_get(job, "id"));
        json_t *view = newest_of(s, id);
        const json_t *epochs = json_object_get(view, "epochs");
        const char *quantity =
            json_string_value(json_object_get(view, "quantity"));
        json_t *layers = json_object_get(json_array_get(epochs, 0), "layers");
        json_object_foreach(layers, name, layer) {
            const json_t *x = json_object_get(layer, "median");
            if (json_is_number(x))
                fprintf(f, "gradwatch_layer_median{id=\"%"
                        JSON_INTEGER_FORMAT "\",quantity=\"%s\",layer=\"%s\"} "
                        "%.17g\n", id, quantity, name, json_number_value(x));
        }
        json_decref(view);
    }
}

char *metrics_text(struct server *s, size_t *len)
{
    struct error err = { 0 };
    json_t *list = NULL;
    char *text = NULL;
    FILE *f = open_memstream(&text, len);

    of_daemon(f, s);
    if (queue_list(s->queue, "starting,running", "", 0, MOST_JOBS, &list, &err)
            == 0) {
        const json_t *jobs = json_object_get(list, "jobs");
        of_jobs(f, jobs);
        of_layers(f, s, jobs);
    }
    json_decref(list);
    fclose(f);
    return text;
}
