#include "daemon/files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/mem.h"

enum { LARGEST = 16 << 20 };

static const struct file known[] = {
    { .name = "index.html",  .type = "text/html; charset=utf-8" },
    { .name = "app.js",      .type = "text/javascript; charset=utf-8" },
    { .name = "style.css",   .type = "text/css; charset=utf-8" },
    { .name = "favicon.svg", .type = "image/svg+xml" },
};
enum { N_FILES = sizeof known / sizeof *known };

struct files { struct file file[N_FILES]; };

static void read_file(const char *dir, struct file *file)
{
    char *path = xasprintf("%s/%s", dir, file->name);
    FILE *f = fopen(path, "re");

    if (f) {
        char *text = xmalloc(LARGEST);
        file->len = fread(text, 1, LARGEST, f);
        file->text = xrealloc(text, file->len);
        fclose(f);
    } else {
        log_warn("the page lacks %s", path);
    }
    free(path);
}

struct files *files_open(const char *dir)
{
    struct files *f = xcalloc(1, sizeof *f);

    memcpy(f->file, known, sizeof known);
    for (int i = 0; dir && i < N_FILES; i++)
        read_file(dir, &f->file[i]);
    return f;
}

void files_close(struct files *f)
{
    for (int i = 0; f && i < N_FILES; i++)
        free(f->file[i].text);
    free(f);
}

const struct file *files_find(const struct files *f, const char *name)
{
    for (int i = 0; i < N_FILES; i++)
        if (!strcmp(f->file[i].name, name))
            return &f->file[i];
    return NULL;
}
