/* client/terminal.h: the whole terminal: a screen of its own, keys one by one,
 * and all as it was at the end, however that comes.
 *
 * Of SIGTSTP (Ctrl-Z) the shell gets the terminal as it was; SIGCONT takes it
 * again. SIGINT, SIGTERM and SIGHUP only make client_interrupted() true: who
 * began ends it.
 */
#pragma once
#include <stdbool.h>

enum {                          // keys beside characters
    KEY_NONE, KEY_TAB = 9, KEY_UP = 256, KEY_DOWN, KEY_LEFT, KEY_RIGHT,
    KEY_PAGE_UP, KEY_PAGE_DOWN, KEY_HOME, KEY_END,
};

void terminal_begin(void);      // again: nothing
void terminal_end(void);        // not begun: nothing
bool terminal_keys(void);       // stdin gives keys: it is the terminal
int  terminal_key(void);        // the next one that is there, or KEY_NONE
// True once after the terminal was resized or taken again.
bool terminal_changed(void);

// Lines of text over what was drawn before; `anew` clears all first.
void terminal_draw(const char *picture, bool anew);
