/* client/settings.h: where the daemon of this machine is, by its own
 * configuration: ~/.config/gradwatch/gradwatchd.conf (XDG_CONFIG_HOME), or
 * /etc/gradwatch/gradwatchd.conf. A file that is wrong is the daemon's affair;
 * what it does not say stays NULL.
 */
#pragma once

struct settings {
    char *listen;               // owned, as all: "127.0.0.1:7050"
    char *state, *token_file;
};

void settings_read(struct settings *s);
void settings_free(struct settings *s);
// "http://127.0.0.1:7050"; NULL when the file has no address to go to (port 0,
// none). Of one that listens everywhere it is the loopback address. Caller
// owns.
char *settings_server(const struct settings *s);
// The file with the daemon's token, or NULL. Caller owns.
char *settings_token(const struct settings *s);
