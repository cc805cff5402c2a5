/* tests/clean.h: what a person told gradwatch by the environment, or a service
 * manager or proxy its shell, is not for the programs under test. */
#pragma once
#include <stdlib.h>

static inline void clean_environment(void)
{
    static const char *const names[] = {
        "GRADWATCH_SERVER", "GRADWATCH_TOKEN_FILE", "NO_COLOR",
        "STATE_DIRECTORY", "http_proxy", "https_proxy", "all_proxy",
    };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unsetenv(names[i]);
}
