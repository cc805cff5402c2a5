/* gpu/dnn_cache.h: cuDNN's plans on disk, a file each, in
 * $XDG_CACHE_HOME/gradwatch/cuda (~/.cache without it). A key names device,
 * library and convolution. Files may be deleted at any time. */
#pragma once
#include <stdbool.h>

// The text kept under key, or NULL. The caller frees it.
char *dnn_cache_get(const char *key);
// False when it could not be kept. Replaces a file in one move, so two
// programs at once do no harm.
bool  dnn_cache_put(const char *key, const char *text);
