"""SIGKILL at the k-th system call of a kind."""
import json
import math
import os
import random
import shutil
import signal
import threading
import time

from daemon import (Daemon, ENDED, Ledger, SPEC, records, say, submit,
                    wait_ended)

# Name, and the greatest k that is tried: k counts the calls of one thread, of
# the daemon or of a worker, from its start.
CALLS = (("pwrite64", 80), ("write", 300), ("fdatasync", 30), ("fsync", 12),
         ("rename", 6), ("unlink", 6), ("openat", 200), ("mkdir", 4),
         ("ftruncate", 2), ("sendto", 20))
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
    state, done, began = {"job": None}, 0, time.monotonic()
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
            state["job"] = None
        daemon.end(signal.SIGKILL)
    assert daemon.start() is not None
    ledger.check(daemon)
    assert daemon.end(signal.SIGTERM) == 0
    say("points: %d in %.0f s (%s), %d jobs, %d events in the ledger: nothing "
        "lost" % (done, time.monotonic() - began, ", ".join(
            "%s %d" % c for c in sorted(counts.items())), len(ledger.jobs),
            len(ledger.events)))
