/* daemon/config.h: what the daemon was told, on the command line or in a file.
 *
 * One table, config_keys, has a row a key: every key of the file is an option
 * and the other way round, and parsing, --help, --print-config, the manual
 * pages and the comments of the file that comes along are all made from its
 * rows. What the command line says wins over the file; lists add up.
 *
 * To add a key: a member of struct config, and a row in daemon/config_keys.c.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include "common/error.h"
#include "common/opts.h"
#include "daemon/verdict.h"

enum { CONFIG_MAX_LIST = 64 };

struct root { char *name, *dir; };      // a folder with data sets

struct config {                         // texts are owned
    char       *host;                   // "127.0.0.1"; numeric
    int         port;                   // 0 = any free one
    char       *state;                  // directory
    struct root roots[CONFIG_MAX_LIST];
    int         n_roots;
    char       *allow_hosts[CONFIG_MAX_LIST];   // other names of this machine
    int         n_allow_hosts;
    char       *token_file;             // NULL: `token` in state
    bool        no_auth, open_metrics;  // who may ask without it
    int         heartbeat;              // seconds of silence of a worker
    double      cache_limit;            // GiB of decoded images
    int         queue_limit;            // jobs that wait
    int         log_level, log_format;  // enum log_level, enum log_format
    struct verdict_limits verdict;
    char       *web;                    // directory of the page; may be missing
    char       *worker;                 // program
    bool        check, check_state, print, version, help;   // do only this
    const struct config *before;        // that it replaced (daemon/reload.h)
};

enum config_kind {              // of a key's value; what it is in the struct
    CONFIG_FLAG,                // bool
    CONFIG_WHOLE,               // int, least..most
    CONFIG_REAL,                // double, least..most
    CONFIG_TEXT,                // char *
    CONFIG_WORD,                // int: which of "one|two|..." (opt.value)
    CONFIG_LISTEN,              // host and port
    CONFIG_DATA,                // roots
    CONFIG_HOSTS,               // allow_hosts
};

struct config_key {
    struct opt       opt;       // its name, short form and one line of help
    enum config_kind kind;
    size_t           at;        // offset of the value in struct config
    double           least, most;
    const char      *fallback;  // the value if nobody says; NULL = worked out
    const char      *unset;     // then: what it is, in words
    bool             reload;    // SIGHUP puts a new value into force
    const char      *more;      // whole sentences, for the manual
};
extern const struct config_key config_keys[];
extern const int               n_config_keys;

// All options, the keys first; what is no key is about one start of the
// program. Valid for good.
const struct opt *config_options(int *n);

// Reads the command line and the file it names, and fills in the rest.
// ERR_USAGE with one line that says what is wrong and where. config_free() in
// every case.
int  config_load(struct config *c, int argc, char **argv, struct error *err);
void config_free(struct config *c);

// What a start would only find out by its first job: whether the worker is a
// program. ERR_USAGE with why it is not.
int  config_check(const struct config *c, struct error *err);

// The value of one key, as text. ERR_USAGE names value and limits.
int  config_set(struct config *c, const struct config_key *key,
                const char *value, struct error *err);

// c's value of a key that is no list is from now on the same as from's.
void config_keep(struct config *c, const struct config *from,
                 const struct config_key *key);

// As a file that config_load() would read to the same.
void config_print(FILE *out, const struct config *c);
// The lines of one key in it; several of a list, perhaps none.
void config_print_key(FILE *out, const struct config *c,
                      const struct config_key *key);
void config_help(FILE *out);

const struct root *config_root(const struct config *c, const char *name);
