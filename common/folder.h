/* common/folder.h: what an ImageFolder holds, without opening an image.
 *
 * Classes are the sorted sub-folders of root/path; images are found at any
 * depth below a class, as in Tiny ImageNet's train/<wnid>/images/. A folder
 * with a file val_annotations.txt is Tiny ImageNet's val: each line there names
 * an image of the sub-folder images, a tab, and its class; the classes are
 * those named, sorted. Links that stay beneath the root are followed, others
 * are left out. The order is by class, then by path (bytes), the same on every
 * machine. Nothing outside of the root is ever opened, nor told of: who
 * swaps files and folders for links while they are read finds them left out.
 */
#pragma once
#include <dirent.h>
#include <stdint.h>
#include "common/error.h"

struct folder_image {
    char   *path;               // below folder.dir, owned by the folder
    int     label;              // index of its class
    int64_t bytes, mtime_nanos;
};

struct folder {
    char                *root, *dir;    // absolute, without links
    int                  root_fd;
    char               **classes;       // names
    int                  n_classes;
    struct folder_image *images;
    int64_t              n_images;
};

// What root/path is without links: both ends are the caller's. ERR_DATA when it
// is not there or not beneath the root.
int  folder_resolve(const char *root, const char *path, char **real_root,
                    char **real, struct error *err);
// path may be "". Endings .jpg .jpeg .png in any case count as images.
// ERR_DATA when there is no class or no image; caller frees.
int  folder_scan(const char *root, const char *path, struct folder **out,
                 struct error *err);
// The same, but ERR_LIMIT when it takes longer.
int  folder_scan_within(double seconds, const char *root, const char *path,
                        struct folder **out, struct error *err);
void folder_free(struct folder *f);

// Without a scan: no classes, no images. path may be a file's.
int  folder_open(const char *root, const char *path, struct folder **out,
                 struct error *err);
// Opens a folder below folder.dir, "" itself. NULL: errno says why not.
DIR *folder_open_dir(const struct folder *f, const char *path);
// Opens a regular file for reading, path below folder.dir, unless it is a link
// that leaves the root. The descriptor, or -1 and why not (in static memory).
int  folder_open_file(const struct folder *f, const char *path,
                      const char **why);

// Keeps at most `limit` images, evenly over classes, chosen by
// STREAM_LIMIT and seed; the order stays.
void folder_limit(struct folder *f, int64_t limit, uint64_t seed);
