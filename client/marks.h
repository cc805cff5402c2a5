/* client/marks.h: small pictures of a number, one line of text each.
 *
 * n columns of block characters, or of ASCII where utf8 is false. The caller
 * owns what is returned.
 */
#pragma once
#include <stdbool.h>

// A point `at` in the interval from low to high, on an axis from -range to
// range with its zero marked. What lies beyond ends in an arrow. NAN: none.
char *marks_interval(double low, double at, double high, double range, int n,
                     bool utf8);

// A bar as long as `share`, of which 1 is the limit and marked, at two thirds.
char *marks_gauge(double share, int n, bool utf8);
