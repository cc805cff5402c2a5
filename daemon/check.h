/* daemon/check.h: all that is stored in a state directory, held against its
 * checksums: the database's own structure, rows of jobs, events without holes,
 * checkpoint files. Takes minutes for gigabytes, changes nothing. */
#pragma once
#include <stdio.h>
#include "common/error.h"

// Prints a line for each damage and one about all. How many are damaged; ERR_
// when it cannot be looked at: ERR_STATE while a daemon has it.
int check_state(const char *dir, FILE *out, struct error *err);
