/* worker/probe.h: how the images of one fixed batch agree about the weights.
 *
 * The gradient g_i of image i's loss is taken for every image of the batch, by
 * a backward pass each: the whole batch goes forward, so that batch norm sees
 * it, and only the label of image i counts. Their mean is the batch's gradient.
 * Of each layer's weight: docs/quantities.md has what is made of them.
 *
 * Passes are MODE_GRAD: neither weights nor running statistics nor the
 * optimizer's state are touched, and training goes on bit for bit as without.
 */
#pragma once
#include "model/backend.h"

struct probe_numbers {
    double cosine;              // mean over pairs; nan when a g_i is zero
    double confusion;           // least over pairs
    double snr;                 // nan when both halves are the same
};

struct probe;                   // of one plan: room for its gradients

// Borrows plan, whose slot 0 the caller fills, once, but for the labels: those
// are copied from `labels`. weights (n) are what is looked at, in order.
struct probe *probe_new(struct plan *plan, const int32_t *labels,
                        const val *weights, int n);
void probe_free(struct probe *p);       // NULL is fine

// Bytes that it holds.
size_t probe_bytes(const struct probe *p);

// A backward pass for each image, then the numbers (n) and the mean loss.
// ERR_STATE when stopped(arg) said so in between; it may be NULL.
int probe_take(struct probe *p, bool (*stopped)(void *arg), void *arg,
               struct probe_numbers *out, double *loss, struct error *err);
