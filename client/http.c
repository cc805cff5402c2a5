#include "client/http.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "common/mem.h"
#include "version.h"

enum {
    CONNECT_SECONDS = 5,
    SILENT_SECONDS = 60,        // an answer that has not begun or goes on
    STREAM_SECONDS = 45,        // three of the server's heartbeats of 15 s
    POLL_MILLIS = 200,
};

struct transfer {               // what the callbacks need
    struct http             *http;
    struct response         *r;
    const struct http_stream *stream;   // NULL: collect the body
    bool                     ended;     // by the receiver, not the server
    bool                     too_long;
};

bool http_is_loopback(const char *server)
{
    const char *scheme = strstr(server, "://");
    const char *host = scheme ? scheme + 3 : server;
    size_t n = strcspn(host, "/?#");
    const char *colon = memrchr(host, ':', n), *bracket = memchr(host, ']', n);

    if (memchr(host, '@', n))
        return false;           // what is before it is not the host
    if (colon && (!bracket || colon > bracket))
        n = (size_t)(colon - host);
    return (n > 4 && !strncmp(host, "127.", 4) &&
            strspn(host, "0123456789.") >= n) ||
           (n == 9 && !strncasecmp(host, "localhost", n)) ||
           (n == 5 && !strncmp(host, "[::1]", n));
}

int http_open(struct http **out, const char *server, bool (*stop)(void),
              struct error *err)
{
    const char *scheme = strstr(server, "://");
    size_t len = strlen(server);

    while (len && server[len - 1] == '/')
        len--;
    if (!len || (scheme && strncmp(server, "http://", 7) &&
                 strncmp(server, "https://", 8)))
        return fail(err, ERR_USAGE,
                    "server is \"%s\", must be like http://127.0.0.1:7050",
                    server);
    struct http *h = xcalloc(1, sizeof *h);
    h->base = xasprintf("%s%.*s", scheme ? "" : "http://", (int)len, server);
    h->stop = stop;
    h->wake = -1;
    curl_global_init(CURL_GLOBAL_DEFAULT);
    h->easy = curl_easy_init();
    h->multi = curl_multi_init();
    if (!h->easy || !h->multi) {
        http_close(h);
        return fail(err, ERR_IO, "libcurl does not start");
    }
    *out = h;
    return 0;
}

struct http *http_again(const struct http *h)
{
    struct http *again = xcalloc(1, sizeof *again);

    *again = (struct http){
        .base = xstrdup(h->base), .token = h->token ? xstrdup(h->token) : NULL,
        .easy = curl_easy_init(), .multi = curl_multi_init(), .stop = h->stop,
        .wake = -1};
    if (!again->easy || !again->multi)
        abort();                // out of memory
    return again;
}

void http_close(struct http *h)
{
    if (!h)
        return;
    curl_easy_cleanup(h->easy);
    curl_multi_cleanup(h->multi);
    free(h->base);
    free(h->token);
    free(h);
}

void http_clear(struct response *r)
{
    free(r->type);
    free(r->body);
    *r = (struct response){0};
}

static size_t receive(char *bytes, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;
    size_t len = size * n;
    long status = 0;

    curl_easy_getinfo(t->http->easy, CURLINFO_RESPONSE_CODE, &status);
    if (t->stream && status == 200) {
        t->ended = t->stream->data(t->stream->arg, bytes, len);
        return t->ended ? CURL_WRITEFUNC_ERROR : len;
    }
    if (t->r->len + len > HTTP_MAX_BODY) {
        t->too_long = true;
        return CURL_WRITEFUNC_ERROR;
    }
    t->r->body = xrealloc(t->r->body, t->r->len + len + 1);
    memcpy(t->r->body + t->r->len, bytes, len);
    t->r->len += len;
    t->r->body[t->r->len] = 0;
    return len;
}

static bool must_stop(struct transfer *t)
{
    if (t->http->stop && t->http->stop())
        return true;
    if (t->stream && t->stream->tick(t->stream->arg))
        t->ended = true;
    return t->ended;
}

// Runs the transfer; by the multi interface, since that can be left at once
// when a signal came. *stopped: by must_stop().
static CURLcode perform(struct transfer *t, bool *stopped)
{
    struct http *h = t->http;
    CURLcode code = CURLE_RECV_ERROR;
    int running = 1, left;
    CURLMsg *message;

    *stopped = false;
    curl_multi_add_handle(h->multi, h->easy);
    while (running && !*stopped) {
        if (curl_multi_perform(h->multi, &running) != CURLM_OK)
            break;
        *stopped = must_stop(t);
        struct curl_waitfd wake = {.fd = h->wake, .events = CURL_WAIT_POLLIN};
        if (running && !*stopped)
            curl_multi_poll(h->multi, &wake, h->wake >= 0, POLL_MILLIS, NULL);
    }
    while ((message = curl_multi_info_read(h->multi, &left)))
        if (message->msg == CURLMSG_DONE)
            code = message->data.result;
    curl_multi_remove_handle(h->multi, h->easy);
    return code;
}

