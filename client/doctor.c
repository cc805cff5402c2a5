/* doctor: what is installed, what answers, what is missing and how to get it.
 *
 * Asks the daemon what it can; devices are looked for by the worker itself when
 * no daemon answers. Rows with state "missing" keep gradwatch from working and
 * make the exit status 1; "note" is what somebody may want to have.
 */
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "client/api.h"
#include "client/picture.h"
#include "client/table.h"
#include "client/text.h"
#include "common/mem.h"
#include "version.h"

struct doctor {
    struct client *c;
    json_t        *checks;      // [{name, state, found, hint}]
    bool           missing, answers;
};

enum state { FINE, NOTE, MISSING };

// found is taken; hint may be NULL.
static void add(struct doctor *d, const char *name, enum state state,
                char *found, const char *hint)
{
    static const char *const states[] = { "ok", "note", "missing" };
    char *clean = text_clean(found, true);

    json_array_append_new(d->checks, json_pack("{s:s, s:s, s:s, s:s?}",
        "name", name, "state", states[state], "found", clean,
        "hint", state == FINE ? NULL : hint));
    d->missing |= state == MISSING;
    free(clean);
    free(found);
}

// The body of a GET that was answered with 200; NULL without one, and then
// *status is that of the answer, 0 for none.
static json_t *get(struct doctor *d, const char *path, long *status,
                   struct error *err)
{
    struct response r;
    json_t *answer = NULL;

    *status = 0;
    if (http_send(d->c->http, "GET", path, NULL, &r, err) != 0)
        return NULL;
    *status = r.status;
    if (r.status == 200)
        answer = json_loadb(r.body, r.len, 0, NULL);
    http_clear(&r);
    return answer;
}

static void check_daemon(struct doctor *d)
{
    struct error err = {0};
    long status;
    json_t *about = get(d, API, &status, &err);
    const char *version = api_text(about, "version");

    d->answers = about != NULL;
    if (!status)
        add(d, "daemon", MISSING, xstrdup(err.text), "gradwatchd starts it, or "
            "systemctl --user start gradwatchd");
    else if (status == 401)
        add(d, "daemon", MISSING, xasprintf("%s asks for a token",
            d->c->http->base), "name the daemon's file `token` (in its state "
            "directory) by --token-file or GRADWATCH_TOKEN_FILE");
    else if (!about)
        add(d, "daemon", MISSING, xasprintf("%s answers with %ld",
            d->c->http->base, status), "is it gradwatchd? --server names "
            "another");
    else if (strcmp(version, GRADWATCH_VERSION) != 0)
        add(d, "daemon", NOTE, xasprintf("version %s at %s", version,
            d->c->http->base), "client and daemon are of different versions");
    else
        add(d, "daemon", FINE, xasprintf("version %s at %s", version,
            d->c->http->base), NULL);
    json_decref(about);
}

static void check_page(struct doctor *d)
{
    struct response r;
    struct error err = {0};

    if (!d->answers || http_send(d->c->http, "GET", "/", NULL, &r, &err) != 0)
        return;
    if (r.status == 200)
        add(d, "page", FINE, xstrdup(d->c->http->base), NULL);
    else
        add(d, "page", NOTE, xstrdup("the daemon serves none"), "build it by "
            "scripts/deps and ninja, or name it by gradwatchd --web DIR");
    http_clear(&r);
}

// gradwatch-train beside this program (installed, or in the build folder) or
// in PATH. Caller owns.
static char *find_worker(void)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    const char *path = getenv("PATH");

    self[n > 0 ? n : 0] = '\0';
    char *dir = dirname(self);
    char *places = xasprintf("%s:%s/../worker:%s", dir, dir, path ? path : "");
    char *found = NULL;
    for (char *p = strtok(places, ":"); p && !found; p = strtok(NULL, ":")) {
        found = xasprintf("%s/gradwatch-train", p);
        if (access(found, X_OK) != 0) {
            free(found);
            found = NULL;
        }
    }
    free(places);
    char *plain = found ? realpath(found, NULL) : NULL;
    free(found);
    return plain;
}

// What the worker finds when it is asked here; NULL when it says nothing.
static json_t *probe(const char *worker)
{
    int fd[2];

    if (pipe(fd) != 0)
        return NULL;
    pid_t pid = fork();
    if (pid == 0) {
        dup2(fd[1], STDOUT_FILENO);
        close(fd[0]);
        close(fd[1]);
        execl(worker, worker, "--probe", (char *)NULL);
        _exit(127);
    }
    close(fd[1]);
    FILE *f = fdopen(fd[0], "r");
    json_t *found = f ? json_loadf(f, JSON_DISABLE_EOF_CHECK, NULL) : NULL;
    if (f)
        fclose(f);
    if (pid > 0)
        waitpid(pid, NULL, 0);
    return found;
}

