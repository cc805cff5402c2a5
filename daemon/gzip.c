#include "daemon/gzip.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

#include "common/mem.h"

// 1 or 0 when the item names gzip (or "*") with a weight above 0 or not, else
// -1.
static int item_takes(const char *item, size_t len)
{
    size_t name = 0;
    int takes = 1;

    while (name < len && !strchr("; \t", item[name]))
        name++;
    bool named = (name == 4 && !strncasecmp(item, "gzip", 4)) ||
                 (name == 6 && !strncasecmp(item, "x-gzip", 6)) ||
                 (name == 1 && *item == '*');
    for (size_t i = name; i + 2 < len; i++)
        if ((item[i] == 'q' || item[i] == 'Q') && item[i + 1] == '=')
            takes = strtod(item + i + 2, NULL) > 0;
    return named ? takes : -1;
}

bool gzip_accepted(const char *header)
{
    int any = -1;

    for (const char *p = header; p && *p; ) {
        size_t len = strcspn(p, ",");
        size_t blank = strspn(p, " \t");
        if (blank < len) {
            int takes = item_takes(p + blank, len - blank);
            if (takes >= 0 && p[blank] != '*')
                return takes;
            any = takes >= 0 ? takes : any;
        }
        p += len + (p[len] == ',');
    }
    return any == 1;
}

bool gzip_useful(const char *type, size_t len)
{
    static const char *const types[] = { "text/", "application/json",
        "application/problem+json", "application/javascript", "image/svg+xml" };

    for (size_t i = 0; type && i < sizeof types / sizeof *types; i++)
        if (!strncmp(type, types[i], strlen(types[i])))
            return len >= GZIP_LEAST;
    return false;
}

char *gzip_pack(const char *text, size_t len, size_t *packed)
{
    // 15 bits of window and 16 for gzip's frame. The fastest level: most of
    // what is served is read once, and on this machine or one nearby.
    enum { WINDOW = 15 + 16, MEMORY = 8 };
    z_stream z = { 0 };

    if (deflateInit2(&z, Z_BEST_SPEED, Z_DEFLATED, WINDOW, MEMORY,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        return NULL;
    char *out = xmalloc(len);
    z.next_in = (Bytef *)text;
    z.avail_in = (uInt)len;
    z.next_out = (Bytef *)out;
    z.avail_out = (uInt)len;
    int rc = deflate(&z, Z_FINISH);     // no end: no room, so not smaller
    *packed = z.total_out;
    deflateEnd(&z);
    if (rc == Z_STREAM_END)
        return xrealloc(out, *packed ? *packed : 1);
    free(out);
    return NULL;
}
