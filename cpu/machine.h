/* cpu/machine.h: what the machine has: cores, memory, and blocks of it. */
#pragma once
#include "model/backend.h"

// Cores that this process may run on, and is granted the time of.
int machine_cores(void);
// Of the machine, or of the control group when that has less.
void machine_describe(struct device_info *out);

// Zeroed, in huge pages where there are some: a step walks through hundreds
// of megabytes. NULL when there is no room; block_free(NULL, 0) is fine.
void *block_new(size_t bytes);
void  block_free(void *block, size_t bytes);
