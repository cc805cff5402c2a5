/* Ways to write a path that leads out of where it should stay, as an address of
 * the page and of the API, and as a job's folder of images. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "daemon.h"
#include "scratch.h"

static struct daemon d;

// Beside the folders of the page, the state and the data lies a file "secret";
// the data have a link "out" to the folder that it is in.
static const char secret[] = "do not tell";

static const char *const spellings[] = {
    // plain
    "../secret", "../../secret", "../../../../../../../../../etc/passwd",
    "./../secret", ".//../secret", "a/../../secret", "../web/../secret",
    "index.html/../../secret", "in/../../secret", "out/secret", "out", "secret",
    "../secret/", "../secret/.", "..", "../", "...", "....//secret",
    "..././secret", "..../secret",
    // absolute
    "/secret", "//secret", "/../secret", "/etc/passwd", "//etc/passwd",
    "/proc/self/environ", "/proc/self/root/etc/passwd", "/dev/fd/0",
    "/dev/stdin",
    // encoded once
    "..%2fsecret", "..%2Fsecret", "%2e%2e/secret", "%2E%2E/secret",
    ".%2e/secret", "%2e./secret", "%2e%2e%2fsecret", "%2fetc%2fpasswd",
    "%2f%2fetc%2fpasswd", "in%2f..%2f..%2fsecret", "%2e", "%2e%2e",
    // twice, and in other ways
    "..%252fsecret", "%252e%252e/secret", "%252e%252e%252fsecret",
    "%25252e%25252e/secret", "%u002e%u002e/secret", "0x2e0x2e/secret",
    "&#46;&#46;/secret", "\\u002e\\u002e/secret",
    // overlong and look-alikes
    "..%c0%afsecret", "%c0%ae%c0%ae/secret", "%c0%ae%c0%ae%c0%afsecret",
    "%e0%80%ae%e0%80%ae/secret", "%f0%80%80%ae%f0%80%80%ae/secret",
    "..%c1%9csecret", "..%ef%bc%8fsecret", "%ef%bc%8e%ef%bc%8e/secret",
    "%e2%80%a5/secret", "..%e2%88%95secret",
    // other systems
    "..\\secret", "..%5csecret", "%2e%2e%5csecret", "..%255csecret",
    "C:\\secret", "C:/secret", "\\\\host\\share", "..\\/secret",
    // parameters, blanks, ends of lines, zero bytes
    "..;/secret", "..;a=b/secret", "..%3b/secret", "..%20/secret",
    ".. /secret", "..%09/secret", "..%0d%0a/secret", "..%00/secret",
    "../secret%00", "../secret%00.js", "index.html%00.js", "in%00/../../secret",
    "../secret?x", "../secret#x", "..%3f/secret", "..%23/secret",
    // what a shell or a library may expand
    "~/secret", "~root/secret", "$HOME/secret", "*", "{..,in}/secret", "`id`",
    "file:///etc/passwd", "file:%2f%2f%2fetc%2fpasswd",
    "http://127.0.0.1/secret", "ftp://127.0.0.1/secret", "data:,secret",
    // broken
    "%", "%2", "%zz", "%-1", "%%32%65", "%2%65",
};
enum { N = sizeof spellings / sizeof *spellings };

// Whether something was given away that lies elsewhere.
static bool tells(const char *answer)
{
    return strstr(answer, secret) || strstr(answer, "root:") ||
           strstr(answer, "PATH=");
}

// Sends it as it is, whatever a client would make of it.
static void check_address(const char *before, const char *spelling)
{
    char *request = xasprintf("GET %s%s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
        "Connection: close\r\n\r\n", before, spelling, d.port);
    int fd = dial(&d), status = 0;
    size_t len;

    send_text(fd, request);
    char *answer = read_all(fd, &len);
    close(fd);
    sscanf(answer, "HTTP/1.1 %d", &status);
    // Nothing at all: libmicrohttpd closes on what is no request line.
    if (tells(answer) || (len > 0 && (status < 400 || status > 404)))
        fail_msg("%s%s: %d", before, spelling, status);
    free(answer);
    free(request);
}

static void no_address_leads_out(void **state)
{
    (void)state;
    static const char *const befores[] = { "/", "/api/v1/jobs/1/checkpoints/",
        "/api/v1/models/", "/api/v1/groups/", "/api/v1/jobs/", "/login/" };

    assert_true(N >= 60);
    for (int i = 0; i < N; i++)
        for (size_t k = 0; k < sizeof befores / sizeof *befores; k++)
            check_address(befores[k], spellings[i]);
}

static void check_folder(json_t *path)
{
    json_t *spec = json_pack("{s:{s:s, s:s, s:O}}", "data", "source", "folder",
                             "root", "pictures", "path", path);
    char *body = json_dumps(spec, 0);
    struct answer a = ask(&d, "POST", "/api/v1/jobs?dry_run=true", body, NULL);

    if (a.status != 422 || tells(a.body))
        fail_msg("%s: %d %s", body, a.status, a.body);
    answer_clear(&a);
    free(body);
    json_decref(spec);
    json_decref(path);
}

// What is left of it after its %XX are decoded once; NULL when it is not UTF-8
// then, and cannot be a string.
static json_t *decoded(const char *spelling)
{
    char text[200];
    size_t n = 0;

    for (const char *c = spelling; *c; c++) {
        unsigned byte;
        if (*c == '%' && strspn(c + 1, "0123456789abcdefABCDEF") >= 2 &&
            sscanf(c + 1, "%2x", &byte) == 1) {
            text[n++] = (char)byte;
            c += 2;
        } else {
            text[n++] = *c;
        }
    }
    return json_stringn(text, n);
}

static void no_folder_leads_out(void **state)
{
    (void)state;
    for (int i = 0; i < N; i++) {
        check_folder(json_string(spellings[i]));
        json_t *path = decoded(spellings[i]);
        // A zero byte is no JSON to the daemon; 400, not 422.
        if (path && strlen(json_string_value(path)) ==
                    json_string_length(path))
            check_folder(path);
        else
            json_decref(path);
    }
}

static int setup(void **state)
{
    char *dir = scratch_new(), *web = scratch_path(dir, "web");
    char *data = scratch_path(dir, "pictures"), *own = scratch_path(dir, "own");
    char *root = xasprintf("pictures=%s", data);
    const char *args[] = { "--web", web, "--data", root, NULL };

    *state = dir;
    scratch_write(dir, "secret", secret, strlen(secret));
    scratch_write(dir, "class/secret.png", secret, strlen(secret));
    scratch_write(web, "index.html", "x", 1);
    scratch_write(data, "in/none", "", 0);
    scratch_link(dir, data, "out");
    d = daemon_start(own, args);
    run_to_end(&d, submit(&d, "well", 1, ""), NULL);
    free(root);
    free(data);
    free(own);
    free(web);
    return 0;
}

static int teardown(void **state)
{
    int rc = daemon_stop(&d);

    scratch_remove(*state);
    return rc;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_address_leads_out),
        cmocka_unit_test(no_folder_leads_out),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
