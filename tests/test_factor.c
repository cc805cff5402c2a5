// common/factor.c: how many times as large, in words.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "common/factor.h"

static void three_digits_and_no_exponent(void **state)
{
    (void)state;
    static const struct { double factor; const char *text; } rows[] = {
        { 1, "1" }, { 2, "2" }, { 3.14159, "3.14" }, { 66.5, "66.5" },
        { 9.996, "10" }, { 999.4, "999" }, { 999.6, "1000" },
        { 1234, "1230" }, { 12345, "12300" }, { 99940, "99900" },
        { 0.5, "0.5" }, { 0.0123456, "0.0123" }, { 0.00012, "0.00012" },
        { 0.0000123, "0.0000123" }, { 100, "100" }, { 1000, "1000" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double decades = log10(rows[i].factor);
        char *text = factor_text(decades, factor_is_power(decades));
        assert_string_equal(text, rows[i].text);
        free(text);
    }
}

static void far_ones_are_powers(void **state)
{
    (void)state;
    static const struct { double decades; bool power; const char *text; }
    rows[] = {
        { 5, true, "10^5" }, { -5, true, "10^-5" }, { 5.318, true, "10^5.32" },
        { -12.34, true, "10^-12.3" }, { 300, true, "10^300" },
        { 4.99, false, "97700" },
        { NAN, false, "?" }, { INFINITY, false, "?" },
        { -INFINITY, false, "?" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bool power = factor_is_power(rows[i].decades);
        assert_int_equal(power, rows[i].power);
        char *text = factor_text(rows[i].decades, power);
        assert_string_equal(text, rows[i].text);
        free(text);
    }
    char *text = factor_text(1.5, true);        // beside one that is far
    assert_string_equal(text, "10^1.5");
    free(text);
}

static void people_round_and_say_about(void **state)
{
    (void)state;
    static const struct { double decades; const char *text; } rows[] = {
        { 0, "1" }, { 0.01, "1" }, { 0.3617, "2.3" }, { 0.999, "about 10" },
        { 1.82, "about 66" }, { 2.5441, "about 350" }, { 2.999, "about 1,000" },
        { 3, "about 1,000" }, { 5.318, "about 210,000" },
        { 6.3, "about 2 million" }, { 8.52, "about 330 million" },
        { 9, "about 10^9" }, { 19.4, "about 10^19" }, { NAN, "?" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *text = factor_words(rows[i].decades);
        assert_string_equal(text, rows[i].text);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_digits_and_no_exponent),
        cmocka_unit_test(far_ones_are_powers),
        cmocka_unit_test(people_round_and_say_about),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
