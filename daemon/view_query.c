/* daemon/view_query.c: query parameters to struct view_query, by a table. */
#include "daemon/views.h"

#include <stdlib.h>
#include <string.h>
#include "common/mem.h"

enum {
    RECORDS = 1 << VIEW_GRADIENTS | 1 << VIEW_HISTOGRAMS | 1 << VIEW_PROFILE |
              1 << VIEW_COMPARE | 1 << VIEW_GROUP,
    MAX_GLOB = 128,
};

// One parameter. set() stores the value and returns whether it is good; an
// empty value is as good as none.
struct param {
    const char *name;
    unsigned    views;                  // bits 1 << VIEW_
    bool      (*set)(struct view_query *q, const char *value);
    const char *wants;                  // follows "must be"
};

static int word_of(const char *value, const char *const *words)
{
    for (int i = 0; words[i]; i++)
        if (!strcmp(value, words[i]))
            return i;
    return -1;
}

static bool set_quantity(struct view_query *q, const char *value)
{
    q->quantity = -1;
    for (int i = 0; i < QUANTITY_COUNT; i++)
        if (!strcmp(value, job_quantity_names[i]))
            q->quantity = i;
    return q->quantity >= 0;
}

// Calls `each` with every part of a comma list; false when one says so.
static bool each_part(struct view_query *q, const char *list,
                      bool (*each)(struct view_query *q, const char *part))
{
    char *copy = xstrdup(list), *rest = copy, *part;
    bool good = true;
    while (good && (part = strsep(&rest, ",")))
        good = each(q, part);
    free(copy);
    return good;
}

static bool add_glob(struct view_query *q, const char *glob)
{
    size_t len = strlen(glob);
    if (!len || len > MAX_GLOB || q->n_layers == VIEW_MAX_LIST)
        return false;
    for (const char *p = glob; *p; p++)
        if (*p <= ' ' || *p >= 0x7f)
            return false;
    q->layers[q->n_layers++] = xstrdup(glob);
    return true;
}

static bool set_layers(struct view_query *q, const char *value)
{
    return each_part(q, value, add_glob);
}

// "12" or "last"; 0 when it is neither.
static int epoch_of(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    if (!strcmp(text, "last"))
        return VIEW_LAST;
    return digits && digits <= 9 && !text[digits] ? atoi(text) : 0;
}

static bool add_epochs(struct view_query *q, const char *part)
{
    char *copy = xstrdup(part), *dash = strchr(copy, '-');
    if (dash)
        *dash++ = '\0';
    struct epoch_range r = { .first = epoch_of(copy) };
    r.last = dash ? epoch_of(dash) : r.first;
    free(copy);
    if (r.first < 1 || r.last < r.first || q->n_epochs == VIEW_MAX_LIST)
        return false;
    q->epochs[q->n_epochs++] = r;
    return true;
}

static bool set_epochs(struct view_query *q, const char *value)
{
    return each_part(q, value, add_epochs);
}

static bool set_bins(struct view_query *q, const char *value)
{
    int grid = grid_find(value);
    if (grid >= 0)
        q->bins = (enum grid)grid;
    return grid >= 0;
}

static bool set_source(struct view_query *q, const char *value)
{
    int i = word_of(value, (const char *const[]){ "all", "samples", NULL });
    q->samples = i == 1;
    return i >= 0;
}

static bool set_density(struct view_query *q, const char *value)
{
    int i = word_of(value, (const char *const[]){ "decade", "linear", NULL });
    q->linear = i == 1;
    return i >= 0;
}

static bool set_detail(struct view_query *q, const char *value)
{
    int i = word_of(value, (const char *const[]){ "epochs", "steps", NULL });
    q->steps = i == 1;
    return i >= 0;
}

// "3" or "3,4,5" into ids, which has room for VIEW_MAX_JOBS.
static bool set_ids(int64_t *ids, int *n, const char *value)
{
    for (*n = 0; *n < VIEW_MAX_JOBS; value++) {
        size_t digits = strspn(value, "0123456789");
        if (!digits || digits > 16)
            return false;
        ids[(*n)++] = strtoll(value, NULL, 10);
        value += digits;
        if (*value != ',')
            return !*value;
    }
    return false;
}

