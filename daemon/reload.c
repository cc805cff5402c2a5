#include "daemon/reload.h"

#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/mem.h"

void reload_apply(struct server *s)
{
    const struct config *c = s->config;

    log_set_level((enum log_level)c->log_level);
    log_set_format((enum log_format)c->log_format);
    queue_set_limit(s->queue, c->queue_limit);
}

static char *text_of(const struct config *c, const struct config_key *key)
{
    char *text;
    size_t len;
    FILE *f = open_memstream(&text, &len);

    config_print_key(f, c, key);
    fclose(f);
    return text;
}

// How many keys have other values; those that need a restart stay as they are.
static int compare(struct config *c, const struct config *before)
{
    int changed = 0;

    for (int i = 0; i < n_config_keys; i++) {
        const struct config_key *key = &config_keys[i];
        char *old = text_of(before, key), *now = text_of(c, key);
        bool same = !strcmp(old, now);
        free(old);
        free(now);
        if (same)
            continue;
        if (key->reload) {
            changed++;
            continue;
        }
        log_warn("configuration: %s has changed: restart gradwatchd to use "
                 "the new value", key->opt.name);
        config_keep(c, before, key);
    }
    return changed;
}

void reload(struct server *s)
{
    struct config *c = xcalloc(1, sizeof *c);
    const struct config *before = s->config;
    struct error err = { 0 };

    if (config_load(c, s->argc, s->argv, &err) != 0) {
        log_error("the configuration stays as it was: %s", err.text);
        config_free(c);
        free(c);
        return;
    }
    int changed = compare(c, before);
    c->before = before;
    s->config = c;
    reload_apply(s);
    log_info("configuration read again, %d value%s changed", changed,
             changed == 1 ? "" : "s");
}

void reload_free(struct server *s)
{
    while (s->config && s->config->before) {
        struct config *c = (struct config *)s->config;
        s->config = c->before;
        config_free(c);
        free(c);
    }
}
