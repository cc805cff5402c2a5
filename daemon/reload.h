/* daemon/reload.h: SIGHUP: the configuration, read again while jobs run.
 *
 * What the rows of config_keys mark with `reload` is in force at once; of the
 * rest a change is named in the log and waits for a restart. A file with a
 * mistake changes nothing at all.
 */
#pragma once
#include "daemon/server.h"

// Puts log, queue and so on into the state that s->config wants.
void reload_apply(struct server *s);
// The supervisor's thread. Requests under way go on with what they began with:
// a configuration that was replaced lives until reload_free().
void reload(struct server *s);
// All but the first, which the caller of http_start() has.
void reload_free(struct server *s);
