/* worker/augment.h: what data.augment does to an image on its way into a
 * batch: always the same to the same image in the same epoch. */
#pragma once
#include <stdint.h>
#include "common/job.h"
#include "model/move.h"

// flip: left and right swapped, half of the time. crop-flip: moved by up to
// side / 8 either way in both directions, black coming in at the edges
// (torchvision's RandomCrop with padding), then flipped. Draws are
// STREAM_AUGMENT + epoch, 4 * image + k: k = 0 flip, 1 across, 2 down. All 0
// for none.
struct move augment_move(int side, enum job_augment kind, uint64_t seed,
                         int epoch, int64_t image);
// src (side, side, 3) -> dst, not overlapping, moved so.
void augment_rgb(uint8_t *dst, const uint8_t *src, int side,
                 enum job_augment kind, uint64_t seed, int epoch,
                 int64_t image);
