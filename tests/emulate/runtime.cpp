/* tests/emulate/runtime.cpp: as much of the CUDA runtime as gpu/ calls, on a
 * CPU. New memory is full of nans, so that what was never written shows;
 * what may not happen while a graph is captured aborts the program. */
#include <launch.cuh>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <vector>

typedef std::vector<std::function<void()>> work_list;

static work_list *capture;              // NULL: everything runs at once
static cudaStream_t captured;           // where the capture began
static std::map<cudaStream_t, work_list> aside;     // of other streams: not yet
                                                    // waited for
static std::map<cudaEvent_t, cudaStream_t> recorded;
static std::map<void *, size_t> blocks;
static size_t bytes_held;
static const size_t BYTES_TOTAL = (size_t)4 << 30;

static void not_while_capturing(const char *what)
{
    if (!capture)
        return;
    fprintf(stderr, "%s while a graph is captured\n", what);
    abort();
}

void emulate_enqueue(cudaStream_t stream, std::function<void()> work)
{
    if (!capture)
        work();
    else if (stream == captured)
        capture->push_back(work);
    else
        aside[stream].push_back(work);
}

extern "C" {

// ---- memory -----------------------------------------------------------------

cudaError_t cudaMalloc(void **p, size_t bytes)
{
    not_while_capturing("cudaMalloc");
    *p = NULL;
    if (bytes > BYTES_TOTAL - bytes_held)
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

cudaError_t cudaMemGetInfo(size_t *bytes_free, size_t *bytes_total)
{
    *bytes_total = BYTES_TOTAL;
    *bytes_free = BYTES_TOTAL - bytes_held;
    return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes,
                            cudaMemcpyKind, cudaStream_t s)
{
    emulate_enqueue(s, [=] { memmove(to, from, bytes); });
    return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void *to, int byte, size_t bytes, cudaStream_t s)
{
    emulate_enqueue(s, [=] { memset(to, byte, bytes); });
    return cudaSuccess;
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

cudaError_t cudaStreamSynchronize(cudaStream_t)
{
    not_while_capturing("cudaStreamSynchronize");
    return cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t s, cudaEvent_t e, unsigned)
{
    if (capture && s == captured) {
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
    free(e);
    return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t s)
{
    recorded[e] = s;
    return cudaSuccess;
}

cudaError_t cudaEventRecordWithFlags(cudaEvent_t, cudaStream_t, unsigned)
{
    return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t)
{
    not_while_capturing("cudaEventSynchronize");
    return cudaSuccess;
}

cudaError_t cudaEventElapsedTime(float *millis, cudaEvent_t, cudaEvent_t)
{
    *millis = 1;
    return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t s, cudaStreamCaptureMode)
{
    not_while_capturing("cudaStreamBeginCapture");
    capture = new work_list;
    captured = s;
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

cudaError_t cudaGraphLaunch(cudaGraphExec_t e, cudaStream_t)
{
    not_while_capturing("cudaGraphLaunch");
    for (auto &work : *(work_list *)e)
        work();
    return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t g)
{
    delete (work_list *)g;
    return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t e)
{
    delete (work_list *)e;
    return cudaSuccess;
}

// ---- device -----------------------------------------------------------------

cudaError_t cudaGetDeviceCount(int *n)
{
    *n = 1;
    return cudaSuccess;
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
    p->totalGlobalMem = BYTES_TOTAL;
    return cudaSuccess;
}

cudaError_t cudaGetLastError(void)
{
    return cudaSuccess;
}

const char *cudaGetErrorString(cudaError_t e)
{
    return e == cudaErrorMemoryAllocation ? "out of memory" : "no error";
}

}
