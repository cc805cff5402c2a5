// Headers, a line each ("Name: value"), before the gate; and who is asking.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/mem.h"
#include "common/token.h"
#include "daemon/gate.h"
#include "daemon/gzip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char *names[] = { (char *)"grad.example" };
    const struct gate gate = { .port = 7050, .allow_hosts = names,
                               .n_allow_hosts = 1 };
    struct gate_request r = { .method = "POST" };
    struct error err = { 0 };
    char *text = xstrndup((const char *)data, size), *save = NULL;

    for (char *line = strtok_r(text, "\n", &save); line;
         line = strtok_r(NULL, "\n", &save)) {
        char *value = strchr(line, ':');
        if (!value)
            continue;
        *value++ = '\0';
        const struct { const char *name, **to; int *n; } rows[] = {
            { "Host", &r.host, &r.n_hosts }, { "Origin", &r.origin, NULL },
            { "Content-Length", &r.content_length, &r.n_lengths },
            { "Transfer-Encoding", &r.transfer_encoding, &r.n_encodings },
            { "Content-Type", &r.content_type, NULL },
            { "Sec-Fetch-Site", &r.fetch_site, NULL },
            { "Sec-Fetch-Mode", &r.fetch_mode, NULL },
        };
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
            if (!strcasecmp(line, rows[i].name)) {
                *rows[i].to = value;
                if (rows[i].n)
                    ++*rows[i].n;
            }
        r.odd |= gate_is_odd(line, value);
        gzip_accepted(value);
        token_is_valid(value);
    }
    int status = gate_check(&gate, &r, &err);
    // What passes names one host that is ours.
    if (!status && (r.n_hosts != 1 || r.odd || r.n_lengths > 1))
        abort();
    if (status && !*err.text)
        abort();
    free(text);
    return 0;
}
