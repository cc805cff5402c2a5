#include "common/hist.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

static const struct {
    const char *name;
    int    bins;
    int    per_ten_decades;     // bins in ten decades
    int    first_decade;        // exponent of the first edge
    double added;               // to every value, before it is counted
} grids[GRID_COUNT] = {
    [GRID_NOTEBOOK] = { "notebook", 49,  49, -10, 1e-10 },
    [GRID_EXTENDED] = { "extended", 196, 49, -30, 0 },
    [GRID_DECADE8]  = { "decade8",  320, 80, -30, 0 },
};

static double edges[GRID_COUNT][HIST_MAX_BINS + 1];
static pthread_once_t edges_once = PTHREAD_ONCE_INIT;

// 10^(tenths / per). A rounded exponent of 30 would be off by too much for the
// nearest double; one of a decade is not, and the decades are whole.
static double power_of_ten(int tenths, int per)
{
    int decades = tenths / per - (tenths % per < 0);
    long double within = powl(10.0L, (long double)(tenths - decades * per) /
                                     per);

    return (double)(decades < 0 ? within / powl(10.0L, -decades)
                                : within * powl(10.0L, decades));
}

static void fill_edges(void)
{
    for (int g = 0; g < GRID_COUNT; g++) {
        int per = grids[g].per_ten_decades;
        for (int i = 0; i <= grids[g].bins; i++)
            edges[g][i] = power_of_ten(10 * i + grids[g].first_decade * per,
                                       per);
    }
}

const char *grid_name(enum grid grid)
{
    return grids[grid].name;
}

int grid_find(const char *name)
{
    for (int g = 0; g < GRID_COUNT; g++)
        if (!strcmp(grids[g].name, name))
            return g;
    return -1;
}

int grid_bins(enum grid grid)
{
    return grids[grid].bins;
}

const double *grid_edges(enum grid grid)
{
    pthread_once(&edges_once, fill_edges);
    return edges[grid];
}

// The last bin whose lower edge is not above x; x is within the edges.
static int find_bin(const double *edge, int bins, double x)
{
    int low = 0, high = bins;           // edge[low] <= x

    while (high - low > 1) {
        int middle = (low + high) / 2;
        if (edge[middle] <= x)
            low = middle;
        else
            high = middle;
    }
    return low;
}

void hist_add(struct hist *h, double x)
{
    const double *edge = grid_edges(h->grid);
    int bins = grids[h->grid].bins;

    if (!isfinite(x)) {
        h->nonfinite++;
        return;
    }
    x += grids[h->grid].added;
    if (x == 0)
        h->zeros++;
    else if (x < edge[0])
        h->underflow++;
    else if (x > edge[bins])
        h->overflow++;
    else
        h->counts[find_bin(edge, bins, x)]++;
}

json_t *hist_to_json(const struct hist *h)
{
    int first = 0, end = grids[h->grid].bins;
    json_t *counts = json_array();

    while (end > 0 && h->counts[end - 1] == 0)
        end--;
    while (first < end && h->counts[first] == 0)
        first++;
    for (int i = first; i < end; i++)
        json_array_append_new(counts, json_integer(h->counts[i]));
    return json_pack("{s:i, s:o, s:I, s:I}", "first", end ? first : 0,
                     "counts", counts,
                     "underflow", (json_int_t)h->underflow,
                     "overflow", (json_int_t)h->overflow);
}

static int is_count(const json_t *j)
{
    return json_is_integer(j) && json_integer_value(j) >= 0;
}

int hist_from_json(struct hist *h, const json_t *j)
{
    const json_t *first = json_object_get(j, "first");
    const json_t *counts = json_object_get(j, "counts");
    const json_t *underflow = json_object_get(j, "underflow");
    const json_t *overflow = json_object_get(j, "overflow");
    json_int_t bins = grids[h->grid].bins;
    json_int_t n = (json_int_t)json_array_size(counts);

    if (!is_count(first) || !json_is_array(counts) || !is_count(underflow) ||
        !is_count(overflow) || n > bins ||
        json_integer_value(first) > bins - n)
        return ERR_SPEC;
    for (json_int_t i = 0; i < n; i++)
        if (!is_count(json_array_get(counts, (size_t)i)))
            return ERR_SPEC;
    for (json_int_t i = 0; i < n; i++)
        h->counts[json_integer_value(first) + i] +=
            json_integer_value(json_array_get(counts, (size_t)i));
    h->underflow += json_integer_value(underflow);
    h->overflow += json_integer_value(overflow);
    return 0;
}

int hist_density(const struct hist *h, int per_decade, double *out)
{
    const double *edge = grid_edges(h->grid);
    int bins = grids[h->grid].bins;
    double decades = 10.0 / grids[h->grid].per_ten_decades;
    int64_t total = 0;

    for (int i = 0; i < bins; i++)
        total += h->counts[i];
    if (!total)
        return 0;
    for (int i = 0; i < bins; i++) {
        double width = per_decade ? decades : edge[i + 1] - edge[i];
        out[i] = (double)h->counts[i] / width / (double)total;
    }
    return 1;
}
