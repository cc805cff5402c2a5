#include "client/settings.h"

#include <ini.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "common/mem.h"

static int take(void *user, const char *section, const char *name,
                const char *value)
{
    static const struct { const char *key; size_t at; } rows[] = {
        { "listen", offsetof(struct settings, listen) },
        { "state", offsetof(struct settings, state) },
        { "token-file", offsetof(struct settings, token_file) },
    };

    for (size_t i = 0; !*section && i < sizeof rows / sizeof *rows; i++)
        if (!strcmp(name, rows[i].key)) {
            char **to = (char **)((char *)user + rows[i].at);
            free(*to);
            *to = xstrdup(value);
        }
    return 1;
}

void settings_read(struct settings *s)
{
    const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    char *own = xdg && *xdg == '/'
        ? xasprintf("%s/gradwatch/gradwatchd.conf", xdg)
        : xasprintf("%s/.config/gradwatch/gradwatchd.conf", home ? home : "");

    *s = (struct settings){ 0 };
    ini_parse(access(own, R_OK) == 0 ? own
              : "/etc/gradwatch/gradwatchd.conf", take, s);
    free(own);
}

void settings_free(struct settings *s)
{
    free(s->listen);
    free(s->state);
    free(s->token_file);
    *s = (struct settings){ 0 };
}

char *settings_server(const struct settings *s)
{
    const char *port = s->listen ? strrchr(s->listen, ':') : NULL;

    if (!port || !strcmp(port, ":0"))
        return NULL;
    if (!strncmp(s->listen, "0.0.0.0:", 8))
        return xasprintf("http://127.0.0.1%s", port);
    if (!strncmp(s->listen, "[::]:", 5))
        return xasprintf("http://[::1]%s", port);
    return xasprintf("http://%s", s->listen);
}

char *settings_token(const struct settings *s)
{
    if (s->token_file)
        return xstrdup(s->token_file);
    return s->state ? xasprintf("%s/token", s->state) : NULL;
}
