/* manual/mdoc.h: pages of the manual in mdoc(7), from plain text.
 *
 * Text is paragraphs with an empty line between; a line "TERM<tab>what it is"
 * is an entry of a list, one that begins with four blanks an example, shown as
 * it is. Nothing in it has a meaning to mdoc.
 */
#pragma once
#include <stdio.h>
#include "common/opts.h"

// name "gradwatch", section "1", summary "what it is".
void mdoc_begin(FILE *out, const char *name, const char *section,
                const char *summary);
void mdoc_section(FILE *out, const char *title);
void mdoc_subsection(FILE *out, const char *title);
void mdoc_text(FILE *out, const char *text);
// A list of options with their help.
void mdoc_options(FILE *out, const struct opt *opts, int n);
// One entry of a list between mdoc_list() and mdoc_list_end().
void mdoc_list(FILE *out);
void mdoc_option(FILE *out, const struct opt *opt);
void mdoc_item(FILE *out, const char *term);
void mdoc_list_end(FILE *out);
// "gradwatch 1, gradwatchd 8"
void mdoc_see_also(FILE *out, const char *pages);
