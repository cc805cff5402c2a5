#include "daemon/submit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/beneath.h"
#include "common/folder.h"
#include "common/job.h"
#include "common/mem.h"
#include "daemon/checkpoints.h"
#include "model/nets.h"

void submit_refuse(struct reply *rp, const char *pointer, json_t *value,
                   const char *fmt, ...)
{
    char text[512], *field = xstrdup(pointer + 1);
    va_list args;

    for (char *c = field; *c; c++)
        *c = *c == '/' ? '.' : *c;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    json_t *errors = json_pack("[{s:s, s:o, s:s}]", "pointer", pointer,
                               "value", value, "message", text);
    reply_problem(rp, 422, errors, "%s %s", field, text);
    free(field);
}

// Reading.

static bool check_root(const struct config *c, const struct job *job,
                       struct reply *rp)
{
    char names[300] = "";

    if (!*job->data.root || config_root(c, job->data.root))
        return true;
    for (int i = 0; i < c->n_roots && strlen(names) < 200; i++) {
        strcat(names, i ? ", " : "; there are ");
        strcat(names, c->roots[i].name);
    }
    submit_refuse(rp, "/data/root", json_string(job->data.root),
                  "is not one of this daemon's data roots%s",
                  *names ? names : "; it was started without --data");
    return false;
}

// A folder beneath the root.
static bool check_path(const struct config *c, const struct job *job,
                       struct reply *rp)
{
    const struct root *root = config_root(c, job->data.root);
    int dir, fd = -1, why;

    if (!*job->data.root)
        return true;
    dir = open(root->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir >= 0)
        fd = beneath_open(dir, root->dir, job->data.path, O_PATH | O_DIRECTORY);
    why = errno;
    if (dir >= 0)
        close(dir);
    if (fd >= 0)
        close(fd);
    else
        submit_refuse(rp, "/data/path", json_string(job->data.path),
                      "is not a folder below the data root %s: %s", root->name,
                      why == EXDEV ? "it leads out of it" : strerror(why));
    return fd >= 0;
}

// The graph that the job asks for, or NULL with the problem in rp.
static struct graph *build(const struct job *job, int classes, int batch,
                           struct reply *rp)
{
    struct error err = { 0 };
    struct net_opts net = net_opts_of(job, classes, batch);
    struct graph *g = net_build(&net, &err);

    if (!g)
        submit_refuse(rp, "/data/image_size",
                      json_integer(job->data.image_size),
                      "the network cannot be built: %s", err.text);
    return g;
}

static bool check_network(const struct job *job, struct reply *rp)
{
    enum { ANY_CLASSES = 2 };
    struct graph *g = build(job, ANY_CLASSES, job->train.batch, rp);
    bool ok = g != NULL;

    graph_free(g);
    return ok;
}

json_t *submit_body(struct request *rq, struct reply *rp)
{
    struct error err = { 0 };
    json_t *body = job_load_text(rq->body, rq->body_len, &err);

    if (!body)
        reply_problem(rp, 400, NULL, "%s", err.text);
    return body;
}

struct job *submit_read(struct request *rq, struct reply *rp)
{
    json_t *spec = submit_body(rq, rp);
    struct job *job = spec ? submit_check(rq, spec, rp) : NULL;

    json_decref(spec);
    return job;
}

// The job that the weights come from is there, and has some or may get some.
static bool check_init(const struct server *s, const struct job *job,
                       struct reply *rp)
{
    int64_t from = job->model.init == INIT_CHECKPOINT ? job->model.init_job : 0;
    struct error err = { 0 };
    int rc = from ? checkpoints_expect(s, from, &err) : 0;

    if (rc == ERR_NOT_FOUND)
        submit_refuse(rp, "/model/init", json_sprintf("checkpoint:%" PRId64,
                      from), "%s", err.text);
    else if (rc)
        reply_error(rp, &err);
    return !rc;
}

// How many steps there will be.

struct data_size { int classes; int64_t images; };

