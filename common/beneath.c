#include "common/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/mem.h"

bool beneath_is(const char *root, const char *path)
{
    size_t n = strlen(root);

    if (n == 1)                 // "/"
        return true;
    return strncmp(root, path, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

// EAGAIN: something was renamed meanwhile, and ".." could have led out.
static int open_plain(int root_fd, const char *path, int flags)
{
    enum { TRIES = 100 };
    struct open_how how = {
        .flags = (unsigned)(flags | O_CLOEXEC),
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
    };
    int fd = -1;

    errno = EAGAIN;
    for (int i = 0; i < TRIES && fd < 0 && errno == EAGAIN; i++)
        fd = (int)syscall(SYS_openat2, root_fd, *path ? path : ".", &how,
                          sizeof how);
    return fd;
}

int beneath_open(int root_fd, const char *root, const char *path, int flags)
{
    int fd = open_plain(root_fd, path, flags);

    if (fd >= 0 || errno != ELOOP)
        return fd;
    char *full = xasprintf("%s/%s", root, path);
    char *real = realpath(full, NULL);
    free(full);
    if (real && !beneath_is(root, real))
        errno = EXDEV;
    else if (real)
        fd = open_plain(root_fd, real + strlen(root) + (real[strlen(root)] ==
                                                        '/'), flags);
    free(real);
    return fd;
}
