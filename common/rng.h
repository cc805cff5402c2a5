/* common/rng.h: randomness by counter. Every number comes from
 * splitmix64 keyed by (seed, stream, index); nothing is carried from one draw
 * to the next, so a seed means the same numbers on every machine, with any
 * number of threads, after any restart. docs/randomness.md lists the streams.
 *
 * splitmix64: Steele, Lea, Flood, "Fast splittable pseudorandom number
 * generators", OOPSLA 2014.
 */
#pragma once
#include <stdint.h>

// Streams 0..65535 belong to the parameters, by position in PyTorch's
// named_parameters(); 65536 + t and 131072 + t to inputs and labels of step t
// in parity tests. The project's own start above 2^20, one block of 2^32 each;
// what an epoch or an image number is added to.
#define STREAM_ORDER    (UINT64_C(1) << 32)     // + epoch: order of the images
#define STREAM_SAMPLE   (UINT64_C(2) << 32)     // + epoch * 65536 + tap
#define STREAM_AUGMENT  (UINT64_C(3) << 32)     // + epoch: flip and crop
#define STREAM_TEXTURE  (UINT64_C(4) << 32)     // + class: its colour pattern
#define STREAM_NOISE    (UINT64_C(5) << 32)     // + image: its noise
#define STREAM_LIMIT    (UINT64_C(6) << 32)     // + class: which images stay
#define STREAM_SPLIT    (UINT64_C(7) << 32)     // + class: validation split
#define STREAM_BOOTSTRAP (UINT64_C(8) << 32)    // + layer: compare's resamples

static inline uint64_t rng_mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static inline uint64_t rng_key(uint64_t seed, uint64_t stream)
{
    return rng_mix(seed + UINT64_C(0x9E3779B97F4A7C15) * (stream + 1));
}

static inline uint64_t rng_bits(uint64_t seed, uint64_t stream, uint64_t index)
{
    return rng_mix(rng_key(seed, stream) +
                   UINT64_C(0x9E3779B97F4A7C15) * (index + 1));
}

// In [-1, 1), a multiple of 2^-23: exact in float and in double.
static inline double rng_unit(uint64_t seed, uint64_t stream, uint64_t index)
{
    return (double)(rng_bits(seed, stream, index) >> 40) * 0x1p-23 - 1.0;
}
