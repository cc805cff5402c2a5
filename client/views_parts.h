/* client/views_parts.h: the views themselves, and what they share; for
 * client/views.c. */
#pragma once
#include "client/views.h"

typedef int view_maker(struct client *c, json_int_t id, bool moves,
                       struct figure **figures, int *n);
view_maker view_histogram, view_ridgeline, view_heat, view_profile,
           view_training;

struct figure *view_add(struct figure **figures, int *n);

// An answer that has epochs: 0, or an exit status after saying why; EXIT_NO
// when there are none. The caller owns *answer, which is NULL after a failure.
int view_ask(struct client *c, json_int_t id, const char *what,
             const char *layers, const char *epochs, const char *more,
             json_t **answer);

const char *view_epochs(struct client *c, bool all);    // --epochs, or so
char       *view_when(const json_t *epoch);     // "Epoch 3 so far"; to own
char       *view_names(const json_t *layers);   // "conv1,fc"; to own
