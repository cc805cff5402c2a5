/* worker/seal.h: takes from a process what a decoder has no use for.
 *
 * Afterwards it can read, write and close the descriptors it has, get memory
 * and end: it opens nothing, connects nowhere, starts nothing, signals nobody
 * but itself, and maps no memory that could be run. Other calls fail with EPERM
 * (they do not kill: a C library or a sanitizer may try one that it can do
 * without). There is no way back, also not for children.
 */
#pragma once

// What this kernel lacks of it, as a phrase for the log; NULL: nothing.
const char *seal_missing(void);

// Each does nothing where the kernel lacks it, and -1 with errno when it has
// it but refuses. Both need no_new_privs. Files before calls.
int seal_files(void);                   // Landlock: no path leads anywhere
int seal_calls(void);                   // seccomp: the list above
