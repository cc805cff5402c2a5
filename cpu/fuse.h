/* cpu/fuse.h: which nodes run as one, and which gradients share their bytes. */
#pragma once
#include "cpu/op.h"

// Fills p->groups; returns a lowering per node, the caller's to free. Nothing
// is fused under keep_all, nor across a tap.
struct lowering *fuse_groups(struct cpu_plan *p);
// Fills p->grad_of and p->masked; after p->schedule is built.
void fuse_gradients(struct cpu_plan *p);
