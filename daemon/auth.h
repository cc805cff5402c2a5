/* daemon/auth.h: who is asking: a program that sends the token, or a browser
 * that was let in by a link.
 *
 * A link is made for somebody who has the token (`gradwatch open`); its code
 * works once and for AUTH_CODE_S seconds, and gets the browser a cookie with
 * the token that no script and no other site can use. Any thread.
 */
#pragma once
#include <stdbool.h>
#include "common/error.h"

enum { AUTH_CODE_S = 120, AUTH_MAX_CODES = 16 };

struct auth;

// Takes the token from the file at path, which is made if need be.
int  auth_open(const char *path, struct auth **out, struct error *err);
void auth_close(struct auth *a);

// For the cookie. Borrowed.
const char *auth_token(const struct auth *a);

// Whether the value of an Authorization header ("Bearer TOKEN"), or a cookie's
// (a token alone), is right; NULL is not.
bool auth_header_fits(const struct auth *a, const char *header);
bool auth_cookie_fits(const struct auth *a, const char *cookie);

// A new code for a link, which replaces the oldest if there are too many.
// `now` is by the monotonic clock. Caller owns.
char *auth_make_code(struct auth *a, double now);
// True once for each code, while it is fresh.
bool  auth_use_code(struct auth *a, const char *code, double now);
