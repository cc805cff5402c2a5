#!/usr/bin/env python3
"""Kills the daemon and its workers over and over and checks that nothing that
was acknowledged is lost or changed, and that the numbers are those of a run
that nobody disturbed.

Usage: tests/faults/run.py BUILD [--kills N] [--flips N] [--seed N] [--short]

kills   random SIGKILL of daemon, worker or both while tiny jobs train, at
        moments drawn by the seed; also SIGSTOP of workers. A ledger holds every
        answer and every event with an id; after the end all of it must be
        there, with the same bytes, and each job's epochs and last checkpoint
        must equal those of an undisturbed run.
flips   a bit of a copy of the state directory is changed: the daemon must start
        and serve what is true, or say what is damaged; never other numbers.
full    (root) a state directory on a tmpfs of 32 MiB that is filled: writes are
        refused with 507, reads go on, and work goes on when there is room.
"""
import argparse
import hashlib
import http.client
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

EPOCHS = 4
SPEC = {
    "model": {"arch": "resnet18", "width": 0.0625},
    "data": {"image_size": 16, "augment": "flip",
             "synthetic": {"classes": 3, "images": 40, "size": 16}},
    "device": "cpu",
    "train": {"epochs": EPOCHS, "batch": 8, "lr": 0.01},
}
CLOCKS = ("time", "duration_seconds", "images_per_second", "recording_share")
ENDED = ("done", "failed", "cancelled", "diverged")


def say(text):
    print(text, flush=True)


class Daemon:
    def __init__(self, build, state, *args):
        self.build, self.state, self.args = build, state, args
        self.process = None

    def start(self):
        began = time.monotonic()
        self.process = subprocess.Popen(
            [os.path.join(self.build, "daemon/gradwatchd"), "--listen",
             "127.0.0.1:0", "--state", self.state, "--no-auth", "--worker",
             os.path.join(self.build, "worker/gradwatch-train"), *self.args],
            stdout=subprocess.PIPE,
            stderr=open(os.path.join(os.path.dirname(self.state), "log"), "a"),
            env=dict(os.environ, OMP_NUM_THREADS="2",
                     OMP_WAIT_POLICY="passive"))
        line = self.process.stdout.readline().decode()
        if not line.startswith("listening"):
            return None
        self.port = int(line.rsplit(":", 1)[1])
        return time.monotonic() - began

    def end(self, sig):
        self.process.send_signal(sig)
        code = self.process.wait()
        self.process.stdout.close()
        return code

    def workers(self):
        path = "/proc/%d/task/%d/children" % (self.process.pid,
                                              self.process.pid)
        try:
            return [int(p) for p in open(path).read().split()]
        except OSError:
            return []

    def ask(self, method, path, body=None):
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            link.request(method, "/api/v1" + path,
                         body and json.dumps(body),
                         {"Content-Type": "application/json"} if body else {})
            answer = link.getresponse()
            return answer.status, answer.read()
        finally:
            link.close()

    def get(self, path):
        status, body = self.ask("GET", path)
        assert status == 200, (path, status, body[:300])
        return json.loads(body)

    def events(self, job, since=0, seconds=20):
        """Stored events from SSE, as (seq, line), until the stream ends."""
        link = http.client.HTTPConnection("127.0.0.1", self.port,
                                          timeout=seconds)
        try:
            link.request("GET", "/api/v1/jobs/%d/events?since=%d"
                         % (job, since))
            answer = link.getresponse()
            seq = None
            while True:
                line = answer.readline()
                if not line:
                    return
                line = line.rstrip(b"\r\n")
                if line.startswith(b"id:"):
                    seq = int(line[3:])
                elif line.startswith(b"data:") and seq is not None:
                    yield seq, line[5:].strip().decode()
                    seq = None
        finally:
            link.close()


def plain(line):
    event = json.loads(line)
    for key in CLOCKS + ("job", "seq", "n"):
        event.pop(key, None)
    return json.dumps(event)


def records(daemon, job):
    """Epoch events without clocks, and the hash of the last checkpoint."""
    status, text = daemon.ask("GET", "/jobs/%d/events" % job)
    epochs = []
    for line in text.decode().splitlines():
        if line.startswith("data:"):
            event = json.loads(line[5:])
            if event["type"] == "epoch":
                epochs.append(plain(line[5:]))
    status, bytes_ = daemon.ask("GET", "/jobs/%d/checkpoints/last" % job)
    assert status == 200, (status, bytes_[:200])
    return epochs, hashlib.sha256(bytes_).hexdigest()


