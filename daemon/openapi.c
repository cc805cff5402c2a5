#include "daemon/openapi.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/job_schema.h"
#include "common/mem.h"
#include "version.h"

#define PROBLEM "application/problem+json"

// Types.

static json_t *ref(const char *kind, const char *name, size_t len)
{
    char *to = xasprintf("#/components/%s/%.*s", kind, (int)len, name);
    json_t *json = json_pack("{s:s}", "$ref", to);

    free(to);
    return json;
}

static json_t *word_list(const char *type, size_t len)
{
    json_t *words = json_array();

    for (size_t at = 0; at < len; ) {
        size_t n = strcspn(type + at, "|");
        n = n < len - at ? n : len - at;
        json_array_append_new(words, json_stringn(type + at, n));
        at += n + 1;
    }
    return json_pack("{s:s, s:o}", "type", "string", "enum", words);
}

static json_t *type_of(const char *type, size_t len);

static json_t *plain_type(const char *type, size_t len)
{
    static const struct { const char *name, *type, *format; } rows[] = {
        { "int", "integer", NULL },     { "num", "number", NULL },
        { "str", "string", NULL },      { "bool", "boolean", NULL },
        { "time", "string", "date-time" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strlen(rows[i].name) == len && !memcmp(rows[i].name, type, len))
            return json_pack("{s:s, s:s*}", "type", rows[i].type, "format",
                             rows[i].format);
    if (len == 3 && !memcmp(type, "any", len))
        return json_object();
    if (*type == '[')
        return json_pack("{s:s, s:o}", "type", "array", "items",
                         type_of(type + 1, len - 2));
    if (*type == '{')
        return json_pack("{s:s, s:o}", "type", "object",
                         "additionalProperties", type_of(type + 1, len - 2));
    return memchr(type, '|', len) ? word_list(type, len)
                                  : ref("schemas", type, len);
}

static json_t *type_of(const char *type, size_t len)
{
    if (type[len - 1] != '?')
        return plain_type(type, len);
    return json_pack("{s:[o, {s:s}]}", "anyOf", plain_type(type, len - 1),
                     "type", "null");
}

// An object with those members and no others.
static json_t *members_of(const char *members)
{
    json_t *properties = json_object(), *required = json_array();

    for (const char *p = members; *p; ) {
        size_t len = strcspn(p, " "), name = strcspn(p, "~:");
        size_t colon = strcspn(p, ":") + 1;
        json_object_setn_new(properties, p, name,
                             type_of(p + colon, len - colon));
        if (p[name] == ':')
            json_array_append_new(required, json_stringn(p, name));
        p += len + (p[len] == ' ');
    }
    return json_pack("{s:s, s:o, s:o, s:b}", "type", "object", "properties",
                     properties, "required", required, "additionalProperties",
                     0);
}

static json_t *schemas(void)
{
    json_t *all = json_object();

    json_object_set_new(all, "JobSpec", job_schema(0));
    json_object_set_new(all, "StoredSpec", job_schema(1));
    for (const struct operation_type *t = openapi_types; t->name; t++)
        json_object_set_new(all, t->name, members_of(t->members));
    return all;
}

// Operations.

static json_t *content(const char *media, const char *type)
{
    size_t len = strcspn(media, ";");
    json_t *of = json_object();

    json_object_setn_new(of, media, len, json_pack("{s:o}", "schema",
                         type_of(type, strlen(type))));
    return of;
}

static json_t *param_ref(const char *name, size_t len)
{
    return ref("parameters", name, len);
}

// What {word} stands for.
static const char *word_name(const char *path)
{
    return strstr(path, "/models/") ? "arch"
         : strstr(path, "/groups/") ? "name" : "epoch";
}

static json_t *params_of(const struct operation *op)
{
    json_t *list = json_array();

    if (strstr(op->path, "{id}"))
        json_array_append_new(list, param_ref("id", 2));
    if (strstr(op->path, "{word}"))
        json_array_append_new(list, param_ref(word_name(op->path),
                                              strlen(word_name(op->path))));
    for (const char *p = op->params; *p; ) {
        size_t len = strcspn(p, " ");
        json_array_append_new(list, param_ref(p, len));
        p += len + (p[len] == ' ');
    }
    return list;
}

static void add_answer(json_t *answers, int status, const char *text,
                       json_t *body)
{
    char code[8];

    snprintf(code, sizeof code, "%d", status);
    json_object_set_new(answers, code, json_pack("{s:s, s:o*}", "description",
                                                 text, "content", body));
}

static json_t *answers_of(const struct route *r, const struct operation *op)
{
    json_t *answers = json_object();
    bool stream = !strcmp(r->type, "text/event-stream");

    add_answer(answers, op->status, "Done",
               *op->answer ? content(r->type, op->answer) : NULL);
    if (strstr(op->params, "dry_run"))
        add_answer(answers, 200, "The plan", content(r->type,
            strcmp(op->answer, "Sweep") ? "Plan" : "SweepPlan"));
    if (stream && strstr(op->path, "{id}"))
        add_answer(answers, 204, "The job has ended and all is known", NULL);
    if (!strcmp(op->method, "get") && !stream)
        add_answer(answers, 304, "As the If-None-Match says", NULL);
    json_object_set_new(answers, "4XX", ref("responses", "Refused", 7));
    json_object_set_new(answers, "5XX", ref("responses", "Failed", 6));
    return answers;
}

static json_t *body_of(const char *type)
{
    bool needed = !strchr(type, '?');
    char *bare = xstrndup(type, strcspn(type, "?"));
    json_t *body = json_pack("{s:b, s:o}", "required", needed, "content",
                             content("application/json", bare));

    free(bare);
    return body;
}

static json_t *operation(const struct route *r, const struct operation *op)
{
    static const char *const tags[] = { "Daemon", "Jobs" };
    json_t *params = params_of(op);
    json_t *body = *op->body ? body_of(op->body) : NULL;
    json_t *out = json_pack("{s:s, s:s, s:[s], s:o, s:o*, s:o}",
        "operationId", op->id, "summary", op->summary, "tags",
        tags[strstr(op->path, "/jobs") || strstr(op->path, "/compare")],
        "parameters", params, "requestBody", body, "responses",
        answers_of(r, op));

    if (r->access == ACCESS_OPEN)
        json_object_set_new(out, "security", json_array());
    return out;
}

bool openapi_covers(const struct route *r)
{
    return strcmp(r->path, "/") && strcmp(r->path, "/login") &&
           strcmp(r->path, "/{word}");
}

const struct operation *openapi_find(const char *path, const char *method)
{
    for (const struct operation *op = openapi_rows; op->path; op++)
        if (!strcmp(op->path, path) && !strcasecmp(op->method, method))
            return op;
    return NULL;
}

static json_t *paths(void)
{
    json_t *all = json_object();

    for (const struct route *r = http_routes; r->path; r++) {
        const struct { const char *name; handler *handler; } methods[] = {
            { "get", r->get }, { "post", r->post }, { "patch", r->patch },
            { "delete", r->delete },
        };
        json_t *of = json_object();
        for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
            const struct operation *op = methods[i].handler
                ? openapi_find(r->path, methods[i].name) : NULL;
            if (op)
                json_object_set_new(of, op->method, operation(r, op));
        }
        const char *word = strstr(r->path, "{word}");
        char *path = word ? xasprintf("%.*s{%s}%s", (int)(word - r->path),
                                      r->path, word_name(r->path), word + 6)
                          : xstrdup(r->path);
        if (openapi_covers(r))
            json_object_set(all, path, of);
        json_decref(of);
        free(path);
    }
    return all;
}

