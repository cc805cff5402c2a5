/* export: the command, and the table of what it writes. */
#include "client/export.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "client/api.h"
#include "client/output.h"
#include "client/picture.h"
#include "client/records.h"
#include "client/text.h"
#include "common/mem.h"

struct format {
    const char    *name, *ending;       // ending NULL: only by --format
    bool           text;                // may go to a terminal
    export_writer *write;               // NULL: a picture
    enum picture_kind kind;
};

static const struct format formats[] = {
    {.name = "csv", .ending = ".csv", .text = true, .write = export_csv},
    {.name = "json", .ending = ".json", .text = true, .write = export_json},
    {.name = "notebook", .text = true, .write = export_notebook},
    {.name = "svg", .ending = ".svg", .text = true, .kind = PICTURE_SVG},
    {.name = "png", .ending = ".png", .kind = PICTURE_PNG},
    {.name = "gif", .ending = ".gif", .kind = PICTURE_GIF},
    {.name = "safetensors", .ending = ".safetensors",
     .write = export_checkpoint},
    {.name = "records", .write = export_records},
    {.name = "tensorboard", .write = export_tensorboard},
};
enum { N_FORMATS = sizeof formats / sizeof *formats };
#define EVENT_FILE "tfevents"           // by which TensorBoard knows its files

int export_ask(const struct export *e, const char *what, const char *layers,
               json_t **answer)
{
    struct client *c = e->c;
    char *path = records_path(c, e->id, what, layers,
                              opts_value(&c->opts, "epochs"), "");
    int rc = api_json(c, "GET", path, NULL, answer);

    free(path);
    if (rc || json_array_size(json_object_get(*answer, "epochs")))
        return rc;
    records_say_none(c, e->id);
    json_decref(*answer);
    *answer = NULL;
    return EXIT_NO;
}

/* ---- the server's own ---- */

static int copy_answer(const struct export *e, const char *what, FILE *out)
{
    struct client *c = e->c;
    struct response r;
    char *path = records_path(c, e->id, what, opts_value(&c->opts, "layers"),
                              opts_value(&c->opts, "epochs"), "");
    int rc = api_send(c, "GET", path, NULL, &r);

    if (!rc)
        fwrite(r.body, 1, r.len, out);
    http_clear(&r);
    free(path);
    return rc;
}

int export_csv(const struct export *e, FILE *out)
{
    return copy_answer(e, "gradients.csv", out);
}

int export_json(const struct export *e, FILE *out)
{
    return copy_answer(e, "gradients", out);
}

/* ---- what is asked for ---- */

static const char *name_in(const char *file)
{
    const char *slash = strrchr(file, '/');
    return slash ? slash + 1 : file;
}

static const struct format *format_named(const char *name)
{
    for (int i = 0; i < N_FORMATS; i++)
        if (!strcmp(formats[i].name, name))
            return &formats[i];
    return NULL;
}

static const struct format *format_of_file(const char *file)
{
    size_t len = strlen(file);

    for (int i = 0; i < N_FORMATS; i++) {
        size_t n = formats[i].ending ? strlen(formats[i].ending) : len;
        if (len > n && !strcmp(file + len - n, formats[i].ending))
            return &formats[i];
    }
    return strstr(name_in(file), EVENT_FILE) ? format_named("tensorboard")
                                             : NULL;
}

static int refuse_word(const char *option, const char *word, const char *list)
{
    char *clean = text_clean(word, false);
    int rc = client_refuse("export", "--%s is %s, must be %s", option, clean,
                           list);

    free(clean);
    return rc;
}

