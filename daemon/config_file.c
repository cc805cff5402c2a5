#include "daemon/config_file.h"

#include <errno.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

enum { LONGEST_LINE = 4096 };

// How long a line may be is a constant of the library, 200 bytes, and in
// Debian's a variable; 0 where it is not.
extern int ini_max_line __attribute__((weak));

struct reading {
    struct config *c;
    const char    *path;
    FILE          *file;
    int            line;
    bool          *set;         // outside: said already, not to be set here
    bool          *here;        // set by this file
    struct error  *err;         // all that is wrong
};

static void complain(struct reading *r, const char *key, const char *text)
{
    char before[sizeof r->err->text];

    snprintf(before, sizeof before, "%s", r->err->text);
    fail(r->err, ERR_USAGE, "%s%s%s:%d: %s%s%s", before, *before ? "\n" : "",
         r->path, r->line, key, *key ? ": " : "", text);
}

// One line for the library, as fgets() would. Blanks at its head are left out,
// as they would make it a further value of the line before.
static char *next_line(char *to, int size, void *from)
{
    struct reading *r = from;

    if (!fgets(to, size, r->file))
        return NULL;
    r->line++;
    size_t len = strlen(to), blanks = strspn(to, " \t");
    if (len + 1 == (size_t)size && to[len - 1] != '\n') {
        char text[80];
        int c;
        while ((c = fgetc(r->file)) != EOF && c != '\n')
            ;
        snprintf(text, sizeof text, "a line of more than %d bytes", size - 2);
        complain(r, "", text);
        blanks = len;           // nothing is left of it
    }
    memmove(to, to + blanks, len - blanks + 1);
    if (*to && !strchr("#;[\r\n", *to) && !strchr(to, '=')) {
        to[strcspn(to, "\r\n")] = '\0';
        char *text = xasprintf("\"%s\" is not key = value", to);
        complain(r, "", text);
        free(text);
        *to = '\0';
    }
    return to;
}

static const struct config_key *find_key(const char *name)
{
    for (int i = 0; i < n_config_keys; i++)
        if (!strcmp(config_keys[i].opt.name, name))
            return &config_keys[i];
    return NULL;
}

static void unknown(struct reading *r, const char *section, const char *name)
{
    const char *near = opts_nearest(name, &config_keys->opt.name,
                                    n_config_keys, sizeof *config_keys);
    char *text = *section
        ? xasprintf("there are no sections, but this is in [%s]", section)
        : xasprintf("unknown key %s%s%s", name, near ? ", did you mean " : "",
                    near ? near : "");

    complain(r, "", text);
    free(text);
}

// Called by the library for every "name = value".
static int take(void *user, const char *section, const char *name,
                const char *value)
{
    struct reading *r = user;
    const struct config_key *key = *section ? NULL : find_key(name);
    struct error why = { 0 };

    if (!key) {
        unknown(r, section, name);
        return 1;
    }
    ptrdiff_t i = key - config_keys;
    if (!key->opt.repeat && r->here[i])
        complain(r, name, "is given twice");
    else if ((key->opt.repeat || !r->set[i]) &&
             config_set(r->c, key, value, &why) != 0)
        complain(r, name, why.text);
    r->here[i] = true;
    return 1;
}

int config_read(struct config *c, const char *path, bool *set,
                struct error *err)
{
    struct error all = { 0 };
    bool *here = xcalloc((size_t)n_config_keys, sizeof *here);
    struct reading r = { .c = c, .path = path, .file = fopen(path, "re"),
                         .set = set, .here = here, .err = &all };

    if (&ini_max_line)
        ini_max_line = LONGEST_LINE;
    int rc = r.file ? ini_parse_stream(next_line, &r, take, &r) : 0;
    if (!r.file || ferror(r.file))
        fail(&all, ERR_USAGE, "cannot read %s: %s", path, strerror(errno));
    else if (rc && !all.code) {
        r.line = rc;
        complain(&r, "", "is not key = value");
    }
    if (r.file)
        fclose(r.file);
    for (int i = 0; i < n_config_keys; i++)
        set[i] |= here[i];
    free(here);
    return all.code ? fail(err, all.code, "%s", all.text) : 0;
}