class Ledger:
    """What was acknowledged, and by whom it was heard."""

    def __init__(self):
        self.lock = threading.Lock()
        self.jobs, self.events = {}, {}

    def hear(self, daemon, job):
        try:
            for seq, line in daemon.events(job, seconds=5):
                with self.lock:
                    old = self.events.setdefault((job, seq), line)
                assert old == line, "event %d of job %d changed" % (seq, job)
        except (OSError, http.client.HTTPException):
            pass

    def check(self, daemon):
        for job in self.jobs:
            daemon.get("/jobs/%d" % job)
            now = dict(daemon.events(job))
            assert sorted(now) == list(range(1, len(now) + 1)), "a hole"
            for (of, seq), line in self.events.items():
                assert of != job or now.get(seq) == line, (job, seq)


def one_kill(daemon, ledger, chance, counts):
    """Watches the job for a moment, then kills something."""
    listener = threading.Thread(target=ledger.hear,
                                args=(daemon, max(ledger.jobs)), daemon=True)
    listener.start()
    time.sleep(chance.random() ** 2 * 1.2)
    what = chance.choice(("daemon", "daemon", "worker", "both", "stop"))
    if what == "stop" and not daemon.stops:
        what = "worker"
    workers = daemon.workers()
    counts[what] = counts.get(what, 0) + 1
    if what in ("worker", "both", "stop") and workers:
        try:
            os.kill(workers[0], signal.SIGSTOP if what == "stop"
                    else signal.SIGKILL)
        except ProcessLookupError:
            pass
    if what in ("daemon", "both"):
        daemon.end(signal.SIGKILL)
        listener.join()
        seconds = daemon.start()
        assert seconds is not None, "the daemon does not start again"
        counts["slowest start"] = max(counts.get("slowest start", 0), seconds)