static int explain(struct transfer *t, CURLcode code, const char *words,
                   struct error *err)
{
    const char *base = t->http->base;

    if (t->too_long)
        return fail(err, ERR_LIMIT, "the answer of %s is over %d MiB", base,
                    HTTP_MAX_BODY >> 20);
    if (code == CURLE_COULDNT_CONNECT)
        return fail(err, ERR_IO, "daemon not reachable at %s: "
                                 "start it with gradwatchd", base);
    if (code == CURLE_URL_MALFORMAT)
        return fail(err, ERR_USAGE, "server is \"%s\", must be like "
                                    "http://127.0.0.1:7050", base);
    return fail(err, ERR_IO, "daemon not reachable at %s: %s", base,
                *words ? words : curl_easy_strerror(code));
}

static void take_type(CURL *easy, struct response *r)
{
    char *type = NULL;

    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &r->status);
    curl_easy_getinfo(easy, CURLINFO_CONTENT_TYPE, &type);
    r->type = type ? xstrndup(type, strcspn(type, "; ")) : xstrdup("");
    if (!r->body)
        r->body = xcalloc(1, 1);
}

static void set_options(struct transfer *t, const char *url,
                        struct curl_slist *headers, char *words)
{
    CURL *easy = t->http->easy;

    curl_easy_reset(easy);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME,
                     (long)(t->stream ? STREAM_SECONDS : SILENT_SECONDS));
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "gradwatch/" GRADWATCH_VERSION);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, words);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, receive);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
    // A proxy of the environment knows nothing about this machine.
    if (http_is_loopback(t->http->base))
        curl_easy_setopt(easy, CURLOPT_PROXY, "");
}

// The first header is `first`.
static struct curl_slist *headers_of(const struct http *h, const char *first)
{
    struct curl_slist *headers = curl_slist_append(NULL, first);

    if (h->token) {
        char *line = xasprintf("Authorization: Bearer %s", h->token);
        headers = curl_slist_append(headers, line);
        free(line);
    }
    return headers;
}

int http_send(struct http *h, const char *method, const char *path,
              const char *body, struct response *r, struct error *err)
{
    char words[CURL_ERROR_SIZE] = "";
    char *url = xasprintf("%s%s", h->base, path);
    struct curl_slist *headers = headers_of(h, "Expect:");
    struct transfer t = {.http = h, .r = r};
    bool stopped;
    int rc = 0;

    *r = (struct response){0};
    if (body)
        headers = curl_slist_append(headers, "Content-Type: application/json");
    set_options(&t, url, headers, words);
    if (body || !strcmp(method, "POST")) {
        curl_easy_setopt(h->easy, CURLOPT_POSTFIELDS, body ? body : "");
        curl_easy_setopt(h->easy, CURLOPT_POSTFIELDSIZE,
                         (long)(body ? strlen(body) : 0));
        if (!body)      // libcurl would call it a form
            headers = curl_slist_append(headers, "Content-Type:");
    }
    curl_easy_setopt(h->easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(h->easy, CURLOPT_CUSTOMREQUEST, method);
    CURLcode code = perform(&t, &stopped);
    if (stopped)
        rc = fail(err, ERR_STATE, "interrupted");
    else if (code != CURLE_OK)
        rc = explain(&t, code, words, err);
    else
        take_type(h->easy, r);
    curl_slist_free_all(headers);
    free(url);
    return rc;
}

int http_stream(struct http *h, const struct http_stream *s,
                struct response *r, struct error *err)
{
    char words[CURL_ERROR_SIZE] = "";
    char *url = xasprintf("%s%s", h->base, s->path), *last = NULL;
    char *accept = xasprintf("Accept: %s", s->accept ? s->accept
                                                     : "text/event-stream");
    struct curl_slist *headers = headers_of(h, accept);
    struct transfer t = {.http = h, .r = r, .stream = s};
    bool stopped;
    int rc = 0;

    *r = (struct response){0};
    if (s->last_id) {
        last = xasprintf("Last-Event-ID: %s", s->last_id);
        headers = curl_slist_append(headers, last);
    }
    set_options(&t, url, headers, words);
    CURLcode code = perform(&t, &stopped);
    if (stopped && !t.ended)
        rc = fail(err, ERR_STATE, "interrupted");
    else if (code != CURLE_OK && !t.ended)
        rc = explain(&t, code, words, err);
    take_type(h->easy, r);
    curl_slist_free_all(headers);
    free(accept);
    free(last);
    free(url);
    return rc;
}

char *http_escape(const char *text)
{
    char *escaped = curl_easy_escape(NULL, text, 0);
    char *own = xstrdup(escaped ? escaped : "");

    curl_free(escaped);
    return own;
}
