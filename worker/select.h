/* worker/select.h: some images of each class, by seed. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

// Sets chosen (n) for want[c] images of each class c: those whose
// bits(seed, stream + c, position among the images of the class) are smallest,
// ties by position.
void select_images(const int32_t *labels, int64_t n, int n_classes,
                   const int64_t *want, uint64_t seed, uint64_t stream,
                   bool *chosen);

// How many images each class has, into count (n_classes).
void select_count(const int32_t *labels, int64_t n, int n_classes,
                  int64_t *count);
