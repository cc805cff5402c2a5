/* client/client.h: what every command of `gradwatch` has at hand.
 *
 * The client is thin: it builds requests, prints answers, and knows nothing
 * that the daemon does not serve. Data goes to stdout, messages to stderr. A
 * command returns the exit status of the program, after it has said why.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include "common/error.h"
#include "common/opts.h"
#include "client/http.h"

// Exit statuses, beside EXIT_SUCCESS and EXIT_USAGE (common/opts.h).
enum {
    EXIT_NO = 1,                // the job failed, or the answer is no
    EXIT_MISSING = 3,           // no such job, model, ...
    EXIT_STATE = 4,             // the job is in the wrong state for that
    EXIT_UNREACHABLE = 5,       // no daemon, or something else answers
    EXIT_REFUSED = 6,           // credentials, host, full queue, full disk
    EXIT_TIMEOUT = 124,
    EXIT_INTERRUPTED = 130,
};

struct client {
    struct http *http;
    struct opts  opts;          // the command's options and its words
    bool csv, quiet;            // --csv, -q
    bool json;                  // --json; or --csv: as the server says it
    bool terminal;              // stdout is one
    bool movable;               // ... whose cursor can be moved
    bool colour, utf8;          // what stdout may be sent
    int  columns, rows;         // of the terminal; 80 x 24 when there is none
};

struct command {
    const char       *name, *words;     // "wait", "ID..."
    int               least, most;      // words it takes; most -1: any number
    const char       *summary;          // one line for the list
    int             (*run)(struct client *c);
    const struct opt *opts;
    int               n_opts;
    bool              spec;             // takes the fields of a job as options
    const char       *more;             // paragraphs for --help, or NULL
};
extern const struct command commands[];
extern const int            n_commands;
extern const struct opt     client_globals[];   // what all commands take
extern const int            n_client_globals;

#define CLIENT_SERVER "http://127.0.0.1:7050"   // unless told otherwise

// One line on stderr: "gradwatch: ...", cleaned (client/text.h).
__attribute__((format(printf, 1, 2)))
void client_say(const char *fmt, ...);
// The same with a hint where to find help; returns EXIT_USAGE.
__attribute__((format(printf, 2, 3)))
int  client_refuse(const char *command, const char *fmt, ...);

// The i-th word as a job id into *id: 0, or EXIT_USAGE after saying so.
int  client_id(struct client *c, const char *command, int i, json_int_t *id);

void client_measure(struct client *c);          // columns and rows, anew
void client_catch_interrupts(void);             // from now on
bool client_interrupted(void);                  // Ctrl-C was pressed

int command_submit(struct client *c);
int command_list(struct client *c);
int command_show(struct client *c);
int command_watch(struct client *c);
int command_gradients(struct client *c);
int command_histogram(struct client *c);
int command_profile(struct client *c);
int command_verdict(struct client *c);
int command_compare(struct client *c);
int command_group(struct client *c);
int command_probe(struct client *c);
int command_log(struct client *c);
int command_cancel(struct client *c);
int command_pause(struct client *c);
int command_resume(struct client *c);
int command_move(struct client *c);
int command_drain(struct client *c);
int command_undrain(struct client *c);
int command_clone(struct client *c);
int command_rm(struct client *c);
int command_wait(struct client *c);
int command_export(struct client *c);
int command_models(struct client *c);
int command_datasets(struct client *c);
int command_devices(struct client *c);
int command_status(struct client *c);
int command_open(struct client *c);
int command_completion(struct client *c);
int command_doctor(struct client *c);
int command_version(struct client *c);
