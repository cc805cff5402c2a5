#!/usr/bin/env python3
"""Idle watchers of events: what they cost, and how long an event takes to reach
the last of them. Starts a daemon of its own.

    tests/bench/watchers.py [BUILD_DIR] [WATCHERS]

Prints resident memory of the daemon (KiB), its share of a core while nothing
happens (20 s), and for five jobs the seconds from the submission to the arrival
of the first event at the last watcher. Needs as many descriptors (ulimit -n).
"""
import os
import select
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

BUILD = sys.argv[1] if len(sys.argv) > 1 else "build"
WATCHERS = int(sys.argv[2]) if len(sys.argv) > 2 else 10000
IDLE_S = 20


def resident(pid):
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def submit(port):
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/v1/jobs",
        b'{"name": "well", "train": {"epochs": 1}}',
        {"Content-Type": "application/json"})
    urllib.request.urlopen(request).read()


def watch(port, poll, count):
    sockets = {}
    text = f"GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n"
    for _ in range(count):
        s = socket.create_connection(("127.0.0.1", port))
        s.sendall(text.encode())
        s.setblocking(False)
        poll.register(s.fileno(), select.EPOLLIN)
        sockets[s.fileno()] = s
    return sockets


def wait_for(poll, sockets, words, seconds):
    """Until each socket has read the words; the time of the last one."""
    missing, begin, last = set(sockets), time.monotonic(), None
    while missing and time.monotonic() - begin < seconds:
        for fd, _ in poll.poll(0.5):
            if words in sockets[fd].recv(65536) and fd in missing:
                missing.discard(fd)
                last = time.monotonic() - begin
    if missing:
        sys.exit(f"{len(missing)} of {len(sockets)} watchers did not get {words}")
    return last


def main():
    with tempfile.TemporaryDirectory() as state:
        daemon = subprocess.Popen(
            [f"{BUILD}/daemon/gradwatchd", "--listen", "127.0.0.1:0", "--state",
             state, "--no-auth", "--worker", f"{BUILD}/tests/fake_worker"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            port = int(daemon.stdout.readline().rsplit(":", 1)[1])
            poll = select.epoll()
            sockets = watch(port, poll, WATCHERS)
            wait_for(poll, sockets, b"HTTP/1.1 200", 60)
            print(f"{WATCHERS} watchers: {resident(daemon.pid)} KiB resident")
            used, end = cpu_seconds(daemon.pid), time.monotonic() + IDLE_S
            while time.monotonic() < end:
                for fd, _ in poll.poll(0.5):
                    sockets[fd].recv(65536)
            share = (cpu_seconds(daemon.pid) - used) / IDLE_S
            print(f"idle: {100 * share:.1f} % of a core")
            times = []
            for job in range(1, 6):
                threading.Thread(target=submit, args=(port,)).start()
                times.append(wait_for(poll, sockets, b'"job":%d,' % job, 30))
            print("an event to the last of them: " +
                  ", ".join(f"{t:.2f}" for t in times) + " s")
            print(f"after that: {resident(daemon.pid)} KiB resident")
        finally:
            daemon.terminate()
            daemon.wait()


main()
