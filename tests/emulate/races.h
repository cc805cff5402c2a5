/* tests/emulate/races.h: what fibers.cpp tells races.cpp about a grid. */
#pragma once

void races_grid(int threads);           // a launch: what came before is over
void races_block(void);                 // the next block
void races_thread(int t);               // runs from now on; -1: none does
void races_barrier(void);               // all threads of the block met
// Whether only the thread that runs can see this memory.
bool fibers_private(const void *p);
