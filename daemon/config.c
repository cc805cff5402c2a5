#include "daemon/config.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/mem.h"
#include "common/opts.h"
#include "common/token.h"

enum { DEFAULT_PORT = 7050, DEFAULT_HEARTBEAT_S = 30, LONGEST_LINE = 4096,
       LONGEST_ROOT = 64 };

static const struct opt options[] = {
    { .name = "listen", .letter = 'l', .value = "HOST:PORT",
      .help = "where to listen (127.0.0.1:7050); port 0 takes a free one" },
    { .name = "state", .letter = 's', .value = "DIR",
      .help = "where jobs and events are kept ($XDG_STATE_HOME/gradwatch; "
              "root: /var/lib/gradwatch)" },
    { .name = "data", .letter = 'd', .value = "NAME=DIR", .repeat = true,
      .help = "a folder of data sets that jobs may name" },
    { .name = "allow-host", .value = "NAME", .repeat = true,
      .help = "another name of this machine that requests may use" },
    { .name = "token-file", .value = "FILE",
      .help = "what requests must prove to know (`token` in the state "
              "directory); made if it is not there" },
    { .name = "no-auth", .help = "ask nobody for the token" },
    { .name = "open-metrics", .help = "nor for /metrics" },
    { .name = "heartbeat", .value = "SECONDS",
      .help = "a worker that is silent for longer is killed, and its job goes "
              "on from the last checkpoint (30)" },
    { .name = "web", .value = "DIR", .help = "the built page" },
    { .name = "worker", .value = "FILE", .help = "the training program" },
    { .name = "config", .letter = 'c', .value = "FILE",
      .help = "read the options that are not given here from FILE" },
    { .name = "check-config", .help = "check it all and exit" },
    { .name = "print-config", .help = "print it all and exit" },
    { .name = "version", .letter = 'V', .help = "print the version and exit" },
    { .name = "help", .letter = 'h', .help = "print this and exit" },
};
enum { N_OPTIONS = sizeof options / sizeof *options,
       N_KEYS = 10};            // the first ones may stand in a file

// Setting one value.

static int set_listen(struct config *c, const char *value, struct error *err)
{
    const char *colon = strrchr(value, ':');
    char *end, host[64];
    struct in6_addr v6;
    struct in_addr v4;

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

static int set_data(struct config *c, const char *value, struct error *err)
{
    const char *dir;
    char *name = NULL, *real = NULL;
    struct stat st;
    int rc = opts_pair("data", value, &name, &dir, err);

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
    else
        c->roots[c->n_roots++] = (struct root){ name, real };
    if (rc) {
        free(name);
        free(real);
    }
    return rc;
}

static int set_allow_host(struct config *c, const char *value,
                          struct error *err)
{
    if (!*value || strlen(value) > 253 ||
        strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                      "0123456789.-") != strlen(value))
        return fail(err, ERR_USAGE, "\"%s\" is not a host name (no port)",
                    value);
    if (c->n_allow_hosts == CONFIG_MAX_LIST)
        return fail(err, ERR_USAGE, "more than %d host names", CONFIG_MAX_LIST);
    c->allow_hosts[c->n_allow_hosts++] = xstrdup(value);
    return 0;
}

static int set_text(char **to, const char *value, struct error *err)
{
    if (!*value)
        return fail(err, ERR_USAGE, "needs a value");
    free(*to);
    *to = xstrdup(value);
    return 0;
}

// A flag: NULL on the command line, a word in a file.
static int set_flag(bool *to, const char *value, struct error *err)
{
    *to = !value || !strcmp(value, "true");
    if (value && !*to && strcmp(value, "false") != 0)
        return fail(err, ERR_USAGE, "\"%s\" is not true or false", value);
    return 0;
}

static int set_heartbeat(struct config *c, const char *value,
                         struct error *err)
{
    char *end;
    long n = strtol(value, &end, 10);

    if (!isdigit((unsigned char)*value) || *end || n < 1 || n > 86400)
        return fail(err, ERR_USAGE, "\"%s\" is not a number of seconds from 1 "
                    "to 86400", value);
    c->heartbeat = (int)n;
    return 0;
}