static json_t *parameters(void)
{
    json_t *all = json_pack("{s:{s:s, s:s, s:b, s:s, s:{s:s, s:i}},"
        " s:{s:s, s:s, s:b, s:s, s:{s:s}}, s:{s:s, s:s, s:b, s:s, s:{s:s}},"
        " s:{s:s, s:s, s:b, s:s, s:{s:s}}}",
        "id", "name", "id", "in", "path", "required", 1, "description",
        "of a job", "schema", "type", "integer", "minimum", 1,
        "arch", "name", "arch", "in", "path", "required", 1, "description",
        "of a network", "schema", "type", "string",
        "name", "name", "name", "in", "path", "required", 1, "description",
        "of a group", "schema", "type", "string",
        "epoch", "name", "epoch", "in", "path", "required", 1, "description",
        "a number, or last", "schema", "type", "string");

    for (const struct operation_param *p = openapi_params; p->name; p++) {
        // Headers have capitals.
        const char *in = *p->name < 'a' ? "header" : "query";
        json_object_set_new(all, p->name, json_pack("{s:s, s:s, s:s, s:o}",
            "name", p->name, "in", in, "description", p->text, "schema",
            type_of(p->type, strlen(p->type))));
    }
    return all;
}

static json_t *responses(void)
{
    return json_pack("{s:{s:s, s:o}, s:{s:s, s:o}}",
        "Refused", "description", "Not done, and why", "content",
        content(PROBLEM, "Problem"),
        "Failed", "description", "Not possible now, and why", "content",
        content(PROBLEM, "Problem"));
}

json_t *openapi_make(void)
{
    json_t *info = json_pack("{s:s, s:s, s:s, s:{s:s, s:s}}",
        "title", "gradwatch", "version", GRADWATCH_VERSION,
        "description", "Trains networks and shows how their gradients flow. "
        "Every answer of a read has an ETag; errors are RFC 9457.",
        "license", "name", "MIT", "identifier", "MIT");
    json_t *schemes = json_pack("{s:{s:s, s:s, s:s}}", "token",
        "type", "http", "scheme", "bearer", "description",
        "what is in the file token of the daemon's state directory");

    return json_pack("{s:s, s:o, s:[{s:s}], s:[{s:[]}], s:[{s:s, s:s},"
        " {s:s, s:s}], s:o, s:{s:o, s:o, s:o, s:o}}",
        "openapi", "3.1.0", "info", info, "servers", "url", "/",
        "security", "token", "tags",
        "name", "Daemon", "description", "The daemon, and what it offers",
        "name", "Jobs", "description", "Jobs and their records",
        "paths", paths(), "components", "schemas", schemas(),
        "parameters", parameters(), "responses", responses(),
        "securitySchemes", schemes);
}
