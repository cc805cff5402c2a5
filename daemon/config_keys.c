/* The keys of the configuration, and the kinds of values they have. */
#include "daemon/config.h"

#include <arpa/inet.h>
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/mem.h"

enum { LONGEST_ROOT = 64, LONGEST_HOST = 253, DAY_S = 86400 };

#define NO_LINE "\"%s\" cannot stand in a file: it begins or ends with a "     \
    "blank, has a line break, or a semicolon behind a blank"
#define AT(member) .at = offsetof(struct config, member)

const struct config_key config_keys[] = {
    { .opt = { .name = "listen", .letter = 'l', .value = "HOST:PORT",
               .help = "where to listen; port 0 takes a free one" },
      .kind = CONFIG_LISTEN, .fallback = "127.0.0.1:7050",
      .more = "A numeric address, IPv6 in brackets, and a port; port 0 takes a "
      "free one. Only programs on this machine reach a loopback address. To be "
      "reached from elsewhere it takes allow-host as well, and a proxy that "
      "speaks TLS in front: the token would travel in the clear." },
    { .opt = { .name = "state", .letter = 's', .value = "DIR",
               .help = "where jobs and events are kept" },
      .kind = CONFIG_TEXT, AT(state),
      .unset = "what a service manager says in $STATE_DIRECTORY; else "
      "$XDG_STATE_HOME/gradwatch, ~/.local/state/gradwatch without that "
      "variable; /var/lib/gradwatch for root",
      .more = "The folder with the database, logs, checkpoints, decoded images "
      "and the token. It is made if it is not there; two daemons never share "
      "one." },
    { .opt = { .name = "data", .letter = 'd', .value = "NAME=DIR",
               .repeat = true,
               .help = "a folder of data sets that jobs may name" },
      .kind = CONFIG_DATA, .unset = "none: built-in textures only",
      .reload = true,
      .more = "Jobs read images from these folders and from nowhere else; they "
      "name one by NAME. Nothing is ever written to them. One line for each "
      "folder." },
    { .opt = { .name = "allow-host", .value = "NAME", .repeat = true,
               .help = "another name of this machine that requests may use" },
      .kind = CONFIG_HOSTS, .unset = "none: localhost and loopback addresses",
      .reload = true,
      .more = "Requests name the host that they are for; those that name none "
      "of these, nor a loopback address, are refused with 421. That keeps out "
      "pages whose name was re-bound to this machine. No port, one line for "
      "each name." },
    { .opt = { .name = "token-file", .value = "FILE",
               .help = "what requests must prove to know; made if it is not "
               "there" },
      .kind = CONFIG_TEXT, AT(token_file),
      .unset = "token in the state directory",
      .more = "The file with the secret that requests must prove to know: 22 "
      "to 256 letters, digits and .-_~ on one line. It is made, for its owner "
      "only, if it is not there. Whoever can read it can use the daemon." },
    { .opt = { .name = "no-auth", .maybe = "true|false",
               .help = "ask nobody for the token" },
      .kind = CONFIG_FLAG, AT(no_auth), .fallback = "false",
      .more = "Every user and program of this machine may then submit jobs and "
      "remove them. Refused unless the daemon listens on loopback." },
    { .opt = { .name = "open-metrics", .maybe = "true|false",
               .help = "ask nobody for the token at /metrics" },
      .kind = CONFIG_FLAG, AT(open_metrics), .fallback = "false",
      .reload = true,
      .more = "Lets a monitoring system read /metrics without the token. It "
      "has counts and rates, and no names of jobs." },
    { .opt = { .name = "heartbeat", .value = "SECONDS",
               .help = "a worker that is silent for longer is killed, and its "
               "job goes on from the last checkpoint" },
      .kind = CONFIG_WHOLE, AT(heartbeat), .least = 1, .most = DAY_S,
      .fallback = "30", .reload = true,
      .more = "A worker that says nothing for longer is killed, and its job "
      "goes on from its last checkpoint. Until the first step it has ten times "
      "as long, as devices can take a while to wake up." },
    { .opt = { .name = "cache-limit", .value = "GIB",
               .help = "so many GiB of decoded images are kept for later "
               "jobs" },
      .kind = CONFIG_REAL, AT(cache_limit), .least = 0, .most = 1e6,
      .fallback = "64", .reload = true,
      .more = "Images are decoded and resized once and kept in the state "
      "directory; later jobs with the same folder and size start at once. When "
      "this is full, those unused for longest make place; what does not fit by "
      "itself is decoded for each job anew. 0 keeps none." },
    { .opt = { .name = "queue-limit", .value = "JOBS",
               .help = "so many jobs may wait; more are refused" },
      .kind = CONFIG_WHOLE, AT(queue_limit), .least = 1, .most = 10000,
      .fallback = "64", .reload = true,
      .more = "A job that is submitted while so many wait is refused with 429. "
      "Those that wait already stay when the limit is lowered." },
    { .opt = { .name = "log-level", .value = "error|warn|info|debug",
               .help = "the least important messages that are written" },
      .kind = CONFIG_WORD, AT(log_level), .fallback = "info", .reload = true,
      .more = "error: somebody must act; warn: it went on, but not as asked; "
      "info: a few lines for each job; debug: every request as well." },
    { .opt = { .name = "log-format", .value = "text|json",
               .help = "messages as lines of text or as JSON objects" },
      .kind = CONFIG_WORD, AT(log_format), .fallback = "text", .reload = true,
      .more = "The log goes to standard error, a message a line; as JSON, a "
      "line is an object with time, level and message." },
#define X(name_, key, value_, least_, most_, text)                             \
    { .opt = { .name = "verdict-" key, .value = "NUMBER",                      \
               .help = "verdicts: " text },                                    \
      .kind = CONFIG_REAL, AT(verdict.name_), .least = least_, .most = most_,  \
      .fallback = #value_,                                                     \
      .more = "A limit of the verdicts: " text " this. docs/experiments.md "   \
      "has the runs that the default was set by." },
    VERDICT_LIMITS(X)
#undef X
    { .opt = { .name = "web", .value = "DIR", .help = "the built page" },
      .kind = CONFIG_TEXT, AT(web),
      .unset = "share/gradwatch/web beside the folder of this program",
      .more = "The folder with the built page. Without one the daemon serves "
      "its API alone." },
    { .opt = { .name = "worker", .value = "FILE",
               .help = "the training program" },
      .kind = CONFIG_TEXT, AT(worker),
      .unset = "gradwatch-train beside this program, or in PATH",
      .more = "The program that trains, one process for each job." },
};
const int n_config_keys = sizeof config_keys / sizeof *config_keys;

