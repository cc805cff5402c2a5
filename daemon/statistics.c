#include "daemon/statistics.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "common/mem.h"
#include "common/rng.h"
#include "daemon/fit.h"

enum { EXACT_MOST = 8 };
static const double NORMAL95 = 1.959963984540054;

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

// The k-th smallest (Hoare's selection); numbers left of it are not larger.
static double select_kth(double *x, int n, int k)
{
    int low = 0, high = n - 1;

    while (low < high) {
        double pivot = x[low + (high - low) / 2];
        int i = low, j = high;
        while (i <= j) {
            while (x[i] < pivot)
                i++;
            while (x[j] > pivot)
                j--;
            if (i <= j) {
                double swap = x[i];
                x[i++] = x[j];
                x[j--] = swap;
            }
        }
        if (k <= j)
            high = j;
        else if (k >= i)
            low = i;
        else
            break;
    }
    return x[k];
}

double stat_median(double *x, int n)
{
    if (n == 0)
        return NAN;
    double upper = select_kth(x, n, n / 2), lower = upper;

    if (n % 2)
        return upper;
    lower = x[0];
    for (int i = 1; i < n / 2; i++)
        lower = fmax(lower, x[i]);
    return (lower + upper) / 2;
}

static double raw_correlation(const double *x, int n)
{
    double mean = 0, all = 0, next = 0;

    for (int i = 0; i < n; i++)
        mean += x[i] / n;
    for (int i = 0; i < n; i++)
        all += (x[i] - mean) * (x[i] - mean);
    for (int i = 0; i + 1 < n; i++)
        next += (x[i] - mean) * (x[i + 1] - mean);
    return n >= 4 && all > 0 ? next / all : 0;
}

// A short series shows about (1 + 3 r) / n less than its true correlation r:
// Kendall, Biometrika 41 (1954).
double stat_correlation(const double *x, int n)
{
    double r = raw_correlation(x, n);

    r += n ? (1 + 3 * r) / n : 0;
    return fmax(0, fmin(0.97, r));
}

int stat_block_length(double r, int n)
{
    double most = n / BLOCKS_LEAST > 1 ? n / BLOCKS_LEAST : 1;
    double length = pow(sqrt(6) * r / (1 - r * r), 2.0 / 3) * cbrt(n);

    return (int)fmax(1, fmin(most, ceil(length)));
}

double stat_block_correction(double r, int length)
{
    double missing = 2 * r * (1 - pow(r, length)) / (length * (1 - r * r));

    return sqrt(1 / fmax(0.1, 1 - missing));
}

// One resample: blocks from anywhere, in their own order, cut to n numbers.
static void draw_blocks(double *to, const double *x, int n, int length,
                        uint64_t seed, uint64_t stream, uint64_t *at)
{
    uint64_t starts = (uint64_t)(n - length + 1);

    for (int i = 0; i < n; i += length) {
        uint64_t from = rng_bits(seed, stream, (*at)++) % starts;
        int take = n - i < length ? n - i : length;
        memcpy(to + i, x + from, (size_t)take * sizeof *x);
    }
}

struct interval stat_bootstrap_median(const double *x, int n, uint64_t seed,
                                      uint64_t stream)
{
    if (n < BLOCKS_LEAST)
        return (struct interval){ NAN, NAN };
    double r = stat_correlation(x, n);
    int length = stat_block_length(r, n), blocks = n / length;
    double *draw = xcalloc((size_t)n, sizeof *draw);
    double *medians = xcalloc(BOOTSTRAP_DRAWS, sizeof *medians);
    uint64_t at = 0;

    memcpy(draw, x, (size_t)n * sizeof *x);
    double middle = stat_median(draw, n);
    for (int i = 0; i < BOOTSTRAP_DRAWS; i++) {
        draw_blocks(draw, x, n, length, seed, stream, &at);
        medians[i] = stat_median(draw, n);
    }
    qsort(medians, BOOTSTRAP_DRAWS, sizeof *medians, ascending);
    // The root: blocks are drawn about the mean of the series, which is nearer
    // to them than the truth.
    double wider = fit_t95(blocks - 1) / NORMAL95 *
                   stat_block_correction(r, length) *
                   sqrt((double)n / (n - length + 1));
    double low = medians[BOOTSTRAP_DRAWS * 25 / 1000] - middle;
    double high = medians[BOOTSTRAP_DRAWS * 975 / 1000 - 1] - middle;
    free(draw);
    free(medians);
    return (struct interval){ middle + wider * fmin(low, 0),
                              middle + wider * fmax(high, 0) };
}

