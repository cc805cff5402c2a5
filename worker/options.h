/* worker/options.h: what gradwatch-train takes; --help, the manual page and the
 * completions are made from it, too. */
#pragma once
#include "common/opts.h"

extern const struct opt worker_options[];
extern const int        n_worker_options;