// Setting a value, one function a kind; `to` is where it goes in c.

typedef int setter(struct config *c, const struct config_key *k, void *to,
                   const char *value, struct error *err);

static int set_listen(struct config *c, const struct config_key *k, void *to,
                      const char *value, struct error *err)
{
    const char *colon = strrchr(value, ':');
    char *end, host[64];
    struct in6_addr v6;
    struct in_addr v4;

    (void)k, (void)to;
    if (!colon || (size_t)(colon - value) >= sizeof host)
        return fail(err, ERR_USAGE, "\"%s\" is not HOST:PORT", value);
    long port = strtol(colon + 1, &end, 10);
    if (!isdigit((unsigned char)colon[1]) || *end || port > 65535)
        return fail(err, ERR_USAGE, "\"%s\" is not a port from 0 to 65535",
                    colon + 1);
    size_t len = (size_t)(colon - value);
    bool brackets = len > 1 && value[0] == '[' && value[len - 1] == ']';
    snprintf(host, sizeof host, "%.*s", (int)(len - 2 * brackets),
             value + brackets);
    if (!strcmp(host, "localhost"))
        strcpy(host, "127.0.0.1");
    if (inet_pton(AF_INET, host, &v4) != 1 &&
        inet_pton(AF_INET6, host, &v6) != 1)
        return fail(err, ERR_USAGE, "cannot listen on %s: it is not a numeric "
                    "address such as 127.0.0.1 or [::1]", host);
    free(c->host);
    c->host = xstrdup(host);
    c->port = (int)port;
    return 0;
}

static bool is_root_name(const char *name)
{
    size_t n = strlen(name);

    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)name[i]) && !strchr("._-", name[i]))
            return false;
    return n > 0 && n <= LONGEST_ROOT;
}

// Whether a file can say it, as --print-config does: one line, and no comment
// in it, which begins with a semicolon at the front or behind a blank.
static bool fits_a_line(const char *value)
{
    bool blank = true;

    for (const char *at = value; *at; at++) {
        if ((blank && *at == ';') || *at == '\n' || *at == '\r')
            return false;
        blank = isspace((unsigned char)*at);
        if (blank && (at == value || !at[1]))
            return false;
    }
    return true;
}

static int set_data(struct config *c, const struct config_key *k, void *to,
                    const char *value, struct error *err)
{
    const char *dir;
    char *name = NULL, *real = NULL;
    struct stat st;
    int rc = opts_pair("data", value, &name, &dir, err);

    (void)k, (void)to;
    if (rc)
        return rc;
    if (!is_root_name(name))
        rc = fail(err, ERR_USAGE, "the name \"%s\" must be 1 to %d letters, "
                  "digits, dots, dashes", name, LONGEST_ROOT);
    else if (config_root(c, name))
        rc = fail(err, ERR_USAGE, "there are two roots of the name %s", name);
    else if (c->n_roots == CONFIG_MAX_LIST)
        rc = fail(err, ERR_USAGE, "more than %d roots", CONFIG_MAX_LIST);
    else if (!(real = realpath(dir, NULL)) || stat(real, &st) != 0)
        rc = fail(err, ERR_USAGE, "cannot use %s: %s", dir, strerror(errno));
    else if (!S_ISDIR(st.st_mode))
        rc = fail(err, ERR_USAGE, "%s is not a directory", dir);
    else if (!fits_a_line(real))
        rc = fail(err, ERR_USAGE, NO_LINE, real);
    else
        c->roots[c->n_roots++] = (struct root){ name, real };
    if (rc) {
        free(name);
        free(real);
    }
    return rc;
}

