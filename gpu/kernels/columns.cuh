/* gpu/kernels/columns.cuh: work on the columns of a matrix (rows, c).
 *
 * A block is `across` threads wide, one pack of channels each, and `down`
 * high. It owns a slab of across * V columns and a range of rows; blockIdx.y is
 * the slab, blockIdx.x the range. Eight packs are 128 bytes of a row: whole
 * lines of the cache, and few enough columns that the last block can add up
 * the partial sums of all ranges quickly.
 */
#pragma once
#include "gpu/kernels/pack.cuh"

enum { ACROSS = 8 };

struct columns {
    size_t rows, rows_per_block;
    int    c, across, down, slabs, ranges;
};

static inline int pack_of(enum elem e, int c)
{
    return c % elem_pack(e) == 0 ? elem_pack(e) : 1;
}

// most: blocks in all, about. Depends on sizes only, never on the card.
static inline struct columns columns_of(struct grid g, int most)
{
    int packs = g.c / pack_of(g.elem, g.c);
    struct columns a = {};

    a.rows = g.rows;
    a.c = g.c;
    a.across = packs < ACROSS ? packs : (int)ACROSS;
    a.down = THREADS / a.across;
    a.slabs = (packs + a.across - 1) / a.across;
    size_t at_least = (size_t)a.down * 4;       // four rows a thread
    size_t ranges = (g.rows + at_least - 1) / at_least;
    size_t limit = a.slabs < most ? most / a.slabs : 1;
    if (ranges > limit)
        ranges = limit;
    if (ranges < 1)
        ranges = 1;
    a.rows_per_block = (g.rows + ranges - 1) / ranges;
    a.ranges = (int)((g.rows + a.rows_per_block - 1) / a.rows_per_block);
    return a;
}

static inline dim3 grid_of(struct columns a)
{
    return dim3((unsigned)a.ranges, (unsigned)a.slabs);
}

static inline dim3 block_of(struct columns a)
{
    return dim3((unsigned)a.across, (unsigned)a.down);
}

// Where a thread stands. idle: right of the last column.
struct place {
    size_t first, last;         // rows first .. last-1, each down-th is its own
    int    c;                   // first of its V columns
    bool   idle;
};

template <int V>
__device__ static inline struct place place_of(struct columns a)
{
    struct place p;

    p.c = ((int)blockIdx.y * a.across + (int)threadIdx.x) * V;
    p.idle = p.c >= a.c;
    p.first = blockIdx.x * a.rows_per_block;
    p.last = p.first + a.rows_per_block;
    if (p.last > a.rows)
        p.last = a.rows;
    return p;
}

// Adds x over the threads above each other; threadIdx.y 0 has the sums then.
// room is shared, THREADS * V floats. Every thread of the block calls it, and
// may again at once: in the end each has read no numbers but its own.
template <int V>
__device__ static inline void sum_down(float x[V], float *room)
{
    int width = (int)blockDim.x * V;
    float *mine = room + (int)threadIdx.y * width + (int)threadIdx.x * V;

    for (int i = 0; i < V; i++)
        mine[i] = x[i];
    __syncthreads();
    for (int n = (int)blockDim.y; n > 1;) {
        int half = (n + 1) / 2;

        if ((int)threadIdx.y < n - half)
            for (int i = 0; i < V; i++)
                mine[i] += mine[half * width + i];
        __syncthreads();
        n = half;
    }
    for (int i = 0; i < V; i++)
        x[i] = mine[i];
}

// Whether this is the last block of its slab to arrive: then what all of them
// wrote before can be read. Puts the counter back to 0.
__device__ static inline bool last_block(unsigned *counter, int ranges)
{
    __shared__ bool last;

    __threadfence();
    __syncthreads();
    if (threadIdx.x == 0 && threadIdx.y == 0) {
        last = atomicAdd(&counter[blockIdx.y], 1u) == (unsigned)ranges - 1;
        if (last)
            counter[blockIdx.y] = 0;
    }
    __syncthreads();
    __threadfence();
    return last;
}

// Adds two numbers per column over the ranges, in double: term(range, column)
// gives them as a double2, done(column, sums) gets the result. Every thread of
// the last block calls it.
template <int V, typename Term, typename Done>
__device__ static inline void sum_ranges(struct columns a, Term term, Done done)
{
    __shared__ double2 room[THREADS];
    int width = a.across * V, parts = (a.across * a.down) / width;
    int t = (int)threadIdx.y * a.across + (int)threadIdx.x;
    int part = t / width, c = (int)blockIdx.y * width + t % width;
    bool mine = part < parts && c < a.c;
    double2 sum = make_double2(0, 0);

    for (int range = part; mine && range < a.ranges; range += parts) {
        double2 x = term(range, c);
        sum.x += x.x;
        sum.y += x.y;
    }
    room[t] = sum;
    __syncthreads();
    if (!mine || part > 0)
        return;
    for (int i = 1; i < parts; i++) {
        sum.x += room[t + i * width].x;
        sum.y += room[t + i * width].y;
    }
    done(c, sum);
}
