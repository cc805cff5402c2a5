#include "common/standard.h"

#include <fcntl.h>
#include <unistd.h>

void standard_hold(void)
{
    // The lowest number that is free is the one that open() gives.
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 &&
            open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
            return;             // without /dev/null there is nothing to hold
}
