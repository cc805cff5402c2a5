#include "daemon/http.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/event.h"
#include "common/mem.h"

static void set_text(struct reply *rp, const char *type, char *text, size_t len)
{
    if (!rp->borrowed)
        free(rp->text);
    shared_drop(rp->shared);
    rp->shared = NULL;
    rp->borrowed = false;
    rp->type = type;
    rp->text = text;
    rp->len = len;
}

static void set_json(struct reply *rp, int status, const char *type,
                     json_t *json)
{
    char *text = event_text(json);

    rp->status = status;
    set_text(rp, type, text, strlen(text));
    json_decref(json);
}

void reply_json(struct reply *rp, int status, json_t *json)
{
    set_json(rp, status, "application/json", json);
}

void reply_text(struct reply *rp, const char *type, char *text, size_t len)
{
    set_text(rp, type, text, len);
}

void reply_shared(struct reply *rp, struct shared *shared)
{
    set_text(rp, shared_type(shared), NULL, shared_len(shared));
    rp->shared = shared;
}

void reply_header(struct reply *rp, const char *name, const char *fmt, ...)
{
    enum { ROOM = sizeof rp->headers / sizeof *rp->headers };
    char text[1024];
    va_list args;

    if (rp->n_headers == ROOM)
        return;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    rp->headers[rp->n_headers++] = (struct header){ name, xstrdup(text) };
}

static const char *title_of(int status)
{
    static const struct { int status; const char *title; } rows[] = {
        { 400, "Bad request" },         { 401, "Unauthorized" },
        { 403, "Forbidden" },
        { 404, "Not found" },           { 405, "Method not allowed" },
        { 406, "Not acceptable" },      { 409, "Conflict" },
        { 413, "Content too large" },   { 414, "Address too long" },
        { 415, "Unsupported media type" },
        { 421, "Misdirected request" }, { 422, "Unprocessable content" },
        { 429, "Too many requests" },   { 431, "Headers too large" },
        { 500, "Internal error" },      { 501, "Not implemented" },
        { 503, "Not ready" },           { 507, "Insufficient storage" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].status == status)
            return rows[i].title;
    return "Error";
}

void reply_problem(struct reply *rp, int status, json_t *errors,
                   const char *fmt, ...)
{
    char detail[1024];
    va_list args;

    va_start(args, fmt);
    vsnprintf(detail, sizeof detail, fmt, args);
    va_end(args);
    json_t *text = json_string(detail);
    json_t *problem = json_pack("{s:s, s:s, s:i, s:o, s:o}",
        "type", "about:blank", "title", title_of(status), "status", status,
        "detail", text ? text : json_string("(what was sent is not UTF-8)"),
        "errors", errors ? errors : json_array());
    set_json(rp, status, "application/problem+json", problem);
}

void reply_error(struct reply *rp, const struct error *err)
{
    static const struct { int code, status; } rows[] = {
        { ERR_USAGE, 400 },     { ERR_SPEC, 422 },  { ERR_DATA, 422 },
        { ERR_NOT_FOUND, 404 }, { ERR_STATE, 409 }, { ERR_FULL, 507 },
        { ERR_LIMIT, 429 },
    };
    int status = 500;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].code == err->code)
            status = rows[i].status;
    reply_problem(rp, status, NULL, "%s", err->text);
}

void reply_clear(struct reply *rp)
{
    if (!rp->borrowed)
        free(rp->text);
    shared_drop(rp->shared);
    for (int i = 0; i < rp->n_headers; i++)
        free(rp->headers[i].value);
    *rp = (struct reply){ 0 };
}
