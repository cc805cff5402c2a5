/* watch: a job live, as a picture in a terminal and as lines elsewhere. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "client/api.h"
#include "client/follow.h"
#include "client/run.h"
#include "client/screen.h"
#include "client/terminal.h"
#include "client/text.h"
#include "common/clock.h"
#include "common/mem.h"

#define DRAW_SECONDS 0.1        // at most ten pictures a second

struct watch {
    struct client *c;
    struct run     run;
    struct screen  screen;
    struct axis    axis;        // of the picture
    bool           heard, dirty, left;
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
        if (w->c->terminal)
            text_print(stdout, text, len, w->c->utf8);
        else
            fwrite(text, 1, len, stdout);
        putchar('\n');
        fflush(stdout);
    } else if (!w->c->movable && !w->c->quiet) {
        say_event(w, event);
    }
}

static bool is_drawn(const struct watch *w)
{
    return w->c->movable && !w->c->json && !w->c->quiet;
}

static void draw(struct watch *w, bool anew)
{
    w->screen.keys = terminal_keys();
    char *picture = screen_compose(w->c, &w->run, &w->screen, &w->axis);

    terminal_draw(picture, anew);
    free(picture);
    w->dirty = false;
    w->drawn = clock_seconds();
}

/* ---- keys ---- */

static void next_quantity(struct watch *w)
{
    w->screen.quantity++;
    w->axis = (struct axis){.low = 1, .high = 0};
}

static void switch_layers(struct watch *w)
{
    w->screen.all = !w->screen.all;
    w->screen.first = 0;
    w->axis = (struct axis){.low = 1, .high = 0};
}

static void scroll(struct watch *w, int rows)
{
    int first = w->screen.first + rows, most = w->run.n_layers - 1;

    w->screen.first = first > most ? most : first;
    if (w->screen.first < 0)
        w->screen.first = 0;
}

// At the newest, the picture follows it again.
static void go_to(struct watch *w, int index)
{
    const struct run *run = &w->run;

    if (index >= run->n_history - 1)
        w->screen.epoch = 0;
    else if (run->n_history)
        w->screen.epoch = run->history[index < 0 ? 0 : index].number;
}

static void on_key(struct watch *w, int key)
{
    int shown = screen_epoch(&w->run, &w->screen), page = w->c->rows / 2;

    w->dirty = true;
    switch (key) {
    case 'q':            w->left = true; break;
    case '?':            w->screen.help = !w->screen.help; break;
    case KEY_TAB:        next_quantity(w); break;
    case 'l':            switch_layers(w); break;
    case KEY_UP:         scroll(w, -1); break;
    case KEY_DOWN:       scroll(w, 1); break;
    case KEY_PAGE_UP:    scroll(w, -page); break;
    case KEY_PAGE_DOWN:  scroll(w, page); break;
    case KEY_LEFT:       go_to(w, shown - 1); break;
    case KEY_RIGHT:      go_to(w, shown + 1); break;
    case KEY_HOME:       go_to(w, 0); break;
    case KEY_END:        go_to(w, w->run.n_history); break;
    }
}

/* ---- the rest ---- */

// True ends it.
static bool on_tick(void *arg)
{
    struct watch *w = arg;
    bool pressed = false, anew;

    if (!is_drawn(w) || !w->heard)
        return false;
    terminal_begin();
    w->c->http->wake = terminal_keys() ? STDIN_FILENO : -1;
    for (int key; (key = terminal_key());) {
        on_key(w, key);
        pressed = true;
    }
    anew = terminal_changed();
    if (anew)
        client_measure(w->c);
    if (anew || (w->dirty && (pressed || clock_seconds() - w->drawn >
                                             DRAW_SECONDS)))
        draw(w, anew);
    return w->left;
}

static void on_lost(void *arg, bool lost)
{
    struct watch *w = arg;

    w->screen.lost = lost;
    w->dirty = true;
    if (!is_drawn(w))
        client_say("%s %s", w->c->http->base,
                   lost ? "does not answer, trying again" : "is back");
}

// The last picture stays, below what was there before.
static void on_end(void *arg)
{
    struct watch *w = arg;

    if (!is_drawn(w) || !w->heard)
        return;
    terminal_end();
    client_measure(w->c);
    w->screen.help = w->screen.keys = false;
    char *picture = screen_compose(w->c, &w->run, &w->screen, &w->axis);
    fputs(picture, stdout);
    fflush(stdout);
    free(picture);
}

int follow_watch(struct client *c, json_int_t id)
{
    struct watch *w = xcalloc(1, sizeof *w);
    struct follower f = {.event = on_event, .tick = on_tick, .lost = on_lost,
                         .end = on_end, .arg = w};

    w->c = c;
    w->run.id = id;
    strcpy(w->run.state, "queued");
    w->axis = (struct axis){.low = 1, .high = 0};
    int rc = follow_job(c, id, &f);
    terminal_end();
    if (rc == EXIT_INTERRUPTED && !c->quiet)
        client_say("job %" JSON_INTEGER_FORMAT " goes on; end it with: "
                   "gradwatch cancel %" JSON_INTEGER_FORMAT, id, id);
    if (!rc && c->quiet && !c->json)
        puts(w->run.state);
    if (!rc && !run_is_done(&w->run))
        rc = EXIT_NO;
    run_clear(&w->run);
    free(w);
    return rc;
}

int command_watch(struct client *c)
{
    json_int_t id;
    int rc = client_id(c, "watch", 0, &id);

    return rc ? rc : follow_watch(c, id);
}
