/* A pack holds what was put into it, whole or not at all; damage is noticed,
 * and a changed listing has another one. */
#include "worker/pack.h"

#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>

#include "tests/scratch.h"
#include <cmocka.h>     // last: its macro fail() would hide the project's

enum { SIDE = 7, ONE = SIDE * SIDE * 3, N = 5 };        // an odd size

static const struct pack_key key = { { 0x1234, 0x5678 } };

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

static void fill(uint8_t *pixels, int image)
{
    for (int i = 0; i < ONE; i++)
        pixels[i] = (uint8_t)(image * 31 + i);
}

// Begins a pack and adds N images and two broken ones.
static struct pack_writer *begin(const char *dir)
{
    struct pack_writer *w = NULL;
    struct error err = { 0 };
    uint8_t pixels[ONE];

    if (pack_begin(dir, key, SIDE, N + 2, &w, &err) != 0)
        fail_msg("pack_begin: %s", err.text);
    pack_add_broken(w, "a/bad.png", "it is bad");
    for (int i = 0; i < N; i++) {
        fill(pixels, i);
        assert_int_equal(pack_add(w, pixels, i % 3, &err), 0);
    }
    pack_add_broken(w, "b/worse.jpg", "");
    return w;
}

static void check(const struct pack *p)
{
    uint8_t pixels[ONE];

    assert_int_equal(p->n, N);
    for (int i = 0; i < N; i++) {
        fill(pixels, i);
        assert_memory_equal(p->pixels + i * ONE, pixels, ONE);
        assert_int_equal(p->labels[i], i % 3);
    }
    assert_int_equal(p->n_broken, 2);
    assert_string_equal(p->broken[0].path, "a/bad.png");
    assert_string_equal(p->broken[0].why, "it is bad");
    assert_string_equal(p->broken[1].path, "b/worse.jpg");
    assert_string_equal(p->broken[1].why, "");
}

static void make(const char *dir, bool keep)
{
    struct pack *p = NULL;
    struct error err = { 0 };

    if (pack_finish(begin(dir), keep, &p, &err) != 0)
        fail_msg("pack_finish: %s", err.text);
    check(p);
    pack_close(p);
}

// Names in a folder; the last of them in name.
static int files_in(const char *dir, char name[256])
{
    DIR *d = opendir(dir);
    struct dirent *e;
    int n = 0;

    while (d && (e = readdir(d)))
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
            snprintf(name, 256, "%s", e->d_name);
            n++;
        }
    if (d)
        closedir(d);
    return n;
}

static void test_round_trip(void **state)
{
    char *dir = xasprintf("%s/made/on/the/way", (char *)*state);
    struct pack *p = NULL;
    struct error err = { 0 };
    char name[256];

    assert_int_equal(pack_open(dir, key, SIDE, &p, &err), ERR_NOT_FOUND);
    make(dir, true);
    assert_int_equal(pack_open(dir, key, SIDE, &p, &err), 0);
    check(p);
    pack_close(p);
    assert_int_equal(files_in(dir, name), 1);
    free(dir);
}

// Not kept, given up or in memory: nothing stays behind.
static void test_no_trace(void **state)
{
    char name[256];

    make(*state, false);
    make(NULL, true);
    pack_cancel(begin(*state));
    pack_cancel(NULL);
    assert_int_equal(files_in(*state, name), 0);
}

// Two at once write their own file; the second to end replaces the first,
// whose reader keeps what it has.
static void test_two_at_once(void **state)
{
    struct pack_writer *a = begin(*state), *b = begin(*state);
    struct pack *pa = NULL, *pb = NULL;
    struct error err = { 0 };
    char name[256];

    assert_int_equal(pack_finish(a, true, &pa, &err), 0);
    assert_int_equal(pack_finish(b, true, &pb, &err), 0);
    check(pa);
    check(pb);
    assert_int_equal(files_in(*state, name), 1);
    pack_close(pa);
    pack_close(pb);
}

