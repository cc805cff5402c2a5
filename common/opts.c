#include "common/opts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/mem.h"

enum {
    HELP_INDENT = 2,
    HELP_LEFT = 28,     // column of the explanations
    NEAR = 2,           // most edits for "did you mean"
    LONGEST_NAME = 32,
};

static const struct opt *find(const struct opt *table, int n, const char *name,
                              size_t len)
{
    for (int i = 0; i < n; i++)
        if (strlen(table[i].name) == len && !memcmp(table[i].name, name, len))
            return &table[i];
    return NULL;
}

static const struct opt *find_letter(const struct opt *table, int n, char c)
{
    for (int i = 0; i < n; i++)
        if (c && table[i].letter == c)
            return &table[i];
    return NULL;
}

static int unknown(const struct opt *table, int n, const char *name, size_t len,
                   struct error *err)
{
    bool no = len > 3 && !memcmp(name, "no-", 3);
    char *typed = xstrndup(name, len);
    const char *near = opts_nearest(typed + (no ? 3 : 0), &table->name, n,
                                    sizeof *table);
    int rc;

    if (no && near && !find(table, n, near, strlen(near))->negatable)
        near = NULL;
    // "no-quiet" is as far from "quiet" as it gets: the flag cannot be
    // switched off, which is what "unknown" says.
    if (near)
        rc = fail(err, ERR_USAGE, "unknown option --%s, did you mean --%s%s?",
                  typed, no ? "no-" : "", near);
    else
        rc = fail(err, ERR_USAGE, "unknown option --%s", typed);
    free(typed);
    return rc;
}

static int add(struct opts *o, const struct opt *opt, const char *value,
               bool on, struct error *err)
{
    if (!opt->repeat && opts_given(o, opt->name))
        return fail(err, ERR_USAGE, "--%s is given twice", opt->name);
    o->items[o->n_items++] = (struct opts_item){
        .opt = opt, .value = value, .on = on};
    return 0;
}

// Something that looks like another option is not taken for a value; write
// --name=--value for the rare case.
static int needs_value(const char *typed, size_t len, const struct opt *opt,
                       struct error *err)
{
    return fail(err, ERR_USAGE, "%.*s needs a value: %.*s %s", (int)len, typed,
                (int)len, typed, opt->value);
}

// argv[*i] begins with two dashes.
static int parse_long(struct opts *o, const struct opt *table, int n, int argc,
                      char **argv, int *i, struct error *err)
{
    const char *arg = argv[*i], *name = arg + 2;
    size_t len = strcspn(name, "=");
    const char *value = name[len] ? name + len + 1 : NULL;
    const struct opt *opt = find(table, n, name, len);
    bool on = true;

    if (!opt && len > 3 && !memcmp(name, "no-", 3)) {
        opt = find(table, n, name + 3, len - 3);
        on = false;
        if (opt && !opt->negatable)
            opt = NULL;
    }
    if (!opt)
        return unknown(table, n, name, len, err);
    if (!opt->value && value && !(opt->maybe && on))
        return fail(err, ERR_USAGE, "%.*s takes no value", (int)(len + 2), arg);
    if (opt->value && !value) {
        if (*i + 1 >= argc || !strncmp(argv[*i + 1], "--", 2))
            return needs_value(arg, len + 2, opt, err);
        value = argv[++*i];
    }
    return add(o, opt, value, on, err);
}

// argv[*i] begins with one dash and is longer: -q, -o FILE, -oFILE.
static int parse_short(struct opts *o, const struct opt *table, int n, int argc,
                       char **argv, int *i, struct error *err)
{
    const char *arg = argv[*i], *value = arg[2] ? arg + 2 : NULL;
    const struct opt *opt = find_letter(table, n, arg[1]);

    if (!opt || (!opt->value && value))
        return fail(err, ERR_USAGE, "unknown option %s", arg);
    if (opt->value && !value) {
        if (*i + 1 >= argc || !strncmp(argv[*i + 1], "--", 2))
            return needs_value(arg, 2, opt, err);
        value = argv[++*i];
    }
    return add(o, opt, value, true, err);
}

int opts_parse(struct opts *o, const struct opt *table, int n_table,
               int argc, char **argv, struct error *err)
{
    bool words_only = false;
    int rc = 0;

    *o = (struct opts){0};
    o->items = xcalloc((size_t)argc, sizeof *o->items);
    o->words = xcalloc((size_t)argc, sizeof *o->words);
    for (int i = 1; i < argc && !rc; i++) {
        const char *arg = argv[i];
        if (words_only || arg[0] != '-' || !arg[1])
            o->words[o->n_words++] = arg;
        else if (!strcmp(arg, "--"))
            words_only = true;
        else if (arg[1] == '-')
            rc = parse_long(o, table, n_table, argc, argv, &i, err);
        else
            rc = parse_short(o, table, n_table, argc, argv, &i, err);
    }
    return rc;
}

void opts_free(struct opts *o)
{
    free(o->items);
    free(o->words);
    *o = (struct opts){0};
}

