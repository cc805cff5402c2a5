/* What each op but convolution (reference_conv.c) means: one forward and one
 * backward function per op, plain loops in double over PyTorch's layout,
 * (n, c, h, w). */
#include "model/reference_ops.h"

#include <math.h>

// ---- input: (pixel / 255 - mean) / std, or the slot's values as they are ----

static void input_forward(struct pass *p, const struct node *node)
{
    struct shape s = shape_of(p, node->out);
    const struct slot *slot = p->slot;
    double *y = p->value[node->out];
    size_t plane = (size_t)s.h * s.w, i = 0;

    if (slot->values) {
        for (; i < elements(s); i++)
            y[i] = slot->values[i];
        return;
    }
    for (int n = 0; n < s.n; n++)               // pixels are (n, h, w, c)
        for (int c = 0; c < s.c; c++)
            for (size_t at = 0; at < plane; at++, i++) {
                uint8_t pixel = slot->pixels[(n * plane + at) * s.c + c];
                y[i] = (pixel / 255.0 - node->at.input.mean[c]) /
                       node->at.input.std[c];
            }
}

static void input_backward(struct pass *p, const struct node *node)
{
    (void)p, (void)node;                        // nothing lies before it
}

const struct reference_op reference_op_input = {
    input_forward, input_backward
};

// ---- norm: per channel, y = gamma * (x - mean) / sqrt(var + eps) + beta -----
//
// Training takes mean and (biased) variance of the batch and moves the running
// ones towards them, the variance in its unbiased form; evaluation takes the
// running ones.

enum { GAMMA, BETA, MEAN, VAR };        // rows of node->param

struct moments { double mean, var; };

// Numbers a channel has, and where number i of channel c lies.
static size_t channel_size(struct shape s)
{
    return (size_t)s.n * s.h * s.w;
}

static size_t place(struct shape s, int c, size_t i)
{
    size_t plane = (size_t)s.h * s.w;

    return (i / plane * s.c + c) * plane + i % plane;
}

static struct moments moments_of(const double *x, struct shape s, int c)
{
    size_t count = channel_size(s);
    struct moments m = { 0 };

    for (size_t i = 0; i < count; i++)
        m.mean += x[place(s, c, i)];
    m.mean /= count;
    for (size_t i = 0; i < count; i++) {
        double d = x[place(s, c, i)] - m.mean;
        m.var += d * d;
    }
    m.var /= count;
    return m;
}

static void move_running(struct pass *p, const struct node *node, int c,
                         struct moments m)
{
    struct shape s = shape_of(p, node->in[0]);
    double count = channel_size(s), rate = node->at.norm.momentum;
    double *mean = &p->value[node->param[MEAN]][c];
    double *var = &p->value[node->param[VAR]][c];
    double unbiased = m.var * count / (count - 1);

    *mean += rate * (m.mean - *mean);
    *var += rate * (unbiased - *var);
}

static void norm_forward(struct pass *p, const struct node *node)
{
    struct shape s = shape_of(p, node->in[0]);
    const double *x = p->value[node->in[0]];
    double *y = p->value[node->out];

    PARALLEL_FOR
    for (int c = 0; c < s.c; c++) {
        struct moments m = p->mode == MODE_EVAL
            ? (struct moments){ p->value[node->param[MEAN]][c],
                                p->value[node->param[VAR]][c] }
            : moments_of(x, s, c);
        double std = sqrt(m.var + node->at.norm.eps);
        double gamma = p->value[node->param[GAMMA]][c];
        double beta = p->value[node->param[BETA]][c];

        for (size_t i = 0; i < channel_size(s); i++) {
            size_t at = place(s, c, i);
            y[at] = gamma * (x[at] - m.mean) / std + beta;
        }
        if (p->mode == MODE_TRAIN)
            move_running(p, node, c, m);
    }
}

