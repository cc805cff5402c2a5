/* daemon/views.h: what people ask about a job's records: pure functions from a
 * history and a query to JSON (shapes: docs/views.md).
 *
 * To serve one: view_query_parse(), set query.job, call the view,
 * view_query_clear().
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <jansson.h>
#include "common/error.h"
#include "common/hist.h"
#include "daemon/history.h"
#include "daemon/table.h"

enum { VIEW_MAX_LIST = 256, VIEW_MAX_JOBS = 32 };

enum view { VIEW_GRADIENTS, VIEW_HISTOGRAMS, VIEW_PROFILE, VIEW_METRICS,
            VIEW_VERDICT, VIEW_COMPARE, VIEW_GROUP,
            VIEW_PROBE, VIEW_COUNT };

struct epoch_range { int first, last; };        // VIEW_LAST = the newest
enum { VIEW_LAST = INT32_MAX };

struct verdict_limits;

struct view_query {
    int64_t            job;                     // "job" of the answer
    int                quantity;                // QUANTITY_, or -1: the first
                                                // recorded
    char              *layers[VIEW_MAX_LIST];   // globs, owned; none = all
    int                n_layers;
    struct epoch_range epochs[VIEW_MAX_LIST];   // none = all
    int                n_epochs;
    enum grid          bins;                    // GRID_NOTEBOOK
    bool               samples;                 // source=samples
    bool               linear;                  // density=linear
    bool               steps;                   // detail=steps
    const struct verdict_limits *limits;        // borrowed; NULL: the defaults
    int64_t            jobs[VIEW_MAX_JOBS];     // of compare; owns nothing
    int                n_jobs;
    int64_t            against[VIEW_MAX_JOBS];
    int                n_against;
};

struct view_param { const char *name, *value; };        // borrowed, decoded

// What a request's query string says. 0; or ERR_USAGE and in *problems an
// array of {"pointer": "?bins", "value", "message"}, one for every mistake
// (unknown names too), which the caller owns. q is filled either way, defaults
// first; view_query_clear() frees what is in it.
int  view_query_parse(struct view_query *q, enum view view,
                      const struct view_param *params, int n,
                      json_t **problems);
void view_query_clear(struct view_query *q);

// NULL with ERR_USAGE when the query asks for a quantity or a layer that the
// job does not record; before its first record any layer is fine. Caller owns.
typedef json_t *view_function(const struct history *h,
                              const struct view_query *q, struct error *err);
view_function view_gradients, view_histograms, view_profile, view_metrics,
              view_verdict, view_probe;

// The rows behind the names, for routes: "gradients" and its function; NULL for
// compare and group, which are about several jobs (compare.h).
struct view_row { const char *name; view_function *make; };
extern const struct view_row view_rows[VIEW_COUNT];

// The same as rows (names: docs/views.md), of gradients, histograms, profile or
// metrics. NULL like the functions above; caller frees.
char *view_table(const struct history *h, const struct view_query *q,
                 enum view view, enum table_form form, struct error *err);
