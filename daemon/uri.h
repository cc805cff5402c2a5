/* daemon/uri.h: the target of a request, taken apart and decoded.
 *
 * Segments are split before they are decoded, so an encoded slash stays inside
 * its segment and matches no route; a zero byte is refused. Nothing here ever
 * becomes a file name.
 */
#pragma once
#include "common/error.h"

enum { URI_MAX_SEGMENTS = 8, URI_MAX_PARAMS = 32, URI_LONGEST = 8192 };

struct uri_param { char *name, *value; };       // decoded

struct uri {
    char *path;                             // as received, without the query,
                                            // which may have a login's code
    char *text;                             // owned; the rest points into it
    char *segments[URI_MAX_SEGMENTS];       // of "/api/v1": "api", "v1"
    int   n_segments;                       // of "/": none
    struct uri_param params[URI_MAX_PARAMS];
    int   n_params;
};

// ERR_LIMIT when it is too long, ERR_USAGE when it cannot be decoded.
// uri_clear() in every case.
int  uri_parse(struct uri *u, const char *target, struct error *err);
void uri_clear(struct uri *u);

// The first parameter of that name, or NULL.
const char *uri_param(const struct uri *u, const char *name);

// Whether an Accept header (NULL = none) takes a media type.
int uri_accepts(const char *header, const char *type);
