/* common/beneath.h: opens what lies below a directory, and nothing else.
 *
 * The kernel walks the path and follows no link (openat2, Linux 5.6), so who
 * swaps a file or a folder for a link in the middle of it leads nobody out. A
 * path with links is resolved first; where it then lies below the directory,
 * that is opened in the same way.
 */
#pragma once
#include <stdbool.h>

// True when path is root or lies below it; both absolute, without links.
bool beneath_is(const char *root, const char *path);

// root_fd is the directory root, which is absolute and without links; path is
// below it, "" the directory itself. flags as of open(), O_CLOEXEC is added.
// The descriptor, or -1 with errno: EXDEV when a link leads out.
int  beneath_open(int root_fd, const char *root, const char *path, int flags);
