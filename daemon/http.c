#include "daemon/http.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "daemon/conns.h"
#include "daemon/openapi.h"
#include "daemon/params.h"

enum {
    THREADS = 4,
    MAX_CONNECTIONS = 12288,
    OWN_DESCRIPTORS = 192,      // of the store, the worker, files to be sent
    LEAST_CONNECTIONS = 48,
    IDLE_S = 30,
    CONNECTION_BYTES = 20 << 10,        // of a connection's buffers
    LAST_ANSWERS_S = 1,         // for those who read slowly when it stops
};

struct http {
    struct server     *server;
    struct conns      *conns;
    struct MHD_Daemon *daemon;
    atomic_int         answering;       // answers that are made or sent
};

struct exchange {               // one request and what becomes of it
    struct request      rq;
    struct error        uri_err;
    const struct route *route;
    const char         *target, *target_end;    // as they were received
    char               *body;
    size_t              room;
    bool                begun, too_large;
    bool                answering;      // counts in the server's
};

// Routes.

// Matches one segment with one of the pattern and notes what it stands for.
static bool match_segment(struct request *rq, const char *pattern, size_t len,
                          const char *segment)
{
    if (len == 6 && !memcmp(pattern, "{word}", len)) {
        rq->word = segment;
        return true;
    }
    if (len == 4 && !memcmp(pattern, "{id}", len)) {
        size_t digits = strspn(segment, "0123456789");
        rq->id = strtoll(segment, NULL, 10);
        return digits && !segment[digits] && digits < 19 && segment[0] != '0';
    }
    return strlen(segment) == len && !memcmp(pattern, segment, len);
}

static bool match(struct request *rq, const char *path)
{
    const char *p = path + 1;

    for (int i = 0; i < rq->uri.n_segments; i++) {
        size_t len = strcspn(p, "/");
        if (!len || !match_segment(rq, p, len, rq->uri.segments[i]))
            return false;
        p += len + (p[len] == '/');
    }
    return !*p;
}

static const struct route *find_route(struct request *rq)
{
    for (const struct route *r = http_routes; r->path; r++)
        if (match(rq, r->path))
            return r;
    return NULL;
}

static handler *find_handler(const struct route *r, const char *method)
{
    const struct { const char *method; handler *handler; } rows[] = {
        { "GET", r->get }, { "HEAD", r->get }, { "POST", r->post },
        { "PATCH", r->patch }, { "DELETE", r->delete },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!strcmp(method, rows[i].method))
            return rows[i].handler;
    return NULL;
}

static void allow(struct reply *rp, const struct route *r)
{
    reply_header(rp, "Allow", "%s%s%s%sOPTIONS", r->get ? "GET, HEAD, " : "",
                 r->post ? "POST, " : "", r->patch ? "PATCH, " : "",
                 r->delete ? "DELETE, " : "");
}

// Before the body: may this be asked, and is there somebody to answer?

enum { CRLF = 2 };

struct headers {                // what is noted of them
    struct gate_request request;
    const char         *end;    // of the one before, as it was received
};

static enum MHD_Result note_header(void *cls, enum MHD_ValueKind kind,
                                   const char *key, const char *value)
{
    struct headers *h = cls;
    struct gate_request *g = &h->request;

    const struct { const char *name, **to; int *n; } rows[] = {
        { "Host", &g->host, &g->n_hosts },
        { "Content-Length", &g->content_length, &g->n_lengths },
        { "Transfer-Encoding", &g->transfer_encoding, &g->n_encodings },
        { "Origin", &g->origin, NULL },
        { "Sec-Fetch-Site", &g->fetch_site, NULL },
        { "Sec-Fetch-Mode", &g->fetch_mode, NULL },
        { "Content-Type", &g->content_type, NULL },
    };

    (void)kind;
    g->odd |= gate_is_odd(key, value) || gate_is_cut(h->end, key, CRLF);
    h->end = value ? value + strlen(value) : key + strlen(key);
    value = value ? value : "";
    g->header_bytes += strlen(key) + strlen(value) + 4;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (strcasecmp(key, rows[i].name) != 0)
            continue;
        g->odd |= !rows[i].n && *rows[i].to;    // it can be there but once
        *rows[i].to = value;
        if (rows[i].n)
            ++*rows[i].n;
    }
    return MHD_YES;
}

// Where the body begins, as it was received.
static const char *end_of_headers(const struct request *rq)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(
        rq->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    return rq->method + info->header_size;
}

// False with the refusal in rp.
static bool pass_gate(struct exchange *x, const char *version,
                      struct reply *rp)
{
    struct gate gate = server_gate(x->rq.server);
    struct headers h = { .request = { .method = x->rq.method } };
    struct gate_request *g = &h.request;
    struct error err = { 0 };

