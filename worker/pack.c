/* worker/pack.c: header (one page), pixels, table.
 *
 * The table, at a multiple of 8, holds the labels (int32), then for each
 * broken image its path and reason, both ended by a zero byte. Numbers are
 * the machine's own: a cache is not carried to another.
 */
#include "worker/pack.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "common/mem.h"
#include "common/rng.h"

enum {
    PIXELS_AT = 4096,
    BUFFER = 1 << 20,
    STALE_S = 24 * 60 * 60,     // a temporary file nobody wrote to for so long
};
#define TEMPORARY ".new-"

static const char magic[8] = "GWPACK1";

struct head {
    char            magic[8];
    struct pack_key key;
    int64_t         n, n_broken, side;
    uint64_t        table_at, table_bytes;
    uint64_t        pixels_sum, table_sum;
    uint64_t        head_sum;           // of all above
};

// Quick, not against malice: the cache belongs to who runs the jobs.
static uint64_t sum(uint64_t h, const void *bytes, size_t len)
{
    const uint8_t *p = bytes;
    uint64_t word;

    for (; len >= 8; len -= 8, p += 8) {
        memcpy(&word, p, 8);
        h = (h ^ word) * UINT64_C(0x9E3779B97F4A7C15);
        h ^= h >> 32;
    }
    word = 0;
    memcpy(&word, p, len);
    return rng_mix(h ^ word ^ (uint64_t)len << 56);
}

static uint64_t head_sum(const struct head *h)
{
    return sum(1, h, offsetof(struct head, head_sum));
}

struct pack_key pack_key(const struct folder *f, int side)
{
    struct pack_key key;

    for (int k = 0; k < 2; k++) {
        uint64_t h = sum((uint64_t)k, magic, sizeof magic);
        h = sum(h, &side, sizeof side);
        h = sum(h, f->dir, strlen(f->dir));
        for (int c = 0; c < f->n_classes; c++)
            h = sum(h, f->classes[c], strlen(f->classes[c]));
        for (int64_t i = 0; i < f->n_images; i++) {
            const struct folder_image *im = &f->images[i];
            int64_t about[3] = { im->label, im->bytes, im->mtime_nanos };
            h = sum(h, im->path, strlen(im->path));
            h = sum(h, about, sizeof about);
        }
        key.word[k] = h;
    }
    return key;
}

uint64_t pack_bytes(int64_t n, int side)
{
    return PIXELS_AT + (uint64_t)n * ((uint64_t)side * (uint64_t)side * 3 +
                                      sizeof(int32_t));
}

static char *path_of(const char *dir, struct pack_key key)
{
    return xasprintf("%s/images-%016" PRIx64 "%016" PRIx64 ".pack", dir,
                     key.word[0], key.word[1]);
}

static uint64_t sum_pixels(const uint8_t *pixels, int64_t n, size_t one)
{
    uint64_t h = 0;

    for (int64_t i = 0; i < n; i++)
        h = sum(h, pixels + one * (size_t)i, one);
    return h;
}

// Reads the broken images out of the table; -1 if they do not add up.
static int read_broken(struct pack *p, const char *at, const char *end)
{
    p->broken = xcalloc(p->n_broken, sizeof *p->broken);
    for (int64_t i = 0; i < p->n_broken; i++) {
        const char **text[2] = { &p->broken[i].path, &p->broken[i].why };
        for (int k = 0; k < 2; k++) {
            const char *zero = memchr(at, '\0', (size_t)(end - at));
            if (!zero)
                return -1;
            *text[k] = at;
            at = zero + 1;
        }
    }
    return at == end ? 0 : -1;
}

// What is wrong with the mapped file, or NULL after filling p.
static const char *check(struct pack *p, struct pack_key key, int side)
{
    const uint8_t *file = p->map;
    size_t one = (size_t)side * (size_t)side * 3;
    struct head h;

    if (p->map_bytes < PIXELS_AT)
        return "it is cut off";
    memcpy(&h, file, sizeof h);
    if (memcmp(h.magic, magic, sizeof magic) != 0 || h.head_sum != head_sum(&h))
        return "its header is damaged";
    if (memcmp(&h.key, &key, sizeof key) != 0 || h.side != side)
        return "it belongs to another data set";
    if (h.table_at + h.table_bytes != p->map_bytes)
        return "it is cut off";
    if (sum(2, file + h.table_at, h.table_bytes) != h.table_sum)
        return "its table is damaged";
    if (sum_pixels(file + PIXELS_AT, h.n, one) != h.pixels_sum)
        return "its pixels are damaged";
    p->n = h.n;
    p->n_broken = h.n_broken;
    p->pixels = file + PIXELS_AT;
    p->labels = (const int32_t *)(file + h.table_at);
    if (read_broken(p, (const char *)(p->labels + p->n),
                    (const char *)file + p->map_bytes) != 0)
        return "its table is damaged";
    return NULL;
}

