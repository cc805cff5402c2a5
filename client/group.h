/* client/group.h: what commands about jobs do when they are given a group. */
#pragma once
#include <jansson.h>
#include "client/client.h"

// Each returns an exit status. query: of /compare, without the "?".
int cancel_group(struct client *c, const char *group);
int compare_group(struct client *c, const char *group, const char *query);

// An answer of /compare, as tables and words (commands_science.c).
void compare_print(const struct client *c, const json_t *comparison);
