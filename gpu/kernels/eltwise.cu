/* gpu/kernels/eltwise.cu: number by number. memory: what the signature says. */
#include "gpu/kernels/pack.cuh"

extern "C" size_t elem_bytes(enum elem e)
{
    return e == ELEM_F32 ? sizeof(float) : sizeof(bf16);
}

extern "C" int elem_pack(enum elem e)
{
    return (int)(16 / elem_bytes(e));
}

// Starts kernel<T, V> with a thread a pack of n numbers.
#define LAUNCH_EACH(kernel, e, n, stream, ...)                                 \
    by_pack(e, n, [&](auto t, auto v) {                                        \
        using T = decltype(t);                                                 \
        constexpr int V = decltype(v)::value;                                  \
        launch(kernel<T, V>, blocks_for((n) / V), dim3(THREADS), stream,       \
               __VA_ARGS__);                                                   \
    })

template <typename T, int V>
__global__ void relu_kernel(T *y, const T *x, size_t packs)
{
    for (size_t p = first_thread(); p < packs; p += all_threads()) {
        float v[V];

        load<T, V>(v, x, p * V);
        for (int i = 0; i < V; i++)
            v[i] = v[i] <= 0 ? 0 : v[i];        // nan stays nan
        store<T, V>(y, p * V, v);
    }
}

extern "C" void launch_relu(void *y, const void *x, enum elem e, size_t n,
                            cudaStream_t stream)
{
    LAUNCH_EACH(relu_kernel, e, n, stream, (T *)y, (const T *)x, n / V);
}

template <typename T, int V>
__global__ void relu_back_kernel(T *dx, bool adds, const T *dy, const T *y,
                                 size_t packs)
{
    for (size_t p = first_thread(); p < packs; p += all_threads()) {
        float g[V], v[V];

        load<T, V>(g, dy, p * V);
        load<T, V>(v, y, p * V);
        for (int i = 0; i < V; i++)
            g[i] = v[i] <= 0 ? 0 : g[i];
        if (adds)
            store_added<T, V>(dx, p * V, g);
        else
            store<T, V>(dx, p * V, g);
    }
}

extern "C" void launch_relu_back(void *dx, bool adds, const void *dy,
                                 const void *y, enum elem e, size_t n,
                                 cudaStream_t stream)
{
    LAUNCH_EACH(relu_back_kernel, e, n, stream, (T *)dx, adds, (const T *)dy,
                (const T *)y, n / V);
}

template <typename T, int V>
__global__ void add_kernel(T *y, const T *a, const T *b, size_t packs)
{
    for (size_t p = first_thread(); p < packs; p += all_threads()) {
        float v[V], w[V];

        load<T, V>(v, a, p * V);
        load<T, V>(w, b, p * V);
        for (int i = 0; i < V; i++)
            v[i] += w[i];
        store<T, V>(y, p * V, v);
    }
}

extern "C" void launch_add(void *y, const void *a, const void *b, enum elem e,
                           size_t n, cudaStream_t stream)
{
    LAUNCH_EACH(add_kernel, e, n, stream, (T *)y, (const T *)a, (const T *)b,
                n / V);
}

extern "C" void launch_copy(void *y, const void *x, enum elem e, size_t n,
                            cudaStream_t stream)
{
    launch_cast(y, e, x, e, n, stream);
}

template <typename To, typename From>
__global__ void cast_kernel(To *y, const From *x, size_t n)
{
    for (size_t i = first_thread(); i < n; i += all_threads())
        y[i] = to<To>(to_float(x[i]));
}

extern "C" void launch_cast(void *y, enum elem to, const void *x,
                            enum elem from, size_t n, cudaStream_t stream)
{
    by_pack(to, 1, [&](auto t, auto) {
        using To = decltype(t);
        by_pack(from, 1, [&](auto f, auto) {
            using From = decltype(f);
            launch(cast_kernel<To, From>, blocks_for(n), dim3(THREADS), stream,
                   (To *)y, (const From *)x, n);
        });
    });
}

// Steele, Lea, Flood's splitmix64, as common/rng.h has it.
__device__ static inline uint64_t mixed(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

template <typename T, int V>
__global__ void fill_kernel(T *y, size_t packs, uint64_t seed)
{
    for (size_t p = first_thread(); p < packs; p += all_threads()) {
        float v[V];

        for (int i = 0; i < V; i++) {
            uint64_t bits = mixed(seed + UINT64_C(0x9E3779B97F4A7C15) *
                                  (p * V + i + 1));
            v[i] = (float)(int32_t)(bits >> 40) * 0x1p-23f - 1.0f;
        }
        store<T, V>(y, p * V, v);
    }
}

extern "C" void launch_fill(void *y, enum elem e, size_t n, uint64_t seed,
                            cudaStream_t stream)
{
    LAUNCH_EACH(fill_kernel, e, n, stream, (T *)y, n / V, seed);
}
