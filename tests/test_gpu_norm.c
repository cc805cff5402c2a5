/* Batch norm's kernels, run on a CPU, against plain loops in double: sizes
 * that fill no block, channels that fill no pack, both types. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/kernels.h"

static const struct grid grids[] = {
    { ELEM_F32, 2, 4 },     { ELEM_F32, 37, 24 },   { ELEM_F32, 999, 64 },
    { ELEM_F32, 9, 3 },     { ELEM_F32, 50, 260 },  { ELEM_F32, 5000, 8 },
    { ELEM_BF16, 2, 8 },    { ELEM_BF16, 37, 24 },  { ELEM_BF16, 999, 64 },
    { ELEM_BF16, 9, 5 },    { ELEM_BF16, 50, 520 }, { ELEM_BF16, 5000, 16 },
};
enum { GRIDS = sizeof grids / sizeof *grids };
static const double EPS = 1e-5;

struct norm {                           // one case
    struct grid   g;
    size_t        n;
    struct array  x, z, y, dy, dx, dz, gamma, beta, mean, var;
    struct array  run_mean, run_var, dgamma, dbeta, means;
    float        *partial;
    unsigned     *counter;
    uint8_t      *mask;
    double       *true_mean, *true_var; // (c)
};

static struct array vector(struct grid g, uint64_t seed, float offset)
{
    return array_new(ELEM_F32, (size_t)g.c, seed, 0.5f, offset);
}

static struct norm norm_new(struct grid g, float scale, float offset)
{
    size_t n = g.rows * (size_t)g.c;
    struct norm t = {
        .g = g, .n = n, .x = array_new(g.elem, n, 1, scale, offset),
        .z = array_new(g.elem, n, 2, 1, 0), .y = array_new(g.elem, n, 3, 1, 0),
        .dy = array_new(g.elem, n, 4, 1, 0),
        .dx = array_new(g.elem, n, 5, 1, 0),
        .dz = array_new(g.elem, n, 6, 1, 0), .gamma = vector(g, 7, 1),
        .beta = vector(g, 8, 0), .mean = vector(g, 9, 0),
        .var = vector(g, 10, 1), .run_mean = vector(g, 11, 0),
        .run_var = vector(g, 12, 1), .dgamma = vector(g, 13, 0),
        .dbeta = vector(g, 14, 0),
        .means = array_new(ELEM_F32, 2 * (size_t)g.c, 15, 1, 0),
        .partial = xcalloc(kernel_partials(g), sizeof(float)),
        .counter = xcalloc((size_t)kernel_counters(g), sizeof(unsigned)),
        .mask = xcalloc(kernel_mask_bytes(g), 1),
        .true_mean = doubles((size_t)g.c), .true_var = doubles((size_t)g.c),
    };

    for (size_t i = 0; i < n; i++)
        t.true_mean[i % (size_t)g.c] += (double)t.x.x[i] / (double)g.rows;
    for (size_t i = 0; i < n; i++) {
        double d = (double)t.x.x[i] - t.true_mean[i % (size_t)g.c];
        t.true_var[i % (size_t)g.c] += d * d / (double)g.rows;
    }
    return t;
}

static void norm_free(struct norm *t)
{
    struct array *all[] = { &t->x, &t->z, &t->y, &t->dy, &t->dx, &t->dz,
        &t->gamma, &t->beta, &t->mean, &t->var, &t->run_mean, &t->run_var,
        &t->dgamma, &t->dbeta, &t->means };

    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        array_free(all[i]);
    free(t->partial);
    free(t->counter);
    free(t->mask);
    free(t->true_mean);
    free(t->true_var);
}

static double *copy(const double *x, int n)
{
    double *to = doubles((size_t)n);

    memcpy(to, x, (size_t)n * sizeof *x);
    return to;
}

static void statistics(struct norm *t, bool moves)
{
    launch_norm_stats(t->x.inside, t->g, (struct norm_stats){
        .mean = t->mean.inside, .var = t->var.inside,
        .running_mean = moves ? t->run_mean.inside : NULL,
        .running_var = moves ? t->run_var.inside : NULL, .rate = 0.1f,
        .partial = t->partial, .counter = t->counter }, NULL);
}

// A mean far from 0 must not cost the variance its digits: the kernel takes a
// row away before it squares. 1e-6 is a float's rounding and some.
static void check_statistics(struct grid g, float offset)
{
    struct norm t = norm_new(g, 1, offset);
    int c = g.c;
    double *run_mean = doubles((size_t)c), *run_var = doubles((size_t)c);
    double scale = (double)g.rows / (double)(g.rows - 1);

    for (int i = 0; i < c; i++) {
        run_mean[i] = 0.9 * t.run_mean.x[i] + 0.1 * t.true_mean[i];
        run_var[i] = 0.9 * t.run_var.x[i] + 0.1 * t.true_var[i] * scale;
    }
    statistics(&t, true);
    array_is(&t.mean, copy(t.true_mean, c), 1e-6, 1, "mean");
    array_is(&t.var, copy(t.true_var, c), 2e-6, 1e-3, "variance");
    array_is(&t.run_mean, run_mean, 1e-6, 1, "running mean");
    array_is(&t.run_var, run_var, 2e-6, 1e-3, "running variance");
    for (int i = 0; i < kernel_counters(g); i++)
        assert_int_equal(t.counter[i], 0);
    norm_free(&t);
}

static void test_statistics(void **state)
{
    (void)state;
    for (int i = 0; i < GRIDS; i++) {
        check_statistics(grids[i], 0);
        check_statistics(grids[i], 100);
    }
}

// From sums in float, as a convolution's epilogue makes them. A float's
// rounding, of squares that are some times the variance: offsets are small.
static void check_from_sums(struct grid g)
{
    struct norm t = norm_new(g, 1, 0);
    int c = g.c;
    float *sums = xcalloc(2 * (size_t)c, sizeof *sums);
    double *run_var = doubles((size_t)c);

    for (size_t i = 0; i < t.n; i++) {
        sums[i % (size_t)c] += t.x.x[i];
        sums[(size_t)c + i % (size_t)c] += t.x.x[i] * t.x.x[i];
    }
    for (int i = 0; i < c; i++)
        run_var[i] = 0.9 * t.run_var.x[i] + 0.1 * t.true_var[i] *
                     (double)g.rows / (double)(g.rows - 1);
    launch_norm_finish(sums, g, (struct norm_stats){
        .mean = t.mean.inside, .var = t.var.inside, .rate = 0.1f,
        .running_mean = t.run_mean.inside, .running_var = t.run_var.inside },
        NULL);
    array_is(&t.mean, copy(t.true_mean, c), 1e-4, 1, "mean");
    array_is(&t.var, copy(t.true_var, c), 1e-4, 1e-3, "variance");
    array_is(&t.run_var, run_var, 1e-4, 1e-3, "running variance");
    free(sums);
    norm_free(&t);
}

static void test_statistics_from_sums(void **state)
{
    (void)state;
    for (int i = 0; i < GRIDS; i++)
        check_from_sums(grids[i]);
}

static void test_a_constant_has_no_variance(void **state)
{
    struct grid g = { ELEM_F32, 700, 12 };
    struct norm t = norm_new(g, 0, 3.7f);

    (void)state;
    statistics(&t, false);
    array_is(&t.mean, copy(t.true_mean, g.c), 1e-7, 0, "mean");
    array_is(&t.var, doubles((size_t)g.c), 0, 0, "variance");
    norm_free(&t);
}

// ---- normalising ------------------------------------------------------------

static struct norm_scale scale_of(const struct norm *t)
{
    return (struct norm_scale){ t->mean.inside, t->var.inside,
        t->gamma.inside, t->beta.inside, (float)EPS };
}

static double xhat(const struct norm *t, size_t i)
{
    size_t c = i % (size_t)t->g.c;

    return ((double)t->x.x[i] - t->true_mean[c]) /
           sqrt(t->true_var[c] + EPS);
}

// Rounding a number near 0 may cross it: what is compared is y, so the mask is
// held to what the kernel stored.
static bool passes(const struct norm *t, size_t i)
{
    size_t pack = (size_t)(t->g.c % elem_pack(t->g.elem) == 0
                           ? elem_pack(t->g.elem) : 1);

    return t->mask[i / pack] >> i % pack & 1;
}

static void check_apply(struct grid g, bool add)
{
    struct norm t = norm_new(g, 2, 0.3f);
    double *want = doubles(t.n);

    statistics(&t, false);
    launch_norm_apply(t.y.inside, t.mask, t.x.inside,
                      add ? t.z.inside : NULL, g, scale_of(&t), true, NULL);
    array_load(&t.y);
    for (size_t i = 0; i < t.n; i++) {
        size_t c = i % (size_t)g.c;
        double y = t.gamma.x[c] * xhat(&t, i) + t.beta.x[c] +
                   (add ? t.z.x[i] : 0);
        want[i] = fmax(y, 0);
        assert_int_equal(passes(&t, i), t.y.x[i] > 0);
    }
    array_is(&t.y, want, rounding(g.elem), 1, "y");
    norm_free(&t);
}

static void test_normalise_add_relu(void **state)
{
    (void)state;
    for (int i = 0; i < GRIDS; i++) {
        check_apply(grids[i], false);
        check_apply(grids[i], true);
    }
}

static void test_nan_stays_nan(void **state)
{
    struct grid g = { ELEM_F32, 40, 4 };
    struct norm t = norm_new(g, 1, 0);

    (void)state;
    t.x.x[5] = NAN;
    array_store(&t.x);
    statistics(&t, false);
    launch_norm_apply(t.y.inside, t.mask, t.x.inside, NULL, g, scale_of(&t),
                      true, NULL);
    array_load(&t.y);
    for (size_t i = 0; i < t.n; i++)
        assert_int_equal(isnan(t.y.x[i]) != 0, i % 4 == 1);
    norm_free(&t);
}

// ---- backward ---------------------------------------------------------------

static void run_backward(struct norm *t, bool masked, bool adds_z, bool adds_x,
                         double *squares)
{
    struct norm_sums to = { .dgamma = t->dgamma.inside,
        .dbeta = t->dbeta.inside, .means = t->means.inside,
        .partial = t->partial, .counter = t->counter };
    const uint8_t *mask = masked ? t->mask : NULL;

    statistics(t, false);
    launch_norm_apply(t->y.inside, t->mask, t->x.inside, NULL, t->g,
                      scale_of(t), true, NULL);
    launch_norm_sums(t->dz.inside, adds_z, t->dy.inside, NULL, mask,
                     t->x.inside, t->g, scale_of(t), to, NULL);
    launch_norm_back(t->dx.inside, adds_x, squares, t->dy.inside, mask,
                     t->x.inside, t->g, scale_of(t), t->means.inside, NULL);
}

// Sums over the batch cancel: relative to sqrt(rows) numbers of size 1.
static void check_sums(struct norm *t, const double *g)
{
    double *beta = doubles((size_t)t->g.c), *gamma = doubles((size_t)t->g.c);
    double size = sqrt((double)t->g.rows);

    for (size_t i = 0; i < t->n; i++) {
        beta[i % (size_t)t->g.c] += g[i];
        gamma[i % (size_t)t->g.c] += g[i] * xhat(t, i);
    }
    array_is(&t->dbeta, beta, 1e-5, size, "dbeta");
    array_is(&t->dgamma, gamma, 1e-5, size, "dgamma");
}

static void check_backward(struct grid grid, bool masked, bool adds)
{
    struct norm t = norm_new(grid, 2, 0.3f);
    size_t c = (size_t)grid.c, parts = (size_t)kernel_squares(grid);
    double *g = doubles(t.n), *dx = doubles(t.n), *dz = doubles(t.n);
    double *mean = doubles(c), *mean_x = doubles(c), *squares = doubles(parts);
    double norm = 0, sum = 0;

    for (size_t i = 0; i < t.n; i++) {
        dx[i] = adds ? t.dx.x[i] : 0;
        dz[i] = adds ? t.dz.x[i] : 0;
    }
    run_backward(&t, masked, adds, adds, squares);
    for (size_t i = 0; i < t.n; i++) {
        g[i] = masked && !passes(&t, i) ? 0 : t.dy.x[i];
        dz[i] += g[i];
        mean[i % c] += g[i] / (double)grid.rows;
        mean_x[i % c] += g[i] * xhat(&t, i) / (double)grid.rows;
    }
    for (size_t i = 0; i < t.n; i++) {
        double factor = t.gamma.x[i % c] / sqrt(t.true_var[i % c] + EPS);
        dx[i] += factor * (g[i] - mean[i % c] - xhat(&t, i) * mean_x[i % c]);
    }
    check_sums(&t, g);
    array_is(&t.dz, dz, rounding(grid.elem), 1, "dz");
    array_is(&t.dx, dx, rounding(grid.elem), 1, "dx");
    for (size_t i = 0; i < t.n; i++)            // array_is() loaded it
        norm += (double)t.dx.x[i] * t.dx.x[i];
    for (size_t i = 0; i < parts; i++)
        sum += squares[i];
    assert_true(fabs(sum - norm) <= 1e-12 * norm);
    free(g), free(mean), free(mean_x), free(squares);
    norm_free(&t);
}

static void test_backward(void **state)
{
    (void)state;
    for (int i = 0; i < GRIDS; i++) {
        check_backward(grids[i], true, false);
        check_backward(grids[i], false, true);
    }
}

// What gradients of a vanishing network look like: a norm of some 1e-22.
static void test_tiny_gradients_are_measured(void **state)
{
    (void)state;
    for (int e = 0; e < ELEMS; e++) {
        struct grid g = { (enum elem)e, 300, 16 };
        struct norm t = norm_new(g, 1, 0);
        double *squares = doubles((size_t)kernel_squares(g)), norm = 0;
        double sum = 0;

        for (size_t i = 0; i < t.n; i++)
            t.dy.x[i] *= 1e-24f;
        array_store(&t.dy);
        run_backward(&t, true, false, false, squares);
        array_load(&t.dx);
        for (size_t i = 0; i < t.n; i++)
            norm += (double)t.dx.x[i] * t.dx.x[i];
        for (int i = 0; i < kernel_squares(g); i++)
            sum += squares[i];
        assert_true(sqrt(norm) > 1e-23 && sqrt(norm) < 1e-21);
        assert_true(fabs(sqrt(sum) - sqrt(norm)) <= 1e-12 * sqrt(norm));
        free(squares);
        norm_free(&t);
    }
}

// The same bits with and without a mask of ones, and in place.
static void test_dz_may_be_dy(void **state)
{
    struct grid g = { ELEM_BF16, 123, 24 };
    struct norm a = norm_new(g, 1, 0), b = norm_new(g, 1, 0);

    (void)state;
    run_backward(&a, true, false, false, NULL);
    free(b.dz.inside);
    b.dz.inside = b.dy.inside;
    run_backward(&b, true, false, false, NULL);
    assert_memory_equal(a.dx.inside, b.dx.inside, a.n * elem_bytes(g.elem));
    assert_memory_equal(a.dgamma.inside, b.dgamma.inside, 24 * sizeof(float));
    b.dz.inside = NULL;
    norm_free(&a);
    norm_free(&b);
}

// A second term that is added on the way is as if it had been added before.
static void test_the_last_term_may_come_late(void **state)
{
    struct grid g = { ELEM_F32, 123, 24 };
    struct norm a = norm_new(g, 1, 0), b = norm_new(g, 1, 0);
    struct norm_sums to = { b.dgamma.inside, b.dbeta.inside, b.means.inside,
                            b.partial, b.counter };

    (void)state;
    launch_add(a.dy.inside, a.dy.inside, a.z.inside, g.elem, a.n, NULL);
    run_backward(&a, true, false, false, NULL);
    statistics(&b, false);
    launch_norm_sums(b.dz.inside, false, b.dy.inside, b.z.inside, a.mask,
                     b.x.inside, g, scale_of(&b), to, NULL);
    assert_memory_equal(a.dz.inside, b.dz.inside, a.n * sizeof(float));
    assert_memory_equal(a.means.inside, b.means.inside, 48 * sizeof(float));
    norm_free(&a);
    norm_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_statistics),
        cmocka_unit_test(test_statistics_from_sums),
        cmocka_unit_test(test_a_constant_has_no_variance),
        cmocka_unit_test(test_normalise_add_relu),
        cmocka_unit_test(test_nan_stays_nan),
        cmocka_unit_test(test_backward),
        cmocka_unit_test(test_tiny_gradients_are_measured),
        cmocka_unit_test(test_dz_may_be_dy),
        cmocka_unit_test(test_the_last_term_may_come_late),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
