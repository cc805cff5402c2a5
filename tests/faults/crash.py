"""SIGKILL at the k-th system call of a kind."""
import json
import math
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import threading
import time

from daemon import (Daemon, ENDED, Ledger, SPEC, records, say, submit,
                    wait_ended)

# Name, and the greatest k that is tried: k counts the calls of one thread, of
# the daemon or of a worker, from its start.
CALLS = (("pwrite64", 80), ("write", 300), ("fdatasync", 30), ("fsync", 12),
         ("rename", 6), ("unlink", 6), ("openat", 200), ("mkdir", 4),
         ("ftruncate", 2), ("sendto", 20), ("unlinkat", 3), ("rmdir", 1))
ROUND = 4               # points between two looks at everything
PATIENCE_S = 6          # then nobody makes that many calls


def spec_of(number):
    spec = json.loads(json.dumps(SPEC))
    spec["train"]["seed"] = 100 + number
    spec["train"]["optimizer"] = ("sgd", "adam")[number]
    return spec


def one_point(daemon, ledger, chance, state, counts):
    """Starts the daemon so that it or its worker is killed at some call."""
    call, most = chance.choice(CALLS)
    k = int(math.exp(chance.uniform(0, math.log(most + 1))))
    log = os.path.join(os.path.dirname(daemon.state), "calls")
    started = daemon.start(["-o", log, "-e", "trace=" + call, "-e",
                            "inject=%s:signal=SIGKILL:when=%d" % (call, k)])
    if started is None:                 # killed while it started or recovered
        daemon.process.wait()
        counts["starting"] = counts.get("starting", 0) + 1
        return
    try:
        if state["ended"] and chance.random() < 0.5:
            ledger.remove(daemon, state["ended"].pop())
        if state["job"] is None:
            number = chance.randrange(2)
            job = submit(daemon, spec_of(number), ledger)
            state["job"], state["number"] = job, number
    except Exception:                   # not acknowledged: may be there or not
        pass
    listener = threading.Thread(target=ledger.hear, daemon=True,
                                args=(daemon, state["job"] or 1))
    listener.start()
    until = time.monotonic() + PATIENCE_S
    while daemon.process.poll() is None and time.monotonic() < until and \
            b"killed by SIGKILL" not in open(log, "rb").read():
        time.sleep(0.02)
    hit = b"killed by SIGKILL" in open(log, "rb").read()
    whose = "nobody" if not hit else \
        "daemon" if daemon.process.poll() is not None else "worker"
    counts[whose] = counts.get(whose, 0) + 1
    if daemon.process.poll() is None:
        daemon.end(signal.SIGKILL)
    listener.join()


OLD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "dumps",
                   "store_1.sql")


def old_state(build, place):
    """A daemon, not started, on a database of the first version."""
    shutil.rmtree(place, ignore_errors=True)
    os.makedirs(os.path.join(place, "state"))
    base = sqlite3.connect(os.path.join(place, "state", "gradwatch.db"))
    base.executescript("PRAGMA journal_mode = WAL;" + open(OLD).read())
    base.close()
    daemon = Daemon(build, os.path.join(place, "state"))
    daemon.worker = os.path.join(build, "tests/fake_worker")
    return daemon


def what_it_had(daemon):
    """Of its four jobs: all of those that had ended, and of those that go on
    what they are and what they had said."""
    jobs = [daemon.get("/jobs/%d" % n) for n in (1, 2, 3, 4)]
    found = [jobs[:2], [job["spec"] for job in jobs]]
    for n, most in ((1, 5), (2, 4), (3, 2), (4, 1)):
        events = daemon.events(n)
        found.append([next(events) for _ in range(most)])
    return found


def migrate(build, folder, step):
    """Killed while it brings an old database up to date, at every step-th
    call that writes: the next start does the rest, and nothing is lost."""
    if not shutil.which("strace"):
        say("migrate: skipped (there is no strace)")
        return
    place = os.path.join(folder, "old")
    daemon = old_state(build, place)
    assert daemon.start() is not None
    want, killed = what_it_had(daemon), 0
    daemon.end(signal.SIGTERM)
    for call in ("pwrite64", "fdatasync", "ftruncate", "openat"):
        k = 1
        while True:
            daemon = old_state(build, place)
            log = os.path.join(place, "calls")
            started = daemon.start(["-o", log, "-e", "trace=" + call, "-e",
                                    "inject=%s:signal=SIGKILL:when=%d"
                                    % (call, k)])
            if started is not None:     # so far it does not write that often
                daemon.end(signal.SIGKILL)
                break
            daemon.process.wait()
            killed += 1
            assert daemon.start() is not None, (call, k)
            assert what_it_had(daemon) == want, (call, k)
            daemon.end(signal.SIGTERM)
            checked = subprocess.run([os.path.join(build, "daemon/gradwatchd"),
                                      "--check-state", "--state",
                                      daemon.state], capture_output=True)
            assert checked.returncode == 0, (call, k, checked)
            k += step
    assert killed > 3, killed
    say("migrate: killed %d times on the way from the first version: nothing "
        "lost" % killed)


def points(build, folder, n, seed, until):
    if not shutil.which("strace"):
        say("points: skipped (there is no strace)")
        return
    chance = random.Random(seed)
    place = os.path.join(folder, "points")
    os.makedirs(place)
    daemon = Daemon(build, os.path.join(place, "state"))
    ledger, counts, want = Ledger(), {}, []
    assert daemon.start() is not None
    for number in range(2):             # undisturbed
        job = submit(daemon, spec_of(number), ledger)
        assert wait_ended(daemon, job, 120) == "done"
        want.append(records(daemon, job))
    assert daemon.end(signal.SIGTERM) == 0
    state = {"job": None, "ended": []}
    done, began = 0, time.monotonic()
    while done < n or state["job"] is not None:
        if time.monotonic() > until():
            n = done
        for _ in range(ROUND if done < n else 0):
            one_point(daemon, ledger, chance, state, counts)
            done += 1
        assert daemon.start() is not None, "the daemon does not start again"
        ledger.check(daemon)
        job = state["job"]
        # Half of the jobs are disturbed further.
        if job is not None and (done >= n or chance.random() < 0.5):
            ended = wait_ended(daemon, job, 120)
            answer = daemon.get("/jobs/%d" % job)
            if ended == "failed":
                assert answer["error"]["code"] == "worker_died", answer["error"]
                counts["given up"] = counts.get("given up", 0) + 1
            else:
                assert records(daemon, job) == want[state["number"]]
                counts["identical"] = counts.get("identical", 0) + 1
            state["ended"].append(job)
            state["job"] = None
        daemon.end(signal.SIGKILL)
    assert daemon.start() is not None
    ledger.check(daemon)
    assert daemon.end(signal.SIGTERM) == 0
    say("points: %d in %.0f s (%s), %d jobs, %d of them removed, %d events in "
        "the ledger: nothing lost" % (done, time.monotonic() - began, ", ".join(
            "%s %d" % c for c in sorted(counts.items())), len(ledger.jobs),
            len(ledger.leaving), len(ledger.events)))
