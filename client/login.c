#include "client/login.h"

#include <stdlib.h>
#include <string.h>
#include "client/api.h"
#include "client/settings.h"
#include "client/text.h"
#include "common/mem.h"
#include "common/token.h"

int login_find(struct client *c)
{
    const char *named = opts_value(&c->opts, "token-file");
    struct error err = {0};

    if (!named)
        named = getenv("GRADWATCH_TOKEN_FILE");
    if (named && *named) {
        if (token_read(named, &c->http->token, &err) == 0)
            return 0;
        client_say("%s", err.text);
        return EXIT_REFUSED;
    }
    // Not to another machine: it would learn the token of this one.
    if (!http_is_loopback(c->http->base))
        return 0;
    struct settings settings;
    settings_read(&settings);
    char *dir = token_state_dir(), *path = settings_token(&settings);
    if (!path)
        path = xasprintf("%s/token", dir);
    token_read(path, &c->http->token, &err);
    settings_free(&settings);
    free(path);
    free(dir);
    return 0;
}

// "#/jobs/1,2" for the ids that were given; NULL after saying what is wrong.
static char *page_of(struct client *c)
{
    char *page = xstrdup(c->opts.n_words ? "#/jobs/" : "");

    for (int i = 0; i < c->opts.n_words; i++) {
        json_int_t id;
        if (client_id(c, "open", i, &id)) {
            free(page);
            return NULL;
        }
        char *longer = xasprintf("%s%s%" JSON_INTEGER_FORMAT, page,
                                 i ? "," : "", id);
        free(page);
        page = longer;
    }
    return page;
}

int command_open(struct client *c)
{
    char *page = page_of(c);
    struct response r;

    if (!page)
        return EXIT_USAGE;
    int rc = api_send(c, "POST", API "/login", NULL, &r);
    if (!rc && c->json) {
        api_print_body(c, &r);
    } else if (!rc) {
        json_t *answer = json_loadb(r.body, r.len, 0, NULL);
        char *path = text_clean(api_text(answer, "path"), false);
        printf("%s%s%s\n", c->http->base, path, page);
        free(path);
        json_decref(answer);
    }
    http_clear(&r);
    free(page);
    return rc;
}
