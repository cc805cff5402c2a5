/* Children decode a folder: whatever a file does to a decoder costs that one
 * image, and the order stays. The decoders here do what the file's first
 * letter says. */
#include "worker/decode.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/folder.h"
#include "common/rng.h"
#include "tests/dump.h"
#include "tests/scratch.h"
#include "worker/decode_child.h"
#include "worker/seal.h"
#include <cmocka.h>     // last: its macro fail() would hide the project's

enum { SIDE = 8, MOST = 1000 };

static int start(void **state)
{
    *state = scratch_new();
    return 0;
}

static int stop(void **state)
{
    scratch_remove(*state);
    return 0;
}

static struct folder *scan(const char *dir)
{
    struct folder *f = NULL;
    struct error err = { 0 };

    if (folder_scan(dir, "", &f, &err) != 0)
        fail_msg("folder_scan: %s", err.text);
    return f;
}

// What the sink saw.
struct seen {
    int64_t n;
    int     byte[MOST];                 // first of the pixels, -1 = broken
    char    why[MOST][IMAGE_WHY];
    bool    passing[MOST];
    int64_t end_after;
};

static int see(void *arg, const struct decoded *d, struct error *err)
{
    struct seen *s = arg;

    assert_int_equal(d->image, s->n);   // in order, none left out
    s->byte[s->n] = d->pixels ? d->pixels[0] : -1;
    if (d->why)
        snprintf(s->why[s->n], IMAGE_WHY, "%s", d->why);
    s->passing[s->n] = d->passing;
    if (++s->n == s->end_after) {
        err->code = ERR_STATE;
        return ERR_STATE;
    }
    return 0;
}

static int run(const struct folder *f, const struct decode_opts *opts,
               struct seen *s)
{
    struct error err = { 0 };
    const struct decode_sink sink = { .image = see, .arg = s };

    return decode_folder(f, opts, &sink, &err);
}

static int by_letter(const uint8_t *file, size_t len, int side, uint8_t *out,
                     char why[IMAGE_WHY])
{
    (void)len;
    switch (file[0]) {
    case 'c':                           // crash
        signal(SIGSEGV, SIG_DFL);       // also where a sanitizer catches it
        raise(SIGSEGV);
        break;
    case 'k':
        raise(SIGKILL);
        break;
    case 'h':                           // hang
        for (;;)
            pause();
    case 'x':
        _exit(3);
    case 'b':
        snprintf(why, IMAGE_WHY, "broken as asked");
        return -1;
    }
    memset(out, file[1], (size_t)side * side * 3);
    return 0;
}

static void test_one_image_each(void **state)
{
    const char *d = *state;
    static const struct { const char *text, *why; bool passing; } files[] = {
        { "o1", NULL, false }, { "c2", "crashed on it", false },
        { "o3", NULL, false }, { "h4", "not decoded after 2 s", false },
        { "o5", NULL, false }, { "x6", "status 3", false },
        { "b7", "broken as asked", false }, { "k8", "crashed on it", true },
        { "o9", NULL, false }, { "c0", "crashed on it", false },
    };
    enum { N = sizeof files / sizeof *files };

    for (int i = 0; i < N; i++) {
        char name[32];
        snprintf(name, sizeof name, "a/%02d.png", i);
        scratch_write(d, name, files[i].text, 2);
    }
    struct folder *f = scan(d);
    for (int children = 1; children <= 3; children++) {
        struct seen s = { 0 };
        const struct decode_opts opts = {
            .side = SIDE, .children = children, .decode = by_letter,
            .deadline_seconds = 2,
        };
        assert_int_equal(run(f, &opts, &s), 0);
        assert_int_equal(s.n, N);
        for (int i = 0; i < N; i++) {
            assert_int_equal(s.byte[i], files[i].why ? -1 : files[i].text[1]);
            if (files[i].why && !strstr(s.why[i], files[i].why))
                fail_msg("image %d: %s", i, s.why[i]);
            assert_int_equal(s.passing[i], files[i].passing);
        }
    }
    folder_free(f);
}

