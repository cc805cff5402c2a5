/* daemon/metrics.h: the daemon's state in Prometheus' text format. */
#pragma once
#include "daemon/server.h"

// Few series whatever the number of jobs: only those that run have some of
// their own. Caller owns.
char *metrics_text(struct server *s, size_t *len);
