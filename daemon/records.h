/* daemon/records.h: the histories of jobs, loaded from their events when first
 * asked for, kept up to date while they run, forgotten when others need the
 * room. Any thread. */
#pragma once
#include <stdint.h>
#include "common/error.h"
#include "daemon/history.h"
#include "daemon/store.h"

enum { RECORDS_MAX = 64 };                      // histories held at most
enum { RECORDS_BYTES = 512 << 20 };             // of all, but for those in use

struct records;

struct records *records_new(struct store *store);   // borrows store
void            records_free(struct records *r);

// An event of a job that was committed, or with seq 0 a live one.
void records_add(struct records *r, int64_t job, int64_t seq, const char *line);
// The job is gone.
void records_drop(struct records *r, int64_t job);

// The history of a job that exists, locked for reading until records_close().
// ERR_IO when it cannot be loaded.
int  records_open(struct records *r, int64_t job, const struct history **out,
                  struct error *err);
void records_close(struct records *r, const struct history *h);
