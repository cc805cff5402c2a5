/* The command line, the file, and what nobody said. */
#include "daemon/config.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/mem.h"
#include "common/token.h"
#include "daemon/config_file.h"

// What is said on the command line alone.
static const struct opt once[] = {
    { .name = "config", .letter = 'c', .value = "FILE",
      .help = "read the options that are not given here from FILE" },
    { .name = "check-config", .help = "check it all and exit" },
    { .name = "check-state",
      .help = "check all that is stored for damage and exit" },
    { .name = "print-config", .help = "print it all and exit" },
    { .name = "version", .letter = 'V', .help = "print the version and exit" },
    { .name = "help", .letter = 'h', .help = "print this and exit" },
};
enum { N_ONCE = sizeof once / sizeof *once, MAX_OPTIONS = 128 };

const struct opt *config_options(int *n)
{
    static struct opt all[MAX_OPTIONS];

    assert(n_config_keys + N_ONCE <= MAX_OPTIONS);
    *n = 0;
    for (int i = 0; i < n_config_keys; i++) {
        const struct config_key *k = &config_keys[i];
        const char *made = all[*n].help;        // by an earlier call
        struct opt opt = k->opt;
        if (k->fallback)
            opt.help = made ? made : xasprintf("%s [%s]", opt.help,
                                               k->fallback);
        all[(*n)++] = opt;
    }
    for (int i = 0; i < N_ONCE; i++)
        all[(*n)++] = once[i];
    return all;
}

static int set_from_line(struct config *c, const struct opts *given,
                         const struct opt *table, struct error *err)
{
    for (int i = 0; i < given->n_items; i++) {
        const struct opts_item *item = &given->items[i];
        ptrdiff_t k = item->opt - table;
        struct error why = { 0 };
        if (k < n_config_keys && config_set(c, &config_keys[k], item->value
                                            ? item->value : "true", &why))
            return fail(err, ERR_USAGE, "--%s: %s", item->opt->name, why.text);
    }
    return 0;
}

// The keys that neither the command line nor the file has.
static void set_fallbacks(struct config *c, const bool *set)
{
    for (int i = 0; i < n_config_keys; i++)
        if (!set[i] && config_keys[i].fallback &&
            config_set(c, &config_keys[i], config_keys[i].fallback, NULL))
            assert(!"a default that its own key refuses");
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

    if (!c->state)
        c->state = token_state_dir();
    if (!c->token_file)
        c->token_file = xasprintf("%s/token", c->state);
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

static int load(struct config *c, const struct opts *given,
                const struct opt *table, struct error *err)
{
    bool set[MAX_OPTIONS] = { 0 };
    int rc = set_from_line(c, given, table, err);

    for (int i = 0; i < n_config_keys; i++)
        set[i] = opts_given(given, table[i].name);
    if (!rc && opts_given(given, "config"))
        rc = config_read(c, opts_value(given, "config"), set, err);
    if (rc)
        return rc;
    set_fallbacks(c, set);
    fill_in(c);
    if (!c->worker)
        return fail(err, ERR_USAGE, "cannot find gradwatch-train beside this "
                    "program or in PATH; use --worker FILE");
    return check_exposure(c, err);
}

int config_load(struct config *c, int argc, char **argv, struct error *err)
{
    struct opts given;
    int n;
    const struct opt *table = config_options(&n);

    *c = (struct config){ 0 };
    int rc = opts_parse(&given, table, n, argc, argv, err);
    if (!rc && given.n_words)
        rc = fail(err, ERR_USAGE, "unexpected argument %s", given.words[0]);
    if (!rc) {
        c->check = opts_given(&given, "check-config");
        c->check_state = opts_given(&given, "check-state");
        c->print = opts_given(&given, "print-config");
        c->version = opts_given(&given, "version");
        c->help = opts_given(&given, "help");
        if (!c->version && !c->help)
            rc = load(c, &given, table, err);
    }
    opts_free(&given);
    return rc;
}

int config_check(const struct config *c, struct error *err)
{
    struct stat st;

    if (stat(c->worker, &st) || access(c->worker, X_OK))
        return fail(err, ERR_USAGE, "worker: cannot run %s: %s", c->worker,
                    strerror(errno));
    if (!S_ISREG(st.st_mode))
        return fail(err, ERR_USAGE, "worker: %s is no program", c->worker);
    return 0;
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

void config_help(FILE *out)
{
    int n;
    const struct opt *table = config_options(&n);

    fputs("usage: gradwatchd [OPTION]...\n"
          "Trains networks and serves how their gradients flow.\n\n", out);
    opts_help(out, table, n);
    fputs("\nDefaults and more: gradwatchd(8), gradwatchd.conf(5).\n", out);
}

const struct root *config_root(const struct config *c, const char *name)
{
    for (int i = 0; i < c->n_roots; i++)
        if (!strcmp(c->roots[i].name, name))
            return &c->roots[i];
    return NULL;
}
