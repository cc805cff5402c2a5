/* common/factor.h: how many times as large, as people read it: "0.35", "66.5",
 * "12300", and from 100000 on (or below a 100000th) "10^5.32". Numbers that
 * stand side by side have one style, that of the farthest from 1. In a
 * sentence: "2.3", "about 1,000", "about 2 million". */
#pragma once
#include <stdbool.h>

// Whether a factor of 10^decades is too far from 1 to be written out.
bool factor_is_power(double decades);

// 10^decades with three digits, as a power or written out; "?" when it is not
// finite. Caller owns.
char *factor_text(double decades, bool power);

// 10^decades, decades >= 0, with two digits as people say it; "1" where it is
// closer to 1 than that, "?" when it is not finite. Caller owns.
char *factor_words(double decades);