// With xhat = (x - mean) / std, per channel:
// dx = gamma / std * (dy - mean(dy) - xhat * mean(dy * xhat)).
static void norm_backward(struct pass *p, const struct node *node)
{
    struct shape s = shape_of(p, node->in[0]);
    const double *x = p->value[node->in[0]], *dy = p->grad[node->out];
    double *dx = p->grad[node->in[0]];
    size_t count = channel_size(s);

    PARALLEL_FOR
    for (int c = 0; c < s.c; c++) {
        struct moments m = moments_of(x, s, c);
        double std = sqrt(m.var + node->at.norm.eps);
        double gamma = p->value[node->param[GAMMA]][c];
        double sum_dy = 0, sum_dy_xhat = 0;

        for (size_t i = 0; i < count; i++) {
            size_t at = place(s, c, i);
            sum_dy += dy[at];
            sum_dy_xhat += dy[at] * (x[at] - m.mean) / std;
        }
        p->grad[node->param[BETA]][c] += sum_dy;
        p->grad[node->param[GAMMA]][c] += sum_dy_xhat;
        for (size_t i = 0; dx && i < count; i++) {
            size_t at = place(s, c, i);
            double xhat = (x[at] - m.mean) / std;
            dx[at] += gamma / std * (dy[at] - sum_dy / count -
                                     xhat * sum_dy_xhat / count);
        }
    }
}

const struct reference_op reference_op_norm = {
    norm_forward, norm_backward
};

// ---- relu: y = max(x, 0); its gradient at 0 is 0; nan stays nan -------------

static void relu_forward(struct pass *p, const struct node *node)
{
    const double *x = p->value[node->in[0]];
    double *y = p->value[node->out];

    for (size_t i = 0; i < elements(shape_of(p, node->out)); i++)
        y[i] = x[i] <= 0 ? 0 : x[i];
}

static void relu_backward(struct pass *p, const struct node *node)
{
    const double *x = p->value[node->in[0]], *dy = p->grad[node->out];
    double *dx = p->grad[node->in[0]];

    for (size_t i = 0; dx && i < elements(shape_of(p, node->out)); i++)
        dx[i] += x[i] <= 0 ? 0 : dy[i];
}

const struct reference_op reference_op_relu = {
    relu_forward, relu_backward
};

// ---- add: y = a + b ---------------------------------------------------------

static void add_forward(struct pass *p, const struct node *node)
{
    const double *a = p->value[node->in[0]], *b = p->value[node->in[1]];
    double *y = p->value[node->out];

    for (size_t i = 0; i < elements(shape_of(p, node->out)); i++)
        y[i] = a[i] + b[i];
}

static void add_backward(struct pass *p, const struct node *node)
{
    const double *dy = p->grad[node->out];

    for (int k = 0; k < 2; k++) {
        double *dx = p->grad[node->in[k]];
        for (size_t i = 0; dx && i < elements(shape_of(p, node->out)); i++)
            dx[i] += dy[i];
    }
}

const struct reference_op reference_op_add = {
    add_forward, add_backward
};

// ---- maxpool: the gradient goes to the first maximum in row-major order -----

// Place in x of the maximum of output i's window; the first nan wins.
static size_t maximum_of(const struct pass *p, const struct node *node,
                         size_t i)
{
    struct shape x = shape_of(p, node->in[0]), y = shape_of(p, node->out);
    struct maxpool at = node->at.maxpool;
    const double *value = p->value[node->in[0]];
    size_t plane = i / ((size_t)y.h * y.w) * x.h * x.w, best = SIZE_MAX;
    int top = (int)(i / y.w % y.h) * at.stride - at.pad;
    int left = (int)(i % y.w) * at.stride - at.pad;

    for (int h = top; h < top + at.k; h++)
        for (int w = left; w < left + at.k; w++) {
            if (h < 0 || h >= x.h || w < 0 || w >= x.w)
                continue;
            size_t place = plane + (size_t)h * x.w + w;
            if (best == SIZE_MAX || value[place] > value[best] ||
                (isnan(value[place]) && !isnan(value[best])))
                best = place;
        }
    return best;
}

static void maxpool_forward(struct pass *p, const struct node *node)
{
    const double *x = p->value[node->in[0]];
    double *y = p->value[node->out];

    for (size_t i = 0; i < elements(shape_of(p, node->out)); i++)
        y[i] = x[maximum_of(p, node, i)];
}

static void maxpool_backward(struct pass *p, const struct node *node)
{
    const double *dy = p->grad[node->out];
    double *dx = p->grad[node->in[0]];

    for (size_t i = 0; dx && i < elements(shape_of(p, node->out)); i++)
        dx[maximum_of(p, node, i)] += dy[i];
}

const struct reference_op reference_op_maxpool = {
    maxpool_forward, maxpool_backward
};

// ---- avgpool: the mean of a plane -------------------------------------------

static void avgpool_forward(struct pass *p, const struct node *node)
{
    struct shape s = shape_of(p, node->in[0]);
    const double *x = p->value[node->in[0]];
    double *y = p->value[node->out];
    size_t plane = (size_t)s.h * s.w;

    for (int nc = 0; nc < s.n * s.c; nc++) {
        double sum = 0;
        for (size_t i = 0; i < plane; i++)
            sum += x[nc * plane + i];
        y[nc] = sum / plane;
    }
}