static const struct opts_item *last(const struct opts *o, const char *name)
{
    for (int i = o->n_items - 1; i >= 0; i--)
        if (!strcmp(o->items[i].opt->name, name))
            return &o->items[i];
    return NULL;
}

bool opts_given(const struct opts *o, const char *name)
{
    return last(o, name) != NULL;
}

bool opts_flag(const struct opts *o, const char *name, bool otherwise)
{
    const struct opts_item *item = last(o, name);
    return item ? item->on : otherwise;
}

const char *opts_value(const struct opts *o, const char *name)
{
    const struct opts_item *item = last(o, name);
    return item ? item->value : NULL;
}

const char *opts_next(const struct opts *o, const char *name, int *at)
{
    while (*at < o->n_items) {
        const struct opts_item *item = &o->items[(*at)++];
        if (!strcmp(item->opt->name, name))
            return item->value;
    }
    return NULL;
}

int opts_number(const struct opts *o, const char *name, double least,
                double most, double *out, struct error *err)
{
    const char *text = opts_value(o, name);
    char *end;

    if (!text)
        return 0;
    double x = strtod(text, &end);
    // strtod() also takes leading blanks, hexadecimal, nan and infinities.
    bool plain = *text && !*end && strspn(text, "+-.0123456789eE") ==
                                       strlen(text);
    if (!plain || !isfinite(x) || x < least || x > most)
        return fail(err, ERR_USAGE,
                    "--%s is %s, must be a number from %.10g to %.10g", name,
                    *text ? text : "empty", least, most);
    *out = x;
    return 0;
}

int opts_pair(const char *name, const char *text, char **left,
              const char **right, struct error *err)
{
    const char *equals = strchr(text, '=');

    if (!equals || equals == text || !equals[1])
        return fail(err, ERR_USAGE, "--%s is \"%s\", must be NAME=VALUE", name,
                    text);
    *left = xstrndup(text, (size_t)(equals - text));
    *right = equals + 1;
    return 0;
}

// Insertions, deletions and replacements that make b of a (Levenshtein).
static int distance(const char *a, const char *b)
{
    int row[LONGEST_NAME + 1];
    int n = (int)strlen(b);

    for (int j = 0; j <= n; j++)
        row[j] = j;
    for (int i = 1; *a; a++, i++) {
        int diagonal = row[0];
        row[0] = i;
        for (int j = 1; j <= n; j++) {
            int best = diagonal + (*a != b[j - 1]);
            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[n];
}

const char *opts_nearest(const char *typed, const void *names, int n,
                         size_t stride)
{
    const char *best = NULL;
    // A third of a short word may be wrong, no more than NEAR in all.
    int most = (int)strlen(typed) / 3 < NEAR ? (int)strlen(typed) / 3 : NEAR;

    if (strlen(typed) > LONGEST_NAME)
        return NULL;
    for (int i = 0; i < n; i++) {
        const char *name = *(const char *const *)((const char *)names +
                                                  (size_t)i * stride);
        if (!name || strlen(name) > LONGEST_NAME)
            continue;
        int d = distance(typed, name);
        if (d <= most) {
            best = name;
            most = d - 1;
        }
    }
    return best;
}

// Prints text from column `at` on, wrapped at words, and after | within them,
// to start at HELP_LEFT.
static void wrapped(FILE *out, const char *text, int at)
{
    if (at >= HELP_LEFT - 1) {
        fputc('\n', out);
        at = 0;
    }
    fprintf(out, "%*s", HELP_LEFT - at, "");
    at = HELP_LEFT;
    for (int blank = 0; *text; text += blank) {
        int len = (int)strcspn(text, " |");
        len += text[len] == '|';
        if (at > HELP_LEFT && at + blank + len > OPTS_HELP_COLUMNS) {
            fprintf(out, "\n%*s", HELP_LEFT, "");
            at = HELP_LEFT;
            blank = 0;
        }
        at += fprintf(out, "%*s%.*s", blank, "", len, text);
        text += len;
        blank = (int)strspn(text, " ");
    }
    fputc('\n', out);
}

void opts_help(FILE *out, const struct opt *table, int n_table)
{
    for (int i = 0; i < n_table; i++) {
        const struct opt *t = &table[i];
        int at = fprintf(out, "%*s", HELP_INDENT, "");
        if (t->letter)
            at += fprintf(out, "-%c, ", t->letter);
        at += fprintf(out, "--%s%s", t->negatable ? "[no-]" : "", t->name);
        if (t->value)
            at += fprintf(out, " %s", t->value);
        if (t->maybe)
            at += fprintf(out, "[=%s]", t->maybe);
        if (t->repeat)
            at += fprintf(out, "...");
        wrapped(out, t->help ? t->help : "", at);
    }
}

int opts_refuse(const char *program, const struct error *err)
{
    fprintf(stderr, "%s: %s\ntry: %s --help\n", program, err->text, program);
    return EXIT_USAGE;
}
