/* client/export.h: a job's records as files; for client/export*.c.
 *
 * A writer puts the whole of a format into `out` and returns 0 or an exit
 * status after saying why. docs/export.md says what each format holds.
 */
#pragma once
#include "client/client.h"
#include "client/views.h"

struct export {
    struct client     *c;
    json_int_t         id;
    const struct view *view;            // of pictures
};

typedef int export_writer(const struct export *e, FILE *out);
export_writer export_csv, export_json;          // the server's own bytes
export_writer export_notebook;                  // epoch_gradients
export_writer export_checkpoint;                // safetensors, as it was kept
export_writer export_records;                   // safetensors of the records
export_writer export_tensorboard;               // an event file

// An answer about the job, with the options' quantity and epochs, that has
// epochs (EXIT_NO else). layers NULL: all. Caller owns *answer.
int export_ask(const struct export *e, const char *what, const char *layers,
               json_t **answer);
