#include "daemon/fit.h"

#include <math.h>

struct fit fit_line(const double *x, const double *y, int n)
{
    struct fit f = { .n = n, .slope = NAN, .error = NAN, .r2 = NAN };
    double mx = 0, my = 0, xx = 0, xy = 0, yy = 0, left = 0;

    for (int i = 0; i < n; i++) {
        mx += x[i] / n;
        my += y[i] / n;
    }
    for (int i = 0; i < n; i++) {
        xx += (x[i] - mx) * (x[i] - mx);
        xy += (x[i] - mx) * (y[i] - my);
        yy += (y[i] - my) * (y[i] - my);
    }
    if (!(xx > 0))
        return f;
    f.slope = xy / xx;
    for (int i = 0; i < n; i++) {
        double off = y[i] - my - f.slope * (x[i] - mx);
        left += off * off;
    }
    if (n > 2)
        f.error = sqrt(left / (n - 2) / xx);
    if (yy > 0)
        f.r2 = 1 - left / yy;
    return f;
}

// P(|T| <= t) by the finite series for whole degrees of freedom: Abramowitz
// and Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4.
static double t_within(double t, int df)
{
    double angle = atan(t / sqrt(df)), c2 = cos(angle) * cos(angle);
    double term = df % 2 ? cos(angle) : 1, sum = 0;

    for (int k = df % 2 ? 3 : 2; k <= df; k += 2) {
        sum += term;
        term *= c2 * (k - 1) / k;
    }
    if (df % 2)
        return 2 / M_PI * (angle + sin(angle) * sum);
    return sin(angle) * sum;
}

double fit_t95(int df)
{
    double low = 0, high = 13;          // 12.706 at one degree of freedom

    while (high - low > 1e-12) {
        double middle = (low + high) / 2;
        if (t_within(middle, df) < 0.95)
            low = middle;
        else
            high = middle;
    }
    return (low + high) / 2;
}
