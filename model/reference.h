/* model/reference.h: the third backend, device "reference": plain loops in
 * double that say what each op means. Slow on purpose; every other backend is
 * held against it, and it against finite differences and PyTorch's float64.
 *
 * backend_reference is declared in model/backend.h. It keeps everything in
 * double; only write and read go through float32.
 */
#pragma once
#include "model/backend.h"
