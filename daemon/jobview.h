/* daemon/jobview.h: the job object of the API. */
#pragma once
#include <jansson.h>
#include "daemon/store.h"

// summary is the newest one if it is not the row's; NULL = the row's. Caller
// owns.
json_t *jobview_make(const struct job_row *row, const json_t *summary);
