/* daemon/view_pick.h: which records a query is about. For the views alone. */
#pragma once
#include "daemon/views.h"

struct view_pick {
    int  quantity;
    int *series;                        // owned; into history.series
    int  n;
};

// ERR_USAGE when the job does not record what is asked for. view_pick_clear()
// in every case.
int  view_pick(struct view_pick *p, const struct history *h,
               const struct view_query *q, struct error *err);
void view_pick_clear(struct view_pick *p);

bool view_wants_layer(const struct view_query *q, const char *layer);
// newest: what "last" means.
bool view_wants_epoch(const struct view_query *q, int epoch, int newest);
// Whether the i-th epoch of h is asked for.
bool view_has_epoch(const struct view_query *q, const struct history *h,
                    int i);

// The histogram that the query means; false when the record has none.
bool view_hist(struct hist *out, const struct view_query *q,
               const struct record *r);
