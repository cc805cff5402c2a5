/* daemon/config.h: what the daemon was told, on the command line or in a file.
 *
 * Every option is also a key of the file ("key = value" lines, # comments, a
 * flag's value is true or false) and the other way round; what the command
 * line says wins, and lists add up.
 */
#pragma once
#include <stdbool.h>
#include <stdio.h>
#include "common/error.h"

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
    char       *web;                    // directory of the page; may be missing
    char       *worker;                 // program
    bool        check, print, version, help;    // do only this
};

// Reads the command line and the file it names, and fills in the rest.
// ERR_USAGE with one line that says what is wrong and where. config_free() in
// every case.
int  config_load(struct config *c, int argc, char **argv, struct error *err);
void config_free(struct config *c);

// As a file that config_load() would read to the same.
void config_print(FILE *out, const struct config *c);
void config_help(FILE *out);

const struct root *config_root(const struct config *c, const char *name);
