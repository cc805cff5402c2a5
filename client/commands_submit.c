/* submit: a spec from a file and from options, sent, and perhaps followed. */
#include "client/submit.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "client/api.h"
#include "client/follow.h"
#include "client/table.h"
#include "client/text.h"
#include "common/job.h"
#include "common/mem.h"

enum { MAX_SPEC = 1 << 20, SHORT_VALUES = 14, POLL_MILLIS = 200 };

const struct opt submit_opts[5] = {
    {.name = "spec", .value = "FILE",
     .help = "start from a job spec in JSON; - is standard input"},
    {.name = "pair", .help = "two jobs that differ in skip connections alone: "
     "the first with, the second without"},
    {.name = "sweep", .value = "FIELDS", .help = "a job for every combination, "
     "as in 'model.skip=true,false train.seed=0..4'"},
    {.name = "dry-run", .help = "check and show the job, queue nothing"},
    {.name = "follow", .letter = 'f',
     .help = "then watch it and exit as it does"},
};

static const char *option_name(const struct job_field *f)
{
    return f->option + 2;       // without the dashes
}

// " [224]", " [conv1,fc]"; "" where there is no default to speak of. Caller
// owns.
static char *default_text(const char *fallback)
{
    json_t *value = fallback ? json_loads(fallback, JSON_DECODE_ANY, NULL)
                             : NULL;
    char *text = xstrdup("");
    size_t n = json_is_array(value) ? json_array_size(value) : 1;

    for (size_t i = 0; value && !json_is_null(value) && i < n; i++) {
        char *one = text_json(json_is_array(value) ? json_array_get(value, i)
                                                   : value, true);
        char *longer = xasprintf("%s%s%s", text, i ? "," : " [", one);
        free(one);
        free(text);
        text = longer;
    }
    char *closed = xasprintf("%s%s", text, *text ? "]" : "");
    free(text);
    json_decref(value);
    return closed;
}

// "pixels a side (8..1024) [224]". Caller owns.
static char *field_help(const struct job_field *f, bool values_shown)
{
    bool values = !f->flag && !values_shown;
    char *fallback = default_text(f->fallback);
    char *help = xasprintf("%s%s%s%s%s", f->help, values ? " (" : "",
                           values ? f->values : "", values ? ")" : "",
                           fallback);
    free(fallback);
    return help;
}

static struct opt field_option(const struct job_field *f)
{
    bool data = !strcmp(f->path, "data.root");
    bool brief = strlen(f->values) <= SHORT_VALUES && !strchr(f->values, ' ');
    bool only_bool = !strcmp(f->values, "true|false");

    return (struct opt){
        .name = option_name(f),
        .value = f->flag ? NULL : data ? "ROOT[/PATH]"
                 : brief ? f->values : "VALUE",
        .negatable = f->flag,
        .maybe = f->flag && !only_bool ? "LIST" : NULL,
        .choices = f->flag ? NULL : f->values,
        .help = field_help(f, brief)};
}

// Caller owns the help of it.
static struct opt preset_option(void)
{
    static char names[80];      // "notebook|demo|..."
    char *help = xstrdup("start from one of these instead of the defaults:");
    size_t at = 0;

    for (int i = 0; job_preset_names[i]; i++) {
        char *longer = xasprintf("%s %s%s", help, job_preset_names[i],
                                 job_preset_names[i + 1] ? "," : "");
        free(help);
        help = longer;
        if (at < sizeof names)
            at += (size_t)snprintf(names + at, sizeof names - at, "%s%s",
                                   i ? "|" : "", job_preset_names[i]);
    }
    return (struct opt){.name = "preset", .value = "NAME", .help = help,
                        .choices = names};
}

struct opt *submit_fields(int *n)
{
    int n_fields;
    const struct job_field *fields = job_fields(&n_fields);
    struct opt *opts = xcalloc((size_t)n_fields + 1, sizeof *opts);

    *n = 0;
    opts[(*n)++] = preset_option();
    for (int i = 0; i < n_fields; i++)
        if (fields[i].option)
            opts[(*n)++] = field_option(&fields[i]);
    return opts;
}

