/* common/opts.h: the command lines of the programs, from tables.
 *
 * A program lists what it takes in an array of struct opt; opts_parse() sorts
 * argv into options and words, and opts_help() prints the same table for
 * people. Accepted: --name VALUE, --name=VALUE, -x VALUE, --flag, --no-flag,
 * options and words in any order, "--" before words that begin with a dash.
 * Every message names the option as it was typed and what it wants.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include "common/error.h"

enum {
    EXIT_USAGE = 2,             // of all programs, for wrong usage
    OPTS_HELP_COLUMNS = 79,
};

struct opt {
    const char *name;           // "batch" is --batch
    char        letter;         // 'o' is also -o; 0 = no short form
    const char *value;          // what it takes, "FILE"; NULL = a flag
    bool        repeat;         // may be given several times
    bool        negatable;      // a flag that --no-name switches off
    const char *help;           // one line
    const char *maybe;          // a flag that may also be --name=STAGES
    const char *choices;        // "one|two", for completions; NULL: what value
                                // says if it looks like that
};

struct opts_item {              // one option as it was given
    const struct opt *opt;
    const char       *value;    // NULL for a flag
    bool              on;       // false: it was --no-name
};

struct opts {                   // texts are borrowed from argv and the table
    struct opts_item *items;    // owned, in the order of argv
    int               n_items;
    const char      **words;    // owned; what is not an option
    int               n_words;
};

// Reads argv[1..argc-1]. ERR_USAGE with one line in err for an option that is
// unknown (with the nearest name), lacks its value, has one too many, or is
// given twice without being repeatable. opts_free() in every case.
int  opts_parse(struct opts *o, const struct opt *table, int n_table,
                int argc, char **argv, struct error *err);
void opts_free(struct opts *o);

bool        opts_given(const struct opts *o, const char *name);
bool        opts_flag(const struct opts *o, const char *name, bool otherwise);
const char *opts_value(const struct opts *o, const char *name); // last; or NULL

// The values of a repeatable option one by one: start with *at = 0 and go on
// until NULL.
const char *opts_next(const struct opts *o, const char *name, int *at);

// The value of a number option into *out, which keeps its default when the
// option was not given. ERR_USAGE names the limits.
int opts_number(const struct opts *o, const char *name, double least,
                double most, double *out, struct error *err);

// Splits "NAME=DIR" as given to option `name`: *left is owned by the caller,
// *right points into text. Neither may be empty.
int opts_pair(const char *name, const char *text, char **left,
              const char **right, struct error *err);

// The nearest of n names (stride bytes apart, each the address of a
// const char *), or NULL when none is near: for "did you mean".
const char *opts_nearest(const char *typed, const void *names, int n,
                         size_t stride);

// One entry an option, two columns, wrapped.
void opts_help(FILE *out, const struct opt *table, int n_table);

// Prints "program: text" and where to find help on stderr. Returns EXIT_USAGE.
int  opts_refuse(const char *program, const struct error *err);
