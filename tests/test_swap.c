/* A process swaps a file and a folder for links that lead out of the data root
 * while others list and decode it: nothing outside is listed or read, and
 * nobody comes to harm. */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "common/clock.h"
#include "common/folder.h"
#include "tests/scratch.h"
#include "worker/decode.h"
#include <cmocka.h>     // last: its macro fail() would hide the project's

enum { IMAGES = 20, SIDE = 8 };
static const double seconds = 1.5;

// Bytes of an image: where it lies.
static const char inside[] = "inside", outside[] = "secret";

struct place {
    char *root, *away;          // a data root; a folder that is none
    char *file, *file_link;     // in root: swapped for each other
    char *dir, *dir_link;
    pid_t swapper;
};

static void fill(const char *dir, const char *class, const char *bytes)
{
    for (int i = 0; i < IMAGES; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s/%s-%02d.png", class, bytes, i);
        scratch_write(dir, name, bytes, strlen(bytes));
    }
}

// Until it is killed.
_Noreturn static void swap(const struct place *p, pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (getppid() == parent) {
        renameat2(AT_FDCWD, p->dir, AT_FDCWD, p->dir_link, RENAME_EXCHANGE);
        renameat2(AT_FDCWD, p->file, AT_FDCWD, p->file_link, RENAME_EXCHANGE);
    }
    _exit(1);
}

static int start(void **state)
{
    struct place *p = xcalloc(1, sizeof *p);
    pid_t parent = getpid();

    *state = p;
    p->root = scratch_new();
    p->away = scratch_new();
    fill(p->root, "set/a", inside);
    fill(p->root, "set/b/deep", inside);
    fill(p->away, "deep", outside);
    scratch_write(p->away, "one.png", outside, sizeof outside - 1);
    p->file = scratch_path(p->root, "set/a/one.png");
    p->file_link = scratch_path(p->root, "one.link");
    p->dir = scratch_path(p->root, "set/b");
    p->dir_link = scratch_path(p->root, "b.link");
    scratch_write(p->root, "set/a/one.png", inside, sizeof inside - 1);
    char *secret = scratch_path(p->away, "one.png");
    assert_int_equal(symlink(secret, p->file_link), 0);
    assert_int_equal(symlink(p->away, p->dir_link), 0);
    free(secret);
    p->swapper = fork();
    if (p->swapper == 0)
        swap(p, parent);
    return p->swapper < 0;
}

static int stop(void **state)
{
    struct place *p = *state;

    kill(p->swapper, SIGKILL);
    waitpid(p->swapper, NULL, 0);
    free(p->file);
    free(p->file_link);
    free(p->dir);
    free(p->dir_link);
    scratch_remove(p->root);
    scratch_remove(p->away);
    free(p);
    return 0;
}

// How often what was seen: both outcomes of a race should come up.
struct seen { int64_t scans, full, images, left_out; };

static int first_byte(const uint8_t *file, size_t len, int side, uint8_t *out,
                      char why[IMAGE_WHY])
{
    (void)why;
    memset(out, len ? file[0] : 0, (size_t)side * side * 3);
    return 0;
}

static int look(void *arg, const struct decoded *d, struct error *err)
{
    struct seen *s = arg;

    (void)err;
    if (d->pixels)
        assert_int_equal(d->pixels[0], inside[0]);
    else
        assert_true(d->passing);
    s->left_out += !d->pixels;
    s->images++;
    return 0;
}

static void test_swaps(void **state)
{
    const struct place *p = *state;
    const struct decode_opts opts = {
        .side = SIDE, .children = 1, .decode = first_byte,
    };
    struct seen s = { 0 };
    const struct decode_sink sink = { .image = look, .arg = &s };

    for (double end = clock_seconds() + seconds; clock_seconds() < end;) {
        struct folder *f = NULL;
        struct error err = { 0 };
        if (folder_scan(p->root, "set", &f, &err) != 0)
            fail_msg("folder_scan: %s", err.text);
        for (int64_t i = 0; i < f->n_images; i++)
            if (strstr(f->images[i].path, outside))
                fail_msg("%s is listed", f->images[i].path);
        s.scans++;
        s.full += f->n_images == 2 * IMAGES + 1;
        if (decode_folder(f, &opts, &sink, &err) != 0)
            fail_msg("decode_folder: %s", err.text);
        folder_free(f);
    }
    print_message("# %lld scans, %lld of them saw all; of %lld images %lld "
                  "were gone\n", (long long)s.scans, (long long)s.full,
                  (long long)s.images, (long long)s.left_out);
    assert_true(s.scans > 0 && s.images > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_swaps, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
