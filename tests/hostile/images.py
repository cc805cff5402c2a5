#!/usr/bin/env python3
"""A data set of hostile images: daemon and job survive it, each image that
cannot be used is named with its reason, and two scans agree.

Usage: tests/hostile/images.py BUILD [--count N] [--seed N] [--more DIR]
                               [--short]

The images: good ones; some hundred forged by hand, each of which must be
refused for its own reason or taken; COUNT (10000) damaged by zzuf and other
means, the seed says how. --more adds all PNG and JPEG files of a folder, such
as the sources of libpng or Pillow, whose tests have broken ones. One scan is a
job of the daemon, the other gradwatch-train by itself with a cache of its own:
events and decoded pixels must be the same. --short: 300 images.
"""
import argparse
import collections
import glob
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "faults")]
import damage                                               # noqa: E402
from run import Daemon                                      # noqa: E402

DUMPS = os.path.join(HERE, "..", "dumps")
SPEC = {
    "model": {"arch": "resnet18", "width": 0.0625},
    "data": {"root": "root", "path": "set", "image_size": 16},
    "device": "cpu",
    "record": {"layers": ["fc"], "early_steps": False, "samples": 1},
    "checkpoint": {"every": 0},
    "train": {"epochs": 1, "batch": 64, "lr": 0.01},
}


def load(name):
    with open(os.path.join(DUMPS, name), "rb") as f:
        return f.read()


def write(folder, name, data):
    with open(os.path.join(os.fsencode(folder), name), "wb") as f:
        f.write(data)


class Set:
    """The data set; must: path of each forged image to its reason."""

    def __init__(self, root, count, seed, more):
        self.root, self.must, self.n = root, {}, 0
        self.good = [(os.path.basename(p), load(os.path.basename(p)))
                     for end in ("png", "jpg")
                     for p in sorted(glob.glob(DUMPS + "/image_*." + end))
                     if "cmyk" not in p]
        for name in ("good", "forged", "damaged", "odd"):
            os.makedirs(os.path.join(root, "set", name))
        for i in range(64):
            name, data = self.good[i % len(self.good)]
            self.add("good", "%03d-%s" % (i, name), data, None)
        self.forge()
        for i in range(count):
            self.add("damaged", *damage.damaged(self.good, i, seed), "?")
        for i, path in enumerate(more):
            with open(path, "rb") as f:
                self.add("odd", "more-%05d-%s" % (
                    i, re.sub(r"[^\w.-]", "_", os.path.basename(path))),
                    f.read(), "?")

    def add(self, folder, name, data, reason):
        write(os.path.join(self.root, "set", folder), os.fsencode(name), data)
        self.must[folder + "/" + name] = reason
        self.n += 1

    def forge(self):
        jpeg = damage.forged_jpeg(load("image_420.jpg"),
                                  load("image_progressive.jpg"))
        for name, data, reason in damage.forged_png():
            self.add("forged", name + ".png", data, reason)
        for name, data, reason in jpeg:
            self.add("forged", name + ".jpg", data, reason)
        self.add("forged", "cmyk.jpg", load("image_cmyk.jpg"), "CMYK")
        self.add("forged", "jpeg-called.png", load("image_420.jpg"), None)
        odd = os.path.join(self.root, "set", "odd")
        self.add("odd", "new\nline\x1b.png", b"x", "neither")
        write(odd, b"not-utf8-\xff\xfe.png", b"x")
        self.must["odd/not-utf8-??.png"] = "neither"
        with open(os.path.join(odd, "sparse.png"), "wb") as f:
            f.truncate(1 << 40)
        self.must["odd/sparse.png"] = "at most"
        self.n += 2
        # None of these is an image of the data set.
        os.mkfifo(os.path.join(odd, "pipe.png"))
        os.mkdir(os.path.join(odd, "folder.png"))
        os.symlink("/etc/passwd", os.path.join(odd, "outside.png"))
        os.symlink("/dev/zero", os.path.join(odd, "device.png"))
        os.symlink("nowhere", os.path.join(odd, "dangling.png"))
        os.symlink("loop.png", os.path.join(odd, "loop.png"))


def warnings(lines):
    events = [json.loads(line) for line in lines]
    return [(e["path"], e["reason"]) for e in events
            if e["type"] == "warning"], events[-1]


