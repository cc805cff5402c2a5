#include "common/error.h"

#include <stdarg.h>
#include <stdio.h>

int fail(struct error *err, int code, const char *fmt, ...)
{
    if (!err)
        return code;
    va_list args;
    va_start(args, fmt);
    vsnprintf(err->text, sizeof err->text, fmt, args);
    va_end(args);
    err->code = code;
    return code;
}