static int map_file(int fd, struct pack_key key, int side, const char *path,
                    struct pack **out, struct error *err)
{
    struct pack *p = xcalloc(1, sizeof *p);
    struct stat st;
    int rc = 0;

    *out = NULL;
    p->map = MAP_FAILED;
    if (fstat(fd, &st) == 0 && st.st_size > 0) {
        p->map_bytes = (size_t)st.st_size;
        p->map = mmap(NULL, p->map_bytes, PROT_READ, MAP_SHARED, fd, 0);
    } else {
        errno = EINVAL;
    }
    if (p->map == MAP_FAILED) {
        rc = fail(err, ERR_DATA, "cannot map %s: %s", path, strerror(errno));
        free(p);
        return rc;
    }
    const char *wrong = check(p, key, side);
    if (wrong) {
        rc = fail(err, ERR_DATA, "%s: %s", path, wrong);
        pack_close(p);
        return rc;
    }
    *out = p;
    return 0;
}

int pack_open(const char *dir, struct pack_key key, int side,
              struct pack **out, struct error *err)
{
    char *path = path_of(dir, key);
    int rc, fd = open(path, O_RDONLY | O_CLOEXEC);

    *out = NULL;
    if (fd < 0)
        rc = fail(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO,
                  "cannot open %s: %s", path, strerror(errno));
    else
        rc = map_file(fd, key, side, path, out, err);
    if (fd >= 0) {
        futimens(fd, NULL);             // used now: pack_make_room() goes by it
        close(fd);
    }
    free(path);
    return rc;
}

void pack_close(struct pack *p)
{
    if (!p)
        return;
    munmap(p->map, p->map_bytes);
    free(p->broken);
    free(p);
}

struct pack_writer {
    FILE       *file;
    char       *dir, *temporary;        // NULL in memory
    struct head head;
    size_t      image_bytes, labels_room;
    int32_t    *labels;
    char       *texts;                  // of broken images
    size_t      texts_bytes;
};

static int cannot_write(const char *dir, struct error *err)
{
    bool full = errno == ENOSPC || errno == EDQUOT || errno == EFBIG;

    return fail(err, full ? ERR_FULL : ERR_IO, "cannot write decoded images "
                "to %s: %s", dir ? dir : "memory", strerror(errno));
}

static int make_dirs(const char *dir, struct error *err)
{
    char *path = xstrdup(dir);
    int rc = 0;

    for (char *p = path + 1; ; p++) {
        if (*p != '/' && *p != '\0')
            continue;
        char keep = *p;
        *p = '\0';
        if (mkdir(path, 0777) != 0 && errno != EEXIST) {
            rc = fail(err, ERR_IO, "cannot make folder %s: %s", path,
                      strerror(errno));
            break;
        }
        *p = keep;
        if (!keep)
            break;
    }
    free(path);
    return rc;
}

// Temporary files of jobs that were killed.
static void remove_stale(const char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    struct stat st;

    while (d && (e = readdir(d))) {
        if (strncmp(e->d_name, TEMPORARY, strlen(TEMPORARY)) != 0)
            continue;
        if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            st.st_mtime < time(NULL) - STALE_S)
            unlinkat(dirfd(d), e->d_name, 0);
    }
    if (d)
        closedir(d);
}

static int check_room(const char *dir, uint64_t bytes, struct error *err)
{
    struct statvfs fs;

    if (statvfs(dir, &fs) != 0)
        return 0;                       // writing will tell
    uint64_t room = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (bytes <= room)
        return 0;
    return fail(err, ERR_FULL, "decoded images need %" PRIu64 " MiB, but %s "
                "has only %" PRIu64 " MiB left", (bytes >> 20) + 1, dir,
                room >> 20);
}

static int open_temporary(struct pack_writer *w, int *fd, struct error *err)
{
    int rc = make_dirs(w->dir, err);

    *fd = -1;
    if (rc != 0)
        return rc;
    remove_stale(w->dir);
    w->temporary = xasprintf("%s/" TEMPORARY "XXXXXX", w->dir);
    *fd = mkostemp(w->temporary, O_CLOEXEC);
    if (*fd >= 0)
        return 0;
    rc = cannot_write(w->dir, err);
    free(w->temporary);
    w->temporary = NULL;
    return rc;
}

int pack_begin(const char *dir, struct pack_key key, int side, int64_t n,
               struct pack_writer **out, struct error *err)
{
    struct pack_writer *w = xcalloc(1, sizeof *w);
    static const char nothing[PIXELS_AT];
    int rc = 0, fd;