static void test_many_in_order(void **state)
{
    const char *d = *state;
    for (int i = 0; i < 200; i++) {
        char name[32], text[2] = { 'o', (char)i };
        snprintf(name, sizeof name, "a/%03d.png", i);
        scratch_write(d, name, text, 2);
    }
    struct folder *f = scan(d);
    struct seen s = { 0 };
    const struct decode_opts opts = {
        .side = SIDE, .children = 4, .decode = by_letter,
    };
    assert_int_equal(run(f, &opts, &s), 0);
    assert_int_equal(s.n, 200);
    for (int i = 0; i < 200; i++)
        assert_int_equal(s.byte[i], (uint8_t)i);

    // The sink can end it.
    struct seen few = { .end_after = 5 };
    assert_int_equal(run(f, &opts, &few), ERR_STATE);
    assert_int_equal(few.n, 5);
    folder_free(f);
}

// What a decoder must not be able to do: true when it could.

static bool writes_a_file(void)
{
    char name[] = "/tmp/gradwatch-test-XXXXXX";
    int fd = mkstemp(name);
    bool did = fd >= 0 && write(fd, "x", 1) == 1;

    signal(SIGXFSZ, SIG_IGN);
    if (fd >= 0)
        unlink(name);
    return did;
}

static bool takes_memory(void)
{
    return mmap(NULL, (size_t)8 << 30, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
           != MAP_FAILED;
}

static bool prints_into_the_events(void)
{
    return isatty(STDOUT_FILENO) || lseek(STDOUT_FILENO, 0, SEEK_END) > 0;
}

static bool reads_a_file(void)
{
    return open("/etc/passwd", O_RDONLY) >= 0;
}

static bool looks_for_a_file(void)
{
    return access("/etc/passwd", F_OK) == 0;
}

static bool connects(void)
{
    return socket(AF_INET, SOCK_STREAM, 0) >= 0;
}

static bool starts_a_process(void)
{
    pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    return pid > 0;
}

static bool runs_a_program(void)
{
    static char *const words[] = { (char *)"true", NULL };

    execv("/bin/true", words);          // would end this: not as an answer
    return false;
}

static bool maps_code(void)
{
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return p == MAP_FAILED || mprotect(p, 4096, PROT_READ | PROT_EXEC) == 0 ||
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED;
}

static bool signals_its_parent(void)
{
    return kill(getppid(), 0) == 0;
}

static bool traces_its_parent(void)
{
    return ptrace(PTRACE_SEIZE, getppid(), 0, 0) == 0;
}

static bool lifts_its_limits(void)
{
    const struct rlimit r = { RLIM_INFINITY, RLIM_INFINITY };

    return setrlimit(RLIMIT_AS, &r) == 0;
}

static const struct { const char *name; bool (*could)(void); } sins[] = {
    { "write a file", writes_a_file }, { "take memory", takes_memory },
    { "print into the events", prints_into_the_events },
    { "read a file", reads_a_file }, { "look for a file", looks_for_a_file },
    { "connect", connects }, { "start a process", starts_a_process },
    { "run a program", runs_a_program }, { "map code", maps_code },
    { "signal its parent", signals_its_parent },
    { "trace its parent", traces_its_parent },
    { "lift its limits", lifts_its_limits },
};
enum { SINS = sizeof sins / sizeof *sins };

static int misbehave(const uint8_t *file, size_t len, int side, uint8_t *out,
                     char why[IMAGE_WHY])
{
    (void)len;
    (void)side;
    (void)why;
    out[0] = sins[file[0] - 'a'].could();
    return 0;
}

static void test_locked_down(void **state)
{
    const char *d = *state, *missing = seal_missing();

    for (char c = 'a'; c < 'a' + SINS; c++) {
        char name[] = "a/_.png";
        name[2] = c;
        scratch_write(d, name, &c, 1);
    }
    if (missing) {
        print_message("# this kernel lacks %s\n", missing);
        skip();
    }
    struct folder *f = scan(d);
    struct seen s = { 0 };
    const struct decode_opts opts = {
        .side = SIDE, .children = 1, .decode = misbehave,
    };
    assert_int_equal(run(f, &opts, &s), 0);
    for (int i = 0; i < SINS; i++)
        if (s.byte[i] != 0)
            fail_msg("a decoder can %s", sins[i].name);
    folder_free(f);
}

// Who took a decoder over may answer what it likes.
static int lie(const uint8_t *file, size_t len, int side, uint8_t *out,
               char why[IMAGE_WHY])
{
    struct answer a = { .image = 0, .result = ANSWER_BROKEN };

    (void)len;
    (void)side;
    (void)out;
    (void)why;
    memset(a.why, '\xFF', sizeof a.why);        // not text, and no end
    if (file[0] == 'n')
        a.image = INT64_MAX;
    if (file[0] == 'r')
        a.result = 77;
    send(3, &a, file[0] == 's' ? 5 : sizeof a, 0);
    return -1;
}

static void test_lies(void **state)
{
    static const char *const kinds[] = { "number", "result", "short", "why" };

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        scratch_write(*state, "a/1.png", kinds[i], 1);
        struct folder *f = scan(*state);
        struct seen s = { 0 };
        const struct decode_opts opts = {
            .side = SIDE, .children = 1, .decode = lie,
        };
        assert_int_equal(run(f, &opts, &s), 0);
        assert_int_equal(s.byte[0], -1);
        for (const char *c = s.why[0]; *c; c++)
            assert_in_range(*c, ' ', '~');
        folder_free(f);
    }
}

