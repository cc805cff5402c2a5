#include "client/text.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wchar.h>
#include "common/mem.h"

// Length of the UTF-8 sequence at s with its code point, or 0 if it is none.
static int decode(const unsigned char *s, uint32_t *code)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    int n = *s < 0x80 ? 1 : *s >> 5 == 6 ? 2 : *s >> 4 == 14 ? 3
            : *s >> 3 == 30 ? 4 : 0;

    if (n == 0)
        return 0;
    *code = n == 1 ? *s : *s & (0x7Fu >> n);
    for (int i = 1; i < n; i++) {
        if (s[i] >> 6 != 2)
            return 0;
        *code = *code << 6 | (s[i] & 0x3F);
    }
    return *code < least[n] || *code > 0x10FFFF ? 0 : n;
}

// Controls, line separators, and what changes the direction of writing.
static bool is_unsafe(uint32_t c)
{
    return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x61C ||
           (c >= 0x200B && c <= 0x200F) || (c >= 0x2028 && c <= 0x202E) ||
           (c >= 0x2060 && c <= 0x2069) || c == 0xFEFF;
}

char *text_clean(const char *s, bool utf8)
{
    char *out = NULL;
    size_t len;
    FILE *f = open_memstream(&out, &len);

    while (*s) {
        uint32_t code = 0;
        int n = decode((const unsigned char *)s, &code);
        if (n == 0 || (code < 0x100 && is_unsafe(code)))
            fprintf(f, "\\x%02x", n ? (unsigned)code : *(unsigned char *)s);
        else if (is_unsafe(code) || (!utf8 && code >= 0x80))
            fprintf(f, "\\u%04x", (unsigned)code);
        else
            fwrite(s, 1, (size_t)n, f);
        s += n ? n : 1;
    }
    fclose(f);
    return out;
}

void text_print(FILE *out, const char *bytes, size_t len, bool utf8)
{
    for (size_t i = 0; i < len;) {
        size_t n = 0;
        while (i + n < len && !strchr("\n\t", bytes[i + n]))
            n++;                        // it finds a zero byte, too
        char *part = xstrndup(bytes + i, n), *clean = text_clean(part, utf8);
        fputs(clean, out);
        free(clean);
        free(part);
        i += n;
        if (i < len)
            fputs(bytes[i] ? (char[]){bytes[i], 0} : "\\x00", out);
        i++;
    }
}

// Bytes and columns of the character at s; mbrtowc() knows the locale.
static size_t step(const char *s, int *columns)
{
    wchar_t wide;
    mbstate_t state = {0};
    size_t n = mbrtowc(&wide, s, strlen(s), &state);

    if (n == 0 || n > 4) {
        *columns = 1;
        return 1;
    }
    int w = wcwidth(wide);
    *columns = w < 0 ? 1 : w;
    return n;
}

int text_width(const char *clean)
{
    int width = 0, columns;

    while (*clean) {
        clean += step(clean, &columns);
        width += columns;
    }
    return width;
}

char *text_fit(const char *clean, int columns, bool utf8)
{
    int width = 0, w;
    size_t at = 0;

    if (text_width(clean) <= columns)
        return xstrdup(clean);
    for (;;) {
        size_t n = step(clean + at, &w);
        if (width + w > columns - 1)
            break;
        width += w;
        at += n;
    }
    return columns < 1 ? xstrdup("")
                       : xasprintf("%.*s%s", (int)at, clean,
                                   utf8 ? "\u2026" : "~");
}

char *text_count(int64_t n)
{
    char plain[32], *out = xmalloc(48), *to = out;
    int len = snprintf(plain, sizeof plain, "%" PRId64, n);

    for (int i = 0; i < len; i++) {
        if (i && plain[i - 1] != '-' && (len - i) % 3 == 0)
            *to++ = ',';
        *to++ = plain[i];
    }
    *to = 0;
    return out;
}

char *text_bytes(double bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    int i = 0;

    while (bytes >= 1024 && i < 4) {
        bytes /= 1024;
        i++;
    }
    return xasprintf(i && bytes < 10 ? "%.1f %s" : "%.0f %s", bytes, units[i]);
}

char *text_seconds(double seconds)
{
    if (!isfinite(seconds) || seconds < 0)
        return xstrdup("-");
    if (seconds < 10)
        return xasprintf("%.1f s", seconds);
    int64_t s = llround(seconds);
    if (s < 60)
        return xasprintf("%" PRId64 " s", s);
    if (s < 3600)
        return xasprintf("%" PRId64 " min %02d s", s / 60, (int)(s % 60));
    if (s < 86400)
        return xasprintf("%" PRId64 " h %02d min", s / 3600,
                         (int)(s / 60 % 60));
    return xasprintf("%" PRId64 " d %02d h", s / 86400, (int)(s / 3600 % 24));
}

// Seconds from now until then; false when it is no time.
static bool seconds_until(const char *rfc3339, int64_t *seconds)
{
    struct tm tm = {0};

    if (!rfc3339 || !strptime(rfc3339, "%Y-%m-%dT%H:%M:%S", &tm))
        return false;
    *seconds = (int64_t)(timegm(&tm) - time(NULL));
    return true;
}

// "2 min", whole units only.
static char *span(int64_t s)
{
    static const struct { int64_t seconds; const char *name; } units[] = {
        {86400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"},
    };
    int i = 0;

    while (i < 3 && s < units[i].seconds)
        i++;
    return xasprintf("%" PRId64 " %s", s / units[i].seconds, units[i].name);
}

char *text_age(const char *rfc3339)
{
    int64_t s;

    if (!seconds_until(rfc3339, &s))
        return xstrdup("-");
    char *text = span(s < 0 ? -s : 0), *age = xasprintf("%s ago", text);
    free(text);
    return age;
}

char *text_until(const char *rfc3339)
{
    int64_t s;

    if (!seconds_until(rfc3339, &s))
        return xstrdup("-");
    if (s <= 0)
        return xstrdup("now");
    char *text = span(s), *until = xasprintf("in %s", text);
    free(text);
    return until;
}

char *text_number(double x, int digits)
{
    if (isnan(x))
        return xstrdup("-");
    double size = fabs(x);
    if (size != 0 && (size < 1e-3 || size >= 1e6))
        return xasprintf("%.*e", digits - 1, x);
    // %#g keeps the zeros, so that columns of numbers stay level.
    char *s = xasprintf("%#.*g", digits, x);
    if (strchr(s, 'e')) {               // as %g has it where digits are few
        free(s);
        s = xasprintf("%.0f", x);
    }
    size_t len = strlen(s);
    if (len && s[len - 1] == '.')
        s[len - 1] = 0;
    return s;
}

char *text_json(const json_t *value, bool utf8)
{
    if (!value || json_is_null(value))
        return xstrdup("-");
    if (json_is_string(value))
        return text_clean(json_string_value(value), utf8);
    char *dump = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(10));
    char *clean = text_clean(dump ? dump : "?", utf8);
    free(dump);
    return clean;
}
