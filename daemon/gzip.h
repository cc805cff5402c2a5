/* daemon/gzip.h: answers made smaller for those who ask for it. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

enum { GZIP_LEAST = 1024 };             // smaller ones are sent as they are

// Whether an Accept-Encoding header (NULL = none) takes gzip.
bool  gzip_accepted(const char *header);
// Whether it is worth it for that media type and length.
bool  gzip_useful(const char *type, size_t len);
// The compressed text, which the caller owns, and its length; NULL when it
// would not be smaller.
char *gzip_pack(const char *text, size_t len, size_t *packed);
