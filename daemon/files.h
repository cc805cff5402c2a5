/* daemon/files.h: the page: a fixed list of files, read once at the start. No
 * request ever becomes a file name. */
#pragma once
#include <stddef.h>

struct files;

struct file {
    const char *name;           // "app.js"
    const char *type;           // media type
    char       *text;           // owned by the files; NULL = not installed
    size_t      len;
};

struct files *files_open(const char *dir);      // NULL = none are installed
void          files_close(struct files *f);

// "index.html", ...; NULL when there is no such name.
const struct file *files_find(const struct files *f, const char *name);
