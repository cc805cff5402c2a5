/* common/standard.h: descriptors 0, 1 and 2. */
#pragma once

// Whichever of them a program was started without is open from here on, so
// that no file or socket of its own gets that number and what is said on
// stderr goes into it. Reading and writing what stands in for one fails.
void standard_hold(void);
