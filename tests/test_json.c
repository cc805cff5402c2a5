// Strict JSON (RFC 8259) with no duplicate keys: what a job's text may be. One
// or more examples of each class of mistakes that JSON readers are known for;
// VALUE is the value of a member of an object.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/job.h"
#include "common/mem.h"

struct text { const char *text; size_t len; };
#define TEXT(s) { s, sizeof s - 1 }             // zero bytes and all

static bool is_read(const char *text, size_t len)
{
    struct error err = { 0 };
    json_t *json = job_load_text(text, len, &err);
    bool read = json != NULL;

    assert_int_equal(read, err.code == 0);
    assert_int_equal(read, err.text[0] == '\0');
    json_decref(json);
    return read;
}

// {"a": VALUE}
static bool value_is_read(const struct text *value)
{
    size_t len = value->len + strlen("{\"a\": }");
    char *text = xmalloc(len + 1);

    memcpy(text, "{\"a\": ", 6);
    memcpy(text + 6, value->text, value->len);
    text[len - 1] = '}';
    bool read = is_read(text, len);
    free(text);
    return read;
}

static void good_values_are_read(void **state)
{
    (void)state;
    static const struct text good[] = {
        TEXT("null"), TEXT("true"), TEXT("false"), TEXT("\"\""), TEXT("[]"),
        TEXT("{}"), TEXT("0"), TEXT("-0"), TEXT("-1"), TEXT("10"), TEXT("1.5"),
        TEXT("-0.0"), TEXT("1e9"), TEXT("1E+9"), TEXT("1e-9"), TEXT("0e1"),
        TEXT("1.5E5"), TEXT("9007199254740993"), TEXT("123456789012345678901"),
        TEXT("0.1000000000000000055511151231257827021181583404541015625"),
        TEXT("1e-400"), TEXT("[1,\n2\t,\r3 ]"),
        TEXT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""),
        TEXT("\"\\u0041\\u00e4\\u20AC\""), TEXT("\"\\ud83d\\ude00\""),
        TEXT("\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\""),
        TEXT("\"\xef\xbb\xbf\""), TEXT("\"\x7f\""), TEXT("\"\xe2\x80\xa8\""),
        TEXT("{\"\": 1, \"b\": {\"a\": 1}}"), TEXT("[[[[[[[[[[]]]]]]]]]]"),
    };

    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!value_is_read(&good[i]))
            fail_msg("refused: %s", good[i].text);
}

