/* Query parameters of the views: what is read, and what is refused in which
 * words.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/mem.h"
#include "daemon/views.h"

static void test_defaults(void **state)
{
    (void)state;
    for (int v = 0; v < VIEW_COUNT; v++) {
        struct view_query q;
        json_t *problems;
        assert_int_equal(view_query_parse(&q, (enum view)v, NULL, 0, &problems),
                         0);
        assert_null(problems);
        assert_int_equal(q.quantity, -1);
        assert_int_equal(q.n_layers + q.n_epochs, 0);
        assert_int_equal(q.bins, GRID_NOTEBOOK);
        assert_false(q.samples || q.linear || q.steps);
        view_query_clear(&q);
    }
}

static void test_everything_given(void **state)
{
    (void)state;
    const struct view_param params[] = {
        { "quantity", "weight" }, { "layers", "conv1,layer[12].*" },
        { "epochs", "1,3-5,last,7-last" }, { "bins", "decade8" },
        { "source", "samples" }, { "density", "linear" },
    };
    struct view_query q;
    json_t *problems;
    assert_int_equal(view_query_parse(&q, VIEW_HISTOGRAMS, params, 6,
                                      &problems), 0);
    assert_int_equal(q.quantity, QUANTITY_WEIGHT);
    assert_int_equal(q.n_layers, 2);
    assert_string_equal(q.layers[1], "layer[12].*");
    assert_int_equal(q.n_epochs, 4);
    assert_int_equal(q.epochs[1].first, 3);
    assert_int_equal(q.epochs[1].last, 5);
    assert_int_equal(q.epochs[2].first, VIEW_LAST);
    assert_int_equal(q.epochs[3].last, VIEW_LAST);
    assert_int_equal(q.bins, GRID_DECADE8);
    assert_true(q.samples && q.linear);
    view_query_clear(&q);
}

// One wrong parameter, alone: its pointer, its value, and what it wants.
static void test_wrong_values(void **state)
{
    (void)state;
    static const struct { enum view view; const char *name, *value, *says; }
    cases[] = {
        { VIEW_GRADIENTS, "quantity", "grad", "quantity must be one of "
          "grad_out, grad_w, weight, grad_rms, update, act_mean, act_std, "
          "act_zeros, weight_grad, grad_sample, branch_share" },
        { VIEW_GRADIENTS, "layers", "a,,b", "1 to 128 characters" },
        { VIEW_GRADIENTS, "layers", "a b", "layers must be all, notebook" },
        { VIEW_GRADIENTS, "epochs", "0", "epochs must be at most 256 epochs" },
        { VIEW_GRADIENTS, "epochs", "3-1", "1 to 999999999" },
        { VIEW_GRADIENTS, "epochs", "-1", "epochs must be" },
        { VIEW_GRADIENTS, "epochs", "1-", "epochs must be" },
        { VIEW_GRADIENTS, "epochs", "1--2", "epochs must be" },
        { VIEW_GRADIENTS, "epochs", "1,", "epochs must be" },
        { VIEW_GRADIENTS, "epochs", "first", "epochs must be" },
        { VIEW_GRADIENTS, "epochs", "99999999999", "epochs must be" },
        { VIEW_GRADIENTS, "epochs", "last-3", "epochs must be" },
        { VIEW_HISTOGRAMS, "bins", "10", "bins must be one of notebook, "
          "extended, decade8" },
        { VIEW_HISTOGRAMS, "source", "ALL", "source must be one of all, "
          "samples" },
        { VIEW_HISTOGRAMS, "density", "log", "density must be one of decade, "
          "linear" },
        { VIEW_METRICS, "detail", "step", "detail must be one of epochs, "
          "steps" },
        { VIEW_METRICS, "layers", "conv1", "unknown parameter; there are "
          "epochs, detail" },
        { VIEW_GRADIENTS, "bins", "notebook", "unknown parameter; there are "
          "quantity, layers, epochs" },
        { VIEW_PROFILE, "", "x", "unknown parameter" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct view_param param = { cases[i].name, cases[i].value };
        struct view_query q;
        json_t *problems;
        if (!view_query_parse(&q, cases[i].view, &param, 1, &problems))
            fail_msg("taken: %s=%s", cases[i].name, cases[i].value);
        assert_int_equal(json_array_size(problems), 1);
        const json_t *p = json_array_get(problems, 0);
        const char *pointer = json_string_value(json_object_get(p, "pointer"));
        const char *value = json_string_value(json_object_get(p, "value"));
        const char *text = json_string_value(json_object_get(p, "message"));
        assert_int_equal(pointer[0], '?');
        assert_string_equal(pointer + 1, cases[i].name);
        assert_string_equal(value, cases[i].value);
        if (!strstr(text, cases[i].says))
            fail_msg("'%s' does not say '%s'", text, cases[i].says);
        json_decref(problems);
        view_query_clear(&q);
    }
}

static void test_all_mistakes_at_once(void **state)
{
    (void)state;
    const struct view_param params[] = {
        { "bins", "x" }, { "density", "x" }, { "source", "samples" },
        { "source", "all" }, { "nonsense", "1" }, { "layers", NULL },
        { "epochs", "\xff" },
    };
    struct view_query q;
    json_t *problems;
    assert_int_equal(view_query_parse(&q, VIEW_HISTOGRAMS, params, 7,
                                      &problems), ERR_USAGE);
    assert_int_equal(json_array_size(problems), 5);
    json_decref(problems);
    view_query_clear(&q);
}

static void test_lists_are_bounded(void **state)
{
    (void)state;
    for (int n = VIEW_MAX_LIST; n <= VIEW_MAX_LIST + 1; n++) {
        char *list = xcalloc((size_t)n, 2);
        for (int i = 0; i < n; i++)
            memcpy(list + 2 * i, i < n - 1 ? "1," : "1", 2);
        struct view_param params[] = { { "layers", list }, { "epochs", list } };
        struct view_query q;
        json_t *problems;
        view_query_parse(&q, VIEW_PROFILE, params, 2, &problems);
        assert_int_equal(json_array_size(problems),
                         n > VIEW_MAX_LIST ? 2 : 0);
        json_decref(problems);
        view_query_clear(&q);
        free(list);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_everything_given),
        cmocka_unit_test(test_wrong_values),
        cmocka_unit_test(test_all_mistakes_at_once),
        cmocka_unit_test(test_lists_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
