/* client/output.h: a file that is there whole or not at all.
 *
 * What is written goes to a file beside it, which takes its place at the end.
 * "-" is stdout; what is there and no regular file, as a pipe or /dev/null, is
 * written to as it is.
 */
#pragma once
#include <stdio.h>
#include "common/error.h"

struct output {
    FILE       *f;              // write here
    const char *path;           // borrowed
    char       *part;           // owned; NULL: f is the file itself
};

// ERR_IO with a line that names the file and the reason.
int  output_open(struct output *o, const char *path, struct error *err);
// Ends it: the file is there, or after an error is as it was.
int  output_commit(struct output *o, struct error *err);
void output_drop(struct output *o);     // ends it, nothing is there
