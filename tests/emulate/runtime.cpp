/* tests/emulate/runtime.cpp: as much of the CUDA runtime as gpu/ calls, on a
 * CPU. What is enqueued runs as late as a device may: when somebody waits for
 * its stream, no further than that, and with it only what events say of other
 * streams; so a slot that is filled while its step is on its way, or a result
 * that is fetched too early, shows. (On the stream NULL it runs at once.) New
 * memory is full of nans, so that what was never written
 * shows, too; what may not happen while a graph is captured aborts the program.
 *
 * Of a graph, what other streams do than the one it is captured on is put off
 * until that waits for it, so that a missing event shows; or, with
 * GRADWATCH_EMULATED_EAGER, done as early as the events allow.
 *
 * GRADWATCH_EMULATED_BYTES is the device's memory; at the launch numbered
 * GRADWATCH_EMULATED_LOSS it is lost: that and every later call fails.
 */
#include <launch.cuh>

#include <cstdio>
#include <cstdlib>
#include <list>
#include <map>

typedef std::list<std::function<void()>> work_list;
struct moment { cudaStream_t stream; long number; };    // work up to there
struct pending { std::function<void()> work; long number; moment behind; };

static std::map<cudaStream_t, std::list<pending>> queues;
static std::map<cudaEvent_t, moment> moments;           // outside of graphs
static long numbers;                    // of all that was enqueued
static work_list *capture;              // NULL: nothing is captured
static cudaStream_t captured;           // where the capture began
static std::map<cudaStream_t, work_list> aside;     // of other streams: not yet
                                                    // waited for
static std::map<cudaEvent_t, cudaStream_t> recorded;
static bool eager;                      // then, in the graph: the last work
static std::map<cudaStream_t, work_list::iterator> reached;     // of a stream,
static std::map<cudaEvent_t, work_list::iterator> behind;   // before an event
static std::map<void *, size_t> blocks;
static size_t bytes_held;
static cudaError_t lost;                // sticks
static long launches;

static size_t from_env(const char *name, size_t otherwise)
{
    const char *text = getenv(name);

    return text ? strtoull(text, NULL, 10) : otherwise;
}

static size_t bytes_total()
{
    return from_env("GRADWATCH_EMULATED_BYTES", (size_t)4 << 30);
}

static void not_while_capturing(const char *what)
{
    if (!capture)
        return;
    fprintf(stderr, "%s while a graph is captured\n", what);
    abort();
}

void emulate_enqueue(cudaStream_t stream, std::function<void()> work)
{
    if (!capture && !stream)
        work();
    else if (!capture)
        queues[stream].push_back({ work, ++numbers, { NULL, 0 } });
    else if (stream == captured)
        capture->push_back(work);
    else if (eager)
        reached[stream] = capture->insert(std::next(reached.at(stream)), work);
    else
        aside[stream].push_back(work);
}

// Which of two works of the graph comes later.
static work_list::iterator later(work_list::iterator a, work_list::iterator b)
{
    for (auto i = a; i != capture->end(); ++i)
        if (i == b)
            return b;
    return a;
}

static void run_until(moment m)
{
    std::list<pending> &queue = queues[m.stream];

    while (!queue.empty() && queue.front().number <= m.number) {
        pending next = queue.front();

        queue.pop_front();
        if (next.behind.stream)
            run_until(next.behind);
        if (!lost)
            next.work();
    }
}

static void run_all()
{
    for (auto &queue : queues)
        run_until({ queue.first, numbers });
}

extern "C" {

// ---- memory -----------------------------------------------------------------

cudaError_t cudaMalloc(void **p, size_t bytes)
{
    not_while_capturing("cudaMalloc");
    *p = NULL;
    if (lost)
        return lost;
    if (bytes > bytes_total() - bytes_held)
        return cudaErrorMemoryAllocation;
    if (posix_memalign(p, 256, bytes ? bytes : 1))
        return cudaErrorMemoryAllocation;
    memset(*p, 0xff, bytes);
    blocks[*p] = bytes;
    bytes_held += bytes;
    return cudaSuccess;
}

cudaError_t cudaFree(void *p)
{
    not_while_capturing("cudaFree");
    if (!p)
        return cudaSuccess;
    if (!blocks.count(p))
        return cudaErrorInvalidValue;
    run_all();                          // waits for the device, as CUDA does
    bytes_held -= blocks[p];
    blocks.erase(p);
    free(p);
    return cudaSuccess;
}

cudaError_t cudaHostAlloc(void **p, size_t bytes, unsigned)
{
    not_while_capturing("cudaHostAlloc");
    *p = calloc(1, bytes ? bytes : 1);
    return *p ? cudaSuccess : cudaErrorMemoryAllocation;
}

cudaError_t cudaFreeHost(void *p)
{
    free(p);
    return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t *left, size_t *total)
{
    *total = bytes_total();
    *left = *total - bytes_held;
    return lost;
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes,
                            cudaMemcpyKind, cudaStream_t s)
{
    emulate_enqueue(s, [=] { memmove(to, from, bytes); });
    return lost;
}

cudaError_t cudaMemsetAsync(void *to, int byte, size_t bytes, cudaStream_t s)
{
    emulate_enqueue(s, [=] { memset(to, byte, bytes); });
    return lost;
}

// ---- streams, events, graphs ------------------------------------------------

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *s, unsigned)
{
    *s = (cudaStream_t)malloc(1);
    return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t s)
{
    free(s);
    return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t s)
{
    not_while_capturing("cudaStreamSynchronize");
    run_until({ s, numbers });
    return lost;
}

