#include "client/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "client/text.h"
#include "common/mem.h"

static int cannot(const struct output *o, struct error *err)
{
    int reason = errno;
    char *clean = text_clean(o->path, false);
    int rc = fail(err, ERR_IO, "cannot write %s: %s", clean, strerror(reason));

    free(clean);
    return rc;
}

int output_open(struct output *o, const char *path, struct error *err)
{
    struct stat st;

    *o = (struct output){.path = path};
    if (!strcmp(path, "-")) {
        o->f = stdout;
        return 0;
    }
    if (!stat(path, &st) && !S_ISREG(st.st_mode)) {
        o->f = fopen(path, "wbe");
        return o->f ? 0 : cannot(o, err);
    }
    o->part = xasprintf("%s.%d.part", path, (int)getpid());
    int fd = open(o->part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    o->f = fd < 0 ? NULL : fdopen(fd, "wb");
    if (o->f)
        return 0;
    int rc = cannot(o, err);
    free(o->part);
    return rc;
}

int output_commit(struct output *o, struct error *err)
{
    if (o->f == stdout)
        return 0;               // main() tells what became of that
    bool fine = !ferror(o->f) && !fflush(o->f);
    if (fclose(o->f))
        fine = false;
    if (fine && o->part)
        fine = !rename(o->part, o->path);
    int rc = fine ? 0 : cannot(o, err);
    if (!fine && o->part)
        unlink(o->part);
    free(o->part);
    return rc;
}

void output_drop(struct output *o)
{
    if (o->f != stdout)
        fclose(o->f);
    if (o->part)
        unlink(o->part);
    free(o->part);
}
