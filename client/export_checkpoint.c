/* A checkpoint as the worker kept it: fetched piece by piece, for it may be
 * larger than memory, and held against its checksum. */
#include <stdlib.h>
#include <string.h>
#include "client/api.h"
#include "client/export.h"
#include "client/text.h"
#include "common/mem.h"
#include "common/sha256.h"

struct copy {
    FILE         *out;
    struct sha256 sum;
    double        bytes;
};

static bool take(void *arg, const char *bytes, size_t len)
{
    struct copy *copy = arg;

    sha256_add(&copy->sum, bytes, len);
    copy->bytes += (double)len;
    return fwrite(bytes, 1, len, copy->out) != len;     // told at its end
}

static bool go_on(void *arg)
{
    (void)arg;
    return false;
}

// The last one, or that of --checkpoint EPOCH; NULL after saying so.
static const json_t *choose(const struct export *e, const json_t *list)
{
    const char *wanted = opts_value(&e->c->opts, "checkpoint");
    const json_t *row, *last = json_array_get(list, json_array_size(list) - 1);
    size_t i;

    if (!wanted || !strcmp(wanted, "last")) {
        if (!last)
            client_say("job %" JSON_INTEGER_FORMAT " has no checkpoint yet",
                       e->id);
        return last;
    }
    json_array_foreach(list, i, row) {
        char *epoch = xasprintf("%.0f", api_number(row, "epoch"));
        bool same = !strcmp(epoch, wanted);
        free(epoch);
        if (same)
            return row;
    }
    char *clean = text_clean(wanted, false);
    client_say("job %" JSON_INTEGER_FORMAT " keeps no checkpoint of epoch %s; "
               "the last is of %.0f", e->id, clean, api_number(last, "epoch"));
    free(clean);
    return NULL;
}

static int verify(struct copy *copy, const json_t *row)
{
    char sum[SHA256_TEXT];

    sha256_end(&copy->sum, sum);
    if (copy->bytes == api_number(row, "bytes") &&
        !strcmp(sum, api_text(row, "sha256")))
        return 0;
    client_say("the checkpoint came damaged: its SHA-256 is not the one it was "
               "kept with; try again");
    return EXIT_NO;
}

static int fetch(const struct export *e, const json_t *row, FILE *out)
{
    struct client *c = e->c;
    struct copy copy = {.out = out};
    struct error err = {0};
    struct response r;
    char *below = xasprintf("/checkpoints/%.0f", api_number(row, "epoch"));
    char *path = api_job(e->id, below);
    struct http_stream stream = {.path = path, .accept = "*/*", .data = take,
                                 .tick = go_on, .arg = &copy};

    sha256_begin(&copy.sum);
    int rc = http_stream(c->http, &stream, &r, &err);
    if (rc == ERR_STATE) {
        rc = EXIT_INTERRUPTED;
    } else if (rc) {
        client_say("%s", err.text);
        rc = EXIT_UNREACHABLE;
    } else if (r.status != 200) {
        rc = api_refused(&r, path);
    } else if (!ferror(out)) {          // else output_commit() tells
        rc = verify(&copy, row);
    }
    http_clear(&r);
    free(path);
    free(below);
    return rc;
}

int export_checkpoint(const struct export *e, FILE *out)
{
    char *path = api_job(e->id, "/checkpoints");
    json_t *answer;
    int rc = api_json(e->c, "GET", path, NULL, &answer);

    free(path);
    if (rc)
        return rc;
    const json_t *row = choose(e, json_object_get(answer, "checkpoints"));
    rc = row ? fetch(e, row, out) : EXIT_MISSING;
    json_decref(answer);
    return rc;
}
