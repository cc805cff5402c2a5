/* cancel, pause, resume, rm, move, clone, drain, undrain: changing what is in
 * the queue. */
#include <stdlib.h>
#include <string.h>
#include "client/api.h"
#include "client/group.h"
#include "client/submit.h"
#include "client/text.h"
#include "common/mem.h"

// The same request for every id; the first failure's status is returned.
static int each(struct client *c, const char *command, const char *method,
                const char *below, const char *done)
{
    int worst = 0;

    for (int i = 0; i < c->opts.n_words && !client_interrupted(); i++) {
        struct response r = {0};
        json_int_t id;
        int rc = client_id(c, command, i, &id);
        if (rc)
            return rc;
        char *path = api_job(id, below);
        rc = api_send(c, method, path, NULL, &r);
        if (!rc && c->json && r.len)
            api_print_body(c, &r);
        else if (!rc && !c->quiet)
            client_say("job %" JSON_INTEGER_FORMAT " is %s", id, done);
        worst = worst ? worst : rc;
        http_clear(&r);
        free(path);
    }
    return worst;
}

int command_cancel(struct client *c)
{
    const char *group = opts_value(&c->opts, "group");

    if (!group == !c->opts.n_words)
        return client_refuse("cancel", "needs ID..., or --group NAME");
    if (group)
        return cancel_group(c, group);
    return each(c, "cancel", "POST", "/cancel", "being cancelled");
}

int command_rm(struct client *c)
{
    return each(c, "rm", "DELETE", "", "removed");
}

int command_pause(struct client *c)
{
    return each(c, "pause", "POST", "/pause", "being paused");
}

int command_resume(struct client *c)
{
    return each(c, "resume", "POST", "/resume", "queued again");
}

// All of it at once.
static int whole_queue(struct client *c, const char *path, const char *done)
{
    struct response r = {0};
    int rc = api_send(c, "POST", path, NULL, &r);

    if (!rc && c->json)
        api_print_body(c, &r);
    else if (!rc && !c->quiet)
        client_say("%s", done);
    http_clear(&r);
    return rc;
}

int command_drain(struct client *c)
{
    return whole_queue(c, API "/queue/drain", "jobs that run go on; no other "
                       "one starts until gradwatch undrain");
}

int command_undrain(struct client *c)
{
    return whole_queue(c, API "/queue/undrain", "jobs start again");
}

int command_move(struct client *c)
{
    const char *before = opts_value(&c->opts, "before");
    bool last = opts_given(&c->opts, "last");
    bool first = opts_given(&c->opts, "first");
    struct response r = {0};
    char *end = "";
    json_int_t id;

    if (first + last + (before != NULL) != 1)
        return client_refuse("move", "needs one of --first, --last and "
                             "--before ID");
    long long other = before ? strtoll(before, &end, 10) : 0;
    if (before && (*end || other < 1))
        return client_refuse("move", "--before takes the id of a job");
    int rc = client_id(c, "move", 0, &id);
    if (rc)
        return rc;
    char *path = api_job(id, "/move");
    char *body = before ? xasprintf("{\"before\":%lld}", other)
                        : xstrdup(first ? "{\"first\":true}"
                                        : "{\"before\":null}");
    rc = api_send(c, "POST", path, body, &r);
    if (!rc && c->json)
        api_print_body(c, &r);
    else if (!rc && !c->quiet)
        client_say("job %" JSON_INTEGER_FORMAT " has moved", id);
    http_clear(&r);
    free(body);
    free(path);
    return rc;
}

int command_clone(struct client *c)
{
    json_int_t id, clone;
    int rc = client_id(c, "clone", 0, &id);
    json_t *changes = rc ? NULL : submit_spec(c);

    if (rc || !changes)
        return rc ? rc : EXIT_USAGE;
    char *path = api_job(id, "/clone");
    rc = submit_post(c, path, changes, false, &clone);
    free(path);
    json_decref(changes);
    return rc;
}