cudaError_t cudaDeviceSynchronize(void)
{
    not_while_capturing("cudaDeviceSynchronize");
    run_all();
    return lost;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t s, cudaEvent_t e, unsigned)
{
    if (!capture && moments.count(e)) {
        queues[s].push_back({ [] { }, ++numbers, moments[e] });
    } else if (capture && eager && s != captured) {
        bool first = !reached.count(s);
        reached[s] = first ? behind.at(e) : later(reached[s], behind.at(e));
    } else if (capture && s == captured) {
        work_list &late = aside[recorded[e]];

        capture->insert(capture->end(), late.begin(), late.end());
        late.clear();
    }
    return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *e, unsigned)
{
    *e = (cudaEvent_t)malloc(1);
    return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t e)
{
    moments.erase(e);
    free(e);
    return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t s)
{
    if (!capture) {
        moments[e] = { s, ++numbers };
        return lost;
    }
    recorded[e] = s;
    if (eager)
        behind[e] = s == captured ? std::prev(capture->end()) : reached.at(s);
    return lost;
}

cudaError_t cudaEventRecordWithFlags(cudaEvent_t, cudaStream_t, unsigned)
{
    return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t e)
{
    not_while_capturing("cudaEventSynchronize");
    if (moments.count(e))
        run_until(moments[e]);
    return lost;
}

cudaError_t cudaEventElapsedTime(float *millis, cudaEvent_t, cudaEvent_t)
{
    *millis = 1;
    return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t s, cudaStreamCaptureMode)
{
    not_while_capturing("cudaStreamBeginCapture");
    capture = new work_list(1, [] { });
    captured = s;
    eager = getenv("GRADWATCH_EMULATED_EAGER");
    reached.clear();
    return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t, cudaGraph_t *g)
{
    for (auto &stream : aside)
        if (!stream.second.empty()) {
            fprintf(stderr, "a stream is not joined when capture ends\n");
            abort();
        }
    *g = (cudaGraph_t)capture;
    capture = NULL;
    return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *e, cudaGraph_t g,
                                 unsigned long long)
{
    *e = (cudaGraphExec_t) new work_list(*(work_list *)g);
    return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t e, cudaStream_t s)
{
    not_while_capturing("cudaGraphLaunch");
    emulate_enqueue(s, [=] {
        if (++launches == (long)from_env("GRADWATCH_EMULATED_LOSS", 0))
            lost = cudaErrorIllegalAddress;
        for (auto &work : *(work_list *)e)
            if (!lost)
                work();
    });
    return lost;
}

cudaError_t cudaGraphDestroy(cudaGraph_t g)
{
    delete (work_list *)g;
    return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t e)
{
    run_all();
    delete (work_list *)e;
    return cudaSuccess;
}

// ---- device -----------------------------------------------------------------

cudaError_t cudaGetDeviceCount(int *n)
{
    *n = 1;
    return lost;
}

cudaError_t cudaGetDevice(int *device)
{
    *device = 0;
    return cudaSuccess;
}

cudaError_t cudaSetDevice(int)
{
    return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *p, int)
{
    memset(p, 0, sizeof *p);
    snprintf(p->name, sizeof p->name, "emulated on a CPU");
    p->totalGlobalMem = bytes_total();
    p->major = 8;
    return cudaSuccess;
}

cudaError_t cudaGetLastError(void)
{
    return lost;
}

const char *cudaGetErrorString(cudaError_t e)
{
    return e == cudaErrorMemoryAllocation ? "out of memory"
         : e == cudaErrorIllegalAddress ? "an illegal memory access was "
                                          "encountered" : "no error";
}

}
