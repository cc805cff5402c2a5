/* client/completion.h: scripts that make a shell complete a program's command
 * line, from the tables that its parser reads.
 *
 * What an option takes is told by its row: words to choose from ("text|json"),
 * FILE, DIR, or ID, a job's number, for which the daemon is asked.
 */
#pragma once
#include <stdio.h>
#include "client/client.h"

struct program {                // borrowed all
    const char           *name;
    const struct opt     *opts; // what it, or all its commands, take
    int                   n_opts;
    const struct command *commands;     // NULL = none
    int                   n_commands;
};

// False for a shell that is none of bash, zsh, fish.
bool completion_print(FILE *out, const char *shell, const struct program *p);

void completion_bash(FILE *out, const struct program *p);
void completion_fish(FILE *out, const struct program *p);
void completion_zsh(FILE *out, const struct program *p);

// What all three need.

enum takes { TAKES_NOTHING, TAKES_TEXT, TAKES_WORDS, TAKES_FILE, TAKES_DIR,
             TAKES_ID };
enum takes completion_takes(const struct opt *opt);
// The same for the words after a command ("ID...", "[ARCH]", "bash|zsh").
enum takes completion_words(const char *words);
// The words of "one|TWO|three" that can be typed as they are, with a blank
// between each; caller owns.
char *completion_choices(const char *text);
const char *completion_source(const struct opt *opt);   // choices, or value

// All options of a command but the global ones; caller ends it with
// completion_opts_free().
struct opt *completion_opts(const struct command *c, int *n);
void        completion_opts_free(const struct command *c, struct opt *opts,
                                 int n);
// text with every character of `special` escaped by a backslash; caller owns.
char *completion_escape(const char *text, const char *special);
