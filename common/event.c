#include "common/event.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/mem.h"

json_t *event_new(const char *type)
{
    char time[CLOCK_TEXT];
    clock_text(clock_unix_millis(), time);
    return json_pack("{s:s, s:s}", "type", type, "time", time);
}

json_t *event_number(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

static void print_value(FILE *f, const json_t *v);

// The shortest of 15 to 17 digits that reads back as the same double. A real
// keeps a point or an exponent, so that it reads back as a real.
static void print_real(FILE *f, double x)
{
    char text[32];

    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, x);
        if (strtod(text, NULL) == x)
            break;
    }
    fputs(text, f);
    if (!strpbrk(text, ".e"))
        fputs(".0", f);
}

// Escaping is jansson's.
static void print_string(FILE *f, const json_t *v)
{
    char *text = json_dumps(v, JSON_ENCODE_ANY);
    fputs(text ? text : "\"\"", f);
    free(text);
}

static void print_object(FILE *f, const json_t *v)
{
    json_t *object = (json_t *)v;       // jansson's iteration is not const
    const char *key, *comma = "";
    json_t *member;

    fputc('{', f);
    json_object_foreach(object, key, member) {
        json_t *name = json_string(key);
        fputs(comma, f);
        print_string(f, name);
        fputc(':', f);
        print_value(f, member);
        json_decref(name);
        comma = ",";
    }
    fputc('}', f);
}

static void print_array(FILE *f, const json_t *v)
{
    size_t n = json_array_size(v);

    fputc('[', f);
    for (size_t i = 0; i < n; i++) {
        if (i)
            fputc(',', f);
        print_value(f, json_array_get(v, i));
    }
    fputc(']', f);
}

static void print_value(FILE *f, const json_t *v)
{
    switch (json_typeof(v)) {
    case JSON_OBJECT:  print_object(f, v); break;
    case JSON_ARRAY:   print_array(f, v); break;
    case JSON_STRING:  print_string(f, v); break;
    case JSON_INTEGER: fprintf(f, "%" JSON_INTEGER_FORMAT,
                               json_integer_value(v)); break;
    case JSON_REAL:    print_real(f, json_real_value(v)); break;
    case JSON_TRUE:    fputs("true", f); break;
    case JSON_FALSE:   fputs("false", f); break;
    case JSON_NULL:    fputs("null", f); break;
    }
}

char *event_text(const json_t *value)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);

    if (!f)
        return xstrdup("null");
    print_value(f, value);
    fclose(f);
    return text;
}

int event_write(FILE *out, json_t *event, struct error *err)
{
    char *text = event_text(event);
    int rc = 0;

    if (fputs(text, out) < 0 || fputc('\n', out) < 0 || fflush(out) != 0)
        rc = fail(err, ERR_IO, "cannot write an event: the reader has left");
    free(text);
    json_decref(event);
    return rc;
}

const char *event_type(const json_t *event)
{
    return json_string_value(json_object_get(event, "type"));
}

bool event_is_stored(const char *type)
{
    return strcmp(type, "live") != 0 && strcmp(type, "loading") != 0;
}

bool event_is_last(const char *type)
{
    return !strcmp(type, "finished") || !strcmp(type, "failed") ||
           !strcmp(type, "cancelled");
}

char *event_stamp(const char *line, int64_t job, int64_t seq, int64_t n)
{
    char seq_text[40] = "", n_text[40] = "";
    const char *members = line + strspn(line, " \t");

    if (*members == '{')
        members++;
    members += strspn(members, " \t");
    if (seq > 0)
        snprintf(seq_text, sizeof seq_text, ",\"seq\":%" PRId64, seq);
    if (n > 0)
        snprintf(n_text, sizeof n_text, ",\"n\":%" PRId64, n);
    return xasprintf("{\"job\":%" PRId64 "%s%s%s%s", job, seq_text, n_text,
                     *members == '}' ? "" : ",", members);
}
