/* daemon/store_db.h: what the three files of the store share. Not for others.
 *
 * store.c opens and closes, store_write.c is the writer, store_read.c reads.
 */
#pragma once
#include <pthread.h>
#include <sqlite3.h>
#include <stdint.h>
#include "daemon/store.h"

#define JOB_COLUMNS "id, name, state, spec, summary, wish, priority, " \
                    "attempt, created, started, ended, last_seq"

// Statements are prepared once, by store.c. Rows: tag, 1 = of the writer, text.
#define STATEMENTS(X)                                                          \
    X(BEGIN,    1, "BEGIN IMMEDIATE")                                          \
    X(COMMIT,   1, "COMMIT")                                                   \
    X(ROLLBACK, 1, "ROLLBACK")                                                 \
    X(ADD,      1, "INSERT INTO jobs (name, state, spec, summary, wish,"       \
                   " priority, attempt, created, started, ended, last_seq)"    \
                   " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)")                \
    X(UPDATE,   1, "UPDATE jobs SET name = ?, state = ?, spec = ?,"            \
                   " summary = ?, wish = ?, priority = ?, attempt = ?,"        \
                   " created = ?, started = ?, ended = ? WHERE id = ?")        \
    X(DELETE,   1, "DELETE FROM jobs WHERE id = ?")                            \
    X(NEXT_SEQ, 1, "UPDATE jobs SET last_seq = last_seq + 1 WHERE id = ?"      \
                   " RETURNING last_seq")                                      \
    X(APPEND,   1, "INSERT INTO events (n, job, seq, last, crc, line)"         \
                   " VALUES (?, ?, ?, ?, ?, ?)")                               \
    X(ADD_KEY,  1, "INSERT INTO keys (key, hash, job) VALUES (?, ?, ?)")       \
    X(LAST_N,   1, "SELECT seq FROM sqlite_sequence WHERE name = 'events'")    \
    X(JOB,      0, "SELECT " JOB_COLUMNS " FROM jobs WHERE id = ?")            \
    X(JOBS,     0, "SELECT " JOB_COLUMNS " FROM jobs WHERE id < ?"             \
                   " AND (?2 = '' OR"                                          \
                   "      instr(',' || ?2 || ',', ',' || state || ',') > 0)"   \
                   " ORDER BY id DESC LIMIT ?3")                               \
    X(EVENT,    0, "SELECT job, seq, n, last, crc, line FROM events"           \
                   " WHERE job = ?2 AND seq > ?1 ORDER BY seq LIMIT 1")        \
    X(EVENT_N,  0, "SELECT job, seq, n, last, crc, line FROM events"           \
                   " WHERE n > ? ORDER BY n LIMIT 1")                          \
    X(KEY,      0, "SELECT job, hash FROM keys WHERE key = ?")                 \
    X(COUNT,    0, "SELECT count(*) FROM jobs WHERE state = ?")

#define X(tag, writes, text) ST_##tag,
enum statement { STATEMENTS(X) ST_COUNT_OF };
#undef X

struct store {
    int             lock_fd;        // flock() on DIR/lock
    sqlite3        *writer, *reader;
    sqlite3_stmt   *st[ST_COUNT_OF];
    pthread_mutex_t writing, reading;
    int64_t         next_n, committed_n;    // under writing
};

// ERR_IO (ERR_FULL when the disk is full) with the database's words.
int store_fail(struct error *err, sqlite3 *db, const char *what);

static inline void bind_text(sqlite3_stmt *st, int i, const char *text)
{
    sqlite3_bind_text(st, i, text, -1, SQLITE_STATIC);
}
