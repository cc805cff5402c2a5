"""Disks that are slow, that fail, that are full."""
import http.client
import json
import os
import shutil
import signal
import subprocess
import threading
import time

from daemon import (Daemon, SPEC, records, say, submit, wait_ended,
                    wait_for)

LONG = dict(SPEC, train=dict(SPEC["train"], epochs=1000))
DELAY_S = 0.15
ROOM = 192 << 10        # for some changes, but not for a checkpoint


def have_strace(name):
    if shutil.which("strace"):
        return True
    say("%s: skipped (there is no strace)" % name)
    return False


def first_event(daemon, since, found):
    """The first stored event of any job after that one, and when it comes."""
    link = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=120)
    link.request("GET", "/api/v1/events?since=%d" % since)
    answer = link.getresponse()
    found["open"].set()
    while not answer.readline().startswith(b"id:"):
        pass
    found["at"] = time.monotonic()
    line = answer.readline()
    while not line.startswith(b"data:"):
        line = answer.readline()
    found["type"] = json.loads(line[5:])["type"]
    link.close()


class Change:
    """A request that changes something, sent while somebody else looks at what
    it changes and a third one listens to all events."""

    def __init__(self, daemon, method, path, body=None, headers=(), status=202):
        self.daemon, self.status = daemon, status
        self.call = (method, path, body, dict(headers))

    def send(self):
        self.answer = self.daemon.ask(*self.call)
        self.at = time.monotonic()

    def check(self, look, event=None):
        """`look` tells what a reader sees; `event` is the type of the stored
        event that the request makes, None when it makes none."""
        old, heard, seen = look(), {"open": threading.Event()}, None
        last = json.loads(self.daemon.ask("GET", "/jobs")[1])["last_event_id"]
        threads = [threading.Thread(target=self.send)]
        if event:
            threads.append(threading.Thread(target=first_event, args=(
                self.daemon, last, heard)))
            threads[1].start()
            heard["open"].wait()
        began = time.monotonic()
        threads[0].start()
        while seen is None:
            new = look()
            seen = time.monotonic() if new != old else None
        for thread in threads:
            thread.join()
        assert self.answer[0] == self.status, (self.call, self.answer)
        assert heard.get("type") == event, (self.call, heard)
        soonest = min(seen, self.at, heard.get("at", self.at)) - began
        assert soonest >= DELAY_S, "%s: told %.3f s after the request" % (
            self.call[:2], soonest)
        return self.answer[1] and json.loads(self.answer[1])


def timed(daemon, *call):
    began = time.monotonic()
    status, body = daemon.ask(*call)
    assert time.monotonic() - began >= DELAY_S, call
    return status, json.loads(body)


def repeats(daemon, key):
    """The same request twice at a time: both wait for the one sync."""
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(timed(
        daemon, "POST", "/jobs", SPEC, key)))
        for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [status for status, _ in answers] == [201, 201], answers
    assert answers[0][1]["id"] == answers[1][1]["id"], answers


def while_running(daemon, change, queue):
    """What is wished of a job that runs shows later; the wish is safe."""
    job = submit(daemon, dict(LONG, priority=9))
    change("POST", "/queue/undrain", queue, status=200)
    for wish, state in (("pause", "paused"), ("cancel", "cancelled")):
        wait_for(daemon, job, "running")
        assert timed(daemon, "POST", "/jobs/%d/%s" % (job, wish))[0] == 202
        wait_for(daemon, job, state)
        if wish == "pause":
            assert timed(daemon, "POST", "/jobs/%d/resume" % job)[0] == 202