def pack_of(cache):
    """Hash of the one file of decoded images."""
    names = os.listdir(cache)
    assert len(names) == 1, names
    with open(os.path.join(cache, names[0]), "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest() \
            if hasattr(hashlib, "file_digest") \
            else hashlib.sha256(f.read()).hexdigest()


def scan_alone(build, folder, root):
    out = subprocess.run(
        [os.path.join(build, "worker/gradwatch-train"), "--data",
         "root=" + root, "--cache", os.path.join(folder, "cache")],
        input=json.dumps(SPEC).encode(), stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, check=True)
    return (*warnings(out.stdout.splitlines()),
            pack_of(os.path.join(folder, "cache")))


class Pulse(threading.Thread):
    """Asks the daemon how it is, again and again."""

    def __init__(self, daemon):
        super().__init__(daemon=True)
        self.watched, self.over = daemon, threading.Event()
        self.asked, self.worst, self.wrong = 0, 0.0, None

    def run(self):
        while not self.over.wait(0.05) and not self.wrong:
            began = time.monotonic()
            try:
                status, _ = self.watched.ask("GET", "/jobs")
                if status != 200:
                    self.wrong = "status %d" % status
            except OSError as e:
                self.wrong = str(e)
            self.asked += 1
            self.worst = max(self.worst, time.monotonic() - began)


def scan_in_daemon(build, folder, root):
    state = os.path.join(folder, "state")
    daemon = Daemon(build, state, "--data", "root=" + root)
    assert daemon.start() is not None, "the daemon does not start"
    pulse, began = Pulse(daemon), time.monotonic()
    pulse.start()
    try:
        status, body = daemon.ask("POST", "/jobs", SPEC)
        assert status == 201, body
        job = json.loads(body)["id"]
        lines = [line for _, line in daemon.events(job, seconds=60)]
        ended = daemon.get("/jobs/%d" % job)["state"]
        pulse.over.set()
        pulse.join()
        assert not pulse.wrong, "the daemon: " + pulse.wrong
        while daemon.workers() and time.monotonic() < began + 600:
            time.sleep(0.05)        # it is about to end by itself
        assert not daemon.workers(), "a worker is left"
    finally:
        code = daemon.end(signal.SIGTERM)
    assert ended == "done", (ended, lines[-1][:300])
    assert code == 0, code
    return (*warnings(lines), pack_of(os.path.join(state, "cache")), pulse)


def check(images, named):
    """Every image that must be refused is, for its reason, and no other."""
    wrong = []
    for path, reason in images.must.items():
        said = named.get(path)
        if said is not None and not re.fullmatch(r"[ -~]+", said):
            wrong.append("%r: the reason is %r" % (path, said))
        if reason == "?":
            continue
        if (said is None) != (reason is None) or reason and reason not in said:
            wrong.append("%r: %r, should be %r" % (path, said, reason))
    unknown = set(named) - set(images.must)
    if unknown:
        wrong.append("named without being there: %r" % sorted(unknown)[:5])
    assert not wrong, "\n".join(wrong)


def arguments():
    args = argparse.ArgumentParser(
        usage=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    args.add_argument("build")
    args.add_argument("--count", type=int, default=10000)
    args.add_argument("--seed", type=int, default=1)
    args.add_argument("--more", default=None)
    args.add_argument("--short", action="store_true")
    return args.parse_args()


def report(images, events, named, pulse, took):
    groups = collections.Counter(
        re.sub(r"\d+", "N", reason) for reason in named.values())
    for reason, n in groups.most_common():
        print("%7d  %s" % (n, reason))
    print("%d images: %d named with a reason, %d taken; both scans agree; "
          "%.0f s by the daemon (asked %d times meanwhile, answers within "
          "%.0f ms), %.0f s alone"
          % (images.n, len(named), images.n - len(named), took[0],
             pulse.asked, pulse.worst * 1000, took[1]))


def main():
    a = arguments()
    if not shutil.which("zzuf"):
        print("zzuf is not installed")
        sys.exit(77)
    more = [os.path.join(d, f) for d, _, files in os.walk(a.more or "")
            for f in sorted(files)
            if f.lower().endswith((".png", ".jpg", ".jpeg"))]
    folder = tempfile.mkdtemp(prefix="gradwatch-hostile-")
    try:
        root = os.path.join(folder, "root")
        images = Set(root, 300 if a.short else a.count, a.seed, sorted(more))
        began = time.monotonic()
        first, end, pack, pulse = scan_in_daemon(a.build, folder, root)
        middle = time.monotonic()
        second, _, pack_again = scan_alone(a.build, folder, root)
        took = middle - began, time.monotonic() - middle
        assert first == second, [p for p in zip(first, second)
                                 if p[0] != p[1]][:3]
        assert pack == pack_again, "the pixels of two scans differ"
        named = dict(first)
        assert len(named) == len(first), "an image is named twice"
        check(images, named)
        report(images, end, named, pulse, took)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
