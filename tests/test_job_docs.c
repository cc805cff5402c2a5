/* docs/job-spec.md has the table of fields as common/job_fields.c has it, and
 * the presets. `test_job_docs --print` writes what it should be.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/job_kind.h"
#include "common/mem.h"

// "| `train.batch` | `16` | a whole number ... | images a step | `--batch` |"
static char *row_of(const struct job_field *f)
{
    char *wants = job_kind_wants(f), *option;
    if (f->option && f->flag)
        option = xasprintf("`%s`, `--no-%s`", f->option, f->option + 2);
    else if (f->option)
        option = xasprintf("`%s`", f->option);
    else
        option = xstrdup("-");
    char *row = xasprintf("| `%s` | %s%s%s | %s | %s | %s |\n", f->path,
                          f->fallback ? "`" : "", f->fallback ? f->fallback
                          : "see there", f->fallback ? "`" : "", wants,
                          f->help, option);
    free(wants);
    free(option);
    return row;
}

static char *preset_of(const char *name)
{
    return xasprintf("| `%s` | `%s` |\n", name, job_preset(name));
}

static char *read_docs(void)
{
    const char *tests = getenv("GRADWATCH_TESTS");
    char *path = xasprintf("%s/../docs/job-spec.md", tests ? tests : "tests");
    char *text = xcalloc(1, 1 << 16);
    FILE *f = fopen(path, "r");
    if (!f)
        fail_msg("cannot open %s", path);
    assert_true(fread(text, 1, (1 << 16) - 1, f) > 0);
    fclose(f);
    free(path);
    return text;
}

static int rows_in(const char *text)
{
    int n = 0;
    for (; (text = strstr(text, "\n| `")); text++)
        n++;
    return n;
}

// Takes row.
static void check_row(const char *docs, char *row)
{
    if (!strstr(docs, row))
        fail_msg("docs/job-spec.md lacks: %s", row);
    free(row);
}

static void test_docs_are_the_table(void **state)
{
    (void)state;
    char *docs = read_docs();
    int presets = 0;
    for (int i = 0; i < job_n_fields; i++)
        check_row(docs, row_of(&job_table[i]));
    for (; job_preset_names[presets]; presets++)
        check_row(docs, preset_of(job_preset_names[presets]));
    assert_int_equal(rows_in(docs), job_n_fields + presets);
    free(docs);
}

// Takes row.
static void print_row(char *row)
{
    fputs(row, stdout);
    free(row);
}

static int print(void)
{
    for (int i = 0; i < job_n_fields; i++)
        print_row(row_of(&job_table[i]));
    for (int i = 0; job_preset_names[i]; i++)
        print_row(preset_of(job_preset_names[i]));
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_docs_are_the_table),
    };
    if (argc == 2 && !strcmp(argv[1], "--print"))
        return print();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
