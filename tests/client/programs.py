"""The programs of a build, for tests of files that the client writes."""
import json
import os
import pty
import shutil
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer

# Fontconfig, behind cairo, keeps what it read until the program is gone.
os.environ.setdefault("LSAN_OPTIONS", "print_suppressions=0:suppressions=" +
                      os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                   "lsan.supp"))


# What a person told the client, or a service manager or proxy this shell, is
# not for the programs under test.
for name in ("GRADWATCH_SERVER", "GRADWATCH_TOKEN_FILE", "NO_COLOR",
             "STATE_DIRECTORY", "NOTIFY_SOCKET", "WATCHDOG_USEC",
             "http_proxy", "https_proxy", "all_proxy"):
    os.environ.pop(name, None)


class Daemon:
    """gradwatchd on a free port, with the fake worker or the real one."""

    def __init__(self, build, worker, *options):
        self.options = options
        self.dir = tempfile.mkdtemp(prefix="gradwatch-test-")
        self.build, self.worker, self.port = build, worker, 0
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [os.path.join(self.build, "daemon/gradwatchd"), "--listen",
             "127.0.0.1:%d" % self.port, "--state",
             os.path.join(self.dir, "state"), "--no-auth", "--worker",
             os.path.join(self.build, self.worker), *self.options],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env=dict(os.environ, OMP_NUM_THREADS="2",
                     OMP_WAIT_POLICY="passive"))
        line = self.process.stdout.readline().decode()
        assert line.startswith("listening on "), line
        self.url = line.split()[-1]
        self.port = int(self.url.rsplit(":", 1)[1])

    def get(self, path):
        with urllib.request.urlopen(self.url + "/api/v1" + path) as answer:
            return answer.read()

    def metric(self, name):
        while True:
            try:
                with urllib.request.urlopen(self.url + "/metrics") as answer:
                    text = answer.read().decode()
                return next(float(line.split()[-1])
                            for line in text.splitlines()
                            if line.startswith(name))
            except urllib.error.HTTPError as error:
                error.close()
                if error.code != 429:
                    raise
                time.sleep(0.1)     # more questions than are allowed

    def json(self, path):
        return json.loads(self.get(path))

    def end(self):
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()

    def stop(self):
        self.end()
        shutil.rmtree(self.dir)


class Canned:
    """A server whose answers are a dict from the path without its query to
    (type, bytes) or (type, bytes, status), whatever the method; anything else
    is 404."""

    def __init__(self, answers):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                size = int(self.headers.get("Content-Length") or 0)
                self.rfile.read(size)
                kind, body, *status = answers.get(
                    self.path.split("?")[0], ("text/plain", b"", 404))
                self.send_response(status[0] if status else 200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_DELETE = do_PATCH = do_GET

            def log_message(self, *args):
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = "http://127.0.0.1:%d" % self.server.server_port
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def stop(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def client(build, url, *args, **more):
    """Runs the client to its end: status, stdout, stderr as bytes."""
    env = dict(os.environ, GRADWATCH_SERVER=url, LC_ALL="C.UTF-8",
               XDG_STATE_HOME="/nonexistent")
    done = subprocess.run([os.path.join(build, "client/gradwatch"), *args],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=env, timeout=600, **more)
    return done.returncode, done.stdout, done.stderr


def start(build, url, *args):
    """The same, without waiting for its end."""
    env = dict(os.environ, GRADWATCH_SERVER=url, LC_ALL="C.UTF-8",
               XDG_STATE_HOME="/nonexistent")
    return subprocess.Popen([os.path.join(build, "client/gradwatch"), *args],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            env=env)


def client_to(build, url, out, *args):
    """The same with an open file for stdout, as a terminal: status, stderr."""
    env = dict(os.environ, GRADWATCH_SERVER=url, LC_ALL="C.UTF-8",
               TERM="xterm", XDG_STATE_HOME="/nonexistent")
    done = subprocess.run([os.path.join(build, "client/gradwatch"), *args],
                          stdout=out, stderr=subprocess.PIPE, env=env,
                          timeout=600)
    return done.returncode, done.stderr


def on_terminal(build, url, *args, locale="C.UTF-8", **more):
    """All that a terminal of its own gets to see, and the exit status."""
    main, other = pty.openpty()
    env = {**os.environ, "GRADWATCH_SERVER": url,
           "LC_ALL": locale, "TERM": "xterm",
           "XDG_STATE_HOME": "/nonexistent"}
    env.update(more)
    process = subprocess.Popen(
        [os.path.join(build, "client/gradwatch"), *args], stdin=other,
        stdout=other, stderr=other, env=env, start_new_session=True)
    os.close(other)
    seen = b""
    while True:
        try:
            part = os.read(main, 1 << 16)
        except OSError:             # EIO: nobody has the other end any more
            break
        if not part:
            break
        seen += part
    os.close(main)
    return process.wait(), seen