static bool set_jobs(struct view_query *q, const char *value)
{
    return set_ids(q->jobs, &q->n_jobs, value);
}

static bool set_against(struct view_query *q, const char *value)
{
    return set_ids(q->against, &q->n_against, value);
}

static const struct param params[] = {
    { "jobs", 1 << VIEW_COMPARE, set_jobs,
      "at most 32 ids of jobs, separated by commas" },
    { "against", 1 << VIEW_COMPARE, set_against,
      "at most 32 ids of jobs, separated by commas" },
    { "quantity", RECORDS, set_quantity,
      "one of grad_out, grad_w, weight, grad_rms, update, act_mean, act_std, "
      "act_zeros, weight_grad, grad_sample, branch_share" },
    { "layers", RECORDS | 1 << VIEW_PROBE, set_layers, "all, notebook, or at "
      "most 256 names or globs of layers, 1 to 128 characters each, separated "
      "by commas" },
    { "epochs", RECORDS | 1 << VIEW_METRICS, set_epochs, "at most 256 epochs "
      "or ranges from 1 to 999999999 or last, as in 1,3-5,last" },
    { "bins", 1 << VIEW_HISTOGRAMS, set_bins,
      "one of notebook, extended, decade8" },
    { "source", 1 << VIEW_HISTOGRAMS, set_source, "one of all, samples" },
    { "density", 1 << VIEW_HISTOGRAMS, set_density,
      "one of decade, linear" },
    { "detail", 1 << VIEW_METRICS, set_detail, "one of epochs, steps" },
};
enum { N_PARAMS = sizeof params / sizeof params[0] };

// Takes message.
static void problem(json_t *list, const struct view_param *p, char *message)
{
    char *pointer = xasprintf("?%s", p->name);
    // A value that is not UTF-8 has no JSON; the message is enough then.
    json_t *value = json_string(p->value);
    json_array_append_new(list, json_pack("{s:s, s:o, s:s}", "pointer", pointer,
        "value", value ? value : json_null(), "message", message));
    free(pointer);
    free(message);
}

// "quantity, layers, epochs"; caller frees.
static char *names_for(enum view view)
{
    char *text = xstrdup("");
    for (int i = 0; i < N_PARAMS; i++) {
        if (!(params[i].views & 1u << view))
            continue;
        char *longer = xasprintf("%s%s%s", text, *text ? ", " : "",
                                 params[i].name);
        free(text);
        text = longer;
    }
    return text;
}

static void read_param(struct view_query *q, enum view view,
                       const struct view_param *given, unsigned *seen,
                       json_t *list)
{
    int i = 0;
    while (i < N_PARAMS && (strcmp(params[i].name, given->name) ||
                            !(params[i].views & 1u << view)))
        i++;
    if (i == N_PARAMS) {
        char *names = names_for(view);
        problem(list, given, xasprintf("unknown parameter; there are %s",
                                       *names ? names : "none"));
        free(names);
        return;
    }
    if (*seen & 1u << i) {
        problem(list, given, xasprintf("%s is given twice", given->name));
        return;
    }
    *seen |= 1u << i;
    if (given->value && *given->value && !params[i].set(q, given->value))
        problem(list, given, xasprintf("%s must be %s", params[i].name,
                                       params[i].wants));
}

int view_query_parse(struct view_query *q, enum view view,
                     const struct view_param *given, int n, json_t **problems)
{
    json_t *list = json_array();
    unsigned seen = 0;

    *q = (struct view_query){ .quantity = -1, .bins = GRID_NOTEBOOK };
    for (int i = 0; i < n; i++)
        read_param(q, view, &given[i], &seen, list);
    *problems = NULL;
    if (json_array_size(list) == 0) {
        json_decref(list);
        return 0;
    }
    *problems = list;
    return ERR_USAGE;
}

void view_query_clear(struct view_query *q)
{
    for (int i = 0; i < q->n_layers; i++)
        free(q->layers[i]);
    q->n_layers = 0;
}
