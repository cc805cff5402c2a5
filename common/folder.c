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

int folder_scan(const char *root, const char *path, struct folder **out,
                struct error *err)
{
    struct folder *f = xcalloc(1, sizeof *f);
    char *asked = xasprintf("%s%s%s", root, *path ? "/" : "", path);
    char *real_root = realpath(root, NULL);
    char *real = realpath(asked, NULL);
    struct walk w = { .f = f, .err = err };
    int rc;

    *out = NULL;
    if (!real_root || !real) {
        rc = fail(err, ERR_DATA, "cannot read folder %s: %s", asked,
                  strerror(errno));
        goto out;
    }
    if (!is_beneath(real_root, real)) {
        rc = fail(err, ERR_DATA, "folder %s is a link that leaves %s", asked,
                  root);
        goto out;
    }
    f->root = real_root;
    f->dir = real;
    real_root = real = NULL;
    rc = list_classes(&w);
    if (rc == 0)
        rc = list_images(&w);
out:
    if (rc == 0)
        *out = f;
    else
        folder_free(f);
    free(real);
    free(real_root);
    free(asked);
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
