// The daemon's configuration file: what it reads, it prints, and reads again to
// the same.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int load(struct config *c, const void *text, size_t size)
{
    char path[64];
    char *words[] = { (char *)"gradwatchd", (char *)"--config", path,
                      (char *)"--worker", (char *)"/bin/true", NULL };
    struct error err = { 0 };
    int fd = memfd_create("config", 0);

    if (fd < 0 || write(fd, text, size) != (ssize_t)size)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int rc = config_load(c, 5, words, &err);
    if (rc && !*err.text)
        abort();                // refused without a reason
    close(fd);
    return rc;
}

static char *print(const struct config *c, size_t *len)
{
    char *text = NULL;
    FILE *f = open_memstream(&text, len);

    config_print(f, c);
    fclose(f);
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config once, twice;

    if (load(&once, data, size) == 0) {
        size_t len[2];
        char *text = print(&once, &len[0]);
        if (load(&twice, text, len[0]) != 0)
            abort();
        char *again = print(&twice, &len[1]);
        if (len[0] != len[1] || memcmp(text, again, len[0]) != 0)
            abort();
        config_free(&twice);
        free(text);
        free(again);
    }
    config_free(&once);
    return 0;
}