/* ---- Mann and Whitney ---- */

struct ranked { double x; bool of_a; };

static int by_value(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    return (x->x > y->x) - (x->x < y->x);
}

// The share of all ways to choose n_a of the ranks that give U or less: ways
// are counted number by number, ways[k][u] = those of k chosen with sum u.
static double exact_tail(int n_a, int n_b, int u)
{
    double ways[EXACT_MOST + 1][EXACT_MOST * EXACT_MOST + 1] = { { 0 } };
    double under = 0, all = 0;

    ways[0][0] = 1;
    for (int rank = 0; rank < n_a + n_b; rank++)
        for (int k = n_a; k >= 1; k--)
            for (int s = n_a * n_b; s >= 0; s--) {
                int before = s - (rank - (k - 1));      // others below it
                if (before >= 0 && rank >= k - 1)
                    ways[k][s] += ways[k - 1][before];
            }
    for (int s = 0; s <= n_a * n_b; s++) {
        all += ways[n_a][s];
        under += s <= u ? ways[n_a][s] : 0;
    }
    return under / all;
}

// ties: the sum of t^3 - t over groups of t equal numbers.
static double p_of(double u, int n_a, int n_b, double ties, double wider)
{
    double mean = n_a * (double)n_b / 2, n = n_a + n_b;

    if (ties <= 0 && wider <= 1 && n_a <= EXACT_MOST && n_b <= EXACT_MOST)
        return fmin(1, 2 * exact_tail(n_a, n_b, (int)fmin(u, 2 * mean - u)));
    double variance = n_a * (double)n_b / 12 * (n + 1 - ties / (n * (n - 1)));
    if (!(variance > 0))
        return 1;
    double z = fmax(0, fabs(u - mean) - 0.5) / sqrt(variance) / wider;
    return erfc(z / sqrt(2));
}

double stat_mann_whitney_least(int n_a, int n_b, double wider)
{
    return n_a < 1 || n_b < 1 ? 1 : p_of(0, n_a, n_b, 0, wider);
}

double stat_mann_whitney(const double *a, int n_a, const double *b, int n_b,
                         double wider)
{
    if (n_a < 1 || n_b < 1)
        return 1;
    int n = n_a + n_b;
    struct ranked *all = xcalloc((size_t)n, sizeof *all);
    double ranks = 0, ties = 0;

    for (int i = 0; i < n; i++)
        all[i] = i < n_a ? (struct ranked){ a[i], true }
                         : (struct ranked){ b[i - n_a], false };
    qsort(all, (size_t)n, sizeof *all, by_value);
    for (int i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && all[end].x <= all[i].x; end++)
            ;
        double same = end - i, rank = (i + 1 + end) / 2.0;
        ties += same * same * same - same;
        for (int k = i; k < end; k++)
            ranks += all[k].of_a ? rank : 0;
    }
    free(all);
    return p_of(ranks - n_a * (n_a + 1) / 2.0, n_a, n_b, ties, wider);
}

/* ---- Benjamini and Hochberg ---- */

struct place { double p; int at; };

static int by_p(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    return (x->p > y->p) - (x->p < y->p);
}

void stat_benjamini_hochberg(const double *p, int n, double *q)
{
    struct place *order = xcalloc((size_t)n, sizeof *order);
    int m = 0;

    for (int i = 0; i < n; i++) {
        q[i] = NAN;
        if (!isnan(p[i]))
            order[m++] = (struct place){ p[i], i };
    }
    qsort(order, (size_t)m, sizeof *order, by_p);
    double least = 1;
    for (int i = m - 1; i >= 0; i--) {
        least = fmin(least, order[i].p * m / (i + 1));
        q[order[i].at] = least;
    }
    free(order);
}
