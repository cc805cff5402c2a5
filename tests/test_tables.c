/* Tables: what a history says, as rows and as columns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include "daemon/table.h"
#include "tests/small_job.h"

static void test_csv(void **state)
{
    (void)state;
    add_small_job();
    struct view_query q = query_of(VIEW_GRADIENTS, "epochs=1,2");
    char *text = view_table(history, &q, VIEW_GRADIENTS, TABLE_CSV,
                            NULL);
    assert_string_equal(text,
        "job,epoch,quantity,layer,sample,step,value\n"
        "7,1,grad_out,conv1,0,0,0.25\n"
        "7,1,grad_out,conv1,1,1,\n"
        "7,2,grad_out,conv1,0,0,0.5\n"
        "7,2,grad_out,conv1,1,1,\n");
    free(text);
    view_query_clear(&q);

    q = query_of(VIEW_GRADIENTS, "layers=nothing");
    struct error err = { 0 };
    assert_null(view_table(history, &q, VIEW_GRADIENTS, TABLE_CSV, &err));
    assert_int_equal(err.code, ERR_USAGE);
    view_query_clear(&q);
}

// Names are anybody's: they stay one cell, and no spreadsheet runs them.
static void test_csv_of_names(void **state)
{
    (void)state;
    static const struct { const char *name, *cell; } rows[] = {
        { "plain", "plain" }, { "", "" }, { "a,b", "\"a,b\"" },
        { "say \"x\"", "\"say \"\"x\"\"\"" }, { "a\nb", "\"a\nb\"" },
        { "=1+1", "'=1+1" }, { "+x", "'+x" }, { "-2", "'-2" },
        { "@SUM(A1)", "'@SUM(A1)" }, { "=HYPERLINK(\"a\",\"b\")",
          "\"'=HYPERLINK(\"\"a\"\",\"\"b\"\")\"" }, { "a=b", "a=b" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct table *t = table_new(TABLE_CSV, "name,loss");
        table_text(t, rows[i].name);
        table_number(t, -0.5);          // a number is one
        char *text = table_end(t), want[100];
        snprintf(want, sizeof want, "name,loss\n%s,-0.5\n", rows[i].cell);
        assert_string_equal(text, want);
        free(text);
    }
}

static void test_csv_keeps_every_bit(void **state)
{
    (void)state;
    double values[] = { 0.1, 1e-22, 1.0 / 3, 5e-324, 123456789.125 };
    const char *row = "7,1,grad_out,\"a,\"\"b\"\"\",";
    json_t *samples = json_array();
    for (int i = 0; i < 5; i++)
        json_array_append_new(samples, json_real(values[i]));
    add(epoch_event(1, json_pack("{s:o}", "a,\"b\"",
                                 with_samples(record_of(5, 1), samples))));
    struct view_query q = query_of(VIEW_GRADIENTS, "");
    char *text = view_table(history, &q, VIEW_GRADIENTS, TABLE_CSV,
                            NULL), *at = text;
    for (int i = 0; i < 5; i++) {
        at = strchr(at, '\n') + 1;
        assert_int_equal(strncmp(at, row, strlen(row)), 0);
        // After the sample's number and its step, a digit each.
        assert_true(strtod(at + strlen(row) + 4, NULL) == values[i]);
    }
    assert_non_null(strstr(text, ",0.1\n"));
    free(text);
    view_query_clear(&q);
}

static char *table(enum view view, const char *query, enum table_form form)
{
    struct error err = { 0 };
    struct view_query q = query_of(view, query);
    char *text = view_table(history, &q, view, form, &err);
    view_query_clear(&q);
    if (!text)
        fail_msg("%s: %s", query, err.text);
    return text;
}

static void test_other_tables(void **state)
{
    (void)state;
    add_small_job();
    char *text = table(VIEW_PROFILE, "epochs=2&layers=conv1,fc", TABLE_CSV);
    assert_string_equal(text, "job,epoch,quantity,layer,depth,main,count,"
        "nonfinite,zeros,min,p05,p25,median,p75,p95,max,mean,time\n"
        "7,2,grad_out,conv1,1,true,40,0,0,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,\n"
        "7,2,grad_out,fc,3,false,40,0,0,,,,,,,,,\n");
    free(text);
    text = table(VIEW_METRICS, "epochs=3,4", TABLE_CSV);
    assert_int_equal(strncmp(strchr(text, '\n') + 1, "7,3,true,", 9), 0);
    assert_non_null(strstr(text, "\n7,4,false,"));
    free(text);
    // One 0.5, in a bin of an eighth of a decade: density 8.
    text = table(VIEW_HISTOGRAMS, "epochs=2&layers=conv1&bins=decade8"
                 "&source=samples", TABLE_CSV);
    double low = 0, high = 0, density = 0;
    int count = 0;
    for (char *row = text; count == 0; ) {
        row = strchr(row, '\n') + 1;
        assert_int_equal(sscanf(row, "7,2,grad_out,conv1,%*d,%lf,%lf,%d,%lf",
                                &low, &high, &count, &density), 4);
    }
    assert_int_equal(count, 1);
    assert_true(low <= 0.5 && high > 0.5);
    check_near(high / low, pow(10, 0.125), 1e-12);
    check_near(density, 8, 1e-12);
    free(text);
}

// The line must have that cell next; returns what follows it.
static char *skip_cell(char *line, const json_t *cell)
{
    char *rest = line;

    if (json_is_number(cell))
        assert_true(strtod(line, &rest) == json_number_value(cell));
    else if (json_is_string(cell))
        rest += strlen(json_string_value(cell));
    else if (!json_is_null(cell))
        rest += json_is_true(cell) ? strlen("true") : strlen("false");
    assert_true(*rest == ',' || *rest == '\n');
    return rest + 1;
}

// The same cells in both forms.
static void test_columns_are_the_rows_turned(void **state)
{
    (void)state;
    static const enum view views[] = { VIEW_GRADIENTS, VIEW_HISTOGRAMS,
                                       VIEW_PROFILE, VIEW_METRICS };
    add_small_job();
    for (size_t v = 0; v < sizeof views / sizeof views[0]; v++) {
        const char *query = views[v] == VIEW_HISTOGRAMS ? "source=samples"
                                                        : "";
        char *csv = table(views[v], query, TABLE_CSV), *at = csv;
        char *text = table(views[v], query, TABLE_COLUMNS);
        json_t *all = json_loads(text, JSON_REJECT_DUPLICATES, NULL), *column;
        json_int_t n = json_integer_value(json_object_get(all, "rows"));
        json_t *columns = json_object_get(all, "columns");
        const char *name;
        assert_true(n > 0);
        json_object_foreach(columns, name, column) {
            assert_int_equal(strncmp(at, name, strlen(name)), 0);
            assert_int_equal(json_array_size(column), n);
            at += strlen(name) + 1;
        }
        for (json_int_t i = 0; i < n; i++)
            json_object_foreach(columns, name, column)
                at = skip_cell(at, json_array_get(column, (size_t)i));
        assert_int_equal(*at, '\0');
        json_decref(all);
        free(text);
        free(csv);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_csv), TEST(test_csv_of_names),
        TEST(test_csv_keeps_every_bit),
        TEST(test_other_tables), TEST(test_columns_are_the_rows_turned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
