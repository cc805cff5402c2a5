/* tests/emulate/fibers.cpp: a grid of threads on one CPU thread.
 *
 * A fiber is made once, by makecontext(); from then on _setjmp() and
 * _longjmp() switch between it and the scheduler, which takes no system call.
 */
#include <launch.cuh>

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
    while (left > 0) {
        int freed = 0;

        for (int t = 0; t < n_threads; t++) {
            if (fibers[t].state != READY)
                continue;
            resume(t);
            left -= fibers[t].state == DONE;
        }
        for (int t = 0; t < n_threads; t += WARP)
            freed += release(t, t + WARP < n_threads ? t + WARP : n_threads,
                             AT_WARP);
        freed += release(0, n_threads, AT_BLOCK);
        if (left > 0 && freed == 0) {
            fprintf(stderr, "threads of a block wait for each other in "
                    "different places\n");
            abort();
        }
    }
}

void emulate_grid(dim3 grid, dim3 block, const std::function<void()> &thread)
{
    gridDim = grid;
    blockDim = block;
    n_threads = (int)(block.x * block.y * block.z);
    body = &thread;
    if (n_threads < 1 || n_threads > MOST_THREADS) {
        fprintf(stderr, "a block of %d threads\n", n_threads);
        abort();
    }
    for (blockIdx.z = 0; blockIdx.z < grid.z; blockIdx.z++)
        for (blockIdx.y = 0; blockIdx.y < grid.y; blockIdx.y++)
            for (blockIdx.x = 0; blockIdx.x < grid.x; blockIdx.x++)
                run_block();
}