void submit_fields_free(struct opt *fields, int n)
{
    for (int i = 0; i < n; i++)
        free((char *)fields[i].help);
    free(fields);
}

// --data ROOT[/PATH]
static void set_data(json_t *spec, const char *text)
{
    const char *slash = strchr(text, '/');
    size_t len = slash ? (size_t)(slash - text) : strlen(text);

    job_spec_set(spec, "data.root", json_stringn(text, len));
    if (slash && slash[1])
        job_spec_set(spec, "data.path", json_string(slash + 1));
}

static void set_options(const struct opts *o, json_t *spec)
{
    int n;
    const struct job_field *fields = job_fields(&n);

    if (opts_given(o, "preset"))
        job_spec_set(spec, "preset", json_string(opts_value(o, "preset")));
    for (int i = 0; i < n; i++) {
        const struct job_field *f = &fields[i];
        if (!f->option || !opts_given(o, option_name(f)))
            continue;
        const char *text = opts_value(o, option_name(f));
        if (f->flag && !text)
            job_spec_set(spec, f->path,
                         json_boolean(opts_flag(o, option_name(f), false)));
        else if (!strcmp(f->path, "data.root"))
            set_data(spec, text);
        else
            job_spec_set(spec, f->path, job_option_value(f, text));
    }
}

// Up to `most` bytes until the end, or -1. What is typed may never end: Ctrl-C
// is looked for between waits, since it may come before read() does.
static ssize_t read_all(int fd, char *text, size_t most)
{
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    size_t len = 0;
    ssize_t n = 1;

    while (n > 0 && len < most) {
        if (client_interrupted())
            return -1;
        if (poll(&readable, 1, POLL_MILLIS) <= 0)
            continue;
        n = read(fd, text + len, most - len);
        if (n > 0)
            len += (size_t)n;
    }
    return n < 0 ? -1 : (ssize_t)len;
}

// The whole of a file; NULL after saying why not. Caller owns.
static char *read_spec(const char *name, size_t *len)
{
    bool standard = !strcmp(name, "-");
    int fd = standard ? STDIN_FILENO : open(name, O_RDONLY | O_CLOEXEC);
    char *text = xmalloc(MAX_SPEC + 1);
    ssize_t n = fd < 0 ? -1 : read_all(fd, text, MAX_SPEC + 1);

    if (n < 0 && !client_interrupted())
        client_say("cannot read %s: %s", standard ? "standard input" : name,
                   strerror(errno));
    else if (n > MAX_SPEC)
        client_say("%s is over %d KiB, no job spec", name, MAX_SPEC >> 10);
    if (n < 0 || n > MAX_SPEC) {
        free(text);
        text = NULL;
    }
    if (fd >= 0 && !standard)
        close(fd);
    *len = (size_t)n;
    return text;
}

json_t *submit_spec(struct client *c)
{
    const char *name = opts_value(&c->opts, "spec");
    json_t *spec = NULL;

    if (!name) {
        spec = json_object();
    } else {
        struct error err = {0};
        size_t len = 0;
        char *text = read_spec(name, &len);
        if (text && !(spec = job_load_text(text, len, &err)))
            client_say("%s: %s", !strcmp(name, "-") ? "standard input" : name,
                       err.text);
        free(text);
    }
    if (spec)
        set_options(&c->opts, spec);
    return spec;
}

// "train.batch  16", one line a field.
static void print_spec(struct client *c, struct table *t, const json_t *object,
                       const char *prefix)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)object, key, value) {
        char *path = xasprintf("%s%s%s", prefix, *prefix ? "." : "", key);
        if (json_is_object(value)) {
            print_spec(c, t, value, path);
        } else {
            table_add(t, path);
            table_take(t, text_json(value, c->utf8));
        }
        free(path);
    }
}

static void add_number(struct table *t, const char *name, double x,
                       char *(*text)(double))
{
    if (isnan(x))
        return;
    table_add(t, name);
    table_take(t, text(x));
}

static char *count(double x)
{
    return text_count((int64_t)x);
}