static int choose_format(const char *file, const char *name,
                         const struct format **format)
{
    *format = name ? format_named(name) : format_of_file(file);
    if (*format && !strcmp((*format)->name, "tensorboard") &&
        strcmp(file, "-") && !strstr(name_in(file), EVENT_FILE))
        return client_refuse("export", "TensorBoard finds no file without \""
                             EVENT_FILE "\" in its name, as in -o "
                             "runs/7/events.out." EVENT_FILE ".0");
    if (*format)
        return 0;
    if (name)
        return refuse_word("format", name, "csv, json, notebook, svg, png, "
                           "gif, safetensors, records or tensorboard");
    char *clean = text_clean(file, false);
    int rc = client_refuse("export", "cannot tell the format of %s: it must "
                           "end in .csv, .json, .svg, .png, .gif or "
                           ".safetensors, have " EVENT_FILE " in its name, or "
                           "come with --format", clean);
    free(clean);
    return rc;
}

static int choose_view(const struct client *c, const struct format *format,
                       const struct view **view)
{
    const char *name = opts_value(&c->opts, "view");
    const char *density = opts_value(&c->opts, "density");

    *view = views_find(name ? name : "histogram");
    if (!*view)
        return refuse_word("view", name, "histogram, ridgeline, heat, profile "
                                         "or training");
    if (density && strcmp(density, "decade") && strcmp(density, "linear"))
        return refuse_word("density", density, "decade or linear");
    if (format->write && (name || density))
        return client_refuse("export", "--%s is of pictures, not of %s",
                             name ? "view" : "density", format->name);
    if (!format->write && format->kind == PICTURE_GIF && !(*view)->moves)
        return client_refuse("export", "a gif has a frame an epoch, and %s "
                             "shows all epochs at once; take svg or png",
                             (*view)->name);
    return 0;
}

static int write_picture(const struct export *e, const struct format *format,
                         FILE *out)
{
    struct figure *figures;
    struct error err = {0};
    int n, rc = 0;

    if (!picture_can())
        rc = picture_write(format->kind, NULL, 0, out, &err);
    if (!rc)
        rc = views_make(e->c, e->view, e->id, format->kind == PICTURE_GIF,
                        &figures, &n);
    else
        n = 0;
    if (n) {
        if (!rc)
            rc = picture_write(format->kind, figures, n, out, &err);
        views_clear(figures, n);
    }
    if (!err.code)
        return rc;
    client_say("%s", err.text);
    return EXIT_NO;
}

// To a terminal nothing goes that would control it.
static int show(const struct export *e, const struct format *format)
{
    char *text;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    int rc = format->write ? format->write(e, out)
                           : write_picture(e, format, out);

    fclose(out);
    if (!rc)
        text_print(stdout, text, len, e->c->utf8);
    free(text);
    return rc;
}

static int write_it(const struct export *e, const struct format *format,
                    const char *file)
{
    struct output o;
    struct error err = {0};

    if (output_open(&o, file, &err)) {
        client_say("%s", err.text);
        return EXIT_NO;
    }
    int rc = format->write ? format->write(e, o.f)
                           : write_picture(e, format, o.f);
    if (rc || client_interrupted()) {
        output_drop(&o);
        return rc;
    }
    if (output_commit(&o, &err)) {
        client_say("%s", err.text);
        return EXIT_NO;
    }
    return 0;
}

int command_export(struct client *c)
{
    struct export e = {.c = c};
    const char *file = opts_value(&c->opts, "output");
    const char *name = opts_value(&c->opts, "format");
    const struct format *format;
    int rc = client_id(c, "export", 0, &e.id);

    if (rc)
        return rc;
    if (!file && !name)
        return client_refuse("export", "needs -o FILE; its ending says the "
                                       "format, as .csv or .png");
    file = file ? file : "-";
    rc = choose_format(file, name, &format);
    if (!rc)
        rc = choose_view(c, format, &e.view);
    if (rc)
        return rc;
    bool terminal = !strcmp(file, "-") && c->terminal;
    if (terminal && !format->text)
        return client_refuse("export", "will not write %s to a terminal: take "
                             "-o FILE, or a pipe", format->name);
    rc = terminal ? show(&e, format) : write_it(&e, format, file);
    if (!rc && !c->quiet && strcmp(file, "-")) {
        char *clean = text_clean(file, c->utf8);
        client_say("wrote %s", clean);
        free(clean);
    }
    return rc;
}
