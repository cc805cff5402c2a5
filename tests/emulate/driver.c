/* tests/emulate/driver.c: a libcuda.so.1 that has no device and runs nothing.
 *
 * cuDNN compiles some plans when they are made, and asks the driver to load
 * them; here loading succeeds, so that it says which plans there would be on a
 * machine that has a driver. What it looks up by name, and no more. */

enum { SUCCESS = 0, NO_DEVICE = 100, VERSION = 13000, REGISTERS = 128 };

static char somewhere[64];

// Succeed and do nothing; give something to hold; give a number.
#define NOTHING(name) int name(void); int name(void) { return SUCCESS; }
#define HANDLE(name) int name(void **p);                                       \
    int name(void **p) { *p = somewhere; return SUCCESS; }
#define NUMBER(name, x) int name(int *p);                                      \
    int name(int *p) { *p = (x); return SUCCESS; }

int cuInit(unsigned flags);
int cuInit(unsigned flags)
{
    (void)flags;
    return NO_DEVICE;
}

NUMBER(cuDriverGetVersion, VERSION)
NUMBER(cuDeviceGetCount, 0)
NUMBER(cuKernelGetAttribute, REGISTERS)
NUMBER(cuOccupancyMaxPotentialClusterSize, 8)
HANDLE(cuCtxGetCurrent)
HANDLE(cuLibraryGetKernel)
HANDLE(cuLibraryLoadData)
HANDLE(cuLibraryLoadFromFile)
NOTHING(cuCtxGetLimit)
NOTHING(cuCtxPopCurrent)
NOTHING(cuCtxPushCurrent)
NOTHING(cuDeviceGet)
NOTHING(cuGetErrorName)
NOTHING(cuGetErrorString)
NOTHING(cuKernelSetAttribute)
NOTHING(cuLaunchCooperativeKernel)
NOTHING(cuLaunchKernel)
NOTHING(cuLaunchKernelEx)
NOTHING(cuLibraryUnload)
NOTHING(cuLinkAddData)
NOTHING(cuLinkComplete)
NOTHING(cuLinkCreate)
NOTHING(cuLinkDestroy)
NOTHING(cuStreamGetCtx)
