/* The module on a machine without a GPU: it opens, finds nothing, and asking
 * it for a device is an error with a reason. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dlfcn.h>
#include <stdlib.h>
#include "tests/steps.h"

static void test_no_device_is_no_crash(void **state)
{
    void *module = dlopen(getenv("GRADWATCH_CUDA"), RTLD_NOW | RTLD_LOCAL);
    const struct backend *b = module ? dlsym(module, "backend_cuda") : NULL;
    struct device_info info[4];
    struct plan *plan = NULL;
    struct error err = { 0 };

    (void)state;
    if (!b)
        fail_msg("%s", dlerror());
    assert_string_equal(b->name, "cuda");
    if (b->probe(info, 4, -1) > 0)
        skip();                         // the suite gpu tests this machine
    struct graph *g = small_net(2, true);
    int rc = b->compile(g, &(struct plan_opts){ .slots = 1 }, NULL, &plan,
                        &err);
    assert_int_equal(rc, ERR_DEVICE);
    assert_null(plan);
    assert_true(err.text[0] != '\0');
    graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_device_is_no_crash),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