// What a share for validation leaves where all classes are of one size.
static int64_t left_to_train(const struct job *job, struct data_size size)
{
    double share = job->data.validation.share, each;
    int64_t held = 0;

    for (int c = 0; c < size.classes && share > 0; c++) {
        each = (double)(size.images / size.classes +
                        (c < size.images % size.classes));
        held += (int64_t)fmin(floor(share * each + 0.5), fmax(0, each - 1));
    }
    return size.images - held;
}

static struct data_size synthetic_size(const struct job *job)
{
    return (struct data_size){ job->data.synthetic.classes,
                               job->data.synthetic.images };
}

static int64_t limited(const struct job *job, int64_t images)
{
    return job->data.limit && images > job->data.limit ? job->data.limit
                                                       : images;
}

// Of an epoch.
static int64_t count_steps(const struct job *job, int64_t images)
{
    int64_t batch = images < job->train.batch ? images : job->train.batch;

    // A single image that is left over is not trained on.
    return images / batch + (images % batch > 1);
}

// Each step to probe before is one of the run, which trains on so many images.
static bool check_probe(const struct job *job, int64_t images,
                        struct reply *rp)
{
    const struct job_probe *p = &job->record.probe;
    int64_t steps = count_steps(job, images), all = job->train.epochs * steps;
    char pointer[40];

    for (int i = 0; i < p->n_steps; i++) {
        if (p->steps[i] < all)
            continue;
        snprintf(pointer, sizeof pointer, "/record/probe/%d", i);
        submit_refuse(rp, pointer, json_integer(p->steps[i]), "must be a step "
                      "of the run, from 0 to %" PRId64 ": it has %d epoch%s of "
                      "%" PRId64 " step%s", all - 1, job->train.epochs,
                      job->train.epochs == 1 ? "" : "s", steps,
                      steps == 1 ? "" : "s");
        return false;
    }
    return true;
}

// Of a set on disk only a dry run knows the size, and the worker.
static bool check_steps(const struct job *job, struct reply *rp)
{
    struct data_size size = synthetic_size(job);

    if (job->data.source != SOURCE_SYNTHETIC)
        return true;
    size.images = limited(job, size.images);
    return check_probe(job, left_to_train(job, size), rp);
}

struct job *submit_check(struct request *rq, const json_t *spec,
                         struct reply *rp)
{
    json_t *problems = NULL;
    const struct config *c = rq->server->config;
    struct job *job = job_parse(spec, &problems);

    if (!job) {
        int n = (int)json_array_size(problems);
        reply_problem(rp, 422, problems, "the job has %d mistake%s", n,
                      n == 1 ? "" : "s");
        return NULL;
    }
    if (check_root(c, job, rp) && check_path(c, job, rp) &&
        check_network(job, rp) && check_steps(job, rp) &&
        check_init(rq->server, job, rp))
        return job;
    job_free(job);
    return NULL;
}

// Describing.

enum { LIST_SECONDS = 5 };      // a million files, where the disk is not slow

static int is_batch(const struct dirent *e)
{
    return fnmatch("data_batch_*.bin", e->d_name, 0) == 0;
}

// By the lengths of its files: they hold an image every 3073 bytes.
static int measure_cifar10(const char *root, const char *path,
                           struct data_size *size, struct error *err)
{
    enum { CLASSES = 10, RECORD = 3073 };
    struct folder *f;
    struct dirent **names = NULL;
    const char *why;
    struct stat st;
    int rc = folder_open(root, path, &f, err);
    DIR *dir = rc ? NULL : folder_open_dir(f, "");
    int n = dir ? scandirat(dirfd(dir), ".", &names, is_batch, alphasort) : 0;

    *size = (struct data_size){ CLASSES, 0 };
    for (int i = 0; i < n; i++) {
        int fd = folder_open_file(f, names[i]->d_name, &why);
        if (fd >= 0 && fstat(fd, &st) == 0)
            size->images += st.st_size / RECORD;
        if (fd >= 0)
            close(fd);
        free(names[i]);
    }
    free(names);
    if (!rc && size->images == 0)
        rc = fail(err, ERR_DATA, "no data_batch_*.bin in %s", f->dir);
    if (dir)
        closedir(dir);
    folder_free(f);
    return rc;
}

