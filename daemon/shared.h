/* daemon/shared.h: the text of an answer that is given more than once: tagged
 * and packed once, and freed when nobody keeps or sends it any more. Any
 * thread. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

enum { SHARED_TAG = 24 };       // room of an ETag

struct shared;

// Takes text; type is static. With one reference, the caller's.
struct shared *shared_new(const char *type, char *text, size_t len);
// One more reference; returns s.
struct shared *shared_hold(struct shared *s);
void           shared_drop(struct shared *s);

const char *shared_type(const struct shared *s);
size_t      shared_len(const struct shared *s);         // as it is
const char *shared_tag(const struct shared *s, bool packed);
// Its bytes, with `packed` by gzip unless that makes them no fewer (then
// *packed becomes false). They live as long as s.
char       *shared_bytes(struct shared *s, bool *packed, size_t *len);

// An ETag of what is said: a hash of the text. `packed` is another one, to
// caches.
void tag_of(const char *text, size_t len, bool packed, char out[SHARED_TAG]);
