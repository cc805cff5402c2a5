#include "common/token.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/mem.h"

bool token_is_valid(const char *text)
{
    static const char known[] = "abcdefghijklmnopqrstuvwxyz"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_~";
    size_t len = strlen(text);

    return len >= TOKEN_LEAST && len <= TOKEN_MOST &&
           strspn(text, known) == len;
}

static int read_fd(int fd, const char *path, bool own, char **out,
                   struct error *err)
{
    char text[TOKEN_MOST + 16];
    ssize_t n = read(fd, text, sizeof text - 1);

    if (n < 0)
        return fail(err, ERR_IO, "cannot read %s: %s", path, strerror(errno));
    text[n] = '\0';
    size_t len = strcspn(text, "\r\n");
    bool one_line = strspn(text + len, "\r\n \t") == (size_t)n - len;
    text[len] = '\0';
    if (!one_line || !token_is_valid(text))
        return fail(err, ERR_USAGE, "%s has no token: one line of %d to %d "
                    "letters, digits and .-_~%s", path, TOKEN_LEAST, TOKEN_MOST,
                    own ? "; remove it for a new one" : "");
    *out = xstrdup(text);
    return 0;
}

// `own` says that nobody else may be able to read it.
static int read_file(const char *path, bool own, char **out, struct error *err)
{
    int rc, fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;

    *out = NULL;
    if (fd < 0)
        return fail(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO,
                    "cannot read the token in %s: %s", path, strerror(errno));
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        rc = fail(err, ERR_USAGE, "%s is not a file with a token", path);
    else if (own && (st.st_mode & 077))
        rc = fail(err, ERR_USAGE, "%s can be read by others (mode %03o): "
                  "remove it for a new token, or chmod 600 it", path,
                  (unsigned)st.st_mode & 0777);
    else
        rc = read_fd(fd, path, own, out, err);
    close(fd);
    return rc;
}

int token_read(const char *path, char **out, struct error *err)
{
    return read_file(path, false, out, err);
}

char *token_random(void)
{
    enum { BYTES = 32 };
    unsigned char bytes[BYTES];
    char *text = xcalloc(1, 2 * BYTES + 1);

    if (getrandom(bytes, BYTES, 0) != BYTES)
        abort();                // cannot happen below 256 bytes
    for (int i = 0; i < BYTES; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    return text;
}

// Written whole under another name and then linked, so that no reader sees
// half of it and a file that came up meanwhile stays.
static int write_new(const char *path, struct error *err)
{
    char *part = xasprintf("%s.XXXXXX", path), *token = token_random();
    char *line = xasprintf("%s\n", token);
    int rc = 0, fd = mkostemp(part, O_CLOEXEC);         // its mode is 0600

    if (fd < 0 || write(fd, line, strlen(line)) != (ssize_t)strlen(line) ||
        fsync(fd) != 0 || (link(part, path) != 0 && errno != EEXIST))
        rc = fail(err, ERR_IO, "cannot write the token to %s: %s", path,
                  strerror(errno));
    if (fd >= 0) {
        unlink(part);
        close(fd);
    }
    free(line);
    free(token);
    free(part);
    return rc;
}

int token_make(const char *path, char **out, struct error *err)
{
    int rc = read_file(path, true, out, err);

    if (rc != ERR_NOT_FOUND)
        return rc;
    rc = write_new(path, err);
    return rc ? rc : read_file(path, true, out, err);
}

bool token_equal(const char *a, const char *b)
{
    size_t len = strlen(a), other = strlen(b);
    unsigned different = len != other;

    for (size_t i = 0; i < len && other; i++)
        different |= (unsigned char)a[i] ^ (unsigned char)b[i % other];
    return !different && other;
}

char *token_state_dir(void)
{
    const char *xdg = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    const char *service = getenv("STATE_DIRECTORY");

    if (service && service[0] == '/' && !strchr(service, ':'))
        return xstrdup(service);
    if (xdg && xdg[0] == '/')
        return xasprintf("%s/gradwatch", xdg);
    if (geteuid() == 0 || !home || home[0] != '/')
        return xstrdup("/var/lib/gradwatch");
    return xasprintf("%s/.local/state/gradwatch", home);
}
