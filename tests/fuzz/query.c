// The target of a request: taken apart, and its parameters read by each view.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "daemon/uri.h"
#include "daemon/views.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *target = xstrndup((const char *)data, size);
    struct view_param params[URI_MAX_PARAMS];
    struct error err = { 0 };
    struct uri u;

    if (uri_parse(&u, target, &err) == 0) {
        for (int i = 0; i < u.n_params; i++)
            params[i] = (struct view_param){ u.params[i].name,
                                             u.params[i].value };
        for (int view = 0; view < VIEW_COUNT; view++) {
            struct view_query q;
            json_t *problems = NULL;
            int rc = view_query_parse(&q, (enum view)view, params, u.n_params,
                                      &problems);
            if ((rc != 0) != (json_array_size(problems) > 0))
                abort();
            json_decref(problems);
            view_query_clear(&q);
        }
    }
    uri_clear(&u);
    uri_accepts(target, "application/json");
    free(target);
    return 0;
}
