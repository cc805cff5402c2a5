#include "daemon/view_pick.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include "common/mem.h"

static bool is_notebook(const char *layer)
{
    for (int i = 0; job_notebook_layers[i]; i++)
        if (!strcmp(job_notebook_layers[i], layer))
            return true;
    return false;
}

static bool glob_matches(const char *glob, const char *layer)
{
    if (!strcmp(glob, "all"))
        return true;
    if (!strcmp(glob, "notebook"))
        return is_notebook(layer);
    return fnmatch(glob, layer, 0) == 0;
}

static bool is_word(const char *glob)
{
    return !strcmp(glob, "all") || !strcmp(glob, "notebook");
}

static int choose_quantity(struct view_pick *p, const struct history *h,
                           int quantity, struct error *err)
{
    unsigned have = h->quantities ? h->quantities : 1u << QUANTITY_GRAD_OUT;
    p->quantity = quantity;
    for (int q = 0; q < QUANTITY_COUNT && p->quantity < 0; q++)
        if (have & 1u << q)
            p->quantity = q;
    if (h->quantities && !(have & 1u << p->quantity))
        return fail(err, ERR_USAGE, "quantity: the job does not record %s",
                    job_quantity_names[p->quantity]);
    return 0;
}

// Every glob must find a layer: one that finds none is a slip of the pen.
// Words may find none, and all are fine while nothing is recorded yet.
static int check_globs(const struct view_pick *all, const struct history *h,
                       const struct view_query *q, struct error *err)
{
    for (int g = 0; g < q->n_layers && all->n; g++) {
        int i = 0;
        while (i < all->n &&
               !glob_matches(q->layers[g], h->series[all->series[i]].layer))
            i++;
        if (i == all->n && !is_word(q->layers[g]))
            return fail(err, ERR_USAGE,
                        "layers: nothing recorded is called %s (recorded: %s "
                        "and %d more)", q->layers[g],
                        h->series[all->series[0]].layer, all->n - 1);
    }
    return 0;
}

bool view_wants_layer(const struct view_query *q, const char *layer)
{
    for (int g = 0; g < q->n_layers; g++)
        if (glob_matches(q->layers[g], layer))
            return true;
    return q->n_layers == 0;
}

int view_pick(struct view_pick *p, const struct history *h,
              const struct view_query *q, struct error *err)
{
    *p = (struct view_pick){ .series = xcalloc((size_t)h->n_series,
                                               sizeof *p->series) };
    int rc = choose_quantity(p, h, q->quantity, err);
    for (int s = 0; s < h->n_series; s++)
        if ((int)h->series[s].quantity == p->quantity)
            p->series[p->n++] = s;
    if (!rc)
        rc = check_globs(p, h, q, err);
    int kept = 0;
    for (int i = 0; i < p->n; i++)
        if (view_wants_layer(q, h->series[p->series[i]].layer))
            p->series[kept++] = p->series[i];
    p->n = kept;
    return rc;
}

void view_pick_clear(struct view_pick *p)
{
    free(p->series);
    *p = (struct view_pick){ 0 };
}

bool view_wants_epoch(const struct view_query *q, int epoch, int newest)
{
    for (int k = 0; k < q->n_epochs; k++) {
        int first = q->epochs[k].first, last = q->epochs[k].last;
        if (first == VIEW_LAST)
            first = newest;
        if (epoch >= first && epoch <= last)
            return true;
    }
    return q->n_epochs == 0;
}

bool view_has_epoch(const struct view_query *q, const struct history *h, int i)
{
    return view_wants_epoch(q, history_epoch(h, i)->epoch,
        history_epoch(h, history_epochs(h) - 1)->epoch);
}
