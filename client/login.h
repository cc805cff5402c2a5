/* client/login.h: the token that proves to the daemon who asks. */
#pragma once
#include "client/client.h"

// Finds the token for c->http: 0, also when there is none to be found, or an
// exit status after saying why a file that was named cannot be used.
int login_find(struct client *c);
