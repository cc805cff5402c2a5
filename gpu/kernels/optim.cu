/* gpu/kernels/optim.cu: one update of all parameters, by PyTorch's formulas.
 *
 * What an update is made of lies in device memory, so that a captured step
 * follows the learning rate. Kinds are enum optim_kind of model/backend.h. */
#include "gpu/kernels/pack.cuh"

enum { SGD, ADAM, ADAMW };

__device__ static inline float updated_sgd(const struct optim_step &o, float w,
                                           float g, float *m)
{
    float d = g + o.weight_decay * w;

    *m = o.first ? d : o.momentum * *m + d;
    return w - o.lr * *m;
}

__device__ static inline float updated_adam(const struct optim_step &o,
                                            float w, float g, float *m,
                                            float *v)
{
    if (o.kind == ADAMW)
        w -= o.lr * o.weight_decay * w;
    else
        g += o.weight_decay * w;
    *m = o.beta1 * *m + o.rest1 * g;
    *v = o.beta2 * *v + o.rest2 * g * g;
    return w - o.step_size * (*m / (sqrtf(*v) / o.root + o.eps));
}

// memory: reads w, the gradient and m (and v), writes w, m (v, the copy).
template <typename T>
__global__ void __launch_bounds__(THREADS)
optim_kernel(struct optim_block b, const struct optim_step *step)
{
    enum { V = 4 };
    struct optim_step o = *step;

    for (size_t p = first_thread(); p < b.n / V; p += all_threads()) {
        size_t at = p * V;
        bool low = at < b.n_low;
        float w[V], g[V], m[V], v[V] = { 0 };

        load<float, V>(w, b.w, at);
        load<float, V>(m, b.m, at);
        if (b.v)
            load<float, V>(v, b.v, at);
        if (low)
            load<T, V>(g, (const T *)b.low_grad, at);
        else
            load<float, V>(g, b.grad, at - b.n_low);
        for (int i = 0; i < V; i++)
            w[i] = o.kind == SGD ? updated_sgd(o, w[i], g[i], &m[i])
                                 : updated_adam(o, w[i], g[i], &m[i], &v[i]);
        store<float, V>(b.w, at, w);
        store<float, V>(b.m, at, m);
        if (b.v)
            store<float, V>(b.v, at, v);
        if (low && b.copy)
            store<bf16, V>((bf16 *)b.copy, at, w);
    }
}

extern "C" void launch_optim(struct optim_block b,
                             const struct optim_step *step, cudaStream_t stream)
{
    by_pack(b.low, 1, [&](auto t, auto) {
        launch(optim_kernel<decltype(t)>, blocks_for(b.n / 4), dim3(THREADS),
               stream, b, step);
    });
}
