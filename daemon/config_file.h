/* daemon/config_file.h: the file of the configuration, read by inih.
 *
 * "key = value" lines; lines that begin with # or ; are comments, and so is
 * what follows a blank and a semicolon. There are no sections. A flag's value
 * is true or false.
 */
#pragma once
#include "daemon/config.h"

// Sets what the file says and `set` (n_config_keys of them) does not have yet,
// and marks it there; lists add up. ERR_USAGE says "PATH:LINE: KEY: what is
// wrong", a line each when several are.
int config_read(struct config *c, const char *path, bool *set,
                struct error *err);