static void print_dry_run(struct client *c, const json_t *answer)
{
    static const struct column columns[] = {{"FIELD", 0, 0}, {"VALUE", 0, 1}};
    const json_t *parameters = json_object_get(answer, "parameters");
    const json_t *layers = json_object_get(answer, "layers");
    struct table *t = table_new(c, columns, 2);

    print_spec(c, t, json_object_get(answer, "spec"), "");
    add_number(t, "parameters held", api_number(parameters, "held"), count);
    add_number(t, "parameters used", api_number(parameters, "used"), count);
    add_number(t, "layers", json_is_array(layers)
               ? (double)json_array_size(layers)
               : api_number(answer, "layers"), count);
    add_number(t, "steps per epoch", api_number(answer, "steps_per_epoch"),
               count);
    add_number(t, "memory", api_number(answer, "memory_bytes"), text_bytes);
    table_print(t, c);
    table_free(t);
}

// The id is the data; the rest is for people.
static void announce(struct client *c, const json_t *job, json_int_t id)
{
    printf("%" JSON_INTEGER_FORMAT "\n", id);
    if (c->quiet || opts_given(&c->opts, "follow"))
        return;
    char *name = text_clean(api_text(job, "name"), c->utf8);
    client_say("queued \"%s\"; see it with: gradwatch watch %"
               JSON_INTEGER_FORMAT, name, id);
    free(name);
}

int submit_post(struct client *c, const char *path, const json_t *spec,
                bool dry, json_int_t *id)
{
    char *body = json_dumps(spec, JSON_COMPACT);
    struct response r;
    int rc = api_send(c, "POST", path, body, &r);
    json_t *answer = rc ? NULL : json_loadb(r.body, r.len, 0, NULL);

    free(body);
    if (!rc && !answer) {
        client_say("the answer of %s is not JSON: is this gradwatchd?",
                   c->http->base);
        rc = EXIT_UNREACHABLE;
    } else if (!rc) {
        *id = json_integer_value(json_object_get(answer, "id"));
        if (c->json)
            api_print_body(c, &r);
        else if (dry)
            print_dry_run(c, answer);
        else
            announce(c, answer, *id);
        fflush(stdout);
    }
    json_decref(answer);
    http_clear(&r);
    return rc;
}

// Names of a pair must differ in lists.
static void make_half(json_t *spec, bool skip)
{
    const char *name = json_string_value(json_object_get(spec, "name"));

    job_spec_set(spec, "model.skip", json_boolean(skip));
    if (name)
        job_spec_set(spec, "name", json_sprintf("%s %s", name,
                                       skip ? "skip" : "no skip"));
}

int command_submit(struct client *c)
{
    bool pair = opts_given(&c->opts, "pair");
    bool dry = opts_given(&c->opts, "dry-run");
    bool sweep = opts_given(&c->opts, "sweep");
    bool follow = opts_given(&c->opts, "follow");
    json_int_t ids[2] = {0};
    int n = pair ? 2 : 1, rc = 0;

    if (pair && opts_given(&c->opts, "skip"))
        return client_refuse("submit", "--pair sets --skip and --no-skip "
                             "itself");
    if (sweep && (pair || follow))
        return client_refuse("submit", "--sweep goes without --pair and "
                             "--follow");
    if (dry && follow)
        return client_refuse("submit", "--dry-run queues nothing to --follow");
    json_t *spec = submit_spec(c);
    if (!spec)
        return EXIT_USAGE;
    if (sweep) {
        rc = submit_sweep(c, spec, dry);
        json_decref(spec);
        return rc;
    }
    for (int i = 0; i < n && !rc; i++) {
        json_t *one = json_deep_copy(spec);
        if (pair)
            make_half(one, i == 0);
        rc = submit_post(c, dry ? API "/jobs?dry_run=true" : API "/jobs", one,
                         dry, &ids[i]);
        json_decref(one);
    }
    json_decref(spec);
    if (rc || dry)
        return rc;
    for (int i = 0; i < n && follow && rc <= EXIT_NO; i++) {
        int as_job = follow_watch(c, ids[i]);
        rc = as_job ? as_job : rc;
    }
    return rc;
}
