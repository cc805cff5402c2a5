/* common/folder.c: lists an ImageFolder.
 *
 * The walk knows each folder by its name below the root. A link is resolved
 * with realpath() and taken only when the answer lies beneath the root's own
 * real path; a folder that is its own ancestor, through a link, is left out.
 */
#include "common/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "common/mem.h"
#include "common/rng.h"

enum {
    MOST_DEPTH = 32,            // folders inside a class; ends runaway links
    MOST_IMAGES = 1 << 30,      // an int32_t can count them
    MOST_CLASSES = 65536,       // limit of model.classes
};

struct walk {
    struct folder *f;
    int            label;
    int64_t        room;        // images there is space for
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

static bool is_beneath(const char *root, const char *path)
{
    size_t n = strlen(root);

    if (n == 1)                 // "/"
        return true;
    return strncmp(root, path, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

// What path is, through links that stay beneath the root. False: not there,
// or not ours to follow.
static bool look(const char *root, const char *path, struct stat *st)
{
    if (lstat(path, st) != 0)
        return false;
    if (!S_ISLNK(st->st_mode))
        return true;
    char *real = realpath(path, NULL);
    bool ok = real && is_beneath(root, real) && stat(real, st) == 0;
    free(real);
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

static int walk_folder(struct walk *w, const char *below, int depth,
                       const struct stat *here);

// One entry of a folder: an image is taken, a folder is entered.
static int walk_entry(struct walk *w, const char *below, const char *name,
                      int depth)
{
    char *path = xasprintf("%s/%s", below, name);
    char *full = xasprintf("%s/%s", w->f->dir, path);
    struct stat st;
    int rc = 0;

    if (!look(w->f->root, full, &st))
        goto out;
    if (S_ISDIR(st.st_mode)) {
        if (depth < MOST_DEPTH && !is_own_ancestor(w, depth, &st))
            rc = walk_folder(w, path, depth, &st);
    } else if (S_ISREG(st.st_mode) && is_image(name)) {
        rc = add_image(w, path, &st);
        path = NULL;
    }
out:
    free(full);
    free(path);
    return rc;
}

static int walk_folder(struct walk *w, const char *below, int depth,
                       const struct stat *here)
{
    char *full = xasprintf("%s/%s", w->f->dir, below);
    DIR *dir = opendir(full);
    struct dirent *e;
    int rc = 0;

    if (!dir) {
        rc = fail(w->err, ERR_IO, "cannot read folder %s: %s", full,
                  strerror(errno));
        goto out;
    }
    w->above[depth].dev = here->st_dev;
    w->above[depth].ino = here->st_ino;
    while (rc == 0 && (e = readdir(dir)))
        if (e->d_name[0] != '.')
            rc = walk_entry(w, below, e->d_name, depth + 1);
    closedir(dir);
out:
    free(full);
    return rc;
}

static int list_classes(struct walk *w)
{
    struct folder *f = w->f;
    DIR *dir = opendir(f->dir);
    struct dirent *e;
    struct stat st;

    if (!dir)
        return fail(w->err, ERR_IO, "cannot read folder %s: %s", f->dir,
                    strerror(errno));
    while ((e = readdir(dir)) && f->n_classes <= MOST_CLASSES) {
        if (e->d_name[0] == '.')
            continue;
        char *full = xasprintf("%s/%s", f->dir, e->d_name);
        if (look(w->f->root, full, &st) && S_ISDIR(st.st_mode)) {
            f->classes = xrealloc(f->classes,
                                  sizeof *f->classes * (f->n_classes + 1));
            f->classes[f->n_classes++] = xstrdup(e->d_name);
        }
        free(full);
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
        char *full = xasprintf("%s/%s", f->dir, f->classes[c]);
        struct stat st;
        w->label = c;
        if (look(w->f->root, full, &st))
            rc = walk_folder(w, f->classes[c], 0, &st);
        free(full);
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
    char *full = xasprintf("%s/%s", w->f->dir, row->path);
    struct stat st;
    int rc = 0;

    if (is_image(row->path) && look(w->f->root, full, &st) &&
        S_ISREG(st.st_mode)) {
        char **class = bsearch(&row->class, w->f->classes,
                               (size_t)w->f->n_classes, sizeof *class, by_name);
        w->label = (int)(class - w->f->classes);
        rc = add_image(w, row->path, &st);
        row->path = NULL;
    }
    free(full);
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
    char *path = xasprintf("%s/%s", f->dir, annotations);
    struct stat st;
    FILE *in = look(f->root, path, &st) && S_ISREG(st.st_mode)
        ? fopen(path, "re") : NULL;

    free(path);
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
    else if (!is_beneath(*real_root, *real))
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

int folder_scan(const char *root, const char *path, struct folder **out,
                struct error *err)
{
    struct folder *f = xcalloc(1, sizeof *f);
    struct walk w = { .f = f, .err = err };
    int rc = folder_resolve(root, path, &f->root, &f->dir, err);
    FILE *in = rc ? NULL : open_annotations(f);

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
        *out = f;
    else
        folder_free(f);
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
    free(f);
}

int folder_open_image(const struct folder *f, int64_t image)
{
    char *path = xasprintf("%s/%s", f->dir, f->images[image].path);
    char *real = realpath(path, NULL);
    int fd = -1;

    if (real && !is_beneath(f->root, real))
        errno = EXDEV;
    else if (real)      // O_NONBLOCK: it may have become a pipe
        fd = open(real, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    free(real);
    free(path);
    return fd;
}

// The largest level such that a class giving at most `level` images each
// stays within limit in all.
static int64_t level_of(const int64_t *count, int n, int64_t limit)
{
    int64_t low = 0, high = limit;

    while (low < high) {
        int64_t mid = low + (high - low + 1) / 2, sum = 0;
        for (int c = 0; c < n && sum <= limit; c++)
            sum += count[c] < mid ? count[c] : mid;
        if (sum <= limit)
            low = mid;
        else
            high = mid - 1;
    }
    return low;
}

struct draw { uint64_t bits; int64_t image; };

static int by_bits(const void *a, const void *b)
{
    const struct draw *x = a, *y = b;

    if (x->bits != y->bits)
        return x->bits < y->bits ? -1 : 1;
    return x->image < y->image ? -1 : x->image > y->image;
}

// Frees the paths of all but `keep` of the images first .. first + count - 1.
static void thin_class(struct folder *f, int label, int64_t first,
                       int64_t count, int64_t keep, uint64_t seed)
{
    struct draw *draw = xmalloc(sizeof *draw * count);

    for (int64_t i = 0; i < count; i++)
        draw[i] = (struct draw) {
            .bits = rng_bits(seed, STREAM_LIMIT + label, i), .image = first + i,
        };
    qsort(draw, count, sizeof *draw, by_bits);
    for (int64_t i = keep; i < count; i++) {
        free(f->images[draw[i].image].path);
        f->images[draw[i].image].path = NULL;
    }
    free(draw);
}

void folder_limit(struct folder *f, int64_t limit, uint64_t seed)
{
    if (limit <= 0 || f->n_images <= limit)
        return;
    int64_t *count = xcalloc(f->n_classes, sizeof *count);
    for (int64_t i = 0; i < f->n_images; i++)
        count[f->images[i].label]++;

    // What the level leaves over goes to the first classes that have more.
    int64_t level = level_of(count, f->n_classes, limit), over = limit;
    for (int c = 0; c < f->n_classes; c++)
        over -= count[c] < level ? count[c] : level;
    int64_t first = 0;
    for (int c = 0; c < f->n_classes; c++) {
        int64_t keep = level;
        if (over > 0 && count[c] > level) {
            keep++;
            over--;
        }
        if (count[c] > keep)
            thin_class(f, c, first, count[c], keep, seed);
        first += count[c];
    }
    free(count);

    int64_t n = 0;
    for (int64_t i = 0; i < f->n_images; i++)
        if (f->images[i].path)
            f->images[n++] = f->images[i];
    f->n_images = n;
}
