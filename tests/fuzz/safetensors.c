// A checkpoint's container: no header makes the reader leave the file.
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/mem.h"
#include "worker/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct st_header h;
    struct error err = { 0 };
    int fd = memfd_create("safetensors", 0);

    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    lseek(fd, 0, SEEK_SET);
    int rc = st_read_header(fd, &h, &err);
    if (rc && !*err.text)
        abort();
    for (int i = 0; i < h.n && !rc; i++) {
        const struct st_tensor *t = &h.tensors[i];
        int64_t bytes = st_bytes(t);
        if (bytes < 0 || h.data_at + t->end > size ||
            (uint64_t)bytes != t->end - t->begin || st_find(&h, t->name) != t)
            abort();
        void *to = xmalloc((size_t)bytes + 1);
        if (st_read(fd, &h, t, to, &err) != 0)
            abort();
        free(to);
    }
    st_header_clear(&h);
    close(fd);
    return 0;
}
