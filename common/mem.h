/* common/mem.h: small allocations, which abort when memory is out. Sizes that
 * come from a request are bounded before they get here. */
#pragma once
#include <stddef.h>

void *xmalloc(size_t bytes);
void *xcalloc(size_t n, size_t bytes);
void *xrealloc(void *p, size_t bytes);
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t n);
__attribute__((format(printf, 1, 2)))
char *xasprintf(const char *fmt, ...);
