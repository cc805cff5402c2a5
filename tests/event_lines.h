/* tests/event_lines.h: events of a small job, for tests of what reads them. */
#pragma once
#include <stdlib.h>
#include <string.h>
#include <jansson.h>
#include "common/mem.h"
#include "daemon/history.h"

// "conv1" and three blocks deep: three convolutions, a downsample, fc.
static inline json_t *started_event(void)
{
    return json_pack(
        "{s:s, s:{s:{s:[s]}}, s:[{s:s,s:i,s:b}, {s:s,s:i,s:b}, {s:s,s:i,s:b},"
        "{s:s,s:i,s:b}, {s:s,s:i,s:b}]}", "type", "started",
        "spec", "record", "quantities", "grad_out", "layers",
        "name", "conv1", "depth", 1, "main", 1,
        "name", "layer1.0.conv1", "depth", 2, "main", 1,
        "name", "layer1.0.conv2", "depth", 3, "main", 1,
        "name", "layer1.0.downsample.0", "depth", 3, "main", 0,
        "name", "fc", "depth", 3, "main", 0);
}

// A RECORD without samples and histograms, whose statistics are all `x`
// (below 0: null).
static inline json_t *record_of(int count, double x)
{
    static const char *const names[] = { "min", "p05", "p25", "median", "p75",
                                         "p95", "max", "mean" };
    json_t *r = json_pack("{s:i, s:i, s:i, s:[], s:{}}", "count", count,
                          "nonfinite", 0, "zeros", 0, "samples", "hist");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        json_object_set_new(r, names[i], x < 0 ? json_null() : json_real(x));
    return r;
}

// Takes samples; their steps are 0, 1, 2, ...
static inline json_t *with_samples(json_t *record, json_t *samples)
{
    json_t *steps = json_array();
    for (size_t i = 0; i < json_array_size(samples); i++)
        json_array_append_new(steps, json_integer((json_int_t)i));
    json_object_set_new(record, "samples", samples);
    json_object_set_new(record, "sample_steps", steps);
    return record;
}

// Puts the histograms of the samples into the record.
static inline json_t *with_hists(json_t *record)
{
    json_t *samples = json_object_get(record, "samples"), *x;
    size_t i;
    for (int g = 0; g < GRID_COUNT; g++) {
        struct hist h = { .grid = (enum grid)g };
        json_array_foreach(samples, i, x)
            hist_add(&h, json_number_value(x));
        json_object_set_new(json_object_get(record, "hist"),
                            grid_name((enum grid)g), hist_to_json(&h));
    }
    return record;
}

// Takes layers, {"conv1": RECORD, ...} of grad_out.
static inline json_t *epoch_event(int epoch, json_t *layers)
{
    return json_pack("{s:s, s:i, s:b, s:i, s:i, s:f, s:f, s:f, s:f, s:f, s:i,"
        "s:{s:o}}", "type", "epoch", "epoch", epoch, "complete", 1,
        "steps", 40, "images", 640, "loss", 2.5, "accuracy", 0.25,
        "images_per_second", 200.0, "duration_seconds", 3.2,
        "recording_share", 0.01, "nonfinite_steps", 0,
        "quantities", "grad_out", layers);
}

// Takes layers.
static inline json_t *live_event(int epoch, int step, json_t *layers)
{
    return json_pack("{s:s, s:i, s:i, s:i, s:i, s:f, s:f, s:f, s:{s:o}}",
        "type", "live", "epoch", epoch, "epochs", 3, "step", step,
        "steps_per_epoch", 40, "images_per_second", 190.0, "loss", 2.75,
        "accuracy", 0.125, "quantities", "grad_out", layers);
}

// Takes event.
static inline int add_event(struct history *h, json_t *event,
                            struct error *err)
{
    char *line = json_dumps(event, JSON_COMPACT);
    int rc = history_add(h, line, strlen(line), err);
    free(line);
    json_decref(event);
    return rc;
}