// One at a time, and not for long: other requests are served by the few threads
// that do this.
static int measure_folder(const char *root, const char *path,
                          struct data_size *size, struct error *err)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    struct folder *folder = NULL;

    if (pthread_mutex_trylock(&lock) != 0)
        return fail(err, ERR_LIMIT, "another request has images listed: try "
                    "again");
    int rc = folder_scan_within(LIST_SECONDS, root, path, &folder, err);
    pthread_mutex_unlock(&lock);
    if (!rc)
        *size = (struct data_size){ folder->n_classes, folder->n_images };
    folder_free(folder);
    return rc;
}

static bool measure(const struct config *c, const struct job *job,
                    struct data_size *size, struct reply *rp)
{
    struct error err = { 0 };
    const struct root *root = config_root(c, job->data.root);
    int rc = 0;

    *size = synthetic_size(job);
    if (job->data.source == SOURCE_FOLDER)
        rc = measure_folder(root->dir, job->data.path, size, &err);
    else if (job->data.source == SOURCE_CIFAR10)
        rc = measure_cifar10(root->dir, job->data.path, size, &err);
    if (rc == ERR_LIMIT) {
        reply_problem(rp, 429, NULL, "%s; the job can be submitted all the "
                      "same", err.text);
        reply_header(rp, "Retry-After", "%d", LIST_SECONDS);
        return false;
    }
    if (rc) {
        submit_refuse(rp, "/data/path", json_string(job->data.path), "%s",
                      err.text);
        return false;
    }
    size->images = limited(job, size->images);
    // With what is held out: how much that is depends on the classes' sizes.
    if (size->images > 1 && !check_probe(job, size->images, rp))
        return false;
    size->images = left_to_train(job, *size);
    if (size->images < 2) {
        submit_refuse(rp, "/data", json_integer(size->images),
                      "one image is not enough: a batch needs at least 2");
        return false;
    }
    if (job->model.classes && job->model.classes < size->classes) {
        submit_refuse(rp, "/model/classes", json_integer(job->model.classes),
                      "must be at least %d, the classes of the data set",
                      size->classes);
        return false;
    }
    return true;
}

json_t *submit_layers(const struct graph *g)
{
    struct net_layer *layers = NULL;
    json_t *all = json_array();
    int n = net_layers(g, &layers);

    for (int i = 0; i < n; i++) {
        const struct net_layer *l = &layers[i];
        json_array_append_new(all, json_pack("{s:s, s:[iiii], s:i, s:b}",
            "name", l->name, "shape", l->out.n, l->out.c, l->out.h, l->out.w,
            "depth", l->depth, "main", l->main));
    }
    free(layers);
    return all;
}

json_t *submit_plan(struct request *rq, const struct job *job,
                    struct reply *rp)
{
    struct data_size size;
    json_t *spec;

    if (!measure(rq->server->config, job, &size, rp))
        return NULL;
    int classes = job->model.classes ? job->model.classes
                : size.classes < 2 ? 2 : size.classes;
    int64_t batch = size.images < job->train.batch ? size.images
                                                   : job->train.batch;
    struct graph *g = build(job, classes, (int)batch, rp);
    if (!g)
        return NULL;
    spec = job_to_json(job);
    json_object_set_new(json_object_get(spec, "model"), "classes",
                        json_integer(classes));
    json_t *plan = json_pack("{s:o, s:{s:I, s:I}, s:o, s:I, s:I}",
        "spec", spec, "parameters",
        "held", (json_int_t)net_parameters(g, false),
        "used", (json_int_t)net_parameters(g, true),
        "layers", submit_layers(g), "steps_per_epoch",
        (json_int_t)count_steps(job, size.images),
        "memory_bytes", (json_int_t)net_memory(g, job));
    graph_free(g);
    return plan;
}
