/* watch: a job live, as a picture in a terminal and as lines elsewhere. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "client/api.h"
#include "client/follow.h"
#include "client/run.h"
#include "client/screen.h"
#include "client/text.h"
#include "common/clock.h"
#include "common/mem.h"

#define DRAW_SECONDS 0.1        // at most ten pictures a second

struct watch {
    struct client *c;
    struct run     run;
    struct axis    axis;        // of the picture
    bool           heard, lost, dirty;
    double         drawn;       // clock_seconds()
};

/* ---- lines ---- */

// "job 7: text", of which all is clean. Takes text.
static void line(struct watch *w, char *text)
{
    char *clean = text_clean(text, w->c->utf8);

    printf("job %" JSON_INTEGER_FORMAT ": %s\n", w->run.id, clean);
    fflush(stdout);
    free(clean);
    free(text);
}

static void say_started(struct watch *w)
{
    char *parameters = text_count((int64_t)w->run.parameters);
    char *images = text_count((int64_t)w->run.images);

    line(w, xasprintf("running on %s: %s parameters, %s images, %.0f steps an "
                      "epoch", w->run.device, parameters, images,
                      w->run.steps_per_epoch));
    free(parameters);
    free(images);
}

static void say_epoch(struct watch *w, const json_t *event)
{
    const struct run *run = &w->run;
    char *rate = text_number(run->images_per_second, 3);
    char *loss = text_number(run->loss, 4);
    char *took = text_seconds(api_number(event, "duration_seconds"));
    char *accuracy = isfinite(run->accuracy)
                         ? xasprintf("%.1f %%", 100 * run->accuracy)
                         : xstrdup("-");

    line(w, xasprintf("epoch %d/%d  loss %s  accuracy %s  %s images/s  %s",
                      run->epoch, run->epochs,
                      isnan(run->loss) ? "not finite" : loss, accuracy, rate,
                      took));
    free(rate);
    free(loss);
    free(took);
    free(accuracy);
}

// A line for whatever a person waits for; what only passes by has none.
static void say_event(struct watch *w, const json_t *event)
{
    const struct run *run = &w->run;
    const char *type = api_text(event, "type");

    if (!strcmp(type, "live") || !strcmp(type, "loading") ||
        !strcmp(type, "checkpoint"))
        return;
    if (!strcmp(type, "queued"))
        line(w, xasprintf("queued, \"%s\"", run->name ? run->name : ""));
    else if (!strcmp(type, "started"))
        say_started(w);
    else if (!strcmp(type, "epoch"))
        say_epoch(w, event);
    else if (!strcmp(type, "warning"))
        line(w, xasprintf("warning: %s", run->warning));
    else if (run->reason)
        line(w, xasprintf("%s: %s", run->state, run->reason));
    else
        line(w, xstrdup(run->state));
}

/* ---- events ---- */

static void on_event(void *arg, const char *text, size_t len,
                     const json_t *event)
{
    struct watch *w = arg;

    run_apply(&w->run, event);
    w->heard = w->dirty = true;
    if (w->c->json) {
        fwrite(text, 1, len, stdout);
        putchar('\n');
        fflush(stdout);
    } else if (!w->c->movable && !w->c->quiet) {
        say_event(w, event);
    }
}

static void draw(struct watch *w)
{
    char *picture = screen_compose(w->c, &w->run, w->lost, &w->axis);

    screen_draw(w->c, picture);
    free(picture);
    w->dirty = false;
    w->drawn = clock_seconds();
}

static bool is_drawn(const struct watch *w)
{
    return w->c->movable && !w->c->json && !w->c->quiet;
}

static void on_tick(void *arg)
{
    struct watch *w = arg;
    int columns = w->c->columns, rows = w->c->rows;

    client_measure(w->c);
    if (columns != w->c->columns || rows != w->c->rows)
        w->dirty = true;
    if (is_drawn(w) && w->dirty && clock_seconds() - w->drawn > DRAW_SECONDS)
        draw(w);
}

static void on_lost(void *arg, bool lost)
{
    struct watch *w = arg;

    w->lost = lost;
    w->dirty = true;
    if (!is_drawn(w))
        client_say("%s %s", w->c->http->base,
                   lost ? "does not answer, trying again" : "is back");
}

// The last picture stays where it is.
static void on_end(void *arg)
{
    struct watch *w = arg;

    if (!is_drawn(w) || !w->heard)
        return;
    draw(w);
    screen_end();
}

int follow_watch(struct client *c, json_int_t id)
{
    struct watch w = {
        .c = c, .run = {.id = id, .state = "queued"},
        .axis = {.low = 1, .high = 0}};
    struct follower f = {.event = on_event, .tick = on_tick, .lost = on_lost,
                         .end = on_end, .arg = &w};
    int rc = follow_job(c, id, &f);

    if (rc == EXIT_INTERRUPTED && !c->quiet)
        client_say("job %" JSON_INTEGER_FORMAT " goes on; end it with: "
                   "gradwatch cancel %" JSON_INTEGER_FORMAT, id, id);
    if (!rc && c->quiet && !c->json)
        puts(w.run.state);
    if (!rc && !run_is_done(&w.run))
        rc = EXIT_NO;
    run_clear(&w.run);
    return rc;
}

int command_watch(struct client *c)
{
    json_int_t id;
    int rc = client_id(c, "watch", 0, &id);

    return rc ? rc : follow_watch(c, id);
}
