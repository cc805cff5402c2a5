/* daemon/history_probe.h: private to history.c. */
#pragma once
#include <jansson.h>
#include "daemon/history.h"

// As history_add(), of an event whose type is probe.
int  history_probe_add(struct history *h, const json_t *event,
                       struct error *err);
void history_probes_clear(struct history *h);
