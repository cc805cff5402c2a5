/* gpu/kernels/pack.cuh: numbers of either type, 16 bytes at a time. */
#pragma once
#include <launch.cuh>
#include <type_traits>
#include "gpu/kernels.h"

typedef __nv_bfloat16 bf16;

// V numbers that one instruction loads or stores.
template <typename T, int V> struct alignas(sizeof(T) * V) pack { T at[V]; };

__device__ static inline float to_float(float x) { return x; }
__device__ static inline float to_float(bf16 x) { return __bfloat162float(x); }

template <typename T> __device__ static inline T to(float x);
template <> __device__ inline float to<float>(float x) { return x; }
template <> __device__ inline bf16 to<bf16>(float x)
{
    return __float2bfloat16_rn(x);
}

template <typename T, int V>
__device__ static inline void load(float out[V], const T *x, size_t at)
{
    pack<T, V> p = *reinterpret_cast<const pack<T, V> *>(x + at);

#pragma unroll
    for (int i = 0; i < V; i++)
        out[i] = to_float(p.at[i]);
}

// Rounds in[] to what was stored.
template <typename T, int V>
__device__ static inline void store(T *x, size_t at, float in[V])
{
    pack<T, V> p;

#pragma unroll
    for (int i = 0; i < V; i++) {
        p.at[i] = to<T>(in[i]);
        in[i] = to_float(p.at[i]);
    }
    *reinterpret_cast<pack<T, V> *>(x + at) = p;
}

// x += in, rounded once.
template <typename T, int V>
__device__ static inline void store_added(T *x, size_t at, float in[V])
{
    float old[V];

    load<T, V>(old, x, at);
#pragma unroll
    for (int i = 0; i < V; i++)
        in[i] += old[i];
    store<T, V>(x, at, in);
}

// Calls f with a T and a V: the widest pack that divides `multiple`.
template <typename F>
static void by_pack(enum elem e, size_t multiple, F f)
{
    if (e == ELEM_F32 && multiple % 4 == 0)
        f(float(), std::integral_constant<int, 4>());
    else if (e == ELEM_F32)
        f(float(), std::integral_constant<int, 1>());
    else if (multiple % 8 == 0)
        f(bf16(), std::integral_constant<int, 8>());
    else
        f(bf16(), std::integral_constant<int, 1>());
}

enum { THREADS = 256, MOST_BLOCKS = 4 * 528 };

// One thread a pack of n numbers, in a grid-stride loop.
static inline dim3 blocks_for(size_t n)
{
    size_t blocks = (n + THREADS - 1) / THREADS;

    if (blocks > MOST_BLOCKS)
        blocks = MOST_BLOCKS;
    return dim3(blocks < 1 ? 1u : (unsigned)blocks);
}

__device__ static inline size_t first_thread()
{
    return (size_t)blockIdx.x * blockDim.x + threadIdx.x;
}

__device__ static inline size_t all_threads()
{
    return (size_t)gridDim.x * blockDim.x;
}
