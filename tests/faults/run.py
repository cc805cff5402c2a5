#!/usr/bin/env python3
"""Kills the daemon and its workers over and over and checks that nothing that
was acknowledged is lost or changed, and that the numbers are those of a run
that nobody disturbed.

Usage: tests/faults/run.py BUILD [--kills N] [--flips N] [--points N]
                           [--only PART,...] [--minutes M] [--seed N] [--short]

--minutes ends kills, flips and points after so long each, whatever is left.

kills   random SIGKILL of daemon, worker or both while tiny jobs train, at
        moments drawn by the seed; also SIGSTOP of workers. A ledger holds every
        answer and every event with an id; after the end all of it must be
        there, with the same bytes, and each job's epochs and last checkpoint
        must equal those of an undisturbed run.
flips   a bit of a copy of the state directory is changed: the daemon must start
        and serve what is true, or say what is damaged; never other numbers.
points  (strace) SIGKILL of whoever makes the k-th write, sync, rename, ... of
        its thread: of daemon and workers, while starting and recovering too.
        The same ledger.
migrate (strace) the same while a database of the first version is brought up to
        date.
delays  (strace) syncs take long: nothing is told before they are over.
errors  (strace) a sync fails: the daemon says so, ends, and tries no second.
stop    SIGTERM while a worker does not obey: all is over within 10 s. Not in
        the short run.
full    (root) a state directory on a tmpfs of 32 MiB that is filled: writes are
        refused with 507, reads go on, a job that runs waits, and work goes on
        when there is room.
"""
import argparse
import hashlib
import http.client
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
from crash import migrate, points
from daemon import (Daemon, ENDED, Ledger, SPEC, plain, records, say, submit,
                    wait_ended, wait_for)
from disk import delays, errors, full


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


def kills(build, folder, n, seed, stops, until):
    chance = random.Random(seed)
    # Soon for those that are stopped, late for those that wait for a core.
    daemon = Daemon(build, os.path.join(folder, "state"), "--heartbeat",
                    "2" if stops else "30")
    daemon.stops = stops
    assert daemon.start() is not None
    ledger, counts, done, jobs, worst = Ledger(), {}, 0, 0, 0
    want = {}
    began = time.monotonic()
    while done < n and time.monotonic() < until():
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
        while done < n and here < 12 and time.monotonic() < until() and \
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


def stop(build, folder):
    """A worker that does not obey is given ten seconds, no more."""
    daemon = Daemon(build, os.path.join(folder, "deaf", "state"))
    os.makedirs(os.path.dirname(daemon.state))
    daemon.worker = os.path.join(build, "tests/fake_worker")
    assert daemon.start() is not None
    job = submit(daemon, {"name": "deaf", "device": "cpu"})
    wait_for(daemon, job, "running")
    worker = daemon.workers()[0]
    began = time.monotonic()
    assert daemon.end(signal.SIGTERM) == 0
    took = time.monotonic() - began
    assert took < 10, took
    assert not os.path.exists("/proc/%d" % worker)
    say("stop: with a worker that ignores SIGTERM in %.1f s" % took)


def flips(build, folder, n, seed, until):
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
    done = 0

    def files_of_others(path, names):
        return [] if not path.endswith("/checkpoints") else \
            [name for name in names if int(name) not in jobs]
    while done < n and time.monotonic() < until():
        done += 1
        copy = os.path.join(folder, "copy", "state")
        shutil.rmtree(os.path.dirname(copy), ignore_errors=True)
        shutil.copytree(state, copy, ignore=files_of_others)
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
        % (done, ", ".join("%s %d" % c for c in sorted(counts.items()))))


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


def main():
    options = argparse.ArgumentParser()
    options.add_argument("build")
    options.add_argument("--kills", type=int, default=1000)
    options.add_argument("--flips", type=int, default=300)
    options.add_argument("--points", type=int, default=300)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--minutes", type=float, default=1e6)
    options.add_argument("--short", action="store_true")
    options.add_argument("--only", default="kills,flips,points,migrate,delays,"
                         "errors,stop,full", help="a comma list of parts")
    o = options.parse_args()
    if o.short:
        o.kills, o.flips, o.points = 8, 6, 8
    build = os.path.abspath(o.build)
    folder = tempfile.mkdtemp(prefix="gradwatch-faults-")
    began = {"at": 0}

    def until():
        return began["at"] + 60 * o.minutes
    parts = {
        "kills": lambda: kills(build, folder, o.kills, o.seed, not o.short,
                               until),
        "flips": lambda: flips(build, folder, o.flips, o.seed, until),
        "points": lambda: points(build, folder, o.points, o.seed, until),
        "migrate": lambda: migrate(build, folder, 9 if o.short else 1),
        "delays": lambda: delays(build, folder),
        "errors": lambda: errors(build, folder),
        "stop": lambda: None if o.short else stop(build, folder),
        "full": lambda: full(build, folder, 6 if o.short else 20),
    }
    try:
        for name in o.only.split(","):
            began["at"] = time.monotonic()
            parts[name]()
    except BaseException:
        say("seed %d; see %s" % (o.seed, folder))
        for daemon in Daemon.all:
            if daemon.process and daemon.process.poll() is None:
                daemon.process.kill()
        raise
    shutil.rmtree(folder, ignore_errors=True)
    say("ok")


if __name__ == "__main__":
    main()