    g->odd = gate_is_cut(x->rq.method + strlen(x->rq.method), x->target, 1) ||
             gate_is_cut(x->target_end, version, 1);
    h.end = version + strlen(version);
    MHD_get_connection_values(x->rq.connection, MHD_HEADER_KIND, note_header,
                              &h);
    g->odd |= gate_is_cut(h.end, end_of_headers(&x->rq), 2 * CRLF);
    int status = gate_check(&gate, g, &err);
    if (!status && x->uri_err.code)
        status = x->uri_err.code == ERR_LIMIT ? 414
               : x->uri_err.code == ERR_NOT_FOUND ? 404 : 400;
    if (status) {
        reply_problem(rp, status, NULL, "%s",
                      err.code ? err.text : x->uri_err.text);
        // Nobody knows for sure where a next request would begin.
        reply_header(rp, "Connection", "close");
    }
    return !status;
}

static bool may_ask(const struct exchange *x)
{
    const struct server *s = x->rq.server;
    enum access access = x->route ? x->route->access : ACCESS_TOKEN;
    char cookie[32];

    if (!s->auth || access == ACCESS_OPEN ||
        (access == ACCESS_METRICS && s->config->open_metrics))
        return true;
    snprintf(cookie, sizeof cookie, "gradwatch_%d", s->port);
    return auth_header_fits(s->auth, request_header(&x->rq, "Authorization")) ||
           auth_cookie_fits(s->auth, MHD_lookup_connection_value(
               x->rq.connection, MHD_COOKIE_KIND, cookie));
}

static bool pass_auth(const struct exchange *x, struct reply *rp)
{
    if (may_ask(x))
        return true;
    reply_problem(rp, 401, NULL, "this daemon's token is needed: for the page, "
                  "open the address that \"gradwatch open\" prints; for a "
                  "program, send \"Authorization: Bearer TOKEN\" with what is "
                  "in the file token of the daemon's state directory");
    reply_header(rp, "WWW-Authenticate", "Bearer realm=\"gradwatch\"");
    return false;
}

static bool pass_params(const struct exchange *x, struct reply *rp)
{
    const struct operation *op = openapi_find(x->route->path,
        strcmp(x->rq.method, "HEAD") ? x->rq.method : "GET");
    // Whoever looks whether it is alive may add what he likes.
    json_t *errors = op && x->route->access == ACCESS_TOKEN
        ? params_check(op->params, &x->rq.uri) : NULL;

    if (errors)
        reply_problem(rp, 400, errors, "the address has %zu mistake%s",
            json_array_size(errors), json_array_size(errors) > 1 ? "s" : "");
    return !errors;
}

static bool pass_route(struct exchange *x, struct reply *rp)
{
    const char *method = x->rq.method;

    if (!x->route) {
        reply_problem(rp, 404, NULL, "there is nothing at this address");
    } else if (!strcmp(method, "OPTIONS")) {
        rp->status = 204;
        allow(rp, x->route);
    } else if (!find_handler(x->route, method)) {
        reply_problem(rp, 405, NULL, "%.20s is not possible here", method);
        allow(rp, x->route);
    } else if (!uri_accepts(request_header(&x->rq, "Accept"), x->route->type)) {
        reply_problem(rp, 406, NULL, "the answer would be %s, which Accept "
                      "does not list", x->route->type);
    } else {
        return pass_params(x, rp);
    }
    return false;
}

static void take_body(struct exchange *x, const char *data, size_t n)
{
    struct request *rq = &x->rq;

    if (rq->body_len + n > GATE_BODY_BYTES) {
        x->too_large = true;
        return;
    }
    if (rq->body_len + n + 1 > x->room) {
        x->room = 2 * (rq->body_len + n) + 1;
        x->body = xrealloc(x->body, x->room);
    }
    memcpy(x->body + rq->body_len, data, n);
    rq->body_len += n;
    x->body[rq->body_len] = '\0';
}

static struct conn *conn_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

static void end_answer(struct exchange *x, struct http *h)
{
    if (x->answering)
        atomic_fetch_sub(&h->answering, 1);
    x->answering = false;
}

static enum MHD_Result answer(struct exchange *x, struct http *h)
{
    struct reply rp = { .status = 200 };
    struct conn *conn = conn_of(x->rq.connection);

