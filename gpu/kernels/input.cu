/* gpu/kernels/input.cu: bytes of images to the network's input: gathered by
 * index, resized as Pillow does, moved, flipped and normalised in one pass. */
#include "gpu/kernels/pack.cuh"

enum { WEIGHT_BITS = 22 };              // of Pillow's fixed point

struct rgb { int at[3]; };

__device__ static inline int to_byte(int32_t sum)
{
    sum >>= WEIGHT_BITS;
    return sum < 0 ? 0 : sum > 255 ? 255 : sum;
}

// Pixel x of row h of the resized image. Pillow rounds rows to bytes, then
// columns; a pixel here makes the rows that it needs anew.
__device__ static struct rgb across_row(const struct input_args &a,
                                        const uint8_t *image, int h, int x)
{
    const uint8_t *row = image + (size_t)h * a.from_w * 3;
    struct rgb p;

    if (!a.across.first) {
        for (int c = 0; c < 3; c++)
            p.at[c] = row[(size_t)x * 3 + c];
        return p;
    }
    const int32_t *weight = a.across.weight + (size_t)x * a.across.most;
    int first = a.across.first[x], count = a.across.count[x];
    for (int c = 0; c < 3; c++) {
        int32_t sum = 1 << (WEIGHT_BITS - 1);
        for (int k = 0; k < count; k++)
            sum += row[(size_t)(first + k) * 3 + c] * weight[k];
        p.at[c] = to_byte(sum);
    }
    return p;
}

__device__ static struct rgb pixel_at(const struct input_args &a,
                                      const uint8_t *image, int y, int x)
{
    if (!a.down.first)
        return across_row(a, image, y, x);

    const int32_t *weight = a.down.weight + (size_t)y * a.down.most;
    int first = a.down.first[y], count = a.down.count[y];
    int32_t sum[3];
    struct rgb p;
    for (int c = 0; c < 3; c++)
        sum[c] = 1 << (WEIGHT_BITS - 1);
    for (int k = 0; k < count; k++) {
        struct rgb row = across_row(a, image, first + k, x);
        for (int c = 0; c < 3; c++)
            sum[c] += row.at[c] * weight[k];
    }
    for (int c = 0; c < 3; c++)
        p.at[c] = to_byte(sum[c]);
    return p;
}

// Where output pixel (y, x) looks, false for the black outside.
__device__ static bool moved(struct move m, int h, int w, int *y, int *x)
{
    if (m.flip)
        *x = w - 1 - *x;
    *x += m.across;
    *y += m.down;
    return *x >= 0 && *x < w && *y >= 0 && *y < h;
}

// memory: reads the bytes, writes y. A thread a pixel.
template <typename T>
__global__ void __launch_bounds__(THREADS) input_kernel(struct input_args a)
{
    size_t n = (size_t)a.n * a.h * a.w;

    for (size_t i = first_thread(); i < n; i += all_threads()) {
        int x = (int)(i % a.w), y = (int)(i / a.w % a.h);
        int image = (int)(i / a.w / a.h);
        size_t source = (size_t)(a.index ? a.index[image] : image);
        struct rgb p = { { 0, 0, 0 } };
        T *to_pixel = (T *)a.y + i * a.c;

        if (!a.move || moved(a.move[image], a.h, a.w, &y, &x))
            p = pixel_at(a, a.pixels + source * a.from_h * a.from_w * 3, y, x);
        for (int c = 0; c < a.c; c++)
            to_pixel[c] = to<T>(c < 3 ? ((float)p.at[c] / 255.0f - a.mean[c]) /
                                        a.std[c] : 0);
    }
}

extern "C" void launch_input(const struct input_args *a, cudaStream_t stream)
{
    by_pack(a->elem, 1, [&](auto t, auto) {
        launch(input_kernel<decltype(t)>,
               blocks_for((size_t)a->n * a->h * a->w), dim3(THREADS), stream,
               *a);
    });
}