static int set(struct config *c, const char *name, const char *value,
               struct error *err)
{
    if (!strcmp(name, "no-auth"))
        return set_flag(&c->no_auth, value, err);
    if (!strcmp(name, "open-metrics"))
        return set_flag(&c->open_metrics, value, err);
    if (!strcmp(name, "token-file"))
        return set_text(&c->token_file, value, err);
    if (!strcmp(name, "listen"))
        return set_listen(c, value, err);
    if (!strcmp(name, "data"))
        return set_data(c, value, err);
    if (!strcmp(name, "allow-host"))
        return set_allow_host(c, value, err);
    if (!strcmp(name, "state"))
        return set_text(&c->state, value, err);
    if (!strcmp(name, "heartbeat"))
        return set_heartbeat(c, value, err);
    if (!strcmp(name, "web"))
        return set_text(&c->web, value, err);
    return set_text(&c->worker, value, err);
}

// The command line, then the file.

static int set_from_line(struct config *c, const struct opts *given,
                         struct error *err)
{
    for (int i = 0; i < given->n_items; i++) {
        const struct opts_item *item = &given->items[i];
        struct error why = { 0 };
        if (item->opt - options >= N_KEYS)
            continue;
        if (set(c, item->opt->name, item->value, &why) != 0)
            return fail(err, ERR_USAGE, "--%s: %s", item->opt->name, why.text);
    }
    return 0;
}

static char *trim(char *s)
{
    char *end = s + strlen(s);

    while (end > s && isspace((unsigned char)end[-1]))
        *--end = '\0';
    return s + strspn(s, " \t");
}

// One line of the file. `seen` has a bit for each key that was set in it.
static int set_from_file(struct config *c, const struct opts *given,
                         char *line, unsigned *seen, struct error *err)
{
    char *key = trim(line), *equals = strchr(key, '=');
    int i = 0;

    if (!*key || *key == '#')
        return 0;
    if (!equals)
        return fail(err, ERR_USAGE, "\"%s\" is not key = value", key);
    *equals = '\0';
    key = trim(key);
    while (i < N_KEYS && strcmp(options[i].name, key) != 0)
        i++;
    if (i == N_KEYS) {
        const char *near = opts_nearest(key, &options->name, N_KEYS,
                                        sizeof *options);
        return fail(err, ERR_USAGE, "unknown key %s%s%s", key,
                    near ? ", did you mean " : "", near ? near : "");
    }
    if (!options[i].repeat && *seen & 1u << i)
        return fail(err, ERR_USAGE, "%s is given twice", key);
    *seen |= 1u << i;
    if (!options[i].repeat && opts_given(given, key))
        return 0;
    return set(c, key, trim(equals + 1), err);
}

static int read_file(struct config *c, const struct opts *given,
                     const char *path, struct error *err)
{
    char line[LONGEST_LINE];
    FILE *f = fopen(path, "re");
    unsigned seen = 0;
    int rc = 0;

    if (!f)
        return fail(err, ERR_USAGE, "cannot read %s: %s", path,
                    strerror(errno));
    for (int n = 1; !rc && fgets(line, sizeof line, f); n++) {
        struct error why = { 0 };
        if (!strchr(line, '\n') && strlen(line) + 1 == sizeof line)
            rc = fail(&why, ERR_USAGE, "a line of more than %d bytes",
                      LONGEST_LINE - 2);
        else
            rc = set_from_file(c, given, line, &seen, &why);
        if (rc)
            fail(err, rc, "%s:%d: %s", path, n, why.text);
    }
    if (!rc && ferror(f))
        rc = fail(err, ERR_USAGE, "cannot read %s: %s", path, strerror(errno));
    fclose(f);
    return rc;
}

// Where things are when nobody says.

// The first of `places` (%s is the directory of this program) that exists.
static char *find_beside(const char *const *places)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    char *slash = NULL;

    if (n > 0) {
        self[n] = '\0';
        slash = strrchr(self, '/');
    }
    if (!slash)
        return NULL;
    *slash = '\0';
    for (; *places; places++) {
        char *path = xasprintf("%s/%s", self, *places);
        char *real = access(path, F_OK) == 0 ? realpath(path, NULL) : NULL;
        free(path);
        if (real)
            return real;
    }
    return NULL;
}

static char *find_in_path(const char *program)
{
    const char *p = getenv("PATH");

    while (p && *p) {
        size_t len = strcspn(p, ":");
        char *path = xasprintf("%.*s/%s", (int)len, p, program);
        if (len && access(path, X_OK) == 0)
            return path;
        free(path);
        p += len + (p[len] == ':');
    }
    return NULL;
}