static void avgpool_backward(struct pass *p, const struct node *node)
{
    struct shape s = shape_of(p, node->in[0]);
    const double *dy = p->grad[node->out];
    double *dx = p->grad[node->in[0]];
    size_t plane = (size_t)s.h * s.w;

    for (size_t i = 0; dx && i < elements(s); i++)
        dx[i] += dy[i / plane] / plane;
}

const struct reference_op reference_op_avgpool = {
    avgpool_forward, avgpool_backward
};

// ---- linear: y[n][o] = b[o] + sum over i of w[o][i] * x[n][i] ---------------

static void linear_forward(struct pass *p, const struct node *node)
{
    struct shape y_shape = shape_of(p, node->out);
    int in = shape_of(p, node->param[0]).c, out = y_shape.c;
    const double *x = p->value[node->in[0]], *w = p->value[node->param[0]];
    const double *b = p->value[node->param[1]];
    double *y = p->value[node->out];

    PARALLEL_FOR
    for (int no = 0; no < y_shape.n * out; no++) {
        int n = no / out, o = no % out;
        y[no] = b[o];
        for (int i = 0; i < in; i++)
            y[no] += w[(size_t)o * in + i] * x[(size_t)n * in + i];
    }
}

static void linear_backward(struct pass *p, const struct node *node)
{
    struct shape y = shape_of(p, node->out);
    int in = shape_of(p, node->param[0]).c;
    const double *x = p->value[node->in[0]], *w = p->value[node->param[0]];
    const double *dy = p->grad[node->out];
    double *dx = p->grad[node->in[0]], *dw = p->grad[node->param[0]];
    double *db = p->grad[node->param[1]];

    for (int n = 0; n < y.n; n++)
        for (int o = 0; o < y.c; o++) {
            double g = dy[(size_t)n * y.c + o];
            db[o] += g;
            for (int i = 0; i < in; i++) {
                dw[(size_t)o * in + i] += g * x[(size_t)n * in + i];
                if (dx)
                    dx[(size_t)n * in + i] += g * w[(size_t)o * in + i];
            }
        }
}

const struct reference_op reference_op_linear = {
    linear_forward, linear_backward
};

// ---- xent: loss = mean over valid images of log(sum(exp(x))) - x[label] -----

static int valid_images(const struct pass *p, int n)
{
    int valid = 0;

    for (int i = 0; i < n; i++)
        valid += p->slot->labels[i] >= 0;       // -1 is padding
    return valid;
}

// First largest of x, as torch.argmax on a CPU.
static int largest(const double *x, int n)
{
    int best = 0;

    for (int i = 1; i < n; i++)
        if (x[i] > x[best])
            best = i;
    return best;
}

// The largest is taken out first, so that exp cannot overflow.
static double log_sum_exp(const double *x, int n)
{
    double top = x[largest(x, n)], sum = 0;

    for (int i = 0; i < n; i++)
        sum += exp(x[i] - top);
    return top + log(sum);
}

static void xent_forward(struct pass *p, const struct node *node)
{
    struct shape s = shape_of(p, node->in[0]);
    const double *x = p->value[node->in[0]];
    double *loss = p->value[node->out];
    int valid = valid_images(p, s.n);

    *loss = 0;
    p->correct = 0;
    for (int n = 0; n < s.n; n++, x += s.c) {
        int label = p->slot->labels[n];
        if (label < 0)
            continue;
        *loss += (log_sum_exp(x, s.c) - x[label]) / valid;
        p->correct += largest(x, s.c) == label;
    }
}

// dx = (softmax(x) - onehot(label)) / valid, 0 for padding.
static void xent_backward(struct pass *p, const struct node *node)
{
    struct shape s = shape_of(p, node->in[0]);
    const double *x = p->value[node->in[0]];
    double *dx = p->grad[node->in[0]], dloss = *p->grad[node->out];
    int valid = valid_images(p, s.n);

    for (int n = 0; n < s.n; n++, x += s.c, dx += s.c) {
        int label = p->slot->labels[n];
        if (label < 0)
            continue;
        double log_sum = log_sum_exp(x, s.c);
        for (int c = 0; c < s.c; c++)
            dx[c] += dloss * (exp(x[c] - log_sum) - (c == label)) / valid;
    }
}

const struct reference_op reference_op_xent = {
    xent_forward, xent_backward
};