    *out = NULL;
    w->image_bytes = (size_t)side * (size_t)side * 3;
    w->dir = dir ? xstrdup(dir) : NULL;
    memcpy(w->head.magic, magic, sizeof magic);
    w->head.key = key;
    w->head.side = side;
    if (dir)
        rc = open_temporary(w, &fd, err);
    else if ((fd = memfd_create("gradwatch-images", MFD_CLOEXEC)) < 0)
        rc = cannot_write(dir, err);
    if (rc == 0 && dir)
        rc = check_room(dir, (uint64_t)n * w->image_bytes, err);
    if (rc == 0) {
        w->file = fdopen(fd, "w+");
        setvbuf(w->file, NULL, _IOFBF, BUFFER);
        if (fwrite(nothing, 1, sizeof nothing, w->file) != sizeof nothing)
            rc = cannot_write(dir, err);
    } else if (fd >= 0) {
        close(fd);
    }
    if (rc != 0)
        pack_cancel(w);
    else
        *out = w;
    return rc;
}

int pack_add(struct pack_writer *w, const uint8_t *pixels, int32_t label,
             struct error *err)
{
    struct head *h = &w->head;

    if (fwrite(pixels, 1, w->image_bytes, w->file) != w->image_bytes)
        return cannot_write(w->dir, err);
    if ((size_t)h->n == w->labels_room) {
        w->labels_room = w->labels_room ? w->labels_room * 2 : 1024;
        w->labels = xrealloc(w->labels, sizeof *w->labels * w->labels_room);
    }
    w->labels[h->n++] = label;
    h->pixels_sum = sum(h->pixels_sum, pixels, w->image_bytes);
    return 0;
}

void pack_add_broken(struct pack_writer *w, const char *path, const char *why)
{
    const char *const text[2] = { path, why };

    for (int k = 0; k < 2; k++) {
        size_t len = strlen(text[k]) + 1;
        w->texts = xrealloc(w->texts, w->texts_bytes + len);
        memcpy(w->texts + w->texts_bytes, text[k], len);
        w->texts_bytes += len;
    }
    w->head.n_broken++;
}

// Labels and texts in one piece; caller owns.
static char *make_table(struct pack_writer *w)
{
    size_t labels = sizeof *w->labels * (size_t)w->head.n;

    w->head.table_bytes = labels + w->texts_bytes;
    char *table = xmalloc(w->head.table_bytes);
    if (labels)
        memcpy(table, w->labels, labels);
    if (w->texts_bytes)
        memcpy(table + labels, w->texts, w->texts_bytes);
    return table;
}

static int write_table(struct pack_writer *w, struct error *err)
{
    struct head *h = &w->head;
    uint64_t end = PIXELS_AT + (uint64_t)h->n * w->image_bytes;
    char *table = make_table(w);
    static const char zeros[8];

    h->table_at = (end + 7) / 8 * 8;
    h->table_sum = sum(2, table, h->table_bytes);
    h->head_sum = head_sum(h);
    bool ok = fwrite(zeros, 1, h->table_at - end, w->file) == h->table_at - end
        && fwrite(table, 1, h->table_bytes, w->file) == h->table_bytes
        && fseek(w->file, 0, SEEK_SET) == 0
        && fwrite(h, 1, sizeof *h, w->file) == sizeof *h
        && fflush(w->file) == 0;
    free(table);
    return ok ? 0 : cannot_write(w->dir, err);
}

static int publish(struct pack_writer *w, struct error *err)
{
    char *path = path_of(w->dir, w->head.key);
    int rc = 0;

    if (fsync(fileno(w->file)) != 0 || rename(w->temporary, path) != 0) {
        rc = cannot_write(w->dir, err);
    } else {
        free(w->temporary);
        w->temporary = NULL;
    }
    free(path);
    return rc;
}

int pack_finish(struct pack_writer *w, bool keep, struct pack **out,
                struct error *err)
{
    *out = NULL;
    int rc = write_table(w, err);
    if (rc == 0 && keep && w->dir)
        rc = publish(w, err);
    if (rc == 0)
        rc = map_file(fileno(w->file), w->head.key, (int)w->head.side,
                      w->dir ? w->dir : "memory", out, err);
    pack_cancel(w);
    return rc;
}

void pack_cancel(struct pack_writer *w)
{
    if (!w)
        return;
    if (w->file)
        fclose(w->file);
    if (w->temporary)
        unlink(w->temporary);
    free(w->temporary);
    free(w->dir);
    free(w->labels);
    free(w->texts);
    free(w);
}
