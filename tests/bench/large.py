#!/usr/bin/env python3
"""How the daemon is with a long past: 10,000 jobs, a million records.

Usage: tests/bench/large.py BUILD [--jobs N] [--epochs N] [--keep DIR]

One job is run by the real worker (resnet50, a few steps). Its rows are then
written again under other ids until there are so many jobs, each with so many
epochs of 54 layers. Printed: how long the daemon takes until it listens and is
ready, how long some answers take, and its resident memory after the histories
of 200 jobs were asked for, one after the other. Fails when it is not ready
within 2 s, or when memory grows past what daemon/records.h allows.
"""
import argparse
import binascii
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request

READY_S = 2.0
MEMORY_MIB = 400        # RECORDS_BYTES, and as much again for all else
SPEC = {
    "model": {"width": 0.0625},
    "data": {"image_size": 32, "synthetic": {"classes": 3, "images": 24,
                                             "size": 16}},
    "device": "cpu", "train": {"epochs": 1, "batch": 8, "lr": 0.01},
}
CONTENT = ("name", "state", "spec", "summary", "wish", "priority", "attempt",
           "created", "started", "ended")


class Daemon:
    def __init__(self, build, state):
        began = time.monotonic()
        self.process = subprocess.Popen(
            [os.path.join(build, "daemon/gradwatchd"), "--listen",
             "127.0.0.1:0", "--state", state, "--no-auth", "--worker",
             os.path.join(build, "worker/gradwatch-train")],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        line = self.process.stdout.readline().decode()
        self.listens = time.monotonic() - began
        self.url = line.split()[-1]
        while True:
            try:
                self.get("/readyz")
                break
            except urllib.error.HTTPError:
                time.sleep(0.01)
        self.ready = time.monotonic() - began

    def get(self, path, body=None):
        request = urllib.request.Request(
            self.url + path, body and json.dumps(body).encode(),
            {"Content-Type": "application/json"} if body else {})
        with urllib.request.urlopen(request) as answer:
            return answer.read()

    def mebibytes(self):
        for line in open("/proc/%d/status" % self.process.pid):
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait() == 0


def run_one(build, state):
    daemon = Daemon(build, state)
    job = json.loads(daemon.get("/api/v1/jobs", SPEC))["id"]
    while json.loads(daemon.get("/api/v1/jobs/%d" % job))["state"] != "done":
        time.sleep(0.1)
    daemon.stop()


def crc_of(values):
    return binascii.crc32(b"".join(str(v).encode() + b"\0" for v in values))


def stamped(line, job, seq, n):
    """An event's line without its stamp, with another one."""
    head = '{"job":%d,"seq":%d,"n":%d,' % (job, seq, n)
    return head + line[line.index('"type"'):]


def multiply(state, jobs, epochs):
    """Adds copies of job 1 until there are `jobs`; how many records."""
    db = sqlite3.connect(os.path.join(state, "gradwatch.db"))
    db.execute("PRAGMA synchronous = OFF")
    row = db.execute("SELECT %s FROM jobs" % ", ".join(CONTENT)).fetchone()
    lines = [line for line, in db.execute("SELECT line FROM events ORDER BY n")]
    epoch = next(i for i, line in enumerate(lines) if '"epoch"' in line[:200]
                 and json.loads(line)["type"] == "epoch")
    layers = len(json.loads(lines[epoch])["quantities"]["grad_out"])
    texts = lines[:epoch]
    for i in range(1, epochs + 1):
        texts.append(lines[epoch].replace('"epoch":1,', '"epoch":%d,' % i, 1))
    texts.append(lines[-1])
    n = len(lines)
    for job in range(2, jobs + 1):
        db.execute("INSERT INTO jobs (id, %s, last_seq, crc) VALUES (%s)" % (
            ", ".join(CONTENT), ", ".join("?" * 13)),
            (job, *row, len(texts), crc_of(row)))
        for seq, text in enumerate(texts, 1):
            n += 1
            line = stamped(text, job, seq, n)
            db.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)",
                       (n, job, seq, seq == len(texts),
                        binascii.crc32(line.encode()), line))
        if job % 500 == 0:
            db.commit()
    db.commit()
    db.close()
    return (jobs - 1) * epochs * layers


def forget(path):
    """Leaves nothing of a file in memory: as after a reboot."""
    file = os.open(path, os.O_RDONLY)
    os.fsync(file)
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(file)


def timed(daemon, path):
    began = time.monotonic()
    size = len(daemon.get(path))
    print("%-46s %7.1f ms, %d bytes" % (path, 1e3 * (time.monotonic() - began),
                                        size), flush=True)


def main():
    options = argparse.ArgumentParser()
    options.add_argument("build")
    options.add_argument("--jobs", type=int, default=10002)
    options.add_argument("--epochs", type=int, default=2)
    options.add_argument("--keep", help="where the state directory is made and "
                         "stays; used as it is when it is there")
    o = options.parse_args()
    build = os.path.abspath(o.build)
    folder = o.keep or tempfile.mkdtemp(prefix="gradwatch-large-")
    state = os.path.join(folder, "state")
    if not os.path.exists(state):
        run_one(build, state)
        records = multiply(state, o.jobs, o.epochs)
        print("%d jobs, %d records of a layer in an epoch, %.0f MiB" % (
            o.jobs, records,
            os.path.getsize(os.path.join(state, "gradwatch.db")) / 2**20),
            flush=True)
    forget(os.path.join(state, "gradwatch.db"))
    daemon = Daemon(build, state)
    print("listens after %.2f s, ready after %.2f s, %.0f MiB resident" % (
        daemon.listens, daemon.ready, daemon.mebibytes()), flush=True)
    last = json.loads(daemon.get("/api/v1/jobs?limit=1"))["jobs"][0]["id"]
    for path in ("/api/v1/jobs", "/api/v1/jobs?limit=500",
                 "/api/v1/jobs?state=failed", "/metrics",
                 "/api/v1/jobs/%d" % last,
                 "/api/v1/jobs/%d/gradients?epochs=last" % last,
                 "/api/v1/jobs/%d/histograms?epochs=last" % last,
                 "/api/v1/jobs/%d/verdict" % last):
        timed(daemon, path)
    most = daemon.mebibytes()
    for job in range(last, max(0, last - 200), -1):
        daemon.get("/api/v1/jobs/%d/verdict" % job)
        most = max(most, daemon.mebibytes())
    print("at most %.0f MiB resident over 200 histories" % most)
    ready, began = daemon.ready, time.monotonic()
    daemon.stop()
    print("stops after %.2f s" % (time.monotonic() - began))
    if not o.keep:
        shutil.rmtree(folder)
    if ready > READY_S or most > MEMORY_MIB:
        sys.exit("too slow, or too large")


if __name__ == "__main__":
    main()
