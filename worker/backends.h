/* worker/backends.h: devices by the names that job specs use.
 *
 * cpu and reference are built in. cuda is a module, libgradwatch-cuda.so,
 * opened when a job asks for it: next to the program, then in the library
 * directory. A machine without it runs the same program.
 */
#pragma once
#include <jansson.h>
#include "common/job.h"
#include "model/backend.h"

// device: auto (the first GPU, else the CPU), cpu, cuda, cuda:N, reference.
// ERR_DEVICE says why there is no such device.
int backend_find(const char *device, const struct backend **out, int *ordinal,
                 struct error *err);

// What a job's precision means there. ERR_SPEC when it has no such precision.
int backend_precision(const struct backend *b, enum job_precision wanted,
                      enum precision *out, struct error *err);

// Name and memory of one device. ERR_DEVICE when it does not answer.
int backend_info(const struct backend *b, int ordinal, struct device_info *out,
                 struct error *err);

// {"devices": [{"backend", "index", "name", "bytes_total", "bytes_free"}, ...],
//  "notes": ["cuda: why there is none", ...]}. Caller owns.
json_t *backends_probe(void);
