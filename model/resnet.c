/* model/resnet.c: ResNet-18 to 152, with and without their shortcuts.
 *
 * He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", CVPR
 * 2016, table 1; a bottleneck's stride is on its 3x3 convolution, as in
 * torchvision, whose names these are. Where a stage has no shortcuts, the
 * parameters of its downsample branch are held but not used, as in a module
 * whose forward() leaves them out. Without normalisation every convolution has
 * a bias instead.
 */
#include <math.h>

#include "model/nets.h"

// Channels at another width: a multiple of 8, at least 8.
static int scaled(const struct net_opts *o, int channels)
{
    return (int)fmax(8, floor(channels * o->width / 8 + 0.5) * 8);
}

// (n, c, h, w) -> (n, out, h / stride, w / stride)
static val conv_norm(struct graph *g, val x, const struct net_opts *o,
                     const char *conv, const char *norm, struct conv at)
{
    at.pad = at.k / 2;
    at.bias = o->norm == NORM_NONE;
    x = graph_conv(g, x, conv, at);
    return at.bias ? x : graph_norm(g, x, norm, (struct norm){ 0 });
}

struct block {
    bool bottleneck, skip;
    int  width, stride;
};

// (n, c, h, w) -> (n, out, h / stride, w / stride)
static val block(struct graph *g, val x, const struct net_opts *o,
                 struct block b)
{
    int w = b.width, out = b.bottleneck ? 4 * w : w;
    struct conv one = { .out = w, .k = 1 };
    struct conv three = { .out = w, .k = 3, .stride = b.stride };
    val y = x;

    if (b.bottleneck) {
        y = conv_norm(g, y, o, "conv1", "bn1", one);
        y = graph_relu(g, y, "relu1");
        y = conv_norm(g, y, o, "conv2", "bn2", three);
        y = graph_relu(g, y, "relu2");
        one.out = out;
        y = conv_norm(g, y, o, "conv3", "bn3", one);
    } else {
        y = conv_norm(g, y, o, "conv1", "bn1", three);
        y = graph_relu(g, y, "relu1");
        three.stride = 1;
        y = conv_norm(g, y, o, "conv2", "bn2", three);
    }

    graph_unused(g, !b.skip);
    if (b.stride != 1 || graph_shape(g, x).c != out)
        x = conv_norm(g, x, o, "downsample.0", "downsample.1",
                      (struct conv){ .out = out, .k = 1, .stride = b.stride });
    graph_unused(g, false);
    if (b.skip)
        y = graph_add(g, y, x, "add");
    return graph_relu(g, y, "out");
}

// (n, 3, h, w) -> (n, classes, 1, 1)
static val resnet(struct graph *g, val x, const struct net_opts *o,
                  bool bottleneck, const int blocks[JOB_STAGES])
{
    x = conv_norm(g, x, o, "conv1", "bn1",
                  (struct conv){ .out = scaled(o, 64), .k = 7, .stride = 2 });
    x = graph_relu(g, x, "relu");
    x = graph_maxpool(g, x, "maxpool",
                      (struct maxpool){ .k = 3, .stride = 2, .pad = 1 });

    for (int stage = 0; stage < JOB_STAGES; stage++) {
        for (int i = 0; i < blocks[stage]; i++) {
            graph_prefix(g, "layer%d.%d.", stage + 1, i);
            x = block(g, x, o, (struct block){
                .bottleneck = bottleneck,
                .skip = o->skip[stage],
                .width = scaled(o, 64 << stage),
                .stride = stage > 0 && i == 0 ? 2 : 1 });
        }
    }
    graph_prefix(g, "%s", "");
    x = graph_avgpool(g, x, "avgpool");
    return graph_linear(g, x, "fc", (struct linear){ o->classes });
}

#define RESNET(depth, bottleneck, ...)                                         \
    val net_resnet##depth(struct graph *g, val x, const struct net_opts *o)    \
    {                                                                          \
        return resnet(g, x, o, bottleneck, (int[]){ __VA_ARGS__ });            \
    }
RESNET(18, false, 2, 2, 2, 2)
RESNET(34, false, 3, 4, 6, 3)
RESNET(50, true, 3, 4, 6, 3)
RESNET(101, true, 3, 4, 23, 3)
RESNET(152, true, 3, 8, 36, 3)
