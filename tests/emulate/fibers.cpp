/* tests/emulate/fibers.cpp: a grid of threads on one CPU thread.
 *
 * A fiber is made once, by makecontext(); from then on _setjmp() and
 * _longjmp() switch between it and the scheduler, which takes no system call.
 *
 * Blocks run in order, and so do a block's threads from one meeting to the
 * next; with GRADWATCH_EMULATED_BACKWARDS the last comes first, so that who
 * relies on an order has other results one way or the other. Who lacks a
 * __syncthreads() and has the same ones is found by races.cpp.
 * A grid that a card would not start aborts the program.
 */
#include <launch.cuh>
#include "races.h"

#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <ucontext.h>

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

enum { STACK_BYTES = 64 << 10, MOST_THREADS = 1024, WARP = 32 };
enum state { READY, AT_BLOCK, AT_WARP, DONE };

struct fiber {
    jmp_buf    here;
    bool       made;
    enum state state;
    uint64_t   slot;
};

static struct fiber fibers[MOST_THREADS];
static char stacks[MOST_THREADS][STACK_BYTES];
static jmp_buf scheduler;
static int now, n_threads;              // the running fiber; of the block
static const std::function<void()> *body;
static bool backwards;

static void wait_at(enum state where)
{
    fibers[now].state = where;
    if (_setjmp(fibers[now].here) == 0)
        _longjmp(scheduler, 1);
}

void __syncthreads()
{
    wait_at(AT_BLOCK);
}

uint64_t emulate_shuffle(uint64_t mine, int down)
{
    int me = now, from = me + down;

    fibers[me].slot = mine;
    wait_at(AT_WARP);
    if (me % WARP + down >= WARP || from >= n_threads)
        from = me;
    uint64_t got = fibers[from].slot;
    wait_at(AT_WARP);                   // all have read before slots change
    return got;
}

bool fibers_private(const void *p)
{
    const void *const seen[] = { &threadIdx, &blockIdx, &blockDim, &gridDim };
    const char *at = (const char *)p;

    for (const void *one : seen)
        if (at >= (const char *)one && at < (const char *)one + sizeof(dim3))
            return true;
    return at >= stacks[0] && at < stacks[MOST_THREADS];
}

// A fiber runs one thread after the other, of all blocks.
static void run_threads()
{
    for (;;) {
        (*body)();
        wait_at(DONE);
    }
}

static void enter(int t)
{
    static ucontext_t context, unused;

    fibers[t].made = true;
    getcontext(&context);
    context.uc_stack.ss_sp = stacks[t];
    context.uc_stack.ss_size = STACK_BYTES;
    context.uc_link = NULL;
    makecontext(&context, run_threads, 0);
    swapcontext(&unused, &context);
}

static void resume(int t)
{
    now = t;
    races_thread(t);
    threadIdx.x = (unsigned)t % blockDim.x;
    threadIdx.y = (unsigned)t / blockDim.x % blockDim.y;
    threadIdx.z = (unsigned)t / blockDim.x / blockDim.y;
    if (_setjmp(scheduler) != 0)
        return;
    if (fibers[t].made)
        _longjmp(fibers[t].here, 1);
    enter(t);
}

// Lets the threads first .. last-1 go on if all of them that are left wait in
// the same place; how many.
static int release(int first, int last, enum state where)
{
    int waiting = 0, left = 0;

    for (int t = first; t < last; t++) {
        left += fibers[t].state != DONE;
        waiting += fibers[t].state == where;
    }
    if (waiting == 0 || waiting < left)
        return 0;
    for (int t = first; t < last; t++)
        if (fibers[t].state == where)
            fibers[t].state = READY;
    return waiting;
}

static void run_block()
{
    int left = n_threads;

    for (int t = 0; t < n_threads; t++)
        fibers[t].state = READY;
    races_block();
    while (left > 0) {
        int freed = 0;

        for (int i = 0; i < n_threads; i++) {
            int t = backwards ? n_threads - 1 - i : i;

            if (fibers[t].state != READY)
                continue;
            resume(t);
            left -= fibers[t].state == DONE;
        }
        for (int t = 0; t < n_threads; t += WARP)
            freed += release(t, t + WARP < n_threads ? t + WARP : n_threads,
                             AT_WARP);
        int met = release(0, n_threads, AT_BLOCK);
        if (met)
            races_barrier();
        freed += met;
        if (left > 0 && freed == 0) {
            fprintf(stderr, "threads of a block wait for each other in "
                    "different places\n");
            abort();
        }
    }
}

static void check_limits(dim3 grid, dim3 block)
{
    const unsigned most_x = 0x7fffffff, most = 65535;
    unsigned threads = block.x * block.y * block.z;

    if (grid.x >= 1 && grid.x <= most_x && grid.y >= 1 && grid.y <= most &&
        grid.z >= 1 && grid.z <= most && threads >= 1 &&
        threads <= MOST_THREADS && block.z <= 64)
        return;
    fprintf(stderr, "a grid of %u x %u x %u blocks of %u threads\n", grid.x,
            grid.y, grid.z, threads);
    abort();
}

void emulate_grid(dim3 grid, dim3 block, const std::function<void()> &thread)
{
    uint64_t blocks = (uint64_t)grid.x * grid.y * grid.z;

    check_limits(grid, block);
    gridDim = grid;
    blockDim = block;
    n_threads = (int)(block.x * block.y * block.z);
    body = &thread;
    backwards = getenv("GRADWATCH_EMULATED_BACKWARDS");
    races_grid(n_threads);
    for (uint64_t i = 0; i < blocks; i++) {
        uint64_t b = backwards ? blocks - 1 - i : i;

        blockIdx.x = (unsigned)(b % grid.x);
        blockIdx.y = (unsigned)(b / grid.x % grid.y);
        blockIdx.z = (unsigned)(b / grid.x / grid.y);
        run_block();
    }
    races_thread(-1);
}
