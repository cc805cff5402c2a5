/* cpu/machine.c: read from the kernel: /proc, control group, affinity mask. */
#include "cpu/machine.h"

#include <inttypes.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { HUGE_PAGE = 2 << 20 };

static int online_cores(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
        return CPU_COUNT(&set);
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (int)n : 1;
}

// Cores' worth of time that the control group grants, rounded up; INT_MAX
// when it has no limit.
static int granted_cores(void)
{
    FILE *f = fopen("/sys/fs/cgroup/cpu.max", "r");
    long quota, period;
    int n = INT_MAX;

    if (!f)
        return n;
    if (fscanf(f, "%ld %ld", &quota, &period) == 2 && quota > 0 && period > 0)
        n = (int)((quota + period - 1) / period);
    fclose(f);
    return n;
}

int machine_cores(void)
{
    int online = online_cores(), granted = granted_cores();

    return online < granted ? online : granted;
}

// The text behind "key...: " in a file of /proc; false when there is none.
static bool proc_line(const char *path, const char *key, char *out, size_t size)
{
    FILE *f = fopen(path, "r");
    char line[256];
    bool found = false;

    while (f && !found && fgets(line, sizeof line, f)) {
        char *colon = strchr(line, ':');

        if (!colon || strncmp(line, key, strlen(key)) != 0)
            continue;
        line[strcspn(line, "\n")] = '\0';
        snprintf(out, size, "%s", colon + 1 + strspn(colon + 1, " \t"));
        found = true;
    }
    if (f)
        fclose(f);
    return found;
}

static size_t meminfo(const char *key)
{
    char text[64];
    uint64_t kib = 0;

    if (proc_line("/proc/meminfo", key, text, sizeof text))
        sscanf(text, "%" SCNu64, &kib);
    return (size_t)kib * 1024;
}

// A number of the control group's memory controller, or 0 when it says none
// ("max") or there is no such file.
static size_t group_bytes(const char *name)
{
    char path[64];
    uint64_t bytes = 0;

    snprintf(path, sizeof path, "/sys/fs/cgroup/%s", name);
    FILE *f = fopen(path, "r");
    if (!f)
        return 0;
    if (fscanf(f, "%" SCNu64, &bytes) != 1)
        bytes = 0;
    fclose(f);
    return (size_t)bytes;
}

void machine_describe(struct device_info *out)
{
    size_t most = group_bytes("memory.max");
    size_t held = group_bytes("memory.current");

    *out = (struct device_info){ .bytes_total = meminfo("MemTotal"),
                                 .bytes_free = meminfo("MemAvailable") };
    if (!proc_line("/proc/cpuinfo", "model name", out->name, sizeof out->name))
        snprintf(out->name, sizeof out->name, "CPU");
    if (most && most < out->bytes_total)
        out->bytes_total = most;
    if (most && (held > most || most - held < out->bytes_free))
        out->bytes_free = held > most ? 0 : most - held;
}

// Mapped with room to start at a huge page's boundary; what lies before and
// behind is given back.
void *block_new(size_t bytes)
{
    size_t room = bytes + HUGE_PAGE;
    char *raw = mmap(NULL, room, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (raw == MAP_FAILED)
        return NULL;
    size_t before = -(uintptr_t)raw % HUGE_PAGE;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t held = (bytes + page - 1) / page * page;
    if (before)
        munmap(raw, before);
    if (room > before + held)
        munmap(raw + before + held, room - before - held);
    madvise(raw + before, held, MADV_HUGEPAGE);
    return raw + before;
}

void block_free(void *block, size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    if (block)
        munmap(block, (bytes + page - 1) / page * page);
}