static void bad_values_are_refused(void **state)
{
    (void)state;
    static const struct text bad[] = {
        // words
        TEXT(""), TEXT("nul"), TEXT("True"), TEXT("NULL"), TEXT("nan"),
        TEXT("NaN"), TEXT("Infinity"), TEXT("-Infinity"), TEXT("undefined"),
        TEXT("a"), TEXT("truefalse"), TEXT("'a'"), TEXT("`a`"), TEXT("*"),
        // numbers
        TEXT("01"), TEXT("-01"), TEXT("+1"), TEXT("-"), TEXT("--1"),
        TEXT(".5"), TEXT("-.5"), TEXT("1."), TEXT("1.e1"), TEXT("1e"),
        TEXT("1e+"), TEXT("1e1.5"), TEXT("0x10"), TEXT("1_000"), TEXT("1,000"),
        TEXT("1 000"), TEXT("0b1"), TEXT("1f"), TEXT("\xef\xbc\x91"),
        TEXT("1e400"), TEXT("-1e400"),
        // strings
        TEXT("\""), TEXT("\"a"), TEXT("\"\\"), TEXT("\"\\x41\""),
        TEXT("\"\\0\""), TEXT("\"\\'\""), TEXT("\"\\u12\""),
        TEXT("\"\\u12G4\""), TEXT("\"\\ud800\""), TEXT("\"\\udc00\""),
        TEXT("\"\\ud800\\u0041\""), TEXT("\"\\ude00\\ud83d\""),
        TEXT("\"\\u0000\""), TEXT("\"\0\""), TEXT("\"\x01\""), TEXT("\"\n\""),
        TEXT("\"\t\""), TEXT("\"\x1f\""),
        // not UTF-8: cut, overlong, a surrogate, too large, Latin-1, UTF-16
        TEXT("\"\xc3\""), TEXT("\"\xe2\x82\""), TEXT("\"\x80\""),
        TEXT("\"\xc0\xaf\""), TEXT("\"\xe0\x80\xaf\""),
        TEXT("\"\xed\xa0\x80\""),
        TEXT("\"\xf4\x90\x80\x80\""), TEXT("\"\xf8\x88\x80\x80\x80\""),
        TEXT("\"\xe4\""), TEXT("\"\xff\xfe\""), TEXT("\"\0a\""),
        // arrays
        TEXT("["), TEXT("]"), TEXT("[1"), TEXT("[1,"), TEXT("[1,]"),
        TEXT("[,1]"), TEXT("[1,,2]"), TEXT("[1 2]"), TEXT("[1;2]"),
        TEXT("[1:2]"), TEXT("[\"a\": 1]"), TEXT("[1}"), TEXT("[1]]"),
        // objects
        TEXT("{"), TEXT("{\"b\"}"), TEXT("{\"b\":}"), TEXT("{\"b\": 1,}"),
        TEXT("{,\"b\": 1}"), TEXT("{\"b\": 1 \"c\": 2}"), TEXT("{b: 1}"),
        TEXT("{'b': 1}"), TEXT("{1: 1}"), TEXT("{null: 1}"),
        TEXT("{\"b\" = 1}"), TEXT("{\"b\":: 1}"), TEXT("{\"b\": 1, \"b\": 1}"),
        TEXT("{\"b\": 1, \"\\u0062\": 2}"), TEXT("{\"a\\u0000b\": 1}"),
        TEXT("{\"b\": 1]"), TEXT("{[1]: 1}"),
        // comments and blanks that are none
        TEXT("1 // a"), TEXT("/* a */ 1"), TEXT("1 # a"), TEXT("\f1"),
        TEXT("\v1"), TEXT("\xc2\xa0" "1"), TEXT("\xe2\x80\x8b" "1"),
        TEXT("1\0"), TEXT("\"a\"\0"), TEXT("[1\0]"), TEXT("\0001"),
        TEXT("\xef\xbb\xbf" "1"), TEXT("\x1a"),
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (value_is_read(&bad[i]))
            fail_msg("number %zu was read: %s", i, bad[i].text);
}

static void a_text_is_one_object_and_nothing_else(void **state)
{
    (void)state;
    static const struct text bad[] = {
        TEXT(""), TEXT(" "), TEXT("\0"), TEXT("null"), TEXT("1"), TEXT("\"a\""),
        TEXT("[]"), TEXT("[{}]"), TEXT("{}{}"), TEXT("{} {}"), TEXT("{},"),
        TEXT("{} x"), TEXT("{}\0"), TEXT("{}]"), TEXT("{}}"), TEXT("x {}"),
        TEXT("\xef\xbb\xbf{}"), TEXT("\xff\xfe{\0}\0"), TEXT("\0{\0}"),
        TEXT("{}//"), TEXT("{"), TEXT("}"), TEXT("{}\x1a"), TEXT("--\n{}"),
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (is_read(bad[i].text, bad[i].len))
            fail_msg("number %zu was read: %s", i, bad[i].text);
    assert_true(is_read("{}", 2));
    assert_true(is_read(" \t\r\n{ \n} \n", 10));
}

// A stack has an end; 32 is more than a spec needs.
static void deep_nesting_is_refused(void **state)
{
    (void)state;
    static const struct { const char *open, *close; } forms[] = {
        { "[", "]" }, { "{\"a\":", "}" }, { "[{\"a\":", "}]" }, { "[", "" },
        { "{\"a\":", "" },
    };
    enum { DEEP = 100000 };

    for (size_t f = 0; f < sizeof forms / sizeof *forms; f++) {
        char *text = NULL;
        size_t len;
        FILE *out = open_memstream(&text, &len);
        fputs("{\"a\":", out);
        for (int i = 0; i < DEEP; i++)
            fputs(forms[f].open, out);
        fputs("1", out);
        for (int i = 0; i < DEEP; i++)
            fputs(forms[f].close, out);
        fputs("}", out);
        fclose(out);
        assert_false(is_read(text, len));
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_values_are_read),
        cmocka_unit_test(bad_values_are_refused),
        cmocka_unit_test(a_text_is_one_object_and_nothing_else),
        cmocka_unit_test(deep_nesting_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
