/* daemon/params.h: which parameters an address may have: those that
 * openapi_rows names for its route, each once. One that does nothing is a
 * mistake of whoever sent it; one that is there twice could mean either. */
#pragma once
#include <jansson.h>
#include "daemon/uri.h"

// The mistakes, as `errors` of a problem has them, or NULL when there are none.
// `known` has the names by spaces; those with a capital are headers. Caller
// owns.
json_t *params_check(const char *known, const struct uri *u);
