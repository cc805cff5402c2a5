/* worker/stb.c: the one place that compiles stb_image, with the two formats
 * that are used, no way to open files, and an allowance of memory. */
#include "worker/image_memory.h"

#define STB_IMAGE_IMPLEMENTATION
#define STBI_ONLY_PNG
#define STBI_ONLY_JPEG
#define STBI_NO_STDIO
#define STBI_MAX_DIMENSIONS 65535
#define STBI_MALLOC(bytes) image_memory_take(bytes)
#define STBI_REALLOC_SIZED(p, now, bytes) image_memory_resize(p, now, bytes)
#define STBI_FREE(p) image_memory_give(p)
#include <stb_image.h>
