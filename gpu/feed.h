/* gpu/feed.h: what goes into a step and what comes out: slots, staged through
 * pinned memory, resident images, and a ring of results on the device, a row a
 * slot, that is copied out while later steps run. */
#pragma once
#include "gpu/op.h"

size_t feed_bytes(const struct gpu_plan *p);            // of device memory
int  feed_open(struct gpu_plan *p, struct error *err);
void feed_close(struct gpu_plan *p);

struct slot *feed_slot(const struct gpu_plan *p, int slot);
// As backend.reside. Plans that share a store share the images; while they hold
// one set, another one does not fit.
int  feed_reside(struct gpu_plan *p, const struct images *im,
                 struct error *err);

// While a step is captured: the kernel that makes the network's input of
// p->slot's images, and what of the slot lies on the device.
void feed_input(struct gpu_plan *p, const struct buffer *y, struct input at);
const int32_t *feed_labels(const struct gpu_plan *p);
const struct optim_step *feed_step(const struct gpu_plan *p);

// Where a step of this slot takes its images from.
enum source feed_source(const struct gpu_plan *p, int slot);
// Sends the slot on its way; the main stream waits for it. Other steps go on
// meanwhile.
int feed_send(struct gpu_plan *p, int slot, enum source source,
              struct optim_step step, struct error *err);

// A slot's row of results, the norms behind the score: where its step's last
// kernel writes it, on the device; and here, as it was when it was fetched.
struct score *feed_row(const struct gpu_plan *p, int slot);
const struct score *feed_fetched(const struct gpu_plan *p, int slot);
// Fetches the rows of the step that `end` is behind, and of all before it.
// Later steps go on meanwhile.
int feed_fetch(struct gpu_plan *p, cudaEvent_t end, struct error *err);
