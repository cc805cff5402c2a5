/* gpu/fuse.h: which nodes run as one. */
#pragma once
#include "gpu/op.h"

// Fills p->groups; returns a lowering per node, the caller's to free. Nothing
// is fused under keep_all, nor across a tap.
struct lowering *fuse_groups(struct gpu_plan *p);