// One byte changed anywhere that means something is noticed; so is any cut.
static void test_damage(void **state)
{
    char name[256];

    make(*state, true);
    assert_int_equal(files_in(*state, name), 1);
    char *path = scratch_path(*state, name);
    FILE *f = fopen(path, "r+b");
    uint8_t file[8192];
    size_t len = fread(file, 1, sizeof file, f);
    fclose(f);
    assert_true(len > 4096 + N * ONE && len < sizeof file);

    enum { HEAD = 88, PIXELS = 4096, END = PIXELS + N * ONE };
    for (size_t at = 0; at < len; at++) {
        if ((at >= HEAD && at < PIXELS) ||      // nothing is in between, nor
            (at >= END && at < (END + 7) / 8 * 8))      // before the table
            continue;
        struct pack *p = NULL;
        struct error err = { 0 };
        file[at] ^= 16;
        scratch_write(*state, name, file, len);
        file[at] ^= 16;
        if (pack_open(*state, key, SIDE, &p, &err) != ERR_DATA)
            fail_msg("byte %zu of %zu: not noticed", at, len);
        assert_non_null(strstr(err.text, name));
    }
    for (size_t cut = 0; cut < len; cut += 97) {
        struct pack *p = NULL;
        struct error err = { 0 };
        scratch_write(*state, name, file, cut);
        assert_int_equal(pack_open(*state, key, SIDE, &p, &err), ERR_DATA);
    }
    make(*state, true);                         // and it can be made anew
    free(path);
}

static void test_no_room(void **state)
{
    struct pack_writer *w = NULL;
    struct error err = { 0 };
    char name[256];

    // Known beforehand ...
    assert_int_equal(pack_begin(*state, key, 1024, INT64_C(1) << 40, &w, &err),
                     ERR_FULL);
    assert_non_null(strstr(err.text, "MiB left"));
    assert_non_null(strstr(err.text, *state));
    assert_null(w);

    // ... or met on the way: a limit on file sizes stands in for a full disk.
    struct rlimit keep, small;
    signal(SIGXFSZ, SIG_IGN);
    w = begin(*state);
    getrlimit(RLIMIT_FSIZE, &keep);
    small = (struct rlimit) { .rlim_cur = 2000, .rlim_max = keep.rlim_max };
    setrlimit(RLIMIT_FSIZE, &small);
    struct pack *p = NULL;
    int rc = pack_finish(w, true, &p, &err);
    setrlimit(RLIMIT_FSIZE, &keep);
    assert_int_equal(rc, ERR_FULL);
    assert_null(p);
    assert_int_equal(files_in(*state, name), 0);
}

static struct pack_key key_of(const char *dir, int side)
{
    struct folder *f = NULL;
    struct error err = { 0 };

    if (folder_scan(dir, "", &f, &err) != 0)
        fail_msg("folder_scan: %s", err.text);
    struct pack_key k = pack_key(f, side);
    folder_free(f);
    return k;
}

