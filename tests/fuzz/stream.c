// What a server sends to the client: events cut out of the bytes, the same
// however they come in pieces, and made fit for a terminal.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/sse.h"
#include "client/text.h"
#include "common/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool note(void *to, const char *data, size_t len)
{
    fprintf(to, "%zu:", len);
    fwrite(data, 1, len, to);
    return false;
}

// All messages, and the id after them.
static char *read_in_pieces(const char *bytes, size_t size, size_t piece,
                            size_t *len)
{
    struct sse s = { 0 };
    char *text = NULL;
    FILE *to = open_memstream(&text, len);

    for (size_t at = 0; at < size; at += piece)
        if (sse_feed(&s, bytes + at, at + piece < size ? piece : size - at,
                     note, to))
            abort();            // so few bytes are never too long
    fprintf(to, "id %s", s.id);
    fclose(to);
    sse_restart(&s);
    sse_clear(&s);
    return text;
}

// A terminal obeys none of it.
static void check_clean(const char *text, const char *may)
{
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if ((*c < 0x20 && !strchr(may, *c)) || *c == 0x7f)
            abort();
        if (*c == 0xc2 && c[1] < 0xa0)
            abort();            // the controls behind ASCII
    }
}

static void show(const char *bytes, size_t size, bool utf8)
{
    char *text = NULL, *name = xstrndup(bytes, size);
    char *clean = text_clean(name, utf8), *fit = text_fit(clean, 20, utf8);
    size_t len;
    FILE *to = open_memstream(&text, &len);

    text_print(to, bytes, size, utf8);
    fclose(to);
    check_clean(text, "\n\t");
    check_clean(clean, "");
    check_clean(fit, "");
    for (size_t i = 0; i < len && !utf8; i++)
        if ((unsigned char)text[i] >= 0x80)
            abort();
    free(fit);
    free(clean);
    free(name);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data;
    size_t len, again;
    char *whole = read_in_pieces(bytes, size, size + 1, &len);

    for (size_t piece = 1; piece < 4; piece++) {
        char *parts = read_in_pieces(bytes, size, piece, &again);
        if (again != len || memcmp(parts, whole, len) != 0)
            abort();
        free(parts);
    }
    free(whole);
    show(bytes, size, true);
    show(bytes, size, false);
    char *time = xstrndup(bytes, size);
    free(text_age(time));
    free(text_until(time));
    free(time);
    return 0;
}
