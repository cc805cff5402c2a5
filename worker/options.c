#include "worker/options.h"

const struct opt worker_options[] = {
    { .name = "data", .value = "NAME=DIR", .repeat = true,
      .help = "the directory that jobs call NAME in data.root" },
    { .name = "cache", .value = "DIR", .help = "where decoded images are kept "
      "(default: $XDG_CACHE_HOME/gradwatch or ~/.cache/gradwatch)" },
    { .name = "cache-limit", .value = "GIB", .help = "what they may take "
      "there; those unused for longest make place for new ones (default: 64)" },
    { .name = "attempt", .value = "N",
      .help = "how often this job was started, this time included (default: "
      "1)" },
    { .name = "checkpoints", .value = "DIR",
      .help = "where checkpoints are written (default: nowhere)" },
    { .name = "resume", .value = "FILE", .help = "go on from this checkpoint; "
      "of a folder, from its newest one that is whole" },
    { .name = "recorded", .value = "N", .help = "of a folder, take none later "
      "than epoch N: the records of those before it are kept elsewhere" },
    { .name = "init", .value = "FILE", .help = "the checkpoint that model.init "
      "names" },
    { .name = "sha256", .value = "NAME=HEX", .repeat = true, .help = "take the "
      "checkpoint NAME (without its folder) only if it has this checksum" },
    { .name = "device", .value = "DEVICE", .help = "run on this device, "
      "whatever the spec says" },
    { .name = "die-with-parent",
      .help = "end at once when the program that started this one ends" },
    { .name = "probe", .help = "list the devices as one line of JSON, "
      "and end" },
    { .name = "version", .letter = 'V', .help = "print the version, and end" },
    { .name = "help", .letter = 'h', .help = "print this, and end" },
};
const int n_worker_options = sizeof worker_options / sizeof *worker_options;