static void test_keys(void **state)
{
    char *dir = *state;
    scratch_write(dir, "a/1.png", "one", 3);
    scratch_write(dir, "b/2.png", "two", 3);
    char *path = scratch_path(dir, "a/1.png");
    struct timespec then[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
    utimensat(AT_FDCWD, path, then, 0);

    struct pack_key k[5];
    k[0] = key_of(dir, 32);
    k[1] = key_of(dir, 33);                     // another size of the pixels
    then[1].tv_nsec = 1;
    utimensat(AT_FDCWD, path, then, 0);
    k[2] = key_of(dir, 32);                     // another time
    scratch_write(dir, "a/1.png", "three", 5);
    utimensat(AT_FDCWD, path, then, 0);
    k[3] = key_of(dir, 32);                     // another length
    scratch_mkdir(dir, "c");
    k[4] = key_of(dir, 32);                     // another class
    struct pack_key again = key_of(dir, 32);
    assert_memory_equal(&again, &k[4], sizeof again);
    for (int i = 0; i < 5; i++)
        for (int j = 0; j < i; j++)
            assert_memory_not_equal(&k[i], &k[j], sizeof k[i]);
    free(path);
}

// A pack of N images under another name each, last used at the time given.
static struct pack_key aged(const char *dir, int number, int64_t used)
{
    struct pack_key k = { { (uint64_t)number, 7 } };
    struct pack_writer *w = NULL;
    struct pack *p = NULL;
    struct error err = { 0 };
    uint8_t pixels[ONE] = { 0 };
    char *name = xasprintf("images-%016x%016x.pack", number, 7);
    char *path = scratch_path(dir, name);
    struct timespec then[2] = { { .tv_sec = used }, { .tv_sec = used } };

    assert_int_equal(pack_begin(dir, k, SIDE, N, &w, &err), 0);
    for (int i = 0; i < N; i++)
        assert_int_equal(pack_add(w, pixels, 0, &err), 0);
    assert_int_equal(pack_finish(w, true, &p, &err), 0);
    pack_close(p);
    assert_int_equal(utimensat(AT_FDCWD, path, then, 0), 0);
    free(path);
    free(name);
    return k;
}

static bool is_there(const char *dir, struct pack_key k)
{
    struct pack *p = NULL;
    struct error err = { 0 };
    int rc = pack_open(dir, k, SIDE, &p, &err);

    pack_close(p);
    return rc == 0;
}

// The longest unused go, no more of them than need be, and nothing else.
static void test_make_room(void **state)
{
    const char *d = *state;
    struct pack_key k[4];
    char name[256];

    for (int i = 0; i < 4; i++)
        k[i] = aged(d, i, 1000 + i);
    scratch_write(d, "notes.txt", "mine", 4);

    struct stat st;
    char *path = scratch_path(d, "images-0000000000000000"
                              "0000000000000007.pack");
    assert_int_equal(stat(path, &st), 0);
    free(path);
    uint64_t one = (uint64_t)st.st_size;
    assert_in_range(one, pack_bytes(N, SIDE), pack_bytes(N, SIDE) + 8);

    // Too large in any case: nothing goes for it.
    assert_false(pack_make_room(d, 4 * one + 1, 4 * one));
    assert_int_equal(files_in(d, name), 5);
    // There is room.
    assert_true(pack_make_room(d, one, 5 * one + 4));
    assert_int_equal(files_in(d, name), 5);

    // 0 is the oldest by name, but was used again; so 1 goes, then 2.
    assert_true(is_there(d, k[0]));
    assert_true(pack_make_room(d, one, 4 * one + 4));
    assert_int_equal(files_in(d, name), 4);
    assert_false(is_there(d, k[1]));
    assert_true(pack_make_room(d, one, 3 * one + 4));
    assert_true(is_there(d, k[0]) && is_there(d, k[3]));
    assert_false(is_there(d, k[2]));

    // A reader keeps what it has.
    struct pack *p = NULL;
    struct error err = { 0 };
    assert_int_equal(pack_open(d, k[3], SIDE, &p, &err), 0);
    assert_true(pack_make_room(d, one, one + 4));
    assert_int_equal(files_in(d, name), 1);
    assert_string_equal(name, "notes.txt");
    assert_int_equal(p->n, N);
    assert_int_equal(p->pixels[N * ONE - 1], 0);
    pack_close(p);

    assert_true(pack_make_room("/nowhere", 5, 5));
    assert_false(pack_make_room("/nowhere", 6, 5));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, start, stop),
        cmocka_unit_test_setup_teardown(test_no_trace, start, stop),
        cmocka_unit_test_setup_teardown(test_two_at_once, start, stop),
        cmocka_unit_test_setup_teardown(test_damage, start, stop),
        cmocka_unit_test_setup_teardown(test_no_room, start, stop),
        cmocka_unit_test_setup_teardown(test_keys, start, stop),
        cmocka_unit_test_setup_teardown(test_make_room, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
