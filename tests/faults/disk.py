"""Disks that are slow, that fail, that are full."""
import http.client
import json
import os
import shutil
import signal
import subprocess
import threading
import time

from daemon import Daemon, SPEC, records, say, submit, wait_ended

LONG = dict(SPEC, train=dict(SPEC["train"], epochs=1000))
DELAY_S = 0.3


def have_strace(name):
    if shutil.which("strace"):
        return True
    say("%s: skipped (there is no strace)" % name)
    return False


def first_event(daemon, found):
    """When the first stored event of any job comes."""
    link = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=20)
    link.request("GET", "/api/v1/events?since=0")
    answer = link.getresponse()
    found["open"].set()
    while not answer.readline().startswith(b"id:"):
        pass
    found["at"] = time.monotonic()
    link.close()


def delays(build, folder):
    """Whoever hears of something hears of it after its sync."""
    if not have_strace("delays"):
        return
    daemon = Daemon(build, os.path.join(folder, "slow", "state"))
    os.makedirs(os.path.dirname(daemon.state))
    assert daemon.start(["-o", "/dev/null", "-e", "trace=fdatasync", "-e",
                         "inject=fdatasync:delay_enter=%d" % (DELAY_S * 1e6)])
    assert daemon.ask("POST", "/queue/drain")[0] == 200
    found = {"open": threading.Event()}
    listener = threading.Thread(target=first_event, args=(daemon, found))
    listener.start()
    found["open"].wait()
    sent = {}

    def post():
        sent["job"] = submit(daemon, SPEC)
        sent["at"] = time.monotonic()
    began = time.monotonic()
    poster = threading.Thread(target=post)
    poster.start()
    seen = None
    while seen is None:
        if daemon.ask("GET", "/jobs/1")[0] == 200:
            seen = time.monotonic()
    poster.join()
    listener.join()
    soonest = min(seen, sent["at"], found["at"]) - began
    assert soonest >= DELAY_S, "told %.3f s after the request" % soonest
    began = time.monotonic()
    assert daemon.ask("PATCH", "/jobs/1", {"name": "x"})[0] == 200
    assert time.monotonic() - began >= DELAY_S
    assert daemon.end(signal.SIGTERM) == 0
    say("delays: nothing is told before its sync of %.1f s is over" % DELAY_S)


def break_syncs(daemon, log):
    """From now on every sync of the daemon fails. The tracer, or None when it
    may not trace."""
    tracer = subprocess.Popen(
        ["strace", "-f", "-o", log, "-p", str(daemon.process.pid), "-e",
         "trace=fdatasync,fsync", "-e", "inject=fdatasync,fsync:error=EIO"],
        stderr=subprocess.PIPE, text=True)
    line = tracer.stderr.readline()
    if "attached" in line:
        return tracer
    tracer.wait()
    say("errors: skipped (%s)" % line.strip())
    return None


def errors(build, folder):
    """One sync fails, of a request or of what a worker says."""
    if not have_strace("errors"):
        return
    for who in ("request", "worker"):
        place = os.path.join(folder, "broken-" + who)
        os.makedirs(place)
        daemon = Daemon(build, os.path.join(place, "state"))
        assert daemon.start() is not None
        job = submit(daemon, LONG)
        while not daemon.get("/jobs/%d" % job)["progress"]["epoch"]:
            time.sleep(0.02)
        if who == "request":            # then nothing but the request is stored
            daemon.ask("POST", "/jobs/%d/pause" % job)
            while daemon.get("/jobs/%d" % job)["state"] != "paused":
                time.sleep(0.02)
        tracer = break_syncs(daemon, os.path.join(place, "calls"))
        if not tracer:
            daemon.end(signal.SIGKILL)
            return
        began = time.monotonic()
        if who == "request":
            status, body = daemon.ask("POST", "/jobs", SPEC)
            assert status == 500, (status, body)
        code = daemon.process.wait(timeout=60)
        took = time.monotonic() - began
        tracer.wait()
        log = open(os.path.join(place, "log")).read()
        calls = [line for line in open(os.path.join(place, "calls"))
                 if "INJECTED" in line]
        assert code == 1, code
        assert "cannot be stored any more, stopping" in log, log
        # The worker's checkpoints are synced by the worker.
        assert len(calls) == 1, calls
        assert daemon.start() is not None
        assert daemon.get("/jobs/%d" % job)["id"] == job
        assert daemon.end(signal.SIGTERM) == 0
        say("errors: after a failed sync of a %s's the daemon ended with %d in "
            "%.1f s and tried no other" % (who, code, took))


def full(build, folder, epochs):
    disk = os.path.join(folder, "disk")
    os.mkdir(disk)
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "none",
                           disk], capture_output=True)
    if made.returncode:
        say("full: skipped (cannot mount a tmpfs)")
        return
    daemon = Daemon(build, os.path.join(disk, "state"))
    try:
        fill(daemon, disk, dict(SPEC, train=dict(SPEC["train"],
                                                 epochs=epochs)))
    finally:
        if daemon.process and daemon.process.poll() is None:
            daemon.end(signal.SIGKILL)
        subprocess.run(["umount", "-l", disk], check=False)


def fill_disk(path):
    with open(path, "ab", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass


def events_of(daemon, job):
    text = daemon.ask("GET", "/jobs/%d/events" % job)[1].decode()
    return [json.loads(line[5:]) for line in text.splitlines()
            if line.startswith("data:")]


def fill(daemon, disk, spec):
    assert daemon.start() is not None
    first = submit(daemon, spec)
    assert wait_ended(daemon, first, 300) == "done"
    want = records(daemon, first)
    job = submit(daemon, spec)
    while not daemon.get("/jobs/%d" % job)["progress"]["epoch"]:
        time.sleep(0.02)
    ballast = os.path.join(disk, "ballast")
    # The log of the database may have some room yet: until there is none.
    state, until = "running", time.monotonic() + 60
    while time.monotonic() < until:
        fill_disk(ballast)
        status, body = daemon.ask("POST", "/jobs/%d/pause" % first)
        assert status == 409, (status, body)
        status, body = daemon.ask("PATCH", "/jobs/%d" % first, {"name": "y"})
        assert status in (200, 507), (status, body)
        state = daemon.get("/jobs/%d" % job)["state"]
        if status == 507 and not daemon.workers():
            break
        time.sleep(0.05)
    assert status == 507, status
    assert not daemon.workers(), "the job goes on"
    assert daemon.process.poll() is None
    daemon.get("/jobs/%d/histograms" % first)
    os.unlink(ballast)
    assert wait_ended(daemon, job, 300) == "done"
    reasons = [e["reason"] for e in events_of(daemon, job)
               if e["type"] == "interrupted"]
    assert "no_space" in reasons, reasons
    assert records(daemon, job) == want, "other numbers"
    assert daemon.end(signal.SIGTERM) == 0
    say("full: 507 while there is no room, reads go on, the job waits and ends "
        "with the same numbers")
