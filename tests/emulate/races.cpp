/* tests/emulate/races.cpp: whether anything stands between two threads that
 * touch the same byte, one of them writing.
 *
 * The kernels of the tests named _races are compiled with -fsanitize=thread: at
 * each load and store they call a function at the end of this file, in place of
 * that sanitizer's own runtime. Of two threads of a block one must have passed
 * a __syncthreads() that the other passed after its access (a shuffle does not
 * count: it orders no memory). Of two blocks of a grid: access,
 * __threadfence(), __syncthreads(), an atomicAdd(); in the other block a later
 * one on the same counter, __syncthreads(), __threadfence(), access. And what a
 * block reads of shared memory it must have written. Else the program says so
 * and aborts.
 *
 * Static memory is a block's shared memory, all other memory the device's.
 */
#include "races.h"

#include <launch.cuh>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <vector>

enum { PAGE = 4096, RECENT = 1024, MANY = 0xffff };

typedef uint32_t moment;                // counts what orders accesses

struct touch { moment when; uint16_t thread; };         // when 0: never
struct cell { touch write, read; };     // of a byte, the latest of this grid
struct page { cell cells[PAGE]; };
struct found_page { uintptr_t number; page *at; };

struct block {
    moment begin;
    const void *counter;                // of its atomicAdd(), or NULL
    moment counted;
    int    counter_thread;
    std::vector<moment> fenced;         // by thread, as seen by that
};

static std::map<uintptr_t, std::unique_ptr<page>> pages;
static found_page recent[RECENT];       // of pages, by number
static std::vector<block> blocks;       // of this grid, so far
static std::vector<moment> fences;      // by thread of the block, the last one
static moment clock_now, barrier;
static int me = -1;

// The linker's: a program's static memory. A module has none, and does not look
// at races.
extern "C" __attribute__((weak)) char __data_start, _end;

// ---- what orders ------------------------------------------------------------

void races_grid(int threads)
{
    pages.clear();
    memset(recent, 0, sizeof recent);
    blocks.clear();
    fences.assign((size_t)threads, 0);
    clock_now = 0;
}

void races_block()
{
    barrier = ++clock_now;
    std::fill(fences.begin(), fences.end(), 0);
    blocks.push_back({ barrier, NULL, 0, -1, {} });
}

void races_thread(int t)
{
    me = t;
}

void races_barrier()
{
    barrier = ++clock_now;
}

void __threadfence()
{
    fences[(size_t)me] = ++clock_now;
}

unsigned atomicAdd(unsigned *x, unsigned y)
{
    unsigned old = *x;
    block &b = blocks.back();

    b.fenced = fences;
    for (size_t t = 0; t < fences.size(); t++)
        if (fences[t] > barrier && (int)t != me)
            b.fenced[t] = 0;            // the counting thread cannot know
    b.counter = x;
    b.counter_thread = me;
    b.counted = ++clock_now;
    *x += y;
    return old;
}

static bool between_threads(touch t)
{
    return t.thread == me || t.when < barrier;
}

static bool between_blocks(touch t)
{
    const block &mine = blocks.back();
    auto next = std::upper_bound(blocks.begin(), blocks.end(), t.when,
        [](moment when, const block &b) { return when < b.begin; });
    const block &other = *(next - 1);
    bool heard = me == mine.counter_thread || barrier > mine.counted;

    return mine.counter && mine.counter == other.counter && heard &&
           fences[(size_t)me] > std::max(mine.counted,
               me == mine.counter_thread ? 0 : barrier) &&
           t.thread != MANY && other.fenced[t.thread] > t.when;
}

// ---- accesses ---------------------------------------------------------------

[[noreturn]] static void report(const char *what, touch other)
{
    fprintf(stderr, "block %zu: thread %d %s (thread %d)\n", blocks.size() - 1,
            me, what, other.thread == MANY ? -1 : other.thread);
    abort();
}

static void check(touch t, const char *what)
{
    if (t.when == 0)
        return;
    if (t.when >= blocks.back().begin ? !between_threads(t)
                                      : !between_blocks(t))
        report(what, t);
}

static cell &cell_of(uintptr_t at)
{
    uintptr_t number = at / PAGE;
    found_page &r = recent[number % RECENT];

    if (r.number != number) {
        std::unique_ptr<page> &p = pages[number];

        if (!p)
            p.reset(new page());
        r = { number, p.get() };
    }
    return r.at->cells[at % PAGE];
}

static void on_byte(uintptr_t at, bool writes)
{
    bool shared = at >= (uintptr_t)&__data_start && at < (uintptr_t)&_end;
    cell &c = cell_of(at);
    moment begin = blocks.back().begin;
    touch mine = { clock_now, (uint16_t)me };

    if (shared && c.write.when < begin)     // another block's memory
        c = cell();
    if (shared && !writes && c.write.when == 0)
        report("reads shared memory that its block has not written", mine);
    check(c.write, writes ? "writes what another thread wrote"
                          : "reads what another thread wrote");
    if (writes) {
        check(c.read, "writes what another thread reads");
        c.write = mine;
        return;
    }
    if (c.read.when >= barrier && c.read.thread != me)
        mine.thread = MANY;
    c.read = mine;
}

static void on_access(const void *p, size_t bytes, bool writes)
{
    if (me < 0 || fibers_private(p))
        return;
    for (size_t i = 0; i < bytes; i++)
        on_byte((uintptr_t)p + i, writes);
}

// ---- what the compiler calls ------------------------------------------------

extern "C" {

#define BOTH(name, bytes)                                                      \
    void __tsan_##name##read##bytes(void *p) { on_access(p, bytes, false); }   \
    void __tsan_##name##write##bytes(void *p) { on_access(p, bytes, true); }
BOTH(, 1) BOTH(, 2) BOTH(, 4) BOTH(, 8) BOTH(, 16)
BOTH(unaligned_, 2) BOTH(unaligned_, 4) BOTH(unaligned_, 8)
BOTH(unaligned_, 16)
#undef BOTH

void __tsan_read_range(void *p, size_t n) { on_access(p, n, false); }
void __tsan_write_range(void *p, size_t n) { on_access(p, n, true); }
void __tsan_func_entry(void *) { }
void __tsan_func_exit(void) { }
void __tsan_init(void) { }

}
