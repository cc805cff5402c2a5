/* common/folder.c: lists an ImageFolder.
 *
 * The walk knows each folder by its name below the root and opens it by
 * beneath_open(), whatever it was a moment ago: what turned into a link that
 * leads out is left out. So is a folder that is its own ancestor, through a
 * link.
 */
#include "common/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/beneath.h"
#include "common/clock.h"
#include "common/mem.h"

enum {
    MOST_DEPTH = 32,            // folders inside a class; ends runaway links
    MOST_IMAGES = 1 << 30,      // an int32_t can count them
    MOST_CLASSES = 65536,       // limit of model.classes
};

struct walk {
    struct folder *f;
    int            label;
    int64_t        room;        // images there is space for
    double         seconds, end;        // it may take; clock_seconds() then
    struct { dev_t dev; ino_t ino; } above[MOST_DEPTH];
    struct error  *err;
};

static bool is_image(const char *name)
{
    static const char *const endings[] = { ".jpg", ".jpeg", ".png" };
    size_t len = strlen(name);

    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t n = strlen(endings[i]);
        if (len > n && strcasecmp(name + len - n, endings[i]) == 0)
            return true;
    }
    return false;
}

// Opens what lies at path below the data set's folder.
static int open_below(const struct folder *f, const char *path, int flags)
{
    const char *dir = f->dir + strlen(f->root);

    dir += *dir == '/';
    char *full = xasprintf("%s%s%s", dir, *dir && *path ? "/" : "", path);
    int fd = beneath_open(f->root_fd, f->root, full, flags);
    free(full);
    return fd;
}

