// The safetensors format: what is written is read back, and a file that breaks
// one of its rules is refused with that rule.
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "tests/scratch.h"
#include "worker/safetensors.h"
#include <cmocka.h>     // last: its macro fail() would hide the project's

static char *dir;

static int fresh_dir(void **state)
{
    (void)state;
    dir = scratch_new();
    return 0;
}

static int drop_dir(void **state)
{
    (void)state;
    scratch_remove(dir);
    return 0;
}

// A file with this header, length as given (-1 = its own), and n data bytes.
static int file_of(const char *header, int64_t len, size_t n)
{
    char *path = xasprintf("%s/x", dir);
    uint64_t size = len < 0 ? strlen(header) : (uint64_t)len;
    uint8_t head[8];
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

    for (int i = 0; i < 8; i++)
        head[i] = (uint8_t)(size >> (8 * i));
    assert_int_equal(write(fd, head, 8), 8);
    assert_int_equal(write(fd, header, strlen(header)), strlen(header));
    assert_int_equal(ftruncate(fd, (off_t)(8 + strlen(header) + n)), 0);
    free(path);
    return fd;
}

static void test_round_trip(void **state)
{
    (void)state;
    struct st_tensor t[] = {
        { .name = "count", .type = ST_I64 },
        { .name = "w", .type = ST_F32, .n_dims = 2, .dims = { 2, 3 } },
        { .name = "none", .type = ST_F32, .n_dims = 1, .dims = { 0 } },
    };
    json_t *about = json_pack("{s:s}", "epoch", "3");
    float w[6] = { 1, -2.5f, 3e-40f, 4, 5, 1e30f }, back[6];
    int64_t count = -7, count_back;
    struct st_header h;
    struct error err = { 0 };
    size_t len;
    uint8_t *header = st_write_header(t, 3, about, &len);
    char *path = xasprintf("%s/x", dir);
    int fd = open(path, O_RDWR | O_CREAT, 0600);

    assert_int_equal(len % 8, 0);
    assert_int_equal(write(fd, header, len), len);
    assert_int_equal(write(fd, &count, 8), 8);
    assert_int_equal(write(fd, w, sizeof w), sizeof w);
    if (st_read_header(fd, &h, &err))
        fail_msg("%s", err.text);
    assert_int_equal(h.n, 3);
    assert_string_equal(json_string_value(json_object_get(h.metadata,
                                                          "epoch")), "3");
    assert_int_equal(st_find(&h, "w")->dims[1], 3);
    assert_int_equal(st_read(fd, &h, st_find(&h, "w"), back, &err), 0);
    assert_memory_equal(w, back, sizeof w);
    assert_int_equal(st_read(fd, &h, st_find(&h, "count"), &count_back, &err),
                     0);
    assert_int_equal(count_back, -7);
    assert_null(st_find(&h, "v"));
    st_header_clear(&h);
    close(fd);
    free(path);
    free(header);
    json_decref(about);
}

#define T(name, dtype, shape, from, to) \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":[" shape \
    "],\"data_offsets\":[" #from "," #to "]}"

static void test_rules(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        int64_t     len;
        size_t      data;
        const char *message;            // NULL = it is fine
    } rows[] = {
        { "{}", -1, 0, NULL },
        { "{" T("a", "F32", "2", 0, 8) "}   ", -1, 8, NULL },
        { "{" T("b", "F16", "", 4, 6) "," T("a", "U8", "4", 0, 4) "}", -1, 6,
          NULL },
        { "{}", 99, 0, "a header of 99 bytes" },
        { "{}", INT64_MAX, 0, "at most" },
        { "", -1, 0, "does not begin" },
        { " {}", -1, 0, "does not begin" },
        { "[]", -1, 0, "does not begin" },
        { "{", -1, 0, "not JSON" },
        { "{} x", -1, 0, "not JSON" },
        { "{" T("a", "F32", "1", 0, 4) "," T("a", "F32", "1", 4, 8) "}", -1, 8,
          "duplicate" },
        { "{\"a\":1}", -1, 0, "must have dtype" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4],"
          "\"more\":1}}", -1, 4, "nothing else" },
        { "{" T("a", "F31", "1", 0, 4) "}", -1, 4, "F31" },
        { "{" T("a", "F32", "-1", 0, 4) "}", -1, 4, "not a size" },
        { "{" T("a", "F32", "1.0", 0, 4) "}", -1, 4, "not a size" },
        { "{" T("a", "F32", "1,1,1,1,1,1,1,1,1", 0, 4) "}", -1, 4,
          "at most 8" },
        { "{" T("a", "F32", "4294967296,4294967296", 0, 4) "}", -1, 4,
          "too large" },
        { "{" T("a", "F32", "2", 0, 4) "}", -1, 4, "its shape needs 8" },
        { "{" T("a", "F32", "1", 4, 0) "}", -1, 4, "end not before" },
        { "{" T("a", "F32", "1", -4, 0) "}", -1, 4, "end not before" },
        { "{" T("a", "F32", "2", 0, 8) "}", -1, 4, "ends at byte 8 of 4" },
        { "{" T("a", "F32", "1", 4, 8) "}", -1, 8, "begins at byte 4" },
        { "{" T("a", "F32", "1", 0, 4) "," T("b", "F32", "1", 0, 4) "}", -1, 4,
          "begins at byte 0" },
        { "{" T("a", "F32", "1", 0, 4) "}", -1, 5, "1 bytes behind" },
        { "{\"__metadata__\":{\"a\":1}}", -1, 0, "must be a text" },
        { "{\"__metadata__\":[]}", -1, 0, "must be an object" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct st_header h;
        struct error err = { 0 };
        int fd = file_of(rows[i].header, rows[i].len, rows[i].data);
        int rc = st_read_header(fd, &h, &err);

        if (rows[i].message && (rc != ERR_DATA ||
                                !strstr(err.text, rows[i].message)))
            fail_msg("%s: %d, \"%s\"", rows[i].header, rc, err.text);
        if (!rows[i].message && rc)
            fail_msg("%s: %s", rows[i].header, err.text);
        st_header_clear(&h);
        close(fd);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, fresh_dir, drop_dir),
        cmocka_unit_test_setup_teardown(test_rules, fresh_dir, drop_dir),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
