/* gpu/kernels/layout.cu: PyTorch's order outside, channels last inside. */
#include "gpu/kernels/pack.cuh"

// Number i of (n, plane, padded): its place in (n, c, plane), false in padding.
__device__ static inline bool outside(struct layout l, size_t i, size_t *at)
{
    int c = (int)(i % l.padded);
    size_t pixel = i / l.padded;

    *at = (pixel / l.plane * l.c + c) * l.plane + pixel % l.plane;
    return c < l.c;
}

template <typename T>
__global__ void to_inside_kernel(T *y, const float *x, struct layout l)
{
    size_t n = (size_t)l.n * l.plane * l.padded, at;

    for (size_t i = first_thread(); i < n; i += all_threads())
        y[i] = to<T>(outside(l, i, &at) ? x[at] : 0);
}

template <typename T>
__global__ void to_outside_kernel(float *y, const T *x, struct layout l)
{
    size_t n = (size_t)l.n * l.plane * l.padded, at;

    for (size_t i = first_thread(); i < n; i += all_threads())
        if (outside(l, i, &at))
            y[at] = to_float(x[i]);
}

extern "C" void launch_to_inside(void *y, const float *x, struct layout l,
                                 cudaStream_t stream)
{
    by_pack(l.elem, 1, [&](auto t, auto) {
        using T = decltype(t);
        launch(to_inside_kernel<T>, blocks_for(l.n * l.plane * l.padded),
               dim3(THREADS), stream, (T *)y, x, l);
    });
}

extern "C" void launch_to_outside(float *y, const void *x, struct layout l,
                                  cudaStream_t stream)
{
    by_pack(l.elem, 1, [&](auto t, auto) {
        using T = decltype(t);
        launch(to_outside_kernel<T>, blocks_for(l.n * l.plane * l.padded),
               dim3(THREADS), stream, y, (const T *)x, l);
    });
}
