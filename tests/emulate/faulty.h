/* tests/emulate/faulty.h: a kernel that lacks what keeps its threads apart. */
#pragma once
#ifdef __cplusplus
extern "C" {
#endif

enum { FAULTY_THREADS = 64, FAULTY_BLOCKS = 3 };
enum lack {
    LACKS_NOTHING, LACKS_A_WRITE, LACKS_BARRIER, LACKS_BARRIER_BEFORE_WRITE,
    LACKS_FENCE, LACKS_BARRIER_BEFORE_COUNT, LACKS_COUNT,
    LACKS_BARRIER_BEHIND_COUNT, LACKS_FENCE_BEHIND_COUNT, LACKS
};

// Each thread of the last block adds up two numbers of each block, which are 1,
// and gets 2 * FAULTY_BLOCKS.
void launch_faulty(float *sums, float *partial, unsigned *counter,
                   enum lack lack);

#ifdef __cplusplus
}
#endif
