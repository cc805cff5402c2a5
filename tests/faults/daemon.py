"""What the tests of faults have in common: a daemon as a process, its answers,
and a ledger of all that it acknowledged."""
import hashlib
import http.client
import json
import os
import subprocess
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
    all = []

    def __init__(self, build, state, *args):
        self.build, self.state, self.args = build, state, args
        self.process = None
        self.worker = os.path.join(build, "worker/gradwatch-train")
        Daemon.all.append(self)

    def start(self, strace=()):
        """How long it took; None when it ended instead. With options of strace
        (as a grandchild, so that the process is the daemon) it runs in it."""
        began = time.monotonic()
        prefix = ["strace", "-D", "-f", "-q", *strace] if strace else []
        env = dict(os.environ, OMP_NUM_THREADS="1", OMP_WAIT_POLICY="passive")
        if strace:                      # LeakSanitizer cannot be traced
            env["ASAN_OPTIONS"] = "detect_leaks=0"
        self.process = subprocess.Popen(
            [*prefix, os.path.join(self.build, "daemon/gradwatchd"), "--listen",
             "127.0.0.1:0", "--state", self.state, "--no-auth", "--worker",
             self.worker, *self.args],
            stdout=subprocess.PIPE,
            stderr=open(os.path.join(os.path.dirname(self.state), "log"), "a"),
            env=env)
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

    def ask(self, method, path, body=None, headers=()):
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            link.request(method, "/api/v1" + path,
                         None if body is None else json.dumps(body),
                         dict(headers, **{"Content-Type": "application/json"}
                              if body is not None else {}))
            answer = link.getresponse()
            return answer.status, answer.read()
        finally:
            link.close()

    def get(self, path):
        status, body = self.ask("GET", path)
        assert status == 200, (path, status, body[:300])
        return json.loads(body)

    def events(self, job, since=0, seconds=120):
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
        self.leaving = {}               # jobs to remove: whether it was told

    def hear(self, daemon, job):
        try:
            for seq, line in daemon.events(job, seconds=5):
                with self.lock:
                    old = self.events.setdefault((job, seq), line)
                assert old == line, "event %d of job %d changed" % (seq, job)
        except (OSError, http.client.HTTPException):
            pass

    def remove(self, daemon, job):
        self.leaving[job] = False
        status, body = daemon.ask("DELETE", "/jobs/%d" % job)
        assert status == 204, (status, body)
        self.leaving[job] = True

    def is_gone(self, daemon, job):
        """Either it is whole, or nothing is left of it."""
        status = daemon.ask("GET", "/jobs/%d" % job)[0]
        if status == 200:
            assert not self.leaving.get(job), "job %d is there again" % job
            return False
        assert status == 404 and job in self.leaving, (job, status)
        for name in ("checkpoints/%d", "logs/%d.log"):
            path = os.path.join(daemon.state, name % job)
            assert not os.path.exists(path), path
        return True

    def check(self, daemon):
        for job in self.jobs:
            if self.is_gone(daemon, job):
                continue
            now = dict(daemon.events(job))
            assert sorted(now) == list(range(1, len(now) + 1)), "a hole"
            for (of, seq), line in self.events.items():
                assert of != job or now.get(seq) == line, (job, seq)


def wait_for(daemon, job, state):
    """Until the job is in that state; it must not end in another one."""
    while True:
        now = daemon.get("/jobs/%d" % job)
        if now["state"] == state:
            return
        assert now["state"] not in ENDED, (job, state, now["error"])
        time.sleep(0.02)


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