static void fill_in(struct config *c)
{
    static const char *const workers[] = {
        "gradwatch-train", "../worker/gradwatch-train", NULL };
    static const char *const webs[] = {
        "../web/index.html", "../share/gradwatch/web/index.html", NULL };

    if (!c->host) {
        c->host = xstrdup("127.0.0.1");
        c->port = DEFAULT_PORT;
    }
    if (!c->state)
        c->state = token_state_dir();
    if (!c->token_file)
        c->token_file = xasprintf("%s/token", c->state);
    if (!c->heartbeat)
        c->heartbeat = DEFAULT_HEARTBEAT_S;
    if (!c->worker)
        c->worker = find_beside(workers);
    if (!c->worker)
        c->worker = find_in_path("gradwatch-train");
    if (!c->web && (c->web = find_beside(webs)))
        *strrchr(c->web, '/') = '\0';
}

static bool is_loopback(const char *host)
{
    struct in6_addr v6;
    struct in_addr v4;

    if (inet_pton(AF_INET, host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    return inet_pton(AF_INET6, host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

// Whoever can submit a job can read the data roots and use the machine.
static int check_exposure(const struct config *c, struct error *err)
{
    if (is_loopback(c->host))
        return 0;
    if (c->no_auth)
        return fail(err, ERR_USAGE, "cannot listen on %s with no-auth: "
                    "everybody who reaches it could use this machine", c->host);
    if (!c->n_allow_hosts)
        return fail(err, ERR_USAGE, "listening on %s needs the names that "
                    "this machine is called by from elsewhere: --allow-host "
                    "NAME", c->host);
    return 0;
}

int config_load(struct config *c, int argc, char **argv, struct error *err)
{
    struct opts given;

    *c = (struct config){ 0 };
    int rc = opts_parse(&given, options, N_OPTIONS, argc, argv, err);
    if (!rc && given.n_words)
        rc = fail(err, ERR_USAGE, "unexpected argument %s", given.words[0]);
    if (!rc) {
        c->check = opts_given(&given, "check-config");
        c->print = opts_given(&given, "print-config");
        c->version = opts_given(&given, "version");
        c->help = opts_given(&given, "help");
    }
    bool work = !rc && !c->version && !c->help;
    if (work)
        rc = set_from_line(c, &given, err);
    if (work && !rc && opts_given(&given, "config"))
        rc = read_file(c, &given, opts_value(&given, "config"), err);
    if (work && !rc)
        fill_in(c);
    if (work && !rc && !c->worker)
        rc = fail(err, ERR_USAGE, "cannot find gradwatch-train beside this "
                  "program or in PATH; use --worker FILE");
    if (work && !rc)
        rc = check_exposure(c, err);
    opts_free(&given);
    return rc;
}

void config_free(struct config *c)
{
    free(c->host);
    free(c->state);
    free(c->token_file);
    free(c->web);
    free(c->worker);
    for (int i = 0; i < c->n_roots; i++) {
        free(c->roots[i].name);
        free(c->roots[i].dir);
    }
    for (int i = 0; i < c->n_allow_hosts; i++)
        free(c->allow_hosts[i]);
    *c = (struct config){ 0 };
}

void config_print(FILE *out, const struct config *c)
{
    bool v6 = strchr(c->host, ':');

    fprintf(out, "listen = %s%s%s:%d\n", v6 ? "[" : "", c->host,
            v6 ? "]" : "", c->port);
    fprintf(out, "state = %s\n", c->state);
    for (int i = 0; i < c->n_roots; i++)
        fprintf(out, "data = %s=%s\n", c->roots[i].name, c->roots[i].dir);
    for (int i = 0; i < c->n_allow_hosts; i++)
        fprintf(out, "allow-host = %s\n", c->allow_hosts[i]);
    fprintf(out, "token-file = %s\n", c->token_file);
    fprintf(out, "no-auth = %s\n", c->no_auth ? "true" : "false");
    fprintf(out, "open-metrics = %s\n", c->open_metrics ? "true" : "false");
    fprintf(out, "heartbeat = %d\n", c->heartbeat);
    if (c->web)
        fprintf(out, "web = %s\n", c->web);
    fprintf(out, "worker = %s\n", c->worker);
}

void config_help(FILE *out)
{
    fputs("Usage: gradwatchd [OPTION]...\n"
          "Trains networks and serves how their gradients flow.\n\n", out);
    opts_help(out, options, N_OPTIONS);
}

const struct root *config_root(const struct config *c, const char *name)
{
    for (int i = 0; i < c->n_roots; i++)
        if (!strcmp(c->roots[i].name, name))
            return &c->roots[i];
    return NULL;
}
