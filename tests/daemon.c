#include "daemon.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
#include <curl/curl.h>

#include "common/mem.h"

enum { MAX_ARGS = 24, TIMEOUT_S = 120 };

static void die(const char *what)
{
    perror(what);
    abort();
}

// The daemon and the fake worker, as seen from this program.
static void find_programs(char daemon[PATH_MAX], char worker[PATH_MAX])
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

    self[n > 0 ? n : 0] = '\0';
    char *dir = dirname(self);
    snprintf(daemon, PATH_MAX, "%.3000s/../daemon/gradwatchd", dir);
    const char *other = getenv("GRADWATCH_TEST_WORKER");
    snprintf(worker, PATH_MAX, "%.3000s/%s", dir,
             other ? other : "fake_worker");
}

// Forks and executes it with its stdout at *out and its stderr at err_fd.
static pid_t spawn(const char *const *args, int *out, int err_fd)
{
    char path[PATH_MAX], worker[PATH_MAX];
    int fd[2];

    find_programs(path, worker);
    const char *argv[MAX_ARGS + 6] = { path, "--worker", worker };
    int n = 3;
    for (int i = 0; args && args[i] && i < MAX_ARGS; i++)
        argv[n++] = args[i];
    if (pipe2(fd, O_CLOEXEC) != 0)
        die("pipe");
    pid_t pid = fork();
    if (pid == 0) {
        dup2(fd[1], 1);
        dup2(err_fd, 2);
        execv(path, (char **)argv);
        _exit(127);
    }
    if (pid < 0)
        die("fork");
    close(fd[1]);
    *out = fd[0];
    return pid;
}

static struct daemon start(const char *state, bool closed,
                           const char *const *args)
{
    const char *all[MAX_ARGS + 1] = { "--listen", "127.0.0.1:0", "--state",
                                      state, closed ? NULL : "--no-auth" };
    struct daemon d = { .state = xstrdup(state) };
    char line[200];
    // Set GRADWATCH_LOG to see the log.
    int out, log = getenv("GRADWATCH_LOG") ? 2 : open("/dev/null", O_WRONLY);

    int n = closed ? 4 : 5;
    for (int i = 0; args && args[i] && i + n < MAX_ARGS; i++)
        all[i + n] = args[i];
    d.pid = spawn(all, &out, log);
    if (log != 2)
        close(log);
    FILE *f = fdopen(out, "r");
    if (!fgets(line, sizeof line, f) ||
        sscanf(line, "listening on http://127.0.0.1:%d\n", &d.port) != 1)
        die("the daemon did not start");
    fclose(f);
    return d;
}

struct daemon daemon_start(const char *state, const char *const *args)
{
    return start(state, false, args);
}

struct daemon daemon_start_closed(const char *state, const char *const *args)
{
    return start(state, true, args);
}

