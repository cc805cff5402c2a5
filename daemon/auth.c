#include "daemon/auth.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/mem.h"
#include "common/token.h"

struct code { char *text; double until; };      // text NULL = free

struct auth {
    char           *token;
    pthread_mutex_t lock;       // of what is below
    struct code     codes[AUTH_MAX_CODES];
    int             next;       // to be replaced
};

int auth_open(const char *path, struct auth **out, struct error *err)
{
    char *token;
    int rc = token_make(path, &token, err);

    *out = NULL;
    if (rc)
        return rc;
    *out = xcalloc(1, sizeof **out);
    (*out)->token = token;
    pthread_mutex_init(&(*out)->lock, NULL);
    return 0;
}

void auth_close(struct auth *a)
{
    if (!a)
        return;
    for (int i = 0; i < AUTH_MAX_CODES; i++)
        free(a->codes[i].text);
    pthread_mutex_destroy(&a->lock);
    free(a->token);
    free(a);
}

const char *auth_token(const struct auth *a)
{
    return a->token;
}

bool auth_cookie_fits(const struct auth *a, const char *cookie)
{
    return cookie && token_equal(a->token, cookie);
}

bool auth_header_fits(const struct auth *a, const char *header)
{
    static const char scheme[] = "Bearer ";
    size_t n = strlen(scheme);

    return header && !strncasecmp(header, scheme, n) &&
           auth_cookie_fits(a, header + n + strspn(header + n, " "));
}

char *auth_make_code(struct auth *a, double now)
{
    char *text = token_random();

    pthread_mutex_lock(&a->lock);
    struct code *code = &a->codes[a->next];
    a->next = (a->next + 1) % AUTH_MAX_CODES;
    free(code->text);
    *code = (struct code){ xstrdup(text), now + AUTH_CODE_S };
    pthread_mutex_unlock(&a->lock);
    return text;
}

bool auth_use_code(struct auth *a, const char *code, double now)
{
    bool fits = false;

    pthread_mutex_lock(&a->lock);
    for (int i = 0; i < AUTH_MAX_CODES; i++) {
        struct code *c = &a->codes[i];
        if (!c->text || !token_equal(c->text, code))
            continue;
        fits |= now < c->until;
        free(c->text);
        c->text = NULL;
    }
    pthread_mutex_unlock(&a->lock);
    return fits;
}
