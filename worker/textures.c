/* worker/textures.c: gradwatch-textures, which writes an ImageFolder of JPEG
 * files to try things on. It belongs to the build and is not installed. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#include <stb_image_write.h>
#pragma GCC diagnostic pop

#include "common/mem.h"
#include "worker/texture.h"

enum { QUALITY = 90, MOST_IMAGES = 100000 };

static const char usage[] =
    "usage: gradwatch-textures DIR [--classes N] [--images N] [--size N] "
    "[--seed N]\n"
    "  writes DIR/texture-000/0000.jpg ...: N images a class (64) of N\n"
    "  classes (10), N px wide and high (48)\n";

static struct option {
    const char *name;
    long        value, least, most;
} options[] = {
    { "--classes", 10, 1, 1000 },
    { "--images", 64, 1, MOST_IMAGES },
    { "--size", 48, 8, 1024 },
    { "--seed", 0, 0, (1L << 53) - 1 },
};
enum { CLASSES, IMAGES, SIZE, SEED, N_OPTIONS };

static int parse_option(const char *name, const char *text)
{
    for (int i = 0; i < N_OPTIONS; i++) {
        struct option *o = &options[i];
        if (strcmp(name, o->name) != 0)
            continue;
        char *end = NULL;
        errno = 0;
        o->value = text ? strtol(text, &end, 10) : 0;
        if (text && end != text && *end == '\0' && errno == 0 &&
            o->value >= o->least && o->value <= o->most)
            return 0;
        fprintf(stderr, "gradwatch-textures: %s must be %ld..%ld, not %s\n",
                name, o->least, o->most, text ? text : "missing");
        return -1;
    }
    fprintf(stderr, "gradwatch-textures: unknown option %s\n%s", name, usage);
    return -1;
}

static int make_dir(const char *path)
{
    if (mkdir(path, 0777) == 0 || errno == EEXIST)
        return 0;
    fprintf(stderr, "gradwatch-textures: cannot make folder %s: %s\n", path,
            strerror(errno));
    return -1;
}

static int write_class(const char *dir, int label, uint8_t *pixels)
{
    int classes = (int)options[CLASSES].value, size = (int)options[SIZE].value;
    char *folder = xasprintf("%s/texture-%03d", dir, label);
    int rc = make_dir(folder);

    for (int i = 0; i < options[IMAGES].value && rc == 0; i++) {
        char *path = xasprintf("%s/%04d.jpg", folder, i);
        texture_render(pixels, size, classes, options[SEED].value,
                       (int64_t)i * classes + label);
        if (!stbi_write_jpg(path, size, size, 3, pixels, QUALITY)) {
            fprintf(stderr, "gradwatch-textures: cannot write %s\n", path);
            rc = -1;
        }
        free(path);
    }
    free(folder);
    return rc;
}

int main(int argc, char **argv)
{
    if (argc < 2 || argv[1][0] == '-') {
        fputs(usage, stderr);
        return 2;
    }
    for (int i = 2; i < argc; i += 2)
        if (parse_option(argv[i], argv[i + 1]) != 0)
            return 2;
    long size = options[SIZE].value;
    uint8_t *pixels = xmalloc((size_t)size * size * 3);
    int rc = make_dir(argv[1]);
    for (int c = 0; c < options[CLASSES].value && rc == 0; c++)
        rc = write_class(argv[1], c, pixels);
    free(pixels);
    return rc == 0 ? 0 : 1;
}