static int end(struct daemon *d, int sig)
{
    int status = 0;

    kill(d->pid, sig);
    waitpid(d->pid, &status, 0);
    free(d->state);
    d->state = NULL;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int daemon_stop(struct daemon *d)
{
    return end(d, SIGTERM);
}

int daemon_kill(struct daemon *d)
{
    return end(d, SIGKILL);
}

int daemon_try(const char *const *args, char *err, size_t size)
{
    int status = 0, out, fd[2];

    if (pipe2(fd, O_CLOEXEC) != 0)
        die("pipe");
    pid_t pid = spawn(args, &out, fd[1]);
    close(fd[1]);
    size_t n = 0;
    for (ssize_t k; n < size - 1 &&
         (k = read(fd[0], err + n, size - 1 - n)) > 0; )
        n += (size_t)k;
    err[n] = '\0';
    close(fd[0]);
    close(out);
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// Requests.

static size_t collect(char *data, size_t one, size_t n, void *to)
{
    return fwrite(data, one, n, to);
}

// For tests/openapi: each answer as a line of the file $GRADWATCH_ANSWERS.
static void note(const char *method, const char *path, const struct answer *a)
{
    const char *file = getenv("GRADWATCH_ANSWERS");

    if (!file || !a->status || *answer_header(a, "Content-Encoding"))
        return;
    json_t *body = json_stringn(a->body, a->len);       // NULL: not UTF-8
    json_t *all = json_pack("{s:s, s:s, s:i, s:s, s:o*}", "method", method,
        "path", path, "status", a->status, "type",
        answer_header(a, "Content-Type"), "body", body);
    char *text = all ? json_dumps(all, JSON_COMPACT) : NULL;
    int fd = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    // One write a line: tests run side by side.
    char *line = text ? xasprintf("%s\n", text) : xstrdup("");
    if (fd < 0 || write(fd, line, strlen(line)) < 0)
        die(file);
    close(fd);
    free(line);
    free(text);
    json_decref(all);
}

struct answer ask(const struct daemon *d, const char *method, const char *path,
                  const char *body, const char *const *headers)
{
    struct answer a = { 0 };
    struct curl_slist *list = NULL;
    size_t head_len;
    FILE *head = open_memstream(&a.head, &head_len);
    FILE *text = open_memstream(&a.body, &a.len);
    char *url = xasprintf("http://127.0.0.1:%d%s", d->port, path);
    CURL *curl = curl_easy_init();
    const char *json = NULL;
    long status = 0;

    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(curl, CURLOPT_NOBODY, !strcmp(method, "HEAD") ? 1L : 0L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)TIMEOUT_S);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, collect);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, text);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, collect);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, head);
    if (body) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
        json = "Content-Type: application/json";
    }
    for (int i = 0; headers && headers[i]; i++) {
        list = curl_slist_append(list, headers[i]);
        if (!strncasecmp(headers[i], "Content-Type:", 13))
            json = NULL;                // another one
    }
    if (json)
        list = curl_slist_append(list, json);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list);
    if (curl_easy_perform(curl) == CURLE_OK)
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    a.status = (int)status;
    fclose(head);
    fclose(text);
    a.json = json_loadb(a.body, a.len, JSON_REJECT_DUPLICATES, NULL);
    note(method, path, &a);
    curl_slist_free_all(list);
    curl_easy_cleanup(curl);
    free(url);
    return a;
}

void answer_clear(struct answer *a)
{
    free(a->head);
    free(a->body);
    json_decref(a->json);
    *a = (struct answer){ 0 };
}

const char *answer_header(const struct answer *a, const char *name)
{
    static char value[1024];
    size_t len = strlen(name);

    for (const char *p = a->head; p && *p; p = strchr(p, '\n') + 1) {
        if (strncasecmp(p, name, len) != 0 || p[len] != ':')
            continue;
        p += len + 1 + strspn(p + len + 1, " ");
        snprintf(value, sizeof value, "%.*s", (int)strcspn(p, "\r\n"), p);
        return value;
    }
    return "";
}

json_t *get(const struct daemon *d, const char *path)
{
    struct answer a = ask(d, "GET", path, NULL, NULL);
    json_t *json = a.status == 200 ? json_incref(a.json) : NULL;

    if (!json) {
        fprintf(stderr, "GET %s: %d %s\n", path, a.status, a.body);
        abort();
    }
    answer_clear(&a);
    return json;
}

int64_t submit(const struct daemon *d, const char *name, int epochs,
               const char *more)
{
    char *spec = xasprintf("{\"name\": \"%s\", \"train\": {\"epochs\": %d}%s}",
                           name, epochs, more);
    struct answer a = ask(d, "POST", "/api/v1/jobs", spec, NULL);
    int64_t id = json_integer_value(json_object_get(a.json, "id"));

    if (a.status != 201) {
        fprintf(stderr, "POST %s: %d %s\n", spec, a.status, a.body);
        abort();
    }
    answer_clear(&a);
    free(spec);
    return id;
}

