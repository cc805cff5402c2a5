/* tests/client_answers.h: answers for tests/canned.h, and what a test of the
 * client does with them. */
#pragma once
#include "tests/canned.h"
#include "tests/client_run.h"

#define OK(type, body) "HTTP/1.1 200 OK\r\nContent-Type: " type \
    "\r\nConnection: close\r\n\r\n" body
#define JSON(body) OK("application/json", body)
#define STREAM(body) OK("text/event-stream", body)
#define PROBLEM(status, body) "HTTP/1.1 " status " x\r\nContent-Type: " \
    "application/problem+json\r\nConnection: close\r\n\r\n" body
#define JOB(state) JSON("{\"id\": 7, \"name\": \"n\", \"state\": \"" state \
    "\"}")

// The same against answers, which are given in order.
#define RUN_AGAINST(r, s, ...)                                                 \
    do {                                                                       \
        canned_start(s);                                                       \
        client_run(r, (s)->url, "", __VA_ARGS__, NULL);                        \
        canned_stop(s);                                                        \
    } while (0)

static inline void assert_has(const char *text, const char *part)
{
    if (!text || !strstr(text, part))
        fail_msg("\"%s\" is not in \"%s\"", part, text ? text : "");
}