static int set_hosts(struct config *c, const struct config_key *k, void *to,
                     const char *value, struct error *err)
{
    (void)k, (void)to;
    if (!*value || strlen(value) > LONGEST_HOST ||
        strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                      "0123456789.-") != strlen(value))
        return fail(err, ERR_USAGE, "\"%s\" is not a host name (no port)",
                    value);
    if (c->n_allow_hosts == CONFIG_MAX_LIST)
        return fail(err, ERR_USAGE, "more than %d host names", CONFIG_MAX_LIST);
    c->allow_hosts[c->n_allow_hosts++] = xstrdup(value);
    return 0;
}

static int set_text(struct config *c, const struct config_key *k, void *to,
                    const char *value, struct error *err)
{
    char **text = to;

    (void)c, (void)k;
    if (!*value)
        return fail(err, ERR_USAGE, "needs a value");
    if (!fits_a_line(value))
        return fail(err, ERR_USAGE, NO_LINE, value);
    free(*text);
    *text = xstrdup(value);
    return 0;
}

static int set_flag(struct config *c, const struct config_key *k, void *to,
                    const char *value, struct error *err)
{
    bool on = !strcmp(value, "true");

    (void)c, (void)k;
    if (!on && strcmp(value, "false") != 0)
        return fail(err, ERR_USAGE, "\"%s\" is not true or false", value);
    *(bool *)to = on;
    return 0;
}

// strtod() also takes blanks, hexadecimal, nan and infinities.
static int number(const struct config_key *k, const char *digits,
                  const char *value, double *out, struct error *err)
{
    char *end;

    *out = strtod(value, &end);
    if (!*value || *end || strspn(value, digits) != strlen(value) ||
        !(*out >= k->least && *out <= k->most))
        return fail(err, ERR_USAGE, "\"%s\" is not a %snumber from %.10g to "
                    "%.10g", value, k->kind == CONFIG_WHOLE ? "whole " : "",
                    k->least, k->most);
    return 0;
}

static int set_whole(struct config *c, const struct config_key *k, void *to,
                     const char *value, struct error *err)
{
    double x;
    int rc = number(k, "0123456789", value, &x, err);

    (void)c;
    if (!rc)
        *(int *)to = (int)x;
    return rc;
}

static int set_real(struct config *c, const struct config_key *k, void *to,
                    const char *value, struct error *err)
{
    double x;
    int rc = number(k, "+-.0123456789eE", value, &x, err);

    (void)c;
    if (!rc)
        *(double *)to = x;
    return rc;
}

// The i-th of "one|two|three"; its length, 0 when there are fewer.
static int word_at(const char *words, int i, const char **out)
{
    while (i-- > 0) {
        words += strcspn(words, "|");
        words += *words == '|';
    }
    *out = words;
    return (int)strcspn(words, "|");
}

static int set_word(struct config *c, const struct config_key *k, void *to,
                    const char *value, struct error *err)
{
    const char *word;
    int len;

    (void)c;
    for (int i = 0; (len = word_at(k->opt.value, i, &word)) > 0; i++)
        if (strlen(value) == (size_t)len && !memcmp(value, word, (size_t)len)) {
            *(int *)to = i;
            return 0;
        }
    return fail(err, ERR_USAGE, "\"%s\" is none of %s", value, k->opt.value);
}

int config_set(struct config *c, const struct config_key *key,
               const char *value, struct error *err)
{
    static setter *const setters[] = {
        [CONFIG_FLAG] = set_flag, [CONFIG_WHOLE] = set_whole,
        [CONFIG_REAL] = set_real, [CONFIG_TEXT] = set_text,
        [CONFIG_WORD] = set_word, [CONFIG_LISTEN] = set_listen,
        [CONFIG_DATA] = set_data, [CONFIG_HOSTS] = set_hosts,
    };

    return setters[key->kind](c, key, (char *)c + key->at, value, err);
}

void config_keep(struct config *c, const struct config *from,
                 const struct config_key *key)
{
    static const size_t sizes[] = {
        [CONFIG_FLAG] = sizeof(bool), [CONFIG_WHOLE] = sizeof(int),
        [CONFIG_REAL] = sizeof(double), [CONFIG_WORD] = sizeof(int),
    };
    char *to = (char *)c + key->at;
    const char *at = (const char *)from + key->at;

    assert(!key->opt.repeat);
    if (key->kind == CONFIG_LISTEN) {
        free(c->host);
        c->host = xstrdup(from->host);
        c->port = from->port;
    } else if (key->kind == CONFIG_TEXT) {
        char *const *text = (char *const *)at;
        free(*(char **)to);
        *(char **)to = *text ? xstrdup(*text) : NULL;
    } else {
        memcpy(to, at, sizes[key->kind]);
    }
}