const char *run_to_end(const struct daemon *d, int64_t id, json_t **job)
{
    static char state[20];
    char *path = xasprintf("/api/v1/jobs/%" PRId64 "/events", id);
    struct stream s = stream_open(d, path, -1);
    json_t *event;
    int64_t seq;

    while ((event = stream_next(&s, &seq)))
        json_decref(event);
    stream_close(&s);
    *strrchr(path, '/') = '\0';
    json_t *answer = get(d, path);
    snprintf(state, sizeof state, "%s",
             json_string_value(json_object_get(answer, "state")));
    if (job)
        *job = json_incref(answer);
    json_decref(answer);
    free(path);
    return state;
}

// Sockets.

int dial(const struct daemon *d)
{
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)d->port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct timeval patience = { .tv_sec = TIMEOUT_S };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        die("connect");
    return fd;
}

void send_text(int fd, const char *text)
{
    size_t len = strlen(text);

    while (len) {
        ssize_t n = send(fd, text, len, MSG_NOSIGNAL);
        if (n < 0)
            return;             // closed: the answer tells why
        text += n;
        len -= (size_t)n;
    }
}

char *read_all(int fd, size_t *len)
{
    char *text = xmalloc(1);
    size_t n = 0;

    for (;;) {
        text = xrealloc(text, n + 65537);
        ssize_t k = recv(fd, text + n, 65536, 0);
        if (k <= 0)
            break;
        n += (size_t)k;
    }
    text[n] = '\0';
    *len = n;
    return text;
}

int status_of(const struct daemon *d, const char *text)
{
    char line[64] = "";
    int status = 0, fd = dial(d);

    send_text(fd, text);
    // The status line comes in one piece.
    if (recv(fd, line, sizeof line - 1, 0) > 0)
        sscanf(line, "HTTP/1.%*d %d", &status);
    close(fd);
    return status;
}

// Streams.

struct stream stream_open_as(const struct daemon *d, const char *path,
                             const char *header)
{
    int fd = dial(d);
    struct stream s = { .f = fdopen(fd, "r") };
    char line[1024];

    // HTTP/1.0: the body is not chunked and ends with the connection.
    char *request = xasprintf("GET %s HTTP/1.0\r\nHost: 127.0.0.1:%d\r\n"
                              "Accept: text/event-stream\r\n%s\r\n\r\n",
                              path, d->port, header);
    send_text(fd, request);
    free(request);
    while (fgets(line, sizeof line, s.f) && strcmp(line, "\r\n") != 0)
        ;
    return s;
}

struct stream stream_open(const struct daemon *d, const char *path,
                          int64_t last_id)
{
    char last[64] = "X-Test: 1";

    if (last_id >= 0)
        snprintf(last, sizeof last, "Last-Event-ID: %" PRId64, last_id);
    return stream_open_as(d, path, last);
}

json_t *stream_next(struct stream *s, int64_t *id)
{
    char *line = NULL;
    size_t room = 0;
    json_t *event = NULL;
    ssize_t n;

    *id = -1;
    while ((n = getline(&line, &room, s->f)) > 0) {
        line[n - 1] = '\0';
        if (!strncmp(line, "id: ", 4))
            *id = strtoll(line + 4, NULL, 10);
        else if (!strncmp(line, "data: ", 6))
            event = json_loads(line + 6, JSON_REJECT_DUPLICATES, NULL);
        else if (!*line && event)
            break;
    }
    free(line);
    return event;
}

json_t *stream_find(struct stream *s, const char *type, int64_t *id)
{
    json_t *event;

    while ((event = stream_next(s, id))) {
        if (!strcmp(json_string_value(json_object_get(event, "type")), type))
            return event;
        json_decref(event);
    }
    return NULL;
}

void stream_close(struct stream *s)
{
    fclose(s->f);
}
