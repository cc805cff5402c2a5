/* gpu/dnn_cache.h: cuDNN's plans on disk, a file each. A key names device,
 * library and convolution. Files may be deleted at any time. A folder that is
 * NULL, or cannot be made or written, keeps nothing. */
#pragma once
#include <stdbool.h>

// given/cuda; or, where that is NULL, $XDG_CACHE_HOME/gradwatch/cuda
// (~/.cache without it); NULL when there is no place for it. Caller owns.
char *dnn_cache_dir(const char *given);

// The text kept under key, or NULL. The caller frees it.
char *dnn_cache_get(const char *dir, const char *key);
// False when it could not be kept. Replaces a file in one move.
bool  dnn_cache_put(const char *dir, const char *key, const char *text);

// Waits until no other program has the folder to itself; -1 where that cannot
// be had. It is let go by unlock, or when the program ends.
int  dnn_cache_lock(const char *dir);
void dnn_cache_unlock(int lock);
