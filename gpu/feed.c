/* gpu/feed.c: a slot is one block of pinned memory and one like it on the
 * device: what the optimizer needs of a step, labels, index, then pixels. */
#include "gpu/feed.h"

#include <stdlib.h>
#include <string.h>
#include "common/mem.h"
#include "gpu/check.h"

enum { ALIGN = 256 };

struct place {                          // one slot
    struct slot   seam;                 // points into pinned
    char         *pinned, *device;
    cudaEvent_t   sent;
};

struct feed {
    struct place *places;               // by slot
    size_t        labels, index, move, pixels, bytes;   // offsets in a block;
                                        // its end
    float        *values;               // (n, c, h, w) on the device, when
                                        // a slot came with values once
    size_t        row_bytes;            // of results
    char         *ring, *fetched;       // a row a slot: device, pinned
    cudaEvent_t   here;                 // the rows are in `fetched`
};

static size_t rounded(size_t bytes)
{
    return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

// Offsets in a block.
static struct feed shape_of(const struct gpu_plan *p)
{
    const struct graph *g = p->base.graph;
    size_t n = (size_t)graph_shape(g, g->input).n;
    struct feed f = { .labels = rounded(sizeof(struct optim_step)) };

    f.index = f.labels + rounded(n * sizeof(int32_t));
    f.move = f.index + rounded(n * sizeof(int32_t));
    f.pixels = f.move + rounded(n * sizeof(struct move));
    f.bytes = f.pixels + rounded((size_t)graph_elements(g, g->input));
    f.row_bytes = rounded(sizeof(struct score) +
                          (size_t)g->n_taps * sizeof(double));
    return f;
}

size_t feed_bytes(const struct gpu_plan *p)
{
    struct feed f = shape_of(p);

    return (f.bytes + f.row_bytes) * (size_t)p->base.opts.slots;
}

// ---- open, close ------------------------------------------------------------

static int place_open(struct gpu_plan *p, struct place *at, struct error *err)
{
    const struct feed *f = p->feed;
    int rc = 0;

    CUDA_TRY(cudaHostAlloc((void **)&at->pinned, f->bytes,
                           cudaHostAllocDefault));
    CUDA_TRY(cudaMalloc((void **)&at->device, f->bytes));
    CUDA_TRY(cudaEventCreateWithFlags(&at->sent, cudaEventDisableTiming));
    memset(at->pinned, 0, f->bytes);
    at->seam = (struct slot){
        .labels = (int32_t *)(at->pinned + f->labels),
        .index = (int32_t *)(at->pinned + f->index),
        .move = (struct move *)(at->pinned + f->move),
        .pixels = (uint8_t *)(at->pinned + f->pixels) };
out:
    return rc;
}

static int ring_open(struct feed *f, int slots, struct error *err)
{
    size_t bytes = f->row_bytes * (size_t)slots;
    int rc = 0;

    CUDA_TRY(cudaMalloc((void **)&f->ring, bytes));
    CUDA_TRY(cudaHostAlloc((void **)&f->fetched, bytes, cudaHostAllocDefault));
    // Who waits sleeps: a thread that spins would take a core from those that
    // read images.
    CUDA_TRY(cudaEventCreateWithFlags(&f->here, cudaEventDisableTiming |
                                      cudaEventBlockingSync));
out:
    return rc;
}

int feed_open(struct gpu_plan *p, struct error *err)
{
    int rc = 0, slots = p->base.opts.slots;

    p->feed = xcalloc(1, sizeof *p->feed);
    *p->feed = shape_of(p);
    p->feed->places = xcalloc((size_t)slots, sizeof *p->feed->places);
    for (int i = 0; i < slots && !rc; i++)
        rc = place_open(p, &p->feed->places[i], err);
    return rc ? rc : ring_open(p->feed, slots, err);
}

void feed_close(struct gpu_plan *p)
{
    struct feed *f = p->feed;

    if (!f)
        return;
    for (int i = 0; i < p->base.opts.slots; i++) {
        struct place *at = &f->places[i];

        cudaFreeHost(at->pinned);
        cudaFree(at->device);
        if (at->sent)
            cudaEventDestroy(at->sent);
    }
    if (f->here)
        cudaEventDestroy(f->here);
    cudaFreeHost(f->fetched);
    cudaFree(f->ring);
    cudaFree(f->values);
    free(f->places);
    free(f);
    p->feed = NULL;
}

struct slot *feed_slot(const struct gpu_plan *p, int slot)
{
    return &p->feed->places[slot].seam;
}

// ---- results ----------------------------------------------------------------

struct score *feed_row(const struct gpu_plan *p, int slot)
{
    return (struct score *)(p->feed->ring +
                            (size_t)slot * p->feed->row_bytes);
}

const struct score *feed_fetched(const struct gpu_plan *p, int slot)
{
    return (const struct score *)(p->feed->fetched +
                                  (size_t)slot * p->feed->row_bytes);
}

// All rows in one copy: of slots that are still on their way it brings what
// nobody reads.
int feed_fetch(struct gpu_plan *p, cudaEvent_t end, struct error *err)
{
    struct feed *f = p->feed;
    cudaStream_t stream = p->store->fetching;
    int rc = 0;

    CUDA_TRY(cudaStreamWaitEvent(stream, end, 0));
    CUDA_TRY(cudaMemcpyAsync(f->fetched, f->ring,
                             f->row_bytes * (size_t)p->base.opts.slots,
                             cudaMemcpyDeviceToHost, stream));
    CUDA_TRY(cudaEventRecord(f->here, stream));
    CUDA_TRY(cudaEventSynchronize(f->here));
out:
    return rc;
}

// ---- images -----------------------------------------------------------------

int feed_reside(struct gpu_plan *p, const struct images *im, struct error *err)
{
    struct shape s = graph_shape(p->base.graph, p->base.graph->input);

    if (s.c != 3)
        return 0;
    return resident_take(&p->store->resident, im, s.h, s.w, plan_stream(p),
                         err);
}

enum source feed_source(const struct gpu_plan *p, int slot)
{
    const struct slot *s = &p->feed->places[slot].seam;

    return s->values ? SOURCE_VALUES
         : s->by_index ? SOURCE_RESIDENT : SOURCE_PIXELS;
}

static char *device_of(const struct gpu_plan *p)
{
    return p->feed->places[p->slot].device;
}

const int32_t *feed_labels(const struct gpu_plan *p)
{
    return (const int32_t *)(device_of(p) + p->feed->labels);
}

const struct optim_step *feed_step(const struct gpu_plan *p)
{
    return (const struct optim_step *)device_of(p);
}

static void input_from_pixels(struct gpu_plan *p, const struct buffer *y,
                              struct input at)
{
    const struct resident *r = &p->store->resident;
    struct input_args a = { .y = y->data, .elem = y->elem, .n = y->shape.n,
        .h = y->shape.h, .w = y->shape.w, .c = y->c };

    if (p->source == SOURCE_RESIDENT) {
        a.pixels = r->pixels;
        a.from_h = r->h;
        a.from_w = r->w;
        a.down = r->down;
        a.across = r->across;
        a.index = (const int32_t *)(device_of(p) + p->feed->index);
        a.move = (const struct move *)(device_of(p) + p->feed->move);
    } else {
        a.pixels = (const uint8_t *)(device_of(p) + p->feed->pixels);
        a.from_h = a.h;
        a.from_w = a.w;
    }
    for (int c = 0; c < 3; c++) {
        a.mean[c] = at.mean[c];
        a.std[c] = at.std[c];
    }
    launch_input(&a, plan_stream(p));
}

void feed_input(struct gpu_plan *p, const struct buffer *y, struct input at)
{
    struct shape s = y->shape;
    struct layout l = { y->elem, s.n, s.c, y->c, (size_t)s.h * (size_t)s.w };

    if (p->source == SOURCE_VALUES)
        launch_to_inside(y->data, p->feed->values, l, plan_stream(p));
    else
        input_from_pixels(p, y, at);
}

// ---- a step -----------------------------------------------------------------

// Parity checks only: memory for them is taken when the first one comes.
static int send_values(struct gpu_plan *p, const float *values,
                       struct error *err)
{
    const struct graph *g = p->base.graph;
    size_t bytes = (size_t)graph_elements(g, g->input) * sizeof(float);
    int rc = 0;

    if (!p->feed->values)
        CUDA_TRY(cudaMalloc((void **)&p->feed->values, bytes));
    CUDA_TRY(cudaMemcpyAsync(p->feed->values, values, bytes,
                             cudaMemcpyHostToDevice, plan_stream(p)));
out:
    return rc;
}

int feed_send(struct gpu_plan *p, int slot, enum source source,
              struct optim_step step, struct error *err)
{
    struct feed *f = p->feed;
    struct place *at = &f->places[slot];
    size_t bytes = source == SOURCE_PIXELS ? f->bytes : f->pixels;
    int rc = 0;

    if (source == SOURCE_VALUES &&
        (rc = send_values(p, at->seam.values, err)) != 0)
        return rc;
    memcpy(at->pinned, &step, sizeof step);
    CUDA_TRY(cudaMemcpyAsync(at->device, at->pinned, bytes,
                             cudaMemcpyHostToDevice, p->store->copying));
    CUDA_TRY(cudaEventRecord(at->sent, p->store->copying));
    CUDA_TRY(cudaStreamWaitEvent(plan_stream(p), at->sent, 0));
out:
    return rc;
}
