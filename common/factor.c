#include "common/factor.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

enum { DIGITS = 3, FAR = 5, TOO_LONG = 9 };     // the last two in decades

bool factor_is_power(double decades)
{
    return isfinite(decades) && fabs(decades) >= FAR;
}

char *factor_text(double decades, bool power)
{
    if (!isfinite(decades))
        return xstrdup("?");
    if (power)
        return xasprintf("10^%.*g", DIGITS, decades);
    // printf rounds: what it makes of 999.6 has four digits before the point.
    char *text = xasprintf("%.*e", DIGITS - 1, pow(10, decades));
    double rounded = strtod(text, NULL);
    int behind = DIGITS - 1 - (int)floor(log10(rounded));
    free(text);
    text = xasprintf("%.*f", behind > 0 ? behind : 0, rounded);
    size_t len = strlen(text);
    while (strchr(text, '.') && strchr("0.", text[len - 1]))
        text[--len] = '\0';             // "2.00" is 2
    return text;
}

char *factor_words(double decades)
{
    if (!isfinite(decades))
        return xstrdup("?");
    if (decades >= TOO_LONG)
        return xasprintf("about 10^%.0f", decades);
    char *text = xasprintf("%.1e", pow(10, decades));
    double rounded = strtod(text, NULL);
    free(text);
    if (rounded < 10)
        return xasprintf("%.2g", rounded);
    if (rounded < 1000)
        return xasprintf("about %.0f", rounded);
    if (rounded < 1e6)
        return xasprintf("about %d,%03d", (int)rounded / 1000,
                         (int)rounded % 1000);
    return xasprintf("about %.3g million", rounded / 1e6);
}
