/* daemon/records.h: the histories of jobs, loaded from their events when first
 * asked for, kept up to date while they run, forgotten when others need the
 * room. Any thread. */
#pragma once
#include <stdint.h>
#include "common/error.h"
#include "daemon/history.h"
#include "daemon/shared.h"
#include "daemon/store.h"

enum { RECORDS_MAX = 64 };                      // histories held at most
enum { RECORDS_BYTES = 256 << 20 };             // of all, but for those in use
enum {                                          // kept answers of a job
    RECORDS_KEPT = 64,
    RECORDS_KEPT_BYTES = 32 << 20,
    RECORDS_KEY = 512,
};

struct records;

// Other limits, for tests.
void records_limit(struct records *r, int max, size_t bytes);
// How many histories are held, and their bytes.
int  records_held(struct records *r, size_t *bytes);

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

// Answers that were made from a job's history, kept until something is added to
// it: dashboards ask for the same ones again and again. The one kept under
// that key, with a reference of the caller's own, or NULL.
struct shared *records_kept(struct records *r, int64_t job, const char *key);
// Between records_open() and records_close(): keeps it in place of the oldest
// ones, unless it is too large or the key longer than RECORDS_KEY.
void records_keep(struct records *r, const struct history *h, const char *key,
                  struct shared *answer);
