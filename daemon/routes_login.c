/* How a browser gets in: whoever has the token asks for a link; the browser
 * that opens it first gets a cookie. */
#include "daemon/routes.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/mem.h"
#include "daemon/auth.h"

enum { COOKIE_S = 365 * 24 * 3600 };

void routes_login(struct request *rq, struct reply *rp)
{
    struct auth *auth = rq->server->auth;

    if (!auth) {                // --no-auth: the page itself will do
        reply_json(rp, 201, json_pack("{s:s, s:n}", "path", "/",
                                      "expires_at"));
        return;
    }
    char time[CLOCK_TEXT], *code = auth_make_code(auth, clock_seconds());
    char *path = xasprintf("/login?code=%s", code);
    clock_text(clock_unix_millis() + AUTH_CODE_S * 1000, time);
    reply_json(rp, 201, json_pack("{s:s, s:s}", "path", path,
                                  "expires_at", time));
    free(path);
    free(code);
}

// For a person, in a browser: not a problem document.
static void refuse_link(struct reply *rp)
{
    static const char text[] = "This link has been used, or is more than two "
        "minutes old.\nRun \"gradwatch open\" for another one.\n";

    reply_text(rp, "text/plain; charset=utf-8", xstrdup(text), strlen(text));
    rp->status = 403;
}

void routes_login_link(struct request *rq, struct reply *rp)
{
    const struct server *s = rq->server;
    const char *code = uri_param(&rq->uri, "code");

    if (s->auth) {
        // HEAD looks only: programs that preview links send it.
        if (!code || strcmp(rq->method, "GET") != 0 ||
            !auth_use_code(s->auth, code, clock_seconds())) {
            refuse_link(rp);
            return;
        }
        // Cookies know no ports; the name keeps two daemons apart.
        reply_header(rp, "Set-Cookie", "gradwatch_%d=%s; Path=/; Max-Age=%d; "
                     "HttpOnly; SameSite=Strict", s->port,
                     auth_token(s->auth), COOKIE_S);
    }
    // What follows # in the link is kept by the browser.
    reply_header(rp, "Location", "/");
    rp->status = 303;
}
