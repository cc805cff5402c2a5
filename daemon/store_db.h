/* daemon/store_db.h: what the files of the store share. Not for others.
 *
 * store.c opens and closes, store_schema.c makes the tables and brings older
 * ones up to date, store_write.c is the writer, store_read.c reads.
 */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include <sqlite3.h>
#include <stdint.h>
#include "daemon/store.h"

// What the checksum of a job's row is over; last_seq is held against its
// events.
#define JOB_CONTENT "name, state, spec, summary, wish, priority, attempt, " \
                    "created, started, ended"
#define JOB_CRC     "crc_of(" JOB_CONTENT ")"
#define JOB_COLUMNS "id, " JOB_CONTENT ", last_seq, crc IS " JOB_CRC
#define TEN_VALUES  "?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10"

// Statements are prepared once, by store.c. Rows: tag, 1 = of the writer, text.
#define STATEMENTS(X)                                                          \
    X(BEGIN,    1, "BEGIN IMMEDIATE")                                          \
    X(COMMIT,   1, "COMMIT")                                                   \
    X(ROLLBACK, 1, "ROLLBACK")                                                 \
    X(ADD,      1, "INSERT INTO jobs (" JOB_CONTENT ", last_seq, crc)"        \
                   " VALUES (" TEN_VALUES ", 0, crc_of(" TEN_VALUES "))")      \
    X(UPDATE,   1, "UPDATE jobs SET (" JOB_CONTENT ", crc) ="                  \
                   " (" TEN_VALUES ", crc_of(" TEN_VALUES ")) WHERE id = ?11") \
    X(DELETE,   1, "DELETE FROM jobs WHERE id = ?")                            \
    X(NEXT_SEQ, 1, "UPDATE jobs SET last_seq = last_seq + 1 WHERE id = ?"      \
                   " RETURNING last_seq")                                      \
    X(APPEND,   1, "INSERT INTO events (n, job, seq, last, crc, line)"         \
                   " VALUES (?, ?, ?, ?, ?, ?)")                               \
    X(ADD_KEY,  1, "INSERT INTO keys (key, hash, job) VALUES (?, ?, ?)")       \
    X(SET,      1, "INSERT OR REPLACE INTO settings VALUES (?, ?)")            \
    X(LAST_N,   1, "SELECT seq FROM sqlite_sequence WHERE name = 'events'")    \
    X(JOB,      0, "SELECT " JOB_COLUMNS " FROM jobs WHERE id = ?")            \
    X(JOBS,     0, "SELECT " JOB_COLUMNS " FROM jobs WHERE id < ?"             \
                   " AND (?2 = '' OR"                                          \
                   "      instr(',' || ?2 || ',', ',' || state || ',') > 0)"   \
                   /* A row that is damaged is read, and then says so. */      \
                   " AND (?4 = '' OR CASE WHEN json_valid(spec)"               \
                   "      THEN json_extract(spec, '$.group') = ?4 ELSE 1 END)" \
                   " ORDER BY id DESC LIMIT ?3")                               \
    X(EVENT,    0, "SELECT job, seq, n, last, crc, line FROM events"           \
                   " WHERE job = ?2 AND seq > ?1 ORDER BY seq LIMIT 1")        \
    X(EVENT_N,  0, "SELECT job, seq, n, last, crc, line FROM events"           \
                   " WHERE n > ? ORDER BY n LIMIT 1")                          \
    X(KEY,      0, "SELECT job, hash FROM keys WHERE key = ?")                 \
    X(LAST_SEQ, 0, "SELECT last_seq FROM jobs WHERE id = ?")                   \
    X(SETTING,  0, "SELECT value FROM settings WHERE name = ?")                \
    /* A row that is lost to damage still has events. */                      \
    X(REMOVED,  0, "SELECT 1 FROM sqlite_sequence"                             \
                   " WHERE name = 'jobs' AND seq >= ?1"                        \
                   " AND NOT EXISTS (SELECT 1 FROM jobs WHERE id = ?1)"        \
                   " AND NOT EXISTS (SELECT 1 FROM events WHERE job = ?1)")    \
    X(COUNT,    0, "SELECT count(*) FROM jobs WHERE state = ?")

#define X(tag, writes, text) ST_##tag,
enum statement { STATEMENTS(X) ST_COUNT_OF };
#undef X

struct store {
    int             lock_fd;        // flock() on DIR/lock
    sqlite3        *writer, *reader;
    sqlite3_stmt   *st[ST_COUNT_OF];
    pthread_mutex_t writing, reading;
    int64_t         next_n, committed_n;    // under writing; these two are
    int64_t         begun_n;                // read without it
    atomic_bool     broken;         // nothing is written any more
    struct error    why;            // of broken; set before it
};

// ERR_IO (ERR_FULL when the disk is full) with the database's words. Whatever
// else the writer could not do to the disk breaks the store.
int store_fail(struct store *s, sqlite3 *db, const char *what,
               struct error *err);

// Makes sure that nobody else has the state directory: *fd, which the caller
// closes. ERR_STATE.
int store_lock(const char *dir, int *fd, struct error *err);

// store_schema.c: the functions that statements use; tables as they are now;
// nothing in the table of jobs is damaged, else ERR_IO names it.
int store_functions(sqlite3 *db, struct error *err);
int store_version(sqlite3 *db);         // 0: a new one; -1: it cannot be told
extern const int store_newest_version;
int store_migrate(struct store *s, const char *path, struct error *err);
int store_quick_check(struct store *s, const char *path, struct error *err);

static inline void bind_text(sqlite3_stmt *st, int i, const char *text)
{
    sqlite3_bind_text(st, i, text, -1, SQLITE_STATIC);
}