    if (conn)
        conns_asked(h->conns, conn);
    x->rq.body = x->body ? x->body : "";
    x->answering = true;
    atomic_fetch_add(&h->answering, 1);
    if (x->too_large)
        reply_problem(&rp, 413, NULL, "a body has at most %d bytes",
                      GATE_BODY_BYTES);
    else
        find_handler(x->route, x->rq.method)(&x->rq, &rp);
    if (rp.stream)              // ends when sse.c says so
        end_answer(x, h);
    return http_send(&x->rq, &rp);
}

// What libmicrohttpd calls.

static void *on_uri(void *cls, const char *target,
                    struct MHD_Connection *connection)
{
    struct http *h = cls;
    struct exchange *x = xcalloc(1, sizeof *x);

    x->rq.server = h->server;
    x->rq.connection = connection;
    x->target = target;
    x->target_end = target + strlen(target);
    uri_parse(&x->rq.uri, target, &x->uri_err);
    return x;
}

// Called when the headers are there, then for each piece of the body (which
// cannot be answered), then at its end.
static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection,
                                  const char *url, const char *method,
                                  const char *version, const char *data,
                                  size_t *n, void **con_cls)
{
    struct exchange *x = *con_cls;
    struct reply rp = { .status = 200 };

    (void)url;
    if (!x->begun) {
        x->begun = true;
        x->rq.method = method;
        x->route = find_route(&x->rq);
        struct conn *conn = conn_of(connection);
        if (conn)
            conns_headed(((struct http *)cls)->conns, conn);
        if (!pass_gate(x, version, &rp) || !pass_auth(x, &rp) ||
            !pass_route(x, &rp))
            return http_send(&x->rq, &rp);
        return MHD_YES;
    }
    if (*n) {
        take_body(x, data, *n);
        *n = 0;
        return MHD_YES;
    }
    return answer(x, cls);
}

static void on_completed(void *cls, struct MHD_Connection *connection,
                         void **con_cls, enum MHD_RequestTerminationCode why)
{
    struct http *h = cls;
    struct exchange *x = *con_cls;
    struct conn *conn = conn_of(connection);

    (void)why;
    if (conn)
        conns_answered(h->conns, conn);
    if (x) {
        end_answer(x, h);
        uri_clear(&x->rq.uri);
        free(x->body);
    }
    free(x);
    *con_cls = NULL;
}

static void on_connection(void *cls, struct MHD_Connection *connection,
                          void **context, enum MHD_ConnectionNotificationCode c)
{
    struct http *h = cls;

    if (c == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info = MHD_get_connection_info(
            connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        *context = conns_open(h->conns, info->connect_fd);
    } else if (*context) {
        conns_close(h->conns, *context);
        *context = NULL;
    }
}

__attribute__((format(printf, 2, 0)))
static void on_log(void *cls, const char *fmt, va_list args)
{
    char text[512];

    (void)cls;
    vsnprintf(text, sizeof text, fmt, args);
    text[strcspn(text, "\n")] = '\0';
    log_debug("http: %s", text);
}

int http_connections(void)
{
    struct rlimit files = { .rlim_cur = 1024 };

    getrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_cur >= MAX_CONNECTIONS + OWN_DESCRIPTORS)
        return MAX_CONNECTIONS;
    int left = (int)files.rlim_cur - OWN_DESCRIPTORS;
    return left > LEAST_CONNECTIONS ? left : LEAST_CONNECTIONS;
}

int http_start(struct server *server, int listen_fd, struct http **out,
               struct error *err)
{
    struct http *h = xcalloc(1, sizeof *h);

    h->server = server;
    h->conns = conns_new();
    h->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME |
        MHD_USE_ERROR_LOG, 0, NULL, NULL, on_request, h,
        MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
        MHD_OPTION_LISTEN_SOCKET, listen_fd,
        MHD_OPTION_THREAD_POOL_SIZE, (unsigned)THREADS,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)http_connections(),
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES,
        MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_URI_LOG_CALLBACK, on_uri, h,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, h,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, h,
        MHD_OPTION_END);
    if (!h->daemon) {
        close(listen_fd);
        conns_free(h->conns);
        free(h);
        *out = NULL;
        return fail(err, ERR_IO, "cannot start the HTTP server");
    }
    *out = h;
    return 0;
}

void http_stop(struct http *h)
{
    const struct timespec pause = { .tv_nsec = 2000000 };
    double until = clock_seconds() + LAST_ANSWERS_S;

    if (!h)
        return;
    while (atomic_load(&h->answering) > 0 && clock_seconds() < until)
        nanosleep(&pause, NULL);
    MHD_stop_daemon(h->daemon);
    conns_free(h->conns);
    free(h);
}

void http_tick(struct http *h)
{
    int late = conns_sweep(h->conns, clock_seconds());

    if (late)
        log_info("closed %d connections that took too long to ask", late);
}
