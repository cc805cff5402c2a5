/* What a convolution means:
 *
 *     y[o] = b[o] + sum over i, kh, kw of w[o][i][kh][kw] * x[i]
 *
 * where x is read at (row * stride - pad + kh, col * stride - pad + kw), and is
 * 0 outside. The three passes below visit the same triples (y, w, x). */
#include "model/reference_ops.h"

struct window {
    int n, in, h, w;                    // x
    int out, rows, cols;                // y
    int k, stride, pad;
    size_t x_plane, y_plane;            // elements
};

static struct window window_of(const struct pass *p, const struct node *node)
{
    struct shape x = shape_of(p, node->in[0]), y = shape_of(p, node->out);
    struct conv at = node->at.conv;
    struct window win = {
        .n = x.n, .in = x.c, .h = x.h, .w = x.w,
        .out = y.c, .rows = y.h, .cols = y.w,
        .k = at.k, .stride = at.stride, .pad = at.pad,
        .x_plane = (size_t)x.h * x.w, .y_plane = (size_t)y.h * y.w,
    };

    if (at.k == 1 && at.stride == 1 && at.pad == 0) {
        win.w *= win.h;                 // one long row: the same sums, faster
        win.cols *= win.rows;
        win.h = win.rows = 1;
    }
    return win;
}

// Outputs `from` to `to` - 1 whose input, at * stride - pad + k, exists.
struct range { int from, to; };

static struct range inside(const struct window *win, int k, int in, int out)
{
    int last = in - 1 + win->pad - k;
    struct range r = {
        .from = k < win->pad ? (win->pad - k + win->stride - 1) / win->stride
                             : 0,
        .to = last < 0 ? 0 : last / win->stride + 1,
    };

    if (r.to > out)
        r.to = out;
    return r;
}

// Place in a plane of x that filter place (kh, kw) sees for y's (row, col).
static size_t under(const struct window *win, int row, int col, int kh, int kw)
{
    return (size_t)(row * win->stride - win->pad + kh) * win->w +
           col * win->stride - win->pad + kw;
}

static void conv_forward(struct pass *p, const struct node *node)
{
    struct window win = window_of(p, node);
    const double *x = p->value[node->in[0]], *w = p->value[node->param[0]];
    const double *b = node->at.conv.bias ? p->value[node->param[1]] : NULL;
    double *y = p->value[node->out];
    size_t x_plane = win.x_plane, y_plane = win.y_plane;
    int kk = win.k * win.k;

    PARALLEL_FOR
    for (int no = 0; no < win.n * win.out; no++) {      // a plane of y
        const double *xn = x + no / win.out * win.in * x_plane;
        const double *wo = w + (size_t)(no % win.out) * win.in * kk;
        double *yo = y + no * y_plane;

        for (size_t i = 0; i < y_plane; i++)
            yo[i] = b ? b[no % win.out] : 0;
        for (int at = 0; at < kk; at++) {
            int kh = at / win.k, kw = at % win.k;
            struct range row = inside(&win, kh, win.h, win.rows);
            struct range col = inside(&win, kw, win.w, win.cols);

            for (int i = 0; i < win.in; i++)
                for (int r = row.from; r < row.to; r++) {
                    const double *xr = xn + i * x_plane +
                                       under(&win, r, col.from, kh, kw);
                    double *yr = yo + (size_t)r * win.cols + col.from;

                    for (int c = 0; c < col.to - col.from; c++)
                        yr[c] += wo[i * kk + at] * xr[c * win.stride];
                }
        }
    }
}

// dx[i] += sum over o, kh, kw of w[o][i][kh][kw] * dy[o]
static void conv_backward_x(struct pass *p, const struct node *node)
{
    struct window win = window_of(p, node);
    const double *w = p->value[node->param[0]], *dy = p->grad[node->out];
    double *dx = p->grad[node->in[0]];
    size_t x_plane = win.x_plane, y_plane = win.y_plane;
    int kk = win.k * win.k;

    PARALLEL_FOR
    for (int ni = 0; ni < win.n * win.in; ni++) {       // a plane of dx
        const double *dyn = dy + ni / win.in * win.out * y_plane;
        const double *wi = w + (size_t)(ni % win.in) * kk;
        double *dxi = dx + ni * x_plane;

        for (int at = 0; at < kk; at++) {
            int kh = at / win.k, kw = at % win.k;
            struct range row = inside(&win, kh, win.h, win.rows);
            struct range col = inside(&win, kw, win.w, win.cols);

            for (int o = 0; o < win.out; o++)
                for (int r = row.from; r < row.to; r++) {
                    const double *dyr = dyn + o * y_plane +
                                        (size_t)r * win.cols + col.from;
                    double a = wi[(size_t)o * win.in * kk + at];
                    double *dxr = dxi + under(&win, r, col.from, kh, kw);

                    for (int c = 0; c < col.to - col.from; c++)
                        dxr[c * win.stride] += a * dyr[c];
                }
        }
    }
}

// dw[o][i][kh][kw] += sum over images and places of dy[o] * x[i]
static void conv_backward_w(struct pass *p, const struct node *node)
{
    struct window win = window_of(p, node);
    const double *x = p->value[node->in[0]], *dy = p->grad[node->out];
    double *dw = p->grad[node->param[0]];
    size_t x_plane = win.x_plane, y_plane = win.y_plane;
    int kk = win.k * win.k;

    PARALLEL_FOR
    for (int oi = 0; oi < win.out * win.in; oi++) {     // a filter of dw
        int o = oi / win.in, i = oi % win.in;

        for (int at = 0; at < kk; at++) {
            int kh = at / win.k, kw = at % win.k;
            struct range row = inside(&win, kh, win.h, win.rows);
            struct range col = inside(&win, kw, win.w, win.cols);
            double sum = 0;

            for (int n = 0; n < win.n; n++)
                for (int r = row.from; r < row.to; r++) {
                    const double *xr = x + (n * win.in + i) * x_plane +
                                       under(&win, r, col.from, kh, kw);
                    const double *dyr = dy + (n * win.out + o) * y_plane +
                                        (size_t)r * win.cols + col.from;

                    for (int c = 0; c < col.to - col.from; c++)
                        sum += dyr[c] * xr[c * win.stride];
                }
            dw[(size_t)oi * kk + at] += sum;
        }
    }
}

// db[o] += sum over images and places of dy[o]
static void conv_backward_b(struct pass *p, const struct node *node)
{
    struct shape y = shape_of(p, node->out);
    const double *dy = p->grad[node->out];
    double *db = p->grad[node->param[1]];
    size_t plane = (size_t)y.h * y.w;

    for (int no = 0; no < y.n * y.c; no++)
        for (size_t i = 0; i < plane; i++)
            db[no % y.c] += dy[no * plane + i];
}

static void conv_backward(struct pass *p, const struct node *node)
{
    if (p->grad[node->in[0]])
        conv_backward_x(p, node);
    conv_backward_w(p, node);
    if (node->at.conv.bias)
        conv_backward_b(p, node);
}

const struct reference_op reference_op_conv = { conv_forward, conv_backward };
