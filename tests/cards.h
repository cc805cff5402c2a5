/* tests/cards.h: cards that are described to cuDNN, which plans for them
 * without one. Include after cmocka.h. */
#pragma once
#include <stdlib.h>
#include "common/mem.h"
#include "gpu/dnn_graph.h"

// Public figures of an A100, a GeForce 4090 and an H200; the rest of what cuDNN
// wants to know is the same for all.
struct card { const char *name; int capability, processors, shared, per_sm,
              threads_per_sm, l2; long long memory; };
static const struct card cards[] = {
    { "A100", 800, 108, 166912, 32, 2048, 41943040, 42949672960 },
    { "GeForce RTX 4090", 890, 128, 101376, 24, 1536, 75497472, 25757220864 },
    { "H200", 900, 132, 232448, 32, 2048, 62914560, 150754820096 },
};
enum { CARDS = sizeof cards / sizeof *cards };

static inline cudnnBackendDescriptor_t describe(const struct card *c)
{
    struct error err = { 0 };
    char *json = xasprintf("{\"maxGridSize\":[2147483647,65535,65535],"
        "\"maxBlockSize\":[1024,1024,64],\"regsPerBlock\":65536,"
        "\"multiProcessorCount\":%d,\"warpSize\":32,"
        "\"maxSharedMemoryPerBlock\":49152,"
        "\"maxSharedMemoryPerBlockOptin\":%d,"
        "\"reservedSharedMemoryPerBlock\":1024,\"maxRegistersPerSM\":65536,"
        "\"maxCtasPerSM\":%d,\"maxThreadsPerBlock\":1024,"
        "\"maxThreadsPerSM\":%d,\"pciDeviceId\":0,\"isTccDriver\":0,"
        "\"supportCoopLaunch\":1,\"smClockRateKHz\":1500000,"
        "\"memClockRateKHz\":2000000,\"l2CacheSize\":%d,"
        "\"deviceName\":\"%s\",\"deviceVer\":%d,\"driverVer\":13000,"
        "\"cudaDeviceId\":0,\"totalGlobalMem\":%lld}", c->processors,
        c->shared, c->per_sm, c->threads_per_sm, c->l2, c->name,
        c->capability, c->memory);
    cudnnBackendDescriptor_t d = dnn_properties(json, &err);

    free(json);
    if (!d)
        fail_msg("%s: %s", c->name, err.text);
    return d;
}
