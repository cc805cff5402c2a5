/* common/job_fields.c: the table of a job spec's fields, and the presets.
 *
 * A new field is one row here and one member in struct job.
 */
#include "common/job_kind.h"

#include <string.h>

#define AT(m) .offset = offsetof(struct job, m), \
              .size = sizeof ((struct job *)NULL)->m
// 9007199254740991 below is 2^53 - 1: up to there a double is exact.
#define RANGE(lo, hi) .values = #lo ".." #hi, .low = lo, .high = hi
#define RANGE_OR(lo, hi, or) \
    .values = #lo ".." #hi " or " or, .low = lo, .high = hi


#define FLAG .kind = &kind_bool, .values = "true|false", .flag = true

const struct job_field job_table[] = {
    { "name", .option = "--name", .kind = &kind_name, AT(name),
      .values = "1..64 characters", .help = "what lists call the job; made "
      "from model and skip when not given" },

    { "group", .option = "--group", .kind = &kind_group, AT(group),
      .values = "name", .fallback = "null", .help = "a name for the jobs that "
      "belong together: they are listed, cancelled and compared by it" },

    { "model.arch", .option = "--arch", .kind = &kind_word_text, AT(model.arch),
      .values = "resnet18|resnet34|resnet50|resnet101|resnet152|vgg11|vgg13|"
      "vgg16|vgg19|vgg38",
      .fallback = "\"resnet50\"", .help = "the network" },
    { "model.skip", .option = "--skip", .kind = &kind_skip, AT(model.skip),
      .values = "true|false|list of stages", .flag = true,
      .fallback = "false", .help = "skip connections: all, none, or those of "
      "the stages named (layer1..layer4)" },
    { "model.norm", .option = "--norm", .kind = &kind_word, AT(model.norm),
      .values = "batch|none", .fallback = "\"batch\"",
      .help = "normalisation; without it, convolutions of a resnet have "
      "biases" },
    { "model.init", .option = "--init", .kind = &kind_init, AT(model.init),
      .low = 1, .high = 9007199254740991,
      .values = "pytorch|kaiming|checkpoint:ID",
      .fallback = "\"pytorch\"", .help = "first weights: uniform by fan-in, "
      "normal by fan-out, or those of a job's newest checkpoint" },
    { "model.width", .option = "--width", .kind = &kind_real, AT(model.width),
      RANGE(0.0625, 4), .fallback = "1",
      .help = "channels as a multiple of the paper's" },
    { "model.classes", .option = "--classes", .kind = &kind_optional,
      AT(model.classes), RANGE_OR(2, 65536, "null"), .fallback = "null",
      .help = "outputs; null: as many as the data set has classes" },

    { "data.source", .option = "--source", .kind = &kind_word, AT(data.source),
      .values = "synthetic|folder|cifar10", .help = "textures made on the "
      "spot, image files, or CIFAR-10's binary files; folder when data.root is "
      "given, else synthetic" },
    { "data.root", .option = "--data", .kind = &kind_root, AT(data.root),
      .values = "name", .fallback = "null",
      .help = "a data root of the daemon; the option takes ROOT[/PATH]" },
    { "data.path", .option = NULL, .kind = &kind_path, AT(data.path),
      .values = "path", .fallback = "null", .help = "a folder below the root" },
    { "data.image_size", .option = "--image-size", .kind = &kind_integer,
      AT(data.image_size), RANGE(8, 1024), .fallback = "224",
      .help = "pixels a side that images are resized to" },
    { "data.mean", .option = "--mean", .kind = &kind_triple, AT(data.mean),
      RANGE(0, 1), .fallback = "[0.485, 0.456, 0.406]",
      .help = "taken from red, green, blue (as 0..1)" },
    { "data.std", .option = "--std", .kind = &kind_triple, AT(data.std),
      RANGE(0.001, 10), .fallback = "[0.229, 0.224, 0.225]",
      .help = "then divides red, green, blue" },
    { "data.limit", .option = "--limit", .kind = &kind_optional,
      AT(data.limit), RANGE_OR(1, 1000000000, "null"), .fallback = "null",
      .help = "at most this many images, evenly over the classes" },
    { "data.shuffle", .option = "--shuffle", FLAG, AT(data.shuffle),
      .fallback = "true", .help = "a new order every epoch" },
    { "data.augment", .option = "--augment", .kind = &kind_word,
      AT(data.augment), .values = "none|flip|crop-flip",
      .fallback = "\"none\"", .help = "random changes to the images" },
    { "data.validation", .option = "--validation", .kind = &kind_validation,
      AT(data.validation), RANGE(0.001, 0.5), .fallback = "null",
      .help = "images the network is tried on after each epoch and never "
      "trained on: a share of the images, or others below the data root" },
    { "data.synthetic.classes", .option = "--synthetic-classes",
      .kind = &kind_integer, AT(data.synthetic.classes), RANGE(2, 1000),
      .fallback = "10", .help = "classes of the synthetic data set" },
    { "data.synthetic.images", .option = "--synthetic-images",
      .kind = &kind_integer, AT(data.synthetic.images), RANGE(1, 1000000),
      .fallback = "1000", .help = "images of the synthetic data set" },
    { "data.synthetic.size", .option = "--synthetic-size",
      .kind = &kind_integer, AT(data.synthetic.size), RANGE(8, 256),
      .fallback = "64", .help = "their pixels a side, before resizing" },

    { "train.epochs", .option = "--epochs", .kind = &kind_integer,
      AT(train.epochs), RANGE(1, 100000), .fallback = "10",
      .help = "passes over the data" },
    { "train.batch", .option = "--batch", .kind = &kind_integer,
      AT(train.batch), RANGE(2, 4096), .fallback = "16",
      .help = "images a step" },
    { "train.optimizer", .option = "--optimizer", .kind = &kind_word,
      AT(train.optimizer), .values = "sgd|adam|adamw",
      .fallback = "\"sgd\"", .help = "by PyTorch's formulas" },
    { "train.lr", .option = "--lr", .kind = &kind_real, AT(train.lr),
      RANGE(0, 1e9), .fallback = "0.1",
      .help = "learning rate; 0.001 for adam and adamw when not given" },
    { "train.momentum", .option = "--momentum", .kind = &kind_real,
      AT(train.momentum), RANGE(0, 1), .fallback = "0.9", .help = "of sgd" },
    { "train.weight_decay", .option = "--weight-decay", .kind = &kind_real,
      AT(train.weight_decay), RANGE(0, 1000), .fallback = "0",
      .help = "0.01 for adamw when not given" },
    { "train.schedule", .option = "--schedule", .kind = &kind_word,
      AT(train.schedule), .values = "constant|cosine|step",
      .fallback = "\"constant\"", .help = "how the rate changes" },
    { "train.warmup_epochs", .option = "--warmup-epochs",
      .kind = &kind_integer, AT(train.warmup_epochs), RANGE(0, 100000),
      .fallback = "0", .help = "epochs over which the rate rises" },
    { "train.precision", .option = "--precision", .kind = &kind_word,
      AT(train.precision), .values = "auto|f32|tf32|bf16",
      .fallback = "\"auto\"", .help = "of the arithmetic; auto: f32 on a CPU" },
    { "train.seed", .option = "--seed", .kind = &kind_integer, AT(train.seed),
      RANGE(0, 9007199254740991), .fallback = "0",
      .help = "of weights, order, augmentation and sampling" },
    { "train.on_nonfinite", .option = "--on-nonfinite", .kind = &kind_word,
      AT(train.on_nonfinite), .values = "stop|continue",
      .fallback = "\"stop\"", .help = "when the loss is not finite" },

    { "record.layers", .option = "--layers", .kind = &kind_layers,
      AT(record.layers), .values = "all|notebook|list of globs",
      .fallback = "\"all\"", .help = "layers to record, by torchvision's "
      "names; [] records none" },
    { "record.quantities", .option = "--quantities",
      .kind = &kind_quantities, AT(record.quantities),
      .values = "grad_out|grad_w|weight|grad_rms|update|act|weight_grad|"
      "grad_sample|branch_share",
      .fallback = "[\"grad_out\"]",
      .help = "what to record of each layer and step (quantities.md)" },
    { "record.samples", .option = "--samples", .kind = &kind_samples,
      AT(record.samples), RANGE_OR(1, 1000000, "all"), .fallback = "20",
      .help = "steps per layer and epoch kept as numbers" },
    { "record.early_steps", .option = "--early-steps", FLAG,
      AT(record.early_steps), .fallback = "true",
      .help = "keep steps 0,1,2,3,5,8,13,... of epoch 1 whole" },
    { "record.probe", .option = "--probe", .kind = &kind_probe,
      AT(record.probe), RANGE(0, 9007199254740991), .fallback = "\"none\"",
      .help = "when to look how the images of a fixed batch agree, before the "
      "first step of each epoch or before these steps of the run "
      "(quantities.md)" },
    { "record.probe_images", .option = "--probe-images", .kind = &kind_integer,
      AT(record.probe_images), RANGE(2, 64), .fallback = "8",
      .help = "images of that batch; a probe costs as many passes over it" },

    { "checkpoint.every", .option = "--checkpoint-every",
      .kind = &kind_integer, AT(checkpoint.every), RANGE(0, 100000),
      .fallback = "1",
      .help = "epochs between checkpoints; 0: one at the end" },
    { "checkpoint.keep", .option = "--checkpoint-keep", .kind = &kind_integer,
      AT(checkpoint.keep), RANGE(2, 100), .fallback = "2",
      .help = "how many of the newest stay; two at least, as one may be "
      "damaged" },
    { "checkpoint.initial", .option = "--checkpoint-initial", FLAG,
      AT(checkpoint.initial), .fallback = "false",
      .help = "keep the first weights too, as epoch 0" },

    { "device", .option = "--device", .kind = &kind_device, AT(device),
      .values = "auto|cpu|cuda|cuda:N|reference", .fallback = "\"auto\"",
      .help = "what trains it" },
    { "priority", .option = "--priority", .kind = &kind_integer, AT(priority),
      RANGE(-1000, 1000), .fallback = "0", .help = "higher goes first" },
    { "after", .option = "--after", .kind = &kind_after, AT(after),
      RANGE(1, 9007199254740991), .fallback = "[]",
      .help = "jobs that must be done before" },
};

