/* All kernels but batch norm's and the images', run on a CPU, against plain
 * loops: sizes that fill no block and no pack, both types. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/kernels.h"

static const size_t sizes[] = { 1, 8, 37, 1000, 4099 };
enum { SIZES = sizeof sizes / sizeof *sizes };

// ---- number by number -------------------------------------------------------

static void check_eltwise(enum elem e, size_t n)
{
    struct array a = array_new(e, n, 1, 1, 0), b = array_new(e, n, 2, 1, 0);
    struct array y = array_new(e, n, 3, 1, 0), d = array_new(e, n, 4, 1, 0);
    double *relu = doubles(n), *sum = doubles(n), *back = doubles(n);

    for (size_t i = 0; i < n; i++) {
        relu[i] = fmax(a.x[i], 0);
        sum[i] = (double)a.x[i] + b.x[i];
        back[i] = d.x[i] + (a.x[i] > 0 ? b.x[i] : 0);
    }
    launch_relu_back(d.inside, true, b.inside, a.inside, e, n, NULL);
    array_is(&d, back, rounding(e), 1, "relu back");
    launch_relu(y.inside, a.inside, e, n, NULL);
    array_is(&y, relu, 0, 0, "relu");
    launch_add(a.inside, a.inside, b.inside, e, n, NULL);
    array_is(&a, sum, rounding(e), 1, "add");
    launch_fill(y.inside, e, n, 5, NULL);
    array_load(&y);
    for (size_t i = 0; i < n; i++)
        assert_true(y.x[i] >= -1 && y.x[i] <= 1);
    array_free(&a), array_free(&b), array_free(&y), array_free(&d);
}

static void test_eltwise(void **state)
{
    (void)state;
    for (int e = 0; e < ELEMS; e++)
        for (int i = 0; i < SIZES; i++)
            check_eltwise((enum elem)e, sizes[i]);
}

static void test_bf16_rounds_to_even(void **state)
{
    // The second and third lie in the middle of two.
    const float from[] = { 1, 1.00390625f, 1.01171875f, -3e38f, 1e-30f };
    uint16_t inside[5];
    float back[5];

    (void)state;
    launch_cast(inside, ELEM_BF16, from, ELEM_F32, 5, NULL);
    launch_cast(back, ELEM_F32, inside, ELEM_BF16, 5, NULL);
    for (int i = 0; i < 5; i++)
        assert_true(fabsf(back[i] - from[i]) <= 0x1p-8f * fabsf(from[i]));
    assert_true(back[1] == 1 && back[2] == 1.015625f);
}

// ---- bias -------------------------------------------------------------------

static void check_bias(struct grid g)
{
    size_t n = g.rows * (size_t)g.c, c = (size_t)g.c;
    struct array y = array_new(g.elem, n, 1, 1, 0);
    struct array b = array_new(ELEM_F32, c, 2, 1, 0);
    float *partial = xcalloc(kernel_partials(g), sizeof *partial);
    unsigned *counter = xcalloc((size_t)kernel_counters(g), sizeof *counter);
    double *want = doubles(n), *sum = doubles(c);

    for (size_t i = 0; i < n; i++) {
        want[i] = (double)y.x[i] + b.x[i % c];
        sum[i % c] += y.x[i];
    }
    float *db = xcalloc(c, sizeof *db);
    launch_bias_back(db, y.inside, g, partial, counter, NULL);
    for (size_t i = 0; i < c; i++)
        assert_true(fabs(db[i] - sum[i]) <= 1e-5 * sqrt((double)g.rows));
    launch_bias(y.inside, g, b.inside, NULL);
    array_is(&y, want, rounding(g.elem), 1, "bias");
    free(db), free(partial), free(counter), free(sum);
    array_free(&y), array_free(&b);
}

static void test_bias(void **state)
{
    (void)state;
    check_bias((struct grid){ ELEM_F32, 2000, 20 });
    check_bias((struct grid){ ELEM_F32, 5, 7 });
    check_bias((struct grid){ ELEM_BF16, 333, 72 });
    check_bias((struct grid){ ELEM_BF16, 1, 3 });
}

// ---- pooling ----------------------------------------------------------------

static size_t at(int h, int w, int c, struct pool p, int n)
{
    return (((size_t)n * (size_t)p.h + (size_t)h) * (size_t)p.w + (size_t)w) *
           (size_t)p.c + (size_t)c;
}

// Place of the maximum of one window, the first in row-major order.
static size_t maximum(const float *x, struct pool p, int n, int row, int col,
                      int c)
{
    size_t best = SIZE_MAX;

    for (int k = 0; k < p.k * p.k; k++) {
        int h = row * p.stride - p.pad + k / p.k;
        int w = col * p.stride - p.pad + k % p.k;
        if (h < 0 || h >= p.h || w < 0 || w >= p.w)
            continue;
        size_t i = at(h, w, c, p, n);
        if (best == SIZE_MAX || x[i] > x[best])
            best = i;
    }
    return best;
}

// Numbers of few values, so that windows hold several maxima.
static void check_maxpool(struct pool p, bool adds)
{
    size_t n = (size_t)p.n * (size_t)p.h * (size_t)p.w * (size_t)p.c;
    size_t m = (size_t)p.n * (size_t)p.rows * (size_t)p.cols * (size_t)p.c;
    struct array x = array_new(p.elem, n, 1, 1, 0);
    struct array y = array_new(p.elem, m, 2, 1, 0);
    struct array dy = array_new(p.elem, m, 3, 1, 0);
    struct array dx = array_new(p.elem, n, 4, 1, 0);
    double *want = doubles(m), *back = doubles(n);
    uint8_t *place = aligned_alloc(64, (m + 63) / 64 * 64);

    for (size_t i = 0; i < n; i++) {
        x.x[i] = roundf(x.x[i] * 2);
        back[i] = adds ? dx.x[i] : 0;
    }
    array_store(&x);
    for (size_t i = 0; i < m; i++) {
        size_t pixel = i / (size_t)p.c;
        size_t best = maximum(x.x, p,
            (int)(pixel / (size_t)(p.rows * p.cols)),
            (int)(pixel / (size_t)p.cols % (size_t)p.rows),
            (int)(pixel % (size_t)p.cols), (int)(i % (size_t)p.c));
        want[i] = x.x[best];
        back[best] += dy.x[i];
    }
    launch_maxpool(y.inside, place, x.inside, p, NULL);
    array_is(&y, want, 0, 0, "maxpool");
    launch_maxpool_back(dx.inside, adds, dy.inside, place, p, NULL);
    array_is(&dx, back, rounding(p.elem), 1, "maxpool back");
    free(place);
    array_free(&x), array_free(&y), array_free(&dy), array_free(&dx);
}

static void test_maxpool(void **state)
{
    (void)state;
    check_maxpool((struct pool){ ELEM_F32, 2, 9, 11, 12, 5, 6, 3, 2, 1 }, 0);
    check_maxpool((struct pool){ ELEM_F32, 1, 8, 10, 3, 4, 5, 2, 2, 0 }, true);
    check_maxpool((struct pool){ ELEM_BF16, 3, 7, 7, 24, 4, 4, 3, 2, 1 }, 0);
    check_maxpool((struct pool){ ELEM_BF16, 1, 5, 5, 5, 5, 5, 3, 1, 1 }, true);
    // A row and a column that no window sees.
    check_maxpool((struct pool){ ELEM_F32, 1, 8, 9, 4, 2, 3, 3, 3, 0 }, 0);
}

static void check_avgpool(struct pool p, bool adds)
{
    size_t plane = (size_t)p.h * (size_t)p.w, c = (size_t)p.c;
    size_t n = (size_t)p.n * plane * c, m = (size_t)p.n * c;
    struct array x = array_new(p.elem, n, 1, 1, 0);
    struct array dx = array_new(p.elem, n, 2, 1, 0);
    struct array y = array_new(ELEM_F32, m, 3, 1, 0);
    struct array dy = array_new(ELEM_F32, m, 4, 1, 0);
    double *want = doubles(m), *back = doubles(n);

    for (size_t i = 0; i < n; i++) {
        size_t to = i / (plane * c) * c + i % c;
        want[to] += (double)x.x[i] / (double)plane;
        back[i] = dy.x[to] / (double)plane + (adds ? dx.x[i] : 0);
    }
    launch_avgpool(y.inside, x.inside, p, NULL);
    array_is(&y, want, 1e-5, 1, "avgpool");
    launch_avgpool_back(dx.inside, adds, dy.inside, p, NULL);
    array_is(&dx, back, rounding(p.elem), 1, "avgpool back");
    array_free(&x), array_free(&y), array_free(&dy), array_free(&dx);
}

static void test_avgpool(void **state)
{
    (void)state;
    check_avgpool((struct pool){ .elem = ELEM_F32, .n = 3, .h = 7, .w = 7,
                                 .c = 100 }, false);
    check_avgpool((struct pool){ .elem = ELEM_BF16, .n = 2, .h = 7, .w = 6,
                                 .c = 136 }, true);
    check_avgpool((struct pool){ .elem = ELEM_BF16, .n = 5, .h = 1, .w = 1,
                                 .c = 9 }, false);
}

// ---- loss -------------------------------------------------------------------

// Labels -1 are padding. far: logits whose exponentials overflow.
static void check_xent(int n, int c, bool far)
{
    size_t all = (size_t)n * (size_t)c;
    struct array x = array_new(ELEM_F32, all, 1, far ? 1000 : 3, 0);
    struct array dx = array_new(ELEM_F32, all, 2, 1, 0);
    int32_t *labels = xcalloc((size_t)n, sizeof *labels);
    struct score *rows = xcalloc((size_t)n, sizeof *rows), score;
    unsigned counter = 0;
    double *back = doubles(all), loss = 0;
    int valid = 0, correct = 0;

    for (int i = 0; i < n; i++) {
        labels[i] = i % 3 == 2 ? -1 : (7 * i) % c;
        valid += labels[i] >= 0;
    }
    for (int i = 0; i < n; i++) {
        const float *row = x.x + (size_t)i * (size_t)c;
        int top = 0;
        double sum = 0;
        for (int j = 1; j < c; j++)
            top = row[j] > row[top] ? j : top;
        for (int j = 0; j < c; j++)
            sum += exp((double)row[j] - row[top]);
        if (labels[i] < 0)
            continue;
        loss += (row[top] + log(sum) - row[labels[i]]) / valid;
        correct += top == labels[i];
        for (int j = 0; j < c; j++)
            back[(size_t)i * (size_t)c + (size_t)j] =
                (exp((double)row[j] - row[top]) / sum - (j == labels[i])) /
                valid;
    }
    launch_xent((struct xent){ &score, dx.inside, false, rows, &counter },
                x.inside, labels, n, c, NULL);
    assert_true(fabs(score.loss - loss) <= 1e-6 * fmax(1, fabs(loss)));
    assert_int_equal(score.correct, correct);
    assert_int_equal(score.valid, valid);
    assert_int_equal(counter, 0);
    // expf of a difference of up to 3 is within some 1e-7.
    array_is(&dx, back, 1e-5, 0.01 / valid, "dx");
    free(labels), free(rows);
    array_free(&x), array_free(&dx);
}

static void test_xent(void **state)
{
    (void)state;
    check_xent(1, 2, false);
    check_xent(5, 7, false);
    check_xent(130, 3, false);
    check_xent(4, 1000, false);
    check_xent(4, 129, true);
}

// ---- norms ------------------------------------------------------------------

static void test_norms_of_any_size(void **state)
{
    static const float scales[] = { 1e-22f, 1, 1e10f };
    struct tap_segment rows[6];
    struct array arrays[6];
    double partials[64], norms[6];
    int first = 0, most = 0;

    (void)state;
    for (int i = 0; i < 6; i++) {
        size_t n = i % 2 ? 17 : 40003;
        arrays[i] = array_new(i < 3 ? ELEM_F32 : ELEM_BF16, n, (uint64_t)i,
                              scales[i % 3], 0);
        rows[i] = (struct tap_segment){ .x = arrays[i].inside, .n = n,
            .real = n, .elem = (int32_t)arrays[i].elem, .first = first,
            .parts = 1, .count = tap_partials(n, TAP_NORM, 1) };
        first += rows[i].count;
        most = rows[i].count > most ? rows[i].count : most;
    }
    assert_true(first <= 64);
    launch_tap_sums(rows, 6, most, partials, NULL);
    struct score from = { 3, 2, 1 }, to = { 0 };
    launch_tap_finish(norms, rows, 6, partials, &to, &from, NULL);
    for (int i = 0; i < 6; i++) {
        double sum = 0;
        for (size_t k = 0; k < arrays[i].n; k++)
            sum += (double)arrays[i].x[k] * arrays[i].x[k];
        assert_true(fabs(norms[i] - sqrt(sum)) <= 1e-12 * sqrt(sum));
        array_free(&arrays[i]);
    }
    assert_true(to.loss == 3 && to.correct == 2 && to.valid == 1);
    launch_tap_finish(norms, rows, 0, partials, &to, &from, NULL);
}

// 1003 numbers and 5 of padding, some of the numbers 0; and a difference.
static void check_measures(enum elem e)
{
    enum { N = 1008, REAL = N - 5 };
    struct array a = array_new(e, N, 1, 1, 0.5f);
    struct array b = array_new(ELEM_F32, N, 2, 1, 0);
    static const enum tap_kind kinds[] = { TAP_MEAN, TAP_STD, TAP_ZEROS,
                                           TAP_NORM };
    double partials[16], got[4], want[4] = { 0 };
    struct tap_segment rows[4];
    int first = 0;

    for (int i = 0; i < N; i++)
        if (i % 7 == 0 || i >= REAL)
            a.x[i] = 0;
    array_store(&a);
    for (int i = 0; i < REAL; i++) {
        want[0] += (double)a.x[i] / REAL;
        want[2] += (a.x[i] == 0) / (double)REAL;
    }
    for (int i = 0; i < REAL; i++)
        want[1] += pow(a.x[i] - want[0], 2) / REAL;
    for (int i = 0; i < N; i++)
        want[3] += pow((double)a.x[i] - b.x[i], 2);
    want[1] = sqrt(want[1]);
    want[3] = sqrt(want[3]);
    for (int i = 0; i < 4; i++) {
        rows[i] = (struct tap_segment){ .x = a.inside, .n = N, .real = REAL,
            .elem = (int32_t)e, .kind = (int32_t)kinds[i], .first = first,
            .minus = i == 3 ? b.inside : NULL,
            .parts = 1, .count = tap_partials(N, kinds[i], 1) };
        first += rows[i].count;
    }
    launch_tap_sums(rows, 4, 2, partials, NULL);
    launch_tap_finish(got, rows, 4, partials, NULL, NULL, NULL);
    for (int i = 0; i < 4; i++)         // the difference is rounded to float
        assert_true(fabs(got[i] - want[i]) <= (i < 3 ? 1e-12 : 1e-6) * want[i]);
    array_free(&a), array_free(&b);
}

static void test_means_deviations_zeros_differences(void **state)
{
    (void)state;
    check_measures(ELEM_F32);
    check_measures(ELEM_BF16);
}

// The norm of each of several parts, which begin at odd places and are larger
// than what one block adds up, or smaller.
static void check_samples(enum elem e, int parts, size_t one)
{
    struct array a = array_new(e, (size_t)parts * one, 3, 1e-22f, 0);
    struct tap_segment row = { .x = a.inside, .n = a.n, .real = a.n,
        .elem = (int32_t)e, .kind = TAP_SAMPLES, .parts = parts,
        .count = tap_partials(a.n, TAP_SAMPLES, parts) };
    double *partials = xcalloc((size_t)row.count, sizeof *partials);
    double got, want = 0;

    for (int i = 0; i < parts; i++) {
        double sum = 0;
        for (size_t k = 0; k < one; k++)
            sum += pow((double)a.x[(size_t)i * one + k], 2);
        want += sqrt(sum);
    }
    launch_tap_sums(&row, 1, row.count, partials, NULL);
    launch_tap_finish(&got, &row, 1, partials, NULL, NULL, NULL);
    assert_true(fabs(got - want) <= 1e-12 * want);
    array_free(&a);
    free(partials);
}

static void test_norms_of_parts(void **state)
{
    (void)state;
    for (int e = 0; e < ELEMS; e++) {
        check_samples((enum elem)e, 1, 5);
        check_samples((enum elem)e, 300, 7);    // more parts than threads
        check_samples((enum elem)e, 3, 40001);
        check_samples((enum elem)e, 2, 300000); // more than 8 blocks a part
    }
}

// ---- layouts ----------------------------------------------------------------

static void test_layouts_come_back(void **state)
{
    struct layout l = { ELEM_BF16, 3, 5, 8, 6 };
    struct array x = array_new(ELEM_BF16, 90, 1, 1, 0);
    float back[90];
    struct array inside = array_new(ELEM_BF16, 144, 2, 1, 0);

    (void)state;
    launch_to_inside(inside.inside, x.x, l, NULL);
    array_load(&inside);
    for (size_t i = 0; i < 144; i++) {
        size_t n = i / 48, plane = i / 8 % 6, c = i % 8;
        assert_true(inside.x[i] == (c < 5 ? x.x[(n * 5 + c) * 6 + plane] : 0));
    }
    launch_to_outside(back, inside.inside, l, NULL);
    assert_memory_equal(back, x.x, sizeof back);
    array_free(&x), array_free(&inside);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_eltwise),
        cmocka_unit_test(test_bf16_rounds_to_even),
        cmocka_unit_test(test_bias),
        cmocka_unit_test(test_maxpool),
        cmocka_unit_test(test_avgpool),
        cmocka_unit_test(test_xent),
        cmocka_unit_test(test_norms_of_any_size),
        cmocka_unit_test(test_means_deviations_zeros_differences),
        cmocka_unit_test(test_norms_of_parts),
        cmocka_unit_test(test_layouts_come_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
