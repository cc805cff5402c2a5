/* worker/safetensors.h: the safetensors file format, strictly.
 *
 * 8 bytes little-endian length of the header; the header, a JSON object of
 * {"dtype", "shape", "data_offsets": [begin, end]} by tensor name and of texts
 * under "__metadata__", perhaps with spaces behind it; then the numbers, little
 * endian, without holes or overlaps. A file that is anything else is refused
 * with what is wrong; nothing in it is believed before it is checked.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <jansson.h>
#include "common/error.h"

enum {
    ST_DIMS = 8,
    ST_MOST_TENSORS = 1 << 16,
    ST_MOST_HEADER = 16 << 20,          // bytes
};

// Rows: name in the file, bytes of a number.
#define ST_TYPES(X)                                                            \
    X(BOOL, 1) X(U8, 1) X(I8, 1) X(I16, 2) X(U16, 2) X(F16, 2) X(BF16, 2)      \
    X(I32, 4) X(U32, 4) X(F32, 4) X(F64, 8) X(I64, 8) X(U64, 8)
#define X(name, size) ST_##name,
enum st_type { ST_TYPES(X) ST_TYPE_COUNT };
#undef X

struct st_tensor {
    char        *name;                  // owned
    enum st_type type;
    int          n_dims;                // 0 = one number
    int64_t      dims[ST_DIMS];
    uint64_t     begin, end;            // bytes behind the header
};

struct st_header {
    struct st_tensor *tensors;          // in the order of their data
    int               n;
    json_t           *metadata;         // object of strings, perhaps empty
    uint64_t          data_at;          // where the data begins in the file
    uint64_t          data_bytes;
};

// Bytes of a tensor, from its type and dims; -1 when they are too many.
int64_t st_bytes(const struct st_tensor *t);

// Writing: the header of a file with these tensors, one behind the other, whose
// begin and end are filled. With its 8 bytes in front; caller owns.
uint8_t *st_write_header(struct st_tensor *tensors, int n,
                         const json_t *metadata, size_t *len);

// Reading: a file, open from its start, whose header is checked against its
// size. ERR_DATA says what is wrong with it. st_header_clear() in any case.
int  st_read_header(int fd, struct st_header *out, struct error *err);
const struct st_tensor *st_find(const struct st_header *h, const char *name);
int  st_read(int fd, const struct st_header *h, const struct st_tensor *t,
             void *dst, struct error *err);
void st_header_clear(struct st_header *h);
