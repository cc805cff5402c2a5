/* client/text.h: text for terminals.
 *
 * Names come from people: nothing of them reaches a terminal before
 * text_clean() has made control characters, and what turns the direction of
 * writing, visible. Numbers are printed for reading, not for parsing (--json
 * is for that).
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

// Returned texts are the caller's.
char *text_clean(const char *s, bool utf8);     // "\x1b", "\u202e" for those
// Cleans and prints many lines; tabs and the ends of lines stay.
void  text_print(FILE *out, const char *bytes, size_t len, bool utf8);
int   text_width(const char *clean);            // columns
// Cut to `columns`, with an ellipsis where something is missing.
char *text_fit(const char *clean, int columns, bool utf8);

char *text_count(int64_t n);                    // 23,917,832
char *text_bytes(double bytes);                 // 1.2 GiB
char *text_seconds(double seconds);             // 8 s, 2 min 05 s, 3 h 10 min
char *text_age(const char *rfc3339);            // 2 min ago
char *text_until(const char *rfc3339);          // in 2 min; now
char *text_number(double x, int digits);        // significant; nan: "-"

// Any JSON value on one line, cleaned; null is "-", a text is bare.
char *text_json(const json_t *value, bool utf8);