// What the entry `name` of a folder is, through links that stay beneath the
// root; path is its own below the data set's. False: not there, or not ours
// to follow.
static bool look(const struct folder *f, DIR *in, const char *name,
                 const char *path, struct stat *st)
{
    if (fstatat(dirfd(in), name, st, AT_SYMLINK_NOFOLLOW) != 0)
        return false;
    if (!S_ISLNK(st->st_mode))
        return true;
    int fd = open_below(f, path, O_PATH);
    bool ok = fd >= 0 && fstat(fd, st) == 0;
    if (fd >= 0)
        close(fd);
    return ok;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int by_label_and_path(const void *a, const void *b)
{
    const struct folder_image *x = a, *y = b;

    if (x->label != y->label)
        return x->label < y->label ? -1 : 1;
    return strcmp(x->path, y->path);
}

// Takes path.
static int add_image(struct walk *w, char *path, const struct stat *st)
{
    struct folder *f = w->f;

    if (f->n_images == MOST_IMAGES) {
        free(path);
        return fail(w->err, ERR_LIMIT, "%s holds more than %d images", f->dir,
                    MOST_IMAGES);
    }
    if (f->n_images == w->room) {
        w->room = w->room ? w->room * 2 : 256;
        f->images = xrealloc(f->images, sizeof *f->images * w->room);
    }
    f->images[f->n_images++] = (struct folder_image) {
        .path = path, .label = w->label, .bytes = st->st_size,
        .mtime_nanos = st->st_mtim.tv_sec * INT64_C(1000000000) +
                       st->st_mtim.tv_nsec,
    };
    return 0;
}

static bool is_own_ancestor(const struct walk *w, int depth,
                            const struct stat *st)
{
    for (int i = 0; i < depth; i++)
        if (w->above[i].dev == st->st_dev && w->above[i].ino == st->st_ino)
            return true;
    return false;
}

static int walk_folder(struct walk *w, const char *below, int depth);

static int check_time(const struct walk *w)
{
    if (clock_seconds() <= w->end)
        return 0;
    return fail(w->err, ERR_LIMIT, "listing the images of %s takes longer than "
                "%g s", w->f->dir, w->seconds);
}

// One entry of a folder: an image is taken, a folder is entered.
static int walk_entry(struct walk *w, DIR *in, const char *below,
                      const char *name, int depth)
{
    char *path = xasprintf("%s/%s", below, name);
    struct stat st;
    int rc = check_time(w);

    if (rc == 0 && look(w->f, in, name, path, &st)) {
        if (S_ISDIR(st.st_mode) && depth < MOST_DEPTH) {
            rc = walk_folder(w, path, depth);
        } else if (S_ISREG(st.st_mode) && is_image(name)) {
            rc = add_image(w, path, &st);
            path = NULL;
        }
    }
    free(path);
    return rc;
}

// What was a folder a moment ago and is gone, or a link out of the root, is
// left out; one that may not be read is an error.
static int walk_folder(struct walk *w, const char *below, int depth)
{
    DIR *dir = folder_open_dir(w->f, below);
    struct dirent *e;
    struct stat here;
    int rc = 0;

    if (!dir && (errno == ENOENT || errno == ENOTDIR || errno == EXDEV ||
                 errno == ELOOP))
        return 0;
    if (!dir || fstat(dirfd(dir), &here) != 0) {
        rc = fail(w->err, ERR_IO, "cannot read folder %s/%s: %s", w->f->dir,
                  below, strerror(errno));
    } else if (!is_own_ancestor(w, depth, &here)) {
        w->above[depth].dev = here.st_dev;
        w->above[depth].ino = here.st_ino;
        while (rc == 0 && (e = readdir(dir)))
            if (e->d_name[0] != '.')
                rc = walk_entry(w, dir, below, e->d_name, depth + 1);
    }
    if (dir)
        closedir(dir);
    return rc;
}

static int list_classes(struct walk *w)
{
    struct folder *f = w->f;
    DIR *dir = folder_open_dir(f, "");
    struct dirent *e;
    struct stat st;

    if (!dir)
        return fail(w->err, ERR_IO, "cannot read folder %s: %s", f->dir,
                    strerror(errno));
    while ((e = readdir(dir)) && f->n_classes <= MOST_CLASSES)
        if (e->d_name[0] != '.' && look(f, dir, e->d_name, e->d_name, &st) &&
            S_ISDIR(st.st_mode)) {
            f->classes = xrealloc(f->classes,
                                  sizeof *f->classes * (f->n_classes + 1));
            f->classes[f->n_classes++] = xstrdup(e->d_name);
        }
    closedir(dir);
    if (f->n_classes > MOST_CLASSES)
        return fail(w->err, ERR_DATA, "%s has more than %d folders; each is a "
                    "class", f->dir, MOST_CLASSES);
    if (f->n_classes == 0)
        return fail(w->err, ERR_DATA, "%s has no folders; each class needs a "
                    "folder of its images", f->dir);
    qsort(f->classes, f->n_classes, sizeof *f->classes, by_name);
    return 0;
}

static int list_images(struct walk *w)
{
    struct folder *f = w->f;
    int rc = 0;

    for (int c = 0; c < f->n_classes && rc == 0; c++) {
        w->label = c;
        rc = walk_folder(w, f->classes[c], 0);
    }
    if (rc == 0 && f->n_images == 0)
        rc = fail(w->err, ERR_DATA, "no .jpg, .jpeg or .png file in the %d "
                  "class folders of %s", f->n_classes, f->dir);
    if (rc == 0)
        qsort(f->images, f->n_images, sizeof *f->images, by_label_and_path);
    return rc;
}

// ---- Tiny ImageNet's val ---------------------------------------------------

static const char annotations[] = "val_annotations.txt";

// "val_0.JPEG<tab>n03444034<tab>0<tab>32<tab>44<tab>62": the first two words,
// cut out of line, or false.
static bool split_annotation(char *line, char **image, char **class)
{
    *image = line;
    *class = strchr(line, '\t');
    if (!*class || *class == line)
        return false;
    *(*class)++ = '\0';
    (*class)[strcspn(*class, "\t\r\n")] = '\0';
    return **class && !strchr(*image, '/');
}

struct annotated { char *path, *class; };   // owned; path as of a folder_image

static int read_annotations(struct walk *w, FILE *in, struct annotated **out,
                            int64_t *n)
{
    char line[512], *image, *class;

    while (fgets(line, sizeof line, in)) {
        if (!split_annotation(line, &image, &class))
            return fail(w->err, ERR_DATA, "line %lld of %s/%s is not an image, "
                        "a tab and a class", (long long)*n + 1, w->f->dir,
                        annotations);
        *out = xrealloc(*out, (size_t)(*n + 1) * sizeof **out);
        (*out)[(*n)++] = (struct annotated){ xasprintf("images/%s", image),
                                             xstrdup(class) };
    }
    return 0;
}

static void class_names(struct folder *f, const struct annotated *rows,
                        int64_t n)
{
    char **names = xcalloc((size_t)n + 1, sizeof *names);

    for (int64_t i = 0; i < n; i++)
        names[i] = rows[i].class;
    qsort(names, (size_t)n, sizeof *names, by_name);
    f->classes = xcalloc((size_t)n + 1, sizeof *f->classes);
    for (int64_t i = 0; i < n; i++)
        if (i == 0 || strcmp(names[i - 1], names[i]) != 0)
            f->classes[f->n_classes++] = xstrdup(names[i]);
    free(names);
}

// Images that are not there are left out, as is what is no image.
static int add_annotated(struct walk *w, struct annotated *row)
{
    int fd = is_image(row->path) ? open_below(w->f, row->path, O_PATH) : -1;
    struct stat st;
    int rc = check_time(w);

    if (rc == 0 && fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        char **class = bsearch(&row->class, w->f->classes,
                               (size_t)w->f->n_classes, sizeof *class, by_name);
        w->label = (int)(class - w->f->classes);
        rc = add_image(w, row->path, &st);
        row->path = NULL;
    }
    if (fd >= 0)
        close(fd);
    return rc;
}

static int list_annotated(struct walk *w, FILE *in)
{
    struct folder *f = w->f;
    struct annotated *rows = NULL;
    int64_t n = 0;
    int rc = read_annotations(w, in, &rows, &n);

    if (rc == 0)
        class_names(f, rows, n);
    if (rc == 0 && f->n_classes > MOST_CLASSES)
        rc = fail(w->err, ERR_DATA, "%s/%s names more than %d classes", f->dir,
                  annotations, MOST_CLASSES);
    for (int64_t i = 0; i < n && rc == 0; i++)
        rc = add_annotated(w, &rows[i]);
    if (rc == 0 && f->n_images == 0)
        rc = fail(w->err, ERR_DATA, "none of the %lld images that %s/%s names "
                  "is there", (long long)n, f->dir, annotations);
    if (rc == 0)
        qsort(f->images, (size_t)f->n_images, sizeof *f->images,
              by_label_and_path);
    for (int64_t i = 0; i < n; i++) {
        free(rows[i].path);
        free(rows[i].class);
    }
    free(rows);
    return rc;
}

// The open annotations of a folder that has them, or NULL.
static FILE *open_annotations(const struct folder *f)
{
    const char *why;
    int fd = folder_open_file(f, annotations, &why);
    FILE *in = fd < 0 ? NULL : fdopen(fd, "r");

    if (fd >= 0 && !in)
        close(fd);
    return in;
}

// ---- public ----------------------------------------------------------------

int folder_resolve(const char *root, const char *path, char **real_root,
                   char **real, struct error *err)
{
    char *asked = xasprintf("%s%s%s", root, *path ? "/" : "", path);
    int rc = 0;

    *real_root = realpath(root, NULL);
    *real = realpath(asked, NULL);
    if (!*real_root || !*real)
        rc = fail(err, ERR_DATA, "cannot read folder %s: %s", asked,
                  strerror(errno));
    else if (!beneath_is(*real_root, *real))
        rc = fail(err, ERR_DATA, "folder %s is a link that leaves %s", asked,
                  root);
    free(asked);
    if (rc) {
        free(*real_root);
        free(*real);
        *real_root = *real = NULL;
    }
    return rc;
}

int folder_open(const char *root, const char *path, struct folder **out,
                struct error *err)
{
    struct folder *f = xcalloc(1, sizeof *f);
    int rc = folder_resolve(root, path, &f->root, &f->dir, err);

    f->root_fd = -1;
    if (rc == 0 && (f->root_fd = open(f->root, O_PATH | O_DIRECTORY |
                                      O_CLOEXEC)) < 0)
        rc = fail(err, ERR_DATA, "cannot read folder %s: %s", f->root,
                  strerror(errno));
    if (rc)
        folder_free(f);
    *out = rc ? NULL : f;
    return rc;
}

int folder_scan(const char *root, const char *path, struct folder **out,
                struct error *err)
{
    return folder_scan_within(INFINITY, root, path, out, err);
}

int folder_scan_within(double seconds, const char *root, const char *path,
                       struct folder **out, struct error *err)
{
    struct walk w = { .err = err, .seconds = seconds,
                      .end = clock_seconds() + seconds };
    int rc = folder_open(root, path, &w.f, err);
    FILE *in = rc ? NULL : open_annotations(w.f);

    *out = NULL;
    if (rc == 0 && in)
        rc = list_annotated(&w, in);
    else if (rc == 0)
        rc = list_classes(&w);
    if (rc == 0 && !in)
        rc = list_images(&w);
    if (in)
        fclose(in);
    if (rc == 0)
        *out = w.f;
    else
        folder_free(w.f);
    return rc;
}

void folder_free(struct folder *f)
{
    if (!f)
        return;
    for (int i = 0; i < f->n_classes; i++)
        free(f->classes[i]);
    for (int64_t i = 0; i < f->n_images; i++)
        free(f->images[i].path);
    free(f->classes);
    free(f->images);
    free(f->root);
    free(f->dir);
    if (f->root_fd >= 0)
        close(f->root_fd);
    free(f);
}

DIR *folder_open_dir(const struct folder *f, const char *path)
{
    int fd = open_below(f, path, O_RDONLY | O_DIRECTORY);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);

    if (fd >= 0 && !dir)
        close(fd);
    return dir;
}

int folder_open_file(const struct folder *f, const char *path,
                     const char **why)
{
    // O_NONBLOCK: opening a pipe would wait for its other end.
    int fd = open_below(f, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    struct stat st;

    if (fd < 0) {
        *why = errno == EXDEV ? "a link out of the data root" : strerror(errno);
    } else if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        *why = "not a regular file";
        close(fd);
        fd = -1;
    }
    return fd;
}
