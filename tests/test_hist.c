/* The grids against numpy, edges, zeros, what is out of range, JSON. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "common/hist.h"

static json_t *numpy;           // tests/dumps/numpy_hist.json

static json_t *load_dump(const char *name)
{
    char path[4096];
    const char *dir = getenv("GRADWATCH_TESTS");
    snprintf(path, sizeof path, "%s/dumps/%s", dir ? dir : "tests", name);
    return json_load_file(path, 0, NULL);
}

static int load_numpy(void **state)
{
    (void)state;
    numpy = load_dump("numpy_hist.json");
    return numpy ? 0 : -1;
}

static int drop_numpy(void **state)
{
    (void)state;
    json_decref(numpy);
    return 0;
}

static double at(const char *key, int i)
{
    return json_number_value(json_array_get(json_object_get(numpy, key),
                                            (size_t)i));
}

// numpy takes 10 to the power of a rounded exponent: an exponent of up to 10
// is off by 2^-50, which makes 10^x off by ln 10 * 2^-50 = 2e-15.
static void edges_are_numpys(void **state)
{
    (void)state;
    const double *edge = grid_edges(GRID_NOTEBOOK);
    assert_int_equal(grid_bins(GRID_NOTEBOOK), 49);
    for (int i = 0; i <= 49; i++)
        assert_true(fabs(edge[i] / at("edges", i) - 1) < 3e-15);
    assert_true(edge[0] == 1e-10 && edge[49] == 1);
}

static void edges_are_the_nearest_doubles(void **state)
{
    (void)state;
    json_t *nearest = load_dump("grid_edges.json");

    for (int g = 0; g < GRID_COUNT; g++) {
        const json_t *want = json_object_get(nearest,
                                             grid_name((enum grid)g));
        const double *edge = grid_edges((enum grid)g);
        assert_int_equal(json_array_size(want), grid_bins((enum grid)g) + 1);
        for (int i = 0; i <= grid_bins((enum grid)g); i++)
            if (edge[i] != json_number_value(json_array_get(want, (size_t)i)))
                fail_msg("edge %d of %s is %.17g", i, grid_name((enum grid)g),
                         edge[i]);
    }
    json_decref(nearest);
}

static void grids_share_edges(void **state)
{
    (void)state;
    const double *notebook = grid_edges(GRID_NOTEBOOK);
    const double *extended = grid_edges(GRID_EXTENDED);
    const double *decade8 = grid_edges(GRID_DECADE8);

    assert_int_equal(grid_bins(GRID_EXTENDED), 196);
    assert_int_equal(grid_bins(GRID_DECADE8), 320);
    for (int i = 0; i <= 49; i++)
        assert_true(notebook[i] == extended[98 + i]);
    for (int i = 0; i <= 196; i += 49)
        assert_true(extended[i] == decade8[i / 49 * 80]);
    assert_true(decade8[0] == 1e-30 && decade8[320] == 1e10);
    assert_true(decade8[240] == 1 && decade8[240 - 8 * 22] == 1e-22);
}

static void counts_and_densities_are_numpys(void **state)
{
    (void)state;
    struct hist h = { .grid = GRID_NOTEBOOK };
    double density[49], area = 0;
    const double *edge = grid_edges(GRID_NOTEBOOK);
    size_t n = json_array_size(json_object_get(numpy, "x"));

    for (size_t i = 0; i < n; i++)
        hist_add(&h, at("x", (int)i));
    assert_int_equal(hist_density(&h, 0, density), 1);
    for (int i = 0; i < 49; i++) {
        assert_int_equal(h.counts[i], (int)at("counts", i));
        // Widths are differences of edges that are off by 3e-15 of one that
        // is at most 2.7 times the width.
        assert_true(fabs(density[i] - at("density", i)) <=
                    2e-14 * at("density", i));
        area += density[i] * (edge[i + 1] - edge[i]);
    }
    assert_true(fabs(area - 1) < 1e-12);
}

static void decade_density_integrates_to_one(void **state)
{
    (void)state;
    struct hist h = { .grid = GRID_DECADE8 };
    double density[HIST_MAX_BINS], area = 0;

    hist_add(&h, 1e-3);
    hist_add(&h, 2e5);
    hist_add(&h, 1e20);
    assert_int_equal(hist_density(&h, 1, density), 1);
    for (int i = 0; i < 320; i++)
        area += density[i] / 8;
    assert_true(fabs(area - 1) < 1e-12);
}

static void density_of_nothing_is_told(void **state)
{
    (void)state;
    struct hist h = { .grid = GRID_EXTENDED };
    double density[HIST_MAX_BINS] = { 7 };

    hist_add(&h, 0);
    hist_add(&h, INFINITY);
    hist_add(&h, 1e-31);
    assert_int_equal(hist_density(&h, 0, density), 0);
    assert_true(density[0] == 7);
}

static void a_value_on_an_edge_goes_up_but_the_last(void **state)
{
    (void)state;
    for (int g = GRID_EXTENDED; g < GRID_COUNT; g++) {
        const double *edge = grid_edges((enum grid)g);
        int bins = grid_bins((enum grid)g);
        for (int i = 0; i <= bins; i++) {
            struct hist h = { .grid = (enum grid)g };
            hist_add(&h, edge[i]);
            assert_int_equal(h.counts[i < bins ? i : bins - 1], 1);
            if (i == 0)
                continue;
            hist_add(&h, nextafter(edge[i], 0));
            assert_int_equal(h.counts[i - 1], i < bins ? 1 : 2);
        }
    }
}

static void what_is_outside_is_beside(void **state)
{
    (void)state;
    struct hist h = { .grid = GRID_EXTENDED };

    hist_add(&h, 0);
    hist_add(&h, 9.9e-31);
    hist_add(&h, 1.1e10);
    hist_add(&h, NAN);
    hist_add(&h, INFINITY);
    assert_int_equal(h.zeros, 1);
    assert_int_equal(h.underflow, 1);
    assert_int_equal(h.overflow, 1);
    assert_int_equal(h.nonfinite, 2);
    for (int i = 0; i < HIST_MAX_BINS; i++)
        assert_int_equal(h.counts[i], 0);
}

static void the_notebook_puts_zeros_into_the_first_bin(void **state)
{
    (void)state;
    struct hist h = { .grid = GRID_NOTEBOOK };

    hist_add(&h, 0);
    hist_add(&h, 1e-22);
    hist_add(&h, 28);
    assert_int_equal(h.counts[0], 2);
    assert_int_equal(h.zeros, 0);
    assert_int_equal(h.overflow, 1);
}

static void json_there_and_back(void **state)
{
    (void)state;
    struct hist h = { .grid = GRID_DECADE8 }, back = { .grid = GRID_DECADE8 };

    hist_add(&h, 1e-30);
    hist_add(&h, 2e-30);
    hist_add(&h, 1e-32);
    hist_add(&h, 1e11);
    json_t *j = hist_to_json(&h);
    char *text = json_dumps(j, JSON_COMPACT);
    assert_string_equal(text, "{\"first\":0,\"counts\":[1,0,1],"
                              "\"underflow\":1,\"overflow\":1}");
    assert_int_equal(hist_from_json(&back, j), 0);
    assert_memory_equal(back.counts, h.counts, sizeof h.counts);
    assert_int_equal(hist_from_json(&back, j), 0);
    assert_int_equal(back.counts[2], 2);
    assert_int_equal(back.underflow, 2);
    free(text);
    json_decref(j);

    struct hist none = { .grid = GRID_NOTEBOOK };
    j = hist_to_json(&none);
    text = json_dumps(j, JSON_COMPACT);
    assert_string_equal(text, "{\"first\":0,\"counts\":[],"
                              "\"underflow\":0,\"overflow\":0}");
    free(text);
    json_decref(j);
}

static void bad_json_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "{}", "[]",
        "{\"first\":-1,\"counts\":[],\"underflow\":0,\"overflow\":0}",
        "{\"first\":48,\"counts\":[1,1],\"underflow\":0,\"overflow\":0}",
        "{\"first\":0,\"counts\":[-1],\"underflow\":0,\"overflow\":0}",
        "{\"first\":0,\"counts\":[0.5],\"underflow\":0,\"overflow\":0}",
        "{\"first\":0,\"counts\":[1],\"underflow\":0}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct hist h = { .grid = GRID_NOTEBOOK };
        json_t *j = json_loads(bad[i], 0, NULL);
        assert_int_equal(hist_from_json(&h, j), ERR_SPEC);
        assert_int_equal(h.counts[0], 0);
        json_decref(j);
    }
}

static void names(void **state)
{
    (void)state;
    for (int g = 0; g < GRID_COUNT; g++)
        assert_int_equal(grid_find(grid_name((enum grid)g)), g);
    assert_int_equal(grid_find("decade9"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(edges_are_numpys),
        cmocka_unit_test(edges_are_the_nearest_doubles),
        cmocka_unit_test(grids_share_edges),
        cmocka_unit_test(counts_and_densities_are_numpys),
        cmocka_unit_test(decade_density_integrates_to_one),
        cmocka_unit_test(density_of_nothing_is_told),
        cmocka_unit_test(a_value_on_an_edge_goes_up_but_the_last),
        cmocka_unit_test(what_is_outside_is_beside),
        cmocka_unit_test(the_notebook_puts_zeros_into_the_first_bin),
        cmocka_unit_test(json_there_and_back),
        cmocka_unit_test(bad_json_is_refused),
        cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, load_numpy, drop_numpy);
}