const int job_n_fields = sizeof job_table / sizeof job_table[0];

// What optimizers use when nothing is said, in the order of their words.
const double job_usual_lr[] = { 0.1, 0.001, 0.001 };
const double job_usual_decay[] = { 0, 0, 0.01 };

// steady: the common rule lr = 0.1 * batch / 256, after one epoch of warm-up.
#define PRESETS(X)                                                             \
    X("notebook", "{}")                                                        \
    X("demo", "{\"data\": {\"image_size\": 32, \"synthetic\": {\"classes\": "  \
      "10, \"images\": 640, \"size\": 32}}, \"train\": {\"batch\": 16, "       \
      "\"lr\": 0.01, \"epochs\": 3}}")                                         \
    X("tiny", "{\"model\": {\"width\": 0.125}, \"data\": {\"image_size\": 32, "\
      "\"synthetic\": {\"classes\": 10, \"images\": 160, \"size\": 32}}, "     \
      "\"train\": {\"batch\": 16, \"lr\": 0.01, \"epochs\": 3, "               \
      "\"precision\": \"f32\"}}")                                              \
    X("steady", "{\"train\": {\"lr\": 0.00625, \"warmup_epochs\": 1}}")

#define X(name, patch) name,
const char *const job_preset_names[] = { PRESETS(X) NULL };
#undef X

const char *const job_notebook_layers[] = {
    "conv1", "layer1.0.conv1", "layer2.0.conv2", "layer3.5.conv3",
    "layer4.2.conv1", "fc", NULL
};

const char *job_preset(const char *name)
{
#define X(word, patch) if (!strcmp(name, word)) return patch;
    PRESETS(X)
#undef X
    return NULL;
}

const struct job_field *job_fields(int *n)
{
    *n = job_n_fields;
    return job_table;
}
