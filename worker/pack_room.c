/* worker/pack_room.c: which packs go when another needs their place.
 *
 * The time a pack was last changed is that of its last use: pack_open() sets
 * it. One that a job still reads stays readable to it when its name is gone.
 */
#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/mem.h"
#include "worker/pack.h"

struct old { char *name; uint64_t bytes; struct timespec used; };

static int by_use(const void *a, const void *b)
{
    const struct timespec *x = &((const struct old *)a)->used;
    const struct timespec *y = &((const struct old *)b)->used;

    if (x->tv_sec != y->tv_sec)
        return x->tv_sec < y->tv_sec ? -1 : 1;
    return (x->tv_nsec > y->tv_nsec) - (x->tv_nsec < y->tv_nsec);
}

// All packs, the one unused for longest first; caller owns. *bytes is what they
// take, with those that are just being written.
static struct old *list(DIR *dir, int *n, uint64_t *bytes)
{
    struct old *all = NULL;
    struct dirent *e;
    struct stat st;

    *n = 0;
    *bytes = 0;
    while ((e = readdir(dir))) {
        if (fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
            !S_ISREG(st.st_mode))
            continue;
        *bytes += (uint64_t)st.st_size;
        if (fnmatch("images-*.pack", e->d_name, 0) != 0)
            continue;
        all = xrealloc(all, sizeof *all * (size_t)(*n + 1));
        all[(*n)++] = (struct old) { xstrdup(e->d_name),
                                     (uint64_t)st.st_size, st.st_mtim };
    }
    if (*n)
        qsort(all, (size_t)*n, sizeof *all, by_use);
    return all;
}

static uint64_t free_bytes(DIR *dir)
{
    struct statvfs fs;

    if (fstatvfs(dirfd(dir), &fs) != 0)
        return UINT64_MAX;              // writing will tell
    return (uint64_t)fs.f_bavail * fs.f_frsize;
}

bool pack_make_room(const char *dir_path, uint64_t bytes, uint64_t most)
{
    DIR *dir = opendir(dir_path);
    uint64_t taken;
    int n;

    if (!dir)                           // nothing is there yet
        return bytes <= most;
    struct old *all = list(dir, &n, &taken);
    for (int i = 0; i < n; i++) {
        bool fits = taken <= most && bytes <= most - taken &&
                    bytes <= free_bytes(dir);
        if (!fits && bytes <= most &&
            unlinkat(dirfd(dir), all[i].name, 0) == 0)
            taken -= all[i].bytes;
        free(all[i].name);
    }
    free(all);
    closedir(dir);
    return taken <= most && bytes <= most - taken;
}
