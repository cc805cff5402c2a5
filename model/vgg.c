/* model/vgg.c: VGG-11, 13, 16, 19, and a VGG-38 of the same build.
 *
 * Simonyan, Zisserman, "Very Deep Convolutional Networks for Large-Scale Image
 * Recognition", ICLR 2015, table 1, with torchvision's names: those of vgg16_bn
 * with normalisation, of vgg16 without (convolutions have biases in both).
 * Two things of torchvision's module are left out: the pool to 7 x 7, which
 * does nothing to images of 224 pixels (at other sizes classifier.0 has as many
 * inputs as there are), and dropout, whose noise would be measured with the
 * gradients. docs/networks.md has the layouts.
 */
#include <math.h>
#include <stdio.h>

#include "model/nets.h"

enum { VGG_STAGES = 5 };

// Channels at another width: a multiple of 8, at least 8.
static int scaled(const struct net_opts *o, int channels)
{
    return (int)fmax(8, floor(channels * o->width / 8 + 0.5) * 8);
}

// The modules of a torch.nn.Sequential are called by their number.
struct sequence { const char *prefix; int next; char name[32]; };

static const char *next_name(struct sequence *s)
{
    snprintf(s->name, sizeof s->name, "%s.%d", s->prefix, s->next++);
    return s->name;
}

// (n, c, h, w) -> (n, channels, h, w)
static val layer(struct graph *g, val x, const struct net_opts *o,
                 struct sequence *s, int channels)
{
    x = graph_conv(g, x, next_name(s), (struct conv){
        .out = scaled(o, channels), .k = 3, .pad = 1, .bias = true });
    if (o->norm == NORM_BATCH)
        x = graph_norm(g, x, next_name(s), (struct norm){ 0 });
    return graph_relu(g, x, next_name(s));
}

// (n, 3, h, w) -> (n, 512, h / 32, w / 32) -> (n, classes, 1, 1)
static val vgg(struct graph *g, val x, const struct net_opts *o,
               const int layers[VGG_STAGES])
{
    static const int channels[VGG_STAGES] = { 64, 128, 256, 512, 512 };
    struct sequence features = { .prefix = "features" };
    int hidden = scaled(o, 4096);

    for (int stage = 0; stage < VGG_STAGES; stage++) {
        for (int i = 0; i < layers[stage]; i++)
            x = layer(g, x, o, &features, channels[stage]);
        x = graph_maxpool(g, x, next_name(&features),
                          (struct maxpool){ .k = 2, .stride = 2 });
    }
    // 2 and 5 are dropouts.
    x = graph_linear(g, x, "classifier.0", (struct linear){ hidden });
    x = graph_relu(g, x, "classifier.1");
    x = graph_linear(g, x, "classifier.3", (struct linear){ hidden });
    x = graph_relu(g, x, "classifier.4");
    return graph_linear(g, x, "classifier.6", (struct linear){ o->classes });
}

#define VGG(depth, ...)                                                        \
    val net_vgg##depth(struct graph *g, val x, const struct net_opts *o)       \
    {                                                                          \
        return vgg(g, x, o, (int[]){ __VA_ARGS__ });                           \
    }
VGG(11, 1, 1, 2, 2, 2)
VGG(13, 2, 2, 2, 2, 2)
VGG(16, 2, 2, 3, 3, 3)
VGG(19, 2, 2, 4, 4, 4)
VGG(38, 7, 7, 7, 7, 7)
