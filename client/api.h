/* client/api.h: a request, its answer, and what to say when it was refused.
 *
 * Each function returns 0, or an exit status after one or more lines on stderr.
 */
#pragma once
#include "client/client.h"

#define API "/api/v1"

// What an answer that is not 2xx means; says why on stderr.
int api_refused(const struct response *r, const char *what);

// Sends; a 2xx answer is in *r (http_clear() in every case).
int api_send(struct client *c, const char *method, const char *path,
             const char *body, struct response *r);
// The same, parsed; the caller owns *answer, which is NULL after a failure.
int api_json(struct client *c, const char *method, const char *path,
             const char *body, json_t **answer);

// GETs; with --csv the same as a table, which has an address of its own.
int api_get(struct client *c, const char *path, struct response *r);

// GETs and prints for --json and --csv: the server's bytes, with a newline at
// the end; in a terminal without what would control it.
int api_print(struct client *c, const char *path);
void api_print_body(const struct client *c, const struct response *r);

// Path of a job or of what is below it, "" for the job; the caller owns it.
char *api_job(json_int_t id, const char *below);

// Members, with "" and nan for what is missing or null.
const char *api_text(const json_t *object, const char *key);
double      api_number(const json_t *object, const char *key);