static void check_worker(struct doctor *d, const char *worker)
{
    if (worker)
        add(d, "worker", FINE, xstrdup(worker), NULL);
    else if (d->answers)        // the daemon may have one elsewhere
        add(d, "worker", NOTE, xstrdup("no gradwatch-train here or in PATH"),
            "only of use for training without a daemon");
    else
        add(d, "worker", MISSING, xstrdup("no gradwatch-train beside this "
            "program or in PATH"), "install oneDNN (libdnnl-dev) and build "
            "again, or install the package gradwatch");
}

static void add_device(struct doctor *d, const json_t *device)
{
    double total = api_number(device, "bytes_total");
    char *bytes = total > 0 ? text_bytes(total) : NULL;

    add(d, "device", FINE, xasprintf("%s:%.0f %s%s%s", api_text(device,
        "backend"), api_number(device, "index"), api_text(device, "name"),
        bytes ? ", " : "", bytes ? bytes : ""), NULL);
    free(bytes);
}

static void check_devices(struct doctor *d, const char *worker)
{
    struct error err = {0};
    long status;
    json_t *found = d->answers ? get(d, API "/devices", &status, &err)
                  : worker ? probe(worker) : NULL, *value;
    size_t i;

    json_array_foreach(json_object_get(found, "devices"), i, value)
        add_device(d, value);
    if (found && !json_array_size(json_object_get(found, "devices")))
        add(d, "device", MISSING, xstrdup("none"), "the notes say why");
    json_array_foreach(json_object_get(found, "notes"), i, value)
        add(d, "device", NOTE, xstrdup(json_string_value(value)), "a GPU needs "
            "NVIDIA's driver, CUDA 12 with cuDNN 9, and libgradwatch-cuda.so "
            "(package gradwatch-cuda)");
    json_decref(found);
}

// The driver of this machine, whoever trains where.
static void check_driver(struct doctor *d)
{
    FILE *f = fopen("/proc/driver/nvidia/version", "re");
    char line[200] = "";

    if (f && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = '\0';
        add(d, "driver", FINE, xstrdup(line), NULL);
    }
    if (f)
        fclose(f);
}

static void check_data(struct doctor *d)
{
    struct error err = {0};
    long status;
    json_t *found = d->answers ? get(d, API "/datasets", &status, &err) : NULL;
    const json_t *value;
    size_t i;
    int n = 0;

    json_array_foreach(json_object_get(found, "datasets"), i, value) {
        const char *root = api_text(value, "root");
        bool there = json_is_true(json_object_get(value, "available"));
        if (!*root)
            continue;
        n++;
        add(d, "data", there ? FINE : NOTE, xasprintf("%s%s", root, there ? ""
            : " cannot be read"), "let the user that gradwatchd runs as read "
            "and search the folder");
    }
    if (found && !n)
        add(d, "data", NOTE, xstrdup("no roots: built-in textures only"),
            "gradwatchd --data NAME=DIR, or `data` in its configuration, and "
            "SIGHUP");
    json_decref(found);
}

static void check_pictures(struct doctor *d)
{
    if (picture_can())
        add(d, "pictures", FINE, xstrdup("svg, png and gif"), NULL);
    else
        add(d, "pictures", NOTE, xstrdup("this build draws none"), "build "
            "again with cairo and giflib (libcairo2-dev, libgif-dev)");
}

static void print(struct doctor *d)
{
    static const struct column columns[] = {
        {"CHECK", 0, 0}, {"STATE", 0, 0}, {"FOUND", 0, 1}};
    struct table *t = table_new(d->c, columns, 3);
    const json_t *check;
    size_t i;

    json_array_foreach(d->checks, i, check) {
        table_add(t, api_text(check, "name"));
        table_add(t, api_text(check, "state"));
        table_add(t, api_text(check, "found"));
    }
    table_print(t, d->c);
    table_free(t);
    json_array_foreach(d->checks, i, check)
        if (*api_text(check, "hint"))
            printf("\n%s: %s\n  %s\n", api_text(check, "name"),
                   api_text(check, "found"), api_text(check, "hint"));
}

int command_doctor(struct client *c)
{
    struct doctor d = {.c = c, .checks = json_array()};
    char *worker = find_worker();

    add(&d, "client", FINE, xstrdup("version " GRADWATCH_VERSION), NULL);
    check_daemon(&d);
    check_page(&d);
    check_worker(&d, worker);
    check_driver(&d);
    check_devices(&d, worker);
    check_data(&d);
    check_pictures(&d);
    if (c->json) {
        json_t *all = json_pack("{s:b, s:O}", "ok", !d.missing, "checks",
                                d.checks);
        json_dumpf(all, stdout, JSON_COMPACT);
        putchar('\n');
        json_decref(all);
    } else if (!c->quiet) {
        print(&d);
    }
    json_decref(d.checks);
    free(worker);
    return d.missing ? EXIT_NO : 0;
}