def delays(build, folder):
    """Whoever hears of something hears of it after its sync: of each kind of
    request that changes anything."""
    if not have_strace("delays"):
        return
    daemon = Daemon(build, os.path.join(folder, "slow", "state"))
    os.makedirs(os.path.dirname(daemon.state))
    assert daemon.start(["-o", "/dev/null", "-e", "trace=fdatasync", "-e",
                         "inject=fdatasync:delay_enter=%d" % (DELAY_S * 1e6)])

    def change(method, path, look, event=None, **more):
        return Change(daemon, method, path, **more).check(look, event)

    def job(number):
        def look():
            status, body = daemon.ask("GET", "/jobs/%d" % number)
            return status, status == 200 and {
                key: json.loads(body)[key] for key in ("name", "state", "spec")}
        return look

    def queue():
        return daemon.get("/queue")["draining"]
    key = {"Idempotency-Key": "once"}
    change("POST", "/queue/drain", queue, status=200)
    change("POST", "/jobs", job(1), "queued", body=SPEC, status=201)
    change("POST", "/jobs", job(2), "queued", body=SPEC, headers=key,
           status=201)
    change("POST", "/jobs/1/clone", job(3), "queued", body={}, status=201)
    change("POST", "/sweeps", job(4), "queued", status=201, body={
        "spec": dict(SPEC, group="g"), "sweep": {"train.seed": [1, 2]}})
    change("PATCH", "/jobs/1", job(1), body={"name": "x"}, status=200)
    change("PATCH", "/jobs/2", job(2), body={"priority": 5}, status=200)
    change("POST", "/jobs/1/move", job(1), body={"before": 2})
    change("POST", "/jobs/1/pause", job(1), "paused")
    change("POST", "/jobs/1/resume", job(1), "resumed")
    change("POST", "/jobs/1/cancel", job(1), "cancelled")
    change("DELETE", "/jobs/1", job(1), status=204)
    change("POST", "/groups/g/cancel", job(5), "cancelled")
    repeats(daemon, {"Idempotency-Key": "twice"})
    while_running(daemon, change, queue)
    assert daemon.end(signal.SIGTERM) == 0
    say("delays: nothing is told before its sync of %.2f s is over" % DELAY_S)


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
            wait_for(daemon, job, "paused")
        tracer = break_syncs(daemon, os.path.join(place, "calls"))
        if not tracer:
            daemon.end(signal.SIGKILL)
            return
        began = time.monotonic()
        if who == "request":
            status, body = daemon.ask("POST", "/jobs", SPEC)
            assert status == 500, (status, body)
        code = daemon.process.wait(timeout=300)
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


def waits_for_room(daemon, job):
    """Its worker was ended, or waits itself since its checkpoint has no room:
    it depends on who needs some first."""
    events = daemon.events(job)
    said = [json.loads(next(events)[1]) for _ in range(
        daemon.get("/jobs/%d" % job)["last_event_id"])]
    return not daemon.workers() or any(
        event.get("code") == "no_space" for event in said)


def had_no_room(daemon, job):
    said = [json.loads(line) for _, line in daemon.events(job)]
    return any("no_space" in (event.get("code"), event.get("reason"))
               for event in said)


def pause_without_room(daemon, disk, spec, want):
    """A pause is taken, but its checkpoint has no room: the one before it is
    what the job goes on from."""
    job = submit(daemon, spec)
    while not daemon.get("/jobs/%d" % job)["progress"]["epoch"]:
        time.sleep(0.02)
    worker = daemon.workers()[0]
    os.kill(worker, signal.SIGSTOP)     # else what it says takes the room
    ballast = os.path.join(disk, "ballast")
    fill_disk(ballast)
    os.truncate(ballast, os.path.getsize(ballast) - ROOM)
    status, body = daemon.ask("POST", "/jobs/%d/pause" % job)
    assert status == 202, (status, body)
    os.kill(worker, signal.SIGCONT)
    wait_for(daemon, job, "paused")
    kept = daemon.get("/jobs/%d/checkpoints" % job)["checkpoints"]
    assert all(row["bytes"] > ROOM for row in kept), kept
    assert daemon.ask("POST", "/jobs/%d/resume" % job)[0] == 202
    assert daemon.get("/jobs/%d" % job)["waiting_for"] == "space"
    os.unlink(ballast)
    assert wait_ended(daemon, job, 300) == "done"
    assert records(daemon, job) == want, "other numbers"


def fill(daemon, disk, spec):
    assert daemon.start() is not None
    first = submit(daemon, spec)
    assert wait_ended(daemon, first, 300) == "done"
    want = records(daemon, first)
    pause_without_room(daemon, disk, spec, want)
    job = submit(daemon, spec)
    while not daemon.get("/jobs/%d" % job)["progress"]["epoch"]:
        time.sleep(0.02)
    ballast = os.path.join(disk, "ballast")
    # The log of the database may have some room yet: until there is none.
    until = time.monotonic() + 60
    while time.monotonic() < until:
        fill_disk(ballast)
        status, body = daemon.ask("POST", "/jobs/%d/pause" % first)
        assert status == 409, (status, body)
        status, body = daemon.ask("PATCH", "/jobs/%d" % first, {"name": "y"})
        assert status in (200, 507), (status, body)
        if status == 507 and waits_for_room(daemon, job):
            break
        time.sleep(0.05)
    assert status == 507, status
    assert waits_for_room(daemon, job), "the job goes on"
    assert daemon.process.poll() is None
    daemon.get("/jobs/%d/histograms" % first)
    os.unlink(ballast)
    assert wait_ended(daemon, job, 300) == "done"
    assert had_no_room(daemon, job)
    assert records(daemon, job) == want, "other numbers"
    assert daemon.end(signal.SIGTERM) == 0
    say("full: 507 while there is no room, reads go on, the job waits and ends "
        "with the same numbers")
