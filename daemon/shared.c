#include "daemon/shared.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/mem.h"
#include "daemon/gzip.h"

struct shared {
    atomic_int      refs;
    const char     *type;
    char           *text, *packed;      // packed NULL = not yet, or no smaller
    size_t          len, packed_len;
    char            tag[2][SHARED_TAG];         // plain and packed
    pthread_mutex_t packing;
    bool            tried;              // to pack; under packing
};

// FNV-1a.
static uint64_t hash(const char *text, size_t len)
{
    uint64_t h = UINT64_C(14695981039346656037);

    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)text[i]) * UINT64_C(1099511628211);
    return h;
}

void tag_of(const char *text, size_t len, bool packed, char out[SHARED_TAG])
{
    snprintf(out, SHARED_TAG, "\"%016" PRIx64 "%s\"", hash(text, len),
             packed ? "-gz" : "");
}

struct shared *shared_new(const char *type, char *text, size_t len)
{
    struct shared *s = xcalloc(1, sizeof *s);

    atomic_init(&s->refs, 1);
    s->type = type;
    s->text = text;
    s->len = len;
    tag_of(text, len, false, s->tag[false]);
    tag_of(text, len, true, s->tag[true]);
    pthread_mutex_init(&s->packing, NULL);
    return s;
}

struct shared *shared_hold(struct shared *s)
{
    atomic_fetch_add(&s->refs, 1);
    return s;
}

void shared_drop(struct shared *s)
{
    if (!s || atomic_fetch_sub(&s->refs, 1) > 1)
        return;
    pthread_mutex_destroy(&s->packing);
    free(s->text);
    free(s->packed);
    free(s);
}

const char *shared_type(const struct shared *s)
{
    return s->type;
}

size_t shared_len(const struct shared *s)
{
    return s->len;
}

const char *shared_tag(const struct shared *s, bool packed)
{
    return s->tag[packed];
}

char *shared_bytes(struct shared *s, bool *packed, size_t *len)
{
    char *bytes = NULL;

    if (*packed) {
        pthread_mutex_lock(&s->packing);
        if (!s->tried)
            s->packed = gzip_pack(s->text, s->len, &s->packed_len);
        s->tried = true;
        bytes = s->packed;
        pthread_mutex_unlock(&s->packing);
    }
    *packed = bytes != NULL;
    *len = bytes ? s->packed_len : s->len;
    return bytes ? bytes : s->text;
}
