/* client/records.h: requests for a job's records, by the options that
 * gradients, histogram, profile and export share. */
#pragma once
#include "client/client.h"

// Path of /jobs/ID/what with --quantity, and layers and epochs unless NULL
// (epochs "all" is no limit); more is a piece of query, or "". Caller owns.
char *records_path(struct client *c, json_int_t id, const char *what,
                   const char *layers, const char *epochs, const char *more);

// Says that there are none, or none of --epochs.
void  records_say_none(const struct client *c, json_int_t id);

// The records of the first word's job: of the last epoch unless --epochs says
// otherwise. With --json they are printed, all of them, and *answer is NULL.
// EXIT_NO when there are none yet. Caller owns *answer.
int   records_get(struct client *c, const char *command, const char *what,
                  json_t **answer);
