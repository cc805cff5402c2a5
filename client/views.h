/* client/views.h: a job's records as figures.
 *
 * Asks the daemon for what a view shows and makes figures of the answers: one,
 * or one an epoch for an animation.
 */
#pragma once
#include "client/client.h"
#include "client/plot.h"

struct view {
    const char *name, *shows;
    bool        moves;          // has a figure for each epoch
    int       (*make)(struct client *c, json_int_t id, bool moves,
                      struct figure **figures, int *n);
};
extern const struct view views[];
extern const int         n_views;

const struct view *views_find(const char *name);        // or NULL

// The figures of a view, owned by the caller (views_clear): one for each of
// the epochs of --epochs if `moves`, else one. Takes --quantity, --layers,
// --epochs and --density. 0, or an exit status after saying why.
int  views_make(struct client *c, const struct view *view, json_int_t id,
                bool moves, struct figure **figures, int *n);
void views_clear(struct figure *figures, int n);

// The names of the layers that are recorded, in network order; `main`: only
// the convolutions of the main path and what follows them. EXIT_NO while there
// are no records. Caller owns *layers, an array of text.
int  views_layers(struct client *c, json_int_t id, bool main_path,
                  json_t **layers);
// The notebook's of them, or, where there are few, six spread over the depth.
// Caller owns.
char *views_notebook(const json_t *layers);
