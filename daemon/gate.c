#include "daemon/gate.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

// Splits "name:port"; *port is -1 when there is none. False when it is neither.
static bool split_host(const char *host, char *name, size_t size, int *port)
{
    const char *end = *host == '[' ? strchr(host, ']') : NULL;
    const char *colon = strchr(end ? end : host, ':');
    size_t len = colon ? (size_t)(colon - host) : strlen(host);
    char *rest;

    *port = -1;
    if (len == 0 || len >= size || (*host == '[' && !end))
        return false;
    snprintf(name, size, "%.*s", (int)len, host);
    if (!colon)
        return true;
    long n = strtol(colon + 1, &rest, 10);
    *port = (int)n;
    return isdigit((unsigned char)colon[1]) && !*rest && n >= 0 && n < 65536;
}

static bool host_allowed(const struct gate *g, const char *host)
{
    static const char *const loopback[] = { "localhost", "127.0.0.1", "[::1]" };
    enum { HTTP_PORT = 80 };
    char name[256];
    int port;

    if (!split_host(host, name, sizeof name, &port))
        return false;
    for (int i = 0; i < g->n_allow_hosts; i++)
        if (!strcasecmp(g->allow_hosts[i], name))
            return true;
    for (size_t i = 0; i < sizeof loopback / sizeof *loopback; i++)
        if (!strcasecmp(loopback[i], name))
            return (port < 0 ? HTTP_PORT : port) == g->port;
    return false;
}

static bool origin_allowed(const struct gate *g, const char *origin)
{
    static const char http[] = "http://", https[] = "https://";

    if (!strncmp(origin, http, strlen(http)))
        return host_allowed(g, origin + strlen(http));
    // A proxy in front of an allowed name may speak TLS.
    if (!strncmp(origin, https, strlen(https)))
        return host_allowed(g, origin + strlen(https));
    return false;
}

// A page of another origin is at work, and not just its reader's finger.
static bool is_foreign(const struct gate_request *r)
{
    if (!r->fetch_site || !strcmp(r->fetch_site, "same-origin") ||
        !strcmp(r->fetch_site, "none"))
        return false;
    return strcmp(r->method, "GET") || !r->fetch_mode ||
           strcmp(r->fetch_mode, "navigate");
}

static bool is_json(const char *content_type)
{
    static const char json[] = "application/json";
    size_t n = strcspn(content_type, "; \t");

    return n == strlen(json) && !strncasecmp(content_type, json, n);
}

static int check_body(const struct gate_request *r, struct error *err)
{
    bool chunked = r->n_encodings > 0;
    bool has_body = chunked ||
        (r->n_lengths && strspn(r->content_length, "0") !=
                         strlen(r->content_length));

    if (r->n_lengths > 1 || (r->n_lengths && chunked) || r->n_encodings > 1)
        return fail(err, 400, "the length of the body is said twice");
    if (chunked && strcasecmp(r->transfer_encoding, "chunked") != 0)
        return fail(err, 501, "no transfer coding but chunked is known");
    if (r->n_lengths && (!*r->content_length ||
        strspn(r->content_length, "0123456789") != strlen(r->content_length)))
        return fail(err, 400, "Content-Length is not a number");
    if (r->n_lengths && (strlen(r->content_length) > 9 ||
                         atol(r->content_length) > GATE_BODY_BYTES))
        return fail(err, 413, "a body has at most %d bytes", GATE_BODY_BYTES);
    if (has_body && (!r->content_type || !is_json(r->content_type)))
        return fail(err, 415, "a body must be application/json");
    return 0;
}

bool gate_is_odd(const char *name, const char *value)
{
    static const char marks[] = "!#$%&'*+-.^_`|~";
    size_t len = strlen(name);
    uintptr_t line = (uintptr_t)name + len, at = (uintptr_t)value;

    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)name[i]) && !strchr(marks, name[i]))
            return true;
    for (const char *c = value; c && *c; c++)
        if (((unsigned char)*c < ' ' && *c != '\t') || *c == 0x7f)
            return true;
    return len == 0 || (value && (at <= line || at - line > GATE_HEADER_BYTES));
}

bool gate_is_cut(const char *end, const char *next, size_t gap)
{
    return (uintptr_t)next - (uintptr_t)end != gap;
}

int gate_check(const struct gate *g, const struct gate_request *r,
               struct error *err)
{
    if (r->header_bytes > GATE_HEADER_BYTES)
        return fail(err, 431, "the headers have more than %d bytes",
                    GATE_HEADER_BYTES);
    if (r->odd)
        return fail(err, 400, "the request is not as RFC 9112 wants it");
    if (r->n_hosts != 1)
        return fail(err, 400, "there must be one Host header");
    if (!host_allowed(g, r->host))
        return fail(err, 421, "the host \"%.100s\" is not one of this "
                    "daemon's (localhost, 127.0.0.1 and [::1] with port %d, "
                    "and the names given by --allow-host)", r->host, g->port);
    if (r->origin && !origin_allowed(g, r->origin))
        return fail(err, 403, "pages of \"%.100s\" may not ask anything here",
                    r->origin);
    if (is_foreign(r))
        return fail(err, 403, "a page of another site may not ask anything "
                    "here");
    return check_body(r, err);
}
