/* daemon/send.c: a reply on its way out: its tag, its packing, the headers that
 * all of them have. */
#include "daemon/http.h"

#include <string.h>

#include "common/log.h"
#include "daemon/gzip.h"

// Of all answers. The page has nothing from elsewhere; the JSON is for nobody
// else's page.
static const struct { const char *name, *value; } fixed_headers[] = {
    { "Content-Security-Policy", "default-src 'self'; img-src 'self' data: "
      "blob:; object-src 'none'; base-uri 'none'; form-action 'none'; "
      "frame-ancestors 'none'" },
    { "X-Content-Type-Options", "nosniff" },
    { "X-Frame-Options", "DENY" },
    { "Referrer-Policy", "no-referrer" },
    { "Cross-Origin-Resource-Policy", "same-origin" },
    { "Cache-Control", "no-cache" },    // ask again, with the ETag
};

const char *request_header(const struct request *rq, const char *name)
{
    return MHD_lookup_connection_value(rq->connection, MHD_HEADER_KIND, name);
}

// The tag of what is said, or NULL when it has none; `made` is room for it.
static const char *tag_for(struct reply *rp, bool packed, char *made)
{
    for (int i = 0; i < rp->n_headers; i++)
        if (!strcmp(rp->headers[i].name, "ETag"))
            return rp->headers[i].value;        // the handler knows better
    if (rp->stream || (!rp->text && !rp->shared))
        return NULL;
    if (rp->shared)
        strcpy(made, shared_tag(rp->shared, packed));
    else
        tag_of(rp->text, rp->len, packed, made);
    reply_header(rp, "ETag", "%s", made);
    return made;
}

// Tags the reply to a read, and empties it when the client has it already.
static void tag(const struct request *rq, struct reply *rp, bool packed)
{
    const char *known = request_header(rq, "If-None-Match");
    char made[SHARED_TAG];

    if (rp->status != 200 ||
        (strcmp(rq->method, "GET") && strcmp(rq->method, "HEAD")))
        return;
    const char *etag = tag_for(rp, packed, made);
    if (!etag || !known || (!strstr(known, etag) && strcmp(known, "*") != 0))
        return;
    if (rp->stream)
        MHD_destroy_response(rp->stream);
    rp->stream = NULL;
    reply_text(rp, rp->type, NULL, 0);
    rp->status = 304;
}

// Whether the answer is to be packed; says that it depends on who asks.
static bool packs(const struct request *rq, struct reply *rp)
{
    if (rp->stream || !gzip_useful(rp->type, rp->len))
        return false;
    reply_header(rp, "Vary", "Accept-Encoding");
    return gzip_accepted(request_header(rq, "Accept-Encoding"));
}

static void pack(struct reply *rp)
{
    size_t len;
    char *packed = rp->text ? gzip_pack(rp->text, rp->len, &len) : NULL;

    if (!packed)
        return;
    reply_text(rp, rp->type, packed, len);
    reply_header(rp, "Content-Encoding", "gzip");
}

static void drop_shared(void *shared)
{
    shared_drop(shared);
}

static struct MHD_Response *of_shared(struct reply *rp, bool packed)
{
    size_t len;
    char *bytes = shared_bytes(rp->shared, &packed, &len);
    struct MHD_Response *response =
        MHD_create_response_from_buffer_with_free_callback_cls(len, bytes,
            drop_shared, rp->shared);

    if (!response)
        return NULL;
    rp->shared = NULL;
    if (packed)
        reply_header(rp, "Content-Encoding", "gzip");
    return response;
}

static struct MHD_Response *of_text(struct reply *rp, bool packed)
{
    if (packed)
        pack(rp);
    struct MHD_Response *response = MHD_create_response_from_buffer(rp->len,
        rp->text, rp->borrowed ? MHD_RESPMEM_PERSISTENT
                               : MHD_RESPMEM_MUST_FREE);
    if (response && !rp->borrowed)
        rp->text = NULL;
    return response;
}

static struct MHD_Response *make_response(struct reply *rp, bool packed)
{
    struct MHD_Response *response = rp->stream ? rp->stream
        : rp->shared ? of_shared(rp, packed) : of_text(rp, packed);

    rp->stream = NULL;
    if (!response)
        return NULL;
    if (rp->type)
        MHD_add_response_header(response, "Content-Type", rp->type);
    for (int i = 0; i < rp->n_headers; i++)
        MHD_add_response_header(response, rp->headers[i].name,
                                rp->headers[i].value);
    for (size_t i = 0; i < sizeof fixed_headers / sizeof *fixed_headers; i++)
        MHD_add_response_header(response, fixed_headers[i].name,
                                fixed_headers[i].value);
    return response;
}

enum MHD_Result http_send(struct request *rq, struct reply *rp)
{
    enum MHD_Result sent = MHD_NO;
    bool packed = packs(rq, rp);

    tag(rq, rp, packed);
    log_debug("%s %s: %d", rq->method, rq->uri.path ? rq->uri.path : "?",
              rp->status);
    struct MHD_Response *response = make_response(rp, packed);
    if (response) {
        atomic_fetch_add(&rq->server->answers[rp->status], 1);
        sent = MHD_queue_response(rq->connection, (unsigned)rp->status,
                                  response);
        MHD_destroy_response(response);
    }
    reply_clear(rp);
    return sent;
}