def wait_ended(daemon, job, seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        state = daemon.get("/jobs/%d" % job)["state"]
        if state in ENDED:
            return state
        time.sleep(0.05)
    raise AssertionError("job %d does not end" % job)


def submit(daemon, spec, ledger=None):
    status, body = daemon.ask("POST", "/jobs", spec)
    assert status == 201, (status, body)
    job = json.loads(body)
    if ledger is not None:
        ledger.jobs[job["id"]] = job
    return job["id"]


def kills(build, folder, n, seed, stops):
    chance = random.Random(seed)
    daemon = Daemon(build, os.path.join(folder, "state"), "--heartbeat", "2")
    daemon.stops = stops
    assert daemon.start() is not None
    ledger, counts, done, jobs, worst = Ledger(), {}, 0, 0, 0
    want = {}
    began = time.monotonic()
    while done < n:
        number = jobs % 3
        spec = json.loads(json.dumps(SPEC))
        spec["train"]["seed"] = number
        spec["model"]["skip"] = number == 1
        spec["train"]["optimizer"] = ("sgd", "adam", "sgd")[number]
        if number not in want:          # undisturbed
            job = submit(daemon, spec, ledger)
            assert wait_ended(daemon, job, 120) == "done"
            want[number] = records(daemon, job)
        job = submit(daemon, spec, ledger)
        here = 0
        while done < n and here < 12 and \
                daemon.get("/jobs/%d" % job)["state"] not in ENDED:
            one_kill(daemon, ledger, chance, counts)
            done += 1
            here += 1
        state = wait_ended(daemon, job, 120)
        answer = daemon.get("/jobs/%d" % job)
        worst = max(worst, answer["attempt"])
        # Three deaths in a row without an epoch are a rightful end.
        if state == "failed":
            assert answer["error"]["code"] == "worker_died", answer["error"]
            counts["given up"] = counts.get("given up", 0) + 1
        else:
            assert state == "done", state
            assert records(daemon, job) == want[number], "other numbers"
            counts["identical"] = counts.get("identical", 0) + 1
        jobs += 1
    ledger.check(daemon)
    code = daemon.end(signal.SIGTERM)
    assert code == 0, code
    say("kills: %d in %.0f s (%s), %d jobs, up to %d attempts, %d events in the"
        " ledger: nothing lost" % (done, time.monotonic() - began,
                                   ", ".join("%s %.3g" % c for c in
                                             sorted(counts.items())),
                                   jobs, worst, len(ledger.events)))


def flips(build, folder, n, seed):
    """Whatever byte is changed: true numbers or a named damage."""
    chance = random.Random(seed)
    state = os.path.join(folder, "state")
    daemon = Daemon(build, state)
    daemon.start()
    jobs = [job["id"] for job in daemon.get("/jobs")["jobs"]
            if job["state"] == "done"][-3:]
    truth = {job: records(daemon, job) for job in jobs}
    daemon.end(signal.SIGTERM)
    counts = {}
    for _ in range(n):
        copy = os.path.join(folder, "copy", "state")
        shutil.rmtree(os.path.dirname(copy), ignore_errors=True)
        shutil.copytree(state, copy)
        files = [os.path.join(at, name) for at, _, names in os.walk(copy)
                 for name in names if os.path.getsize(os.path.join(at, name))
                 and "/logs" not in at and "/cache" not in at]
        path = chance.choice([f for f in files if f.endswith(".db")] * 2
                             + files)
        at = chance.randrange(os.path.getsize(path))
        with open(path, "r+b") as file:
            file.seek(at)
            byte = file.read(1)[0]
            file.seek(at)
            file.write(bytes([byte ^ 1 << chance.randrange(8)]))
        what = "%s at %d" % (os.path.relpath(path, copy), at)
        verdict = judge(build, copy, jobs, truth, what)
        counts[verdict] = counts.get(verdict, 0) + 1
    say("flips: %d (%s): no other number was served"
        % (n, ", ".join("%s %d" % c for c in sorted(counts.items()))))


def judge(build, copy, jobs, truth, what):
    daemon = Daemon(build, copy)
    if daemon.start() is None:
        daemon.process.wait()
        assert daemon.process.returncode == 1, (what, daemon.process.returncode)
        return "not started"
    verdict = "served"
    for job in jobs:
        try:
            status, text = daemon.ask("GET", "/jobs/%d/events" % job)
            epochs = [plain(line[5:]) for line in text.decode().splitlines()
                      if line.startswith("data:") and
                      json.loads(line[5:])["type"] == "epoch"]
            assert all(e in truth[job][0] for e in epochs), what
            if epochs != truth[job][0]:
                verdict = "damage noticed"
            status, data = daemon.ask("GET", "/jobs/%d/checkpoints/last" % job)
            if status == 200:
                assert hashlib.sha256(data).hexdigest() == truth[job][1], what
            else:
                verdict = "damage noticed"
        except (OSError, http.client.HTTPException, UnicodeDecodeError):
            verdict = "damage noticed"
    if daemon.process.poll() is None:
        daemon.end(signal.SIGTERM)
    assert daemon.process.returncode in (0, 1), (what,
                                                 daemon.process.returncode)
    return verdict


def full(build, folder):
    disk = os.path.join(folder, "disk")
    os.mkdir(disk)
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "none",
                           disk], capture_output=True)
    if made.returncode:
        say("full: skipped (cannot mount a tmpfs)")
        return
    try:
        fill(Daemon(build, os.path.join(disk, "state")), disk)
    finally:
        subprocess.run(["umount", "-l", disk], check=False)


def fill(daemon, disk):
    assert daemon.start() is not None
    first = submit(daemon, SPEC)
    assert wait_ended(daemon, first, 60) == "done"
    ballast = os.path.join(disk, "ballast")
    with open(ballast, "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
    refused = 0
    for _ in range(2000):               # the log of the database has some room
        status, body = daemon.ask("POST", "/jobs", SPEC)
        if status != 201:
            refused = status
            break
        job = json.loads(body)["id"]
        daemon.ask("POST", "/jobs/%d/cancel" % job)
    assert refused == 507, refused
    assert daemon.process.poll() is None
    daemon.get("/jobs/%d/histograms" % first)
    os.unlink(ballast)
    again = submit(daemon, SPEC)
    assert wait_ended(daemon, again, 60) == "done"
    assert daemon.end(signal.SIGTERM) == 0
    say("full: 507 while there is no room, reads go on, then work does")


def main():
    options = argparse.ArgumentParser()
    options.add_argument("build")
    options.add_argument("--kills", type=int, default=1000)
    options.add_argument("--flips", type=int, default=300)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--short", action="store_true")
    o = options.parse_args()
    if o.short:
        o.kills, o.flips = 8, 6
    build = os.path.abspath(o.build)
    folder = tempfile.mkdtemp(prefix="gradwatch-faults-")
    try:
        kills(build, folder, o.kills, o.seed, not o.short)
        flips(build, folder, o.flips, o.seed)
        if os.geteuid() == 0 and not o.short:
            full(build, folder)
    except BaseException:
        say("seed %d; see %s" % (o.seed, folder))
        raise
    shutil.rmtree(folder, ignore_errors=True)
    say("ok")


if __name__ == "__main__":
    main()