// A file that went away, or turned into a link out of the root, after the
// listing.
static void test_changed(void **state)
{
    const char *d = *state;
    char *outside = scratch_new();
    char *secret = scratch_path(outside, "secret.png");
    char *link = scratch_path(d, "a/2.png");

    scratch_write(outside, "secret.png", "o!", 2);
    scratch_write(d, "a/1.png", "o1", 2);
    scratch_write(d, "a/2.png", "o2", 2);
    struct folder *f = scan(d);
    char *gone = scratch_path(d, "a/1.png");
    unlink(gone);
    unlink(link);
    assert_int_equal(symlink(secret, link), 0);
    struct seen s = { 0 };
    const struct decode_opts opts = {
        .side = SIDE, .children = 1, .decode = by_letter,
    };
    assert_int_equal(run(f, &opts, &s), 0);
    static const char *const whys[] = { "No such file", "a link out of" };
    for (int i = 0; i < 2; i++) {
        assert_int_equal(s.byte[i], -1);
        assert_true(s.passing[i]);
        assert_non_null(strstr(s.why[i], "cannot open it"));
        assert_non_null(strstr(s.why[i], whys[i]));
    }
    folder_free(f);
    free(gone);
    free(link);
    free(secret);
    scratch_remove(outside);
}

// Flips some bits, or cuts the end off, by the rule.
static void damage(uint8_t *file, size_t *len, int round)
{
    uint64_t bits = rng_bits(11, 0, (uint64_t)round);

    if (round % 4 == 0) {
        *len = bits % *len;
        return;
    }
    for (int k = 0; k < round % 4; k++) {
        uint64_t at = rng_bits(11, 1 + (uint64_t)k, (uint64_t)round);
        file[at % *len] ^= (uint8_t)(1 + (at >> 32) % 255);
    }
}

// The real decoder on damaged files: some are noticed, none harms us.
static void test_damaged_files(void **state)
{
    const char *d = *state;
    static const char *const names[] = {
        "image_palette-alpha.png", "image_rgba16.png", "image_420.jpg",
        "image_progressive.jpg",
    };
    enum { KINDS = 4, ROUNDS = 60 };
    for (int k = 0; k < KINDS; k++)
        for (int r = 0; r < ROUNDS; r++) {
            size_t len;
            uint8_t *file = dump_load(names[k], &len);
            char name[32];
            damage(file, &len, r);
            snprintf(name, sizeof name, "%d/%03d%s", k, r, strchr(names[k],
                     '.'));
            scratch_write(d, name, file, len);
            free(file);
        }
    struct folder *f = scan(d);
    struct seen s = { 0 };
    const struct decode_opts opts = { .side = SIDE, .children = 2 };
    assert_int_equal(run(f, &opts, &s), 0);
    assert_int_equal(s.n, KINDS * ROUNDS);
    int broken = 0;
    for (int i = 0; i < KINDS * ROUNDS; i++)
        if (s.byte[i] < 0) {
            assert_true(strlen(s.why[i]) > 0);
            broken++;
        }
    assert_true(broken > KINDS * ROUNDS / 2);
    folder_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_one_image_each, start, stop),
        cmocka_unit_test_setup_teardown(test_many_in_order, start, stop),
        cmocka_unit_test_setup_teardown(test_locked_down, start, stop),
        cmocka_unit_test_setup_teardown(test_lies, start, stop),
        cmocka_unit_test_setup_teardown(test_changed, start, stop),
        cmocka_unit_test_setup_teardown(test_damaged_files, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
