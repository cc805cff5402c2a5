/* daemon/openapi.h: the API as OpenAPI 3.1: made from the table of routes, the
 * rows about them (openapi_rows.c) and the table of a job's fields. */
#pragma once
#include <jansson.h>
#include "daemon/http.h"

// What is said of one method of one route.
struct operation {
    const char *path, *method;  // as in http_routes; "get"
    const char *id;             // "listJobs"
    const char *summary;
    const char *params;         // names of openapi_params, by spaces
    const char *body;           // type of the body (below), or ""; with ? it
                                // may be left out
    int         status;         // of success
    const char *answer;         // type of it; "" = no body
};
// Types: int, num, str, bool, time, any, a name of openapi_types; [T] is a
// list, {T} an object whose members are T, a|b one of these words; T? may be
// null.
struct operation_param { const char *name, *type, *text; };
// Members are "name:type", by spaces; "name~:type" may be missing.
struct operation_type  { const char *name, *members; };

extern const struct operation       openapi_rows[];     // end with NULL
extern const struct operation_param openapi_params[];
extern const struct operation_type  openapi_types[];

// Whether the API's document is about that route: its page's files are not.
bool    openapi_covers(const struct route *r);
// The row of a route's method, or NULL.
const struct operation *openapi_find(const char *path, const char *method);
// The document. Caller owns.
json_t *openapi_make(void);
