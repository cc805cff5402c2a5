/* worker/image_memory.h: where stb_image gets its memory.
 *
 * An allowance an image, not the file's word, decides how much. All of it is
 * zero at first, so that what a damaged file leaves out is black and not what
 * lay there: the same file always gives the same pixels. For one thread.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

// From now on at most this much at a time; what is still held counts.
void  image_memory_allow(size_t bytes);
bool  image_memory_ran_out(void);       // since then

// NULL: beyond the allowance, or there is none.
void *image_memory_take(size_t bytes);
void *image_memory_resize(void *p, size_t bytes_now, size_t bytes);
void  image_memory_give(void *p);       // NULL is fine
