"""The programs of a build, for tests of files that the client writes."""
import json
import os
import shutil
import subprocess
import tempfile
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer


class Daemon:
    """gradwatchd on a free port, with the fake worker or the real one."""

    def __init__(self, build, worker):
        self.dir = tempfile.mkdtemp(prefix="gradwatch-test-")
        self.process = subprocess.Popen(
            [os.path.join(build, "daemon/gradwatchd"), "--listen",
             "127.0.0.1:0", "--state", os.path.join(self.dir, "state"),
             "--no-auth", "--worker", os.path.join(build, worker)],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env=dict(os.environ, OMP_NUM_THREADS="2",
                     OMP_WAIT_POLICY="passive"))
        line = self.process.stdout.readline().decode()
        assert line.startswith("listening on "), line
        self.url = line.split()[-1]

    def get(self, path):
        with urllib.request.urlopen(self.url + "/api/v1" + path) as answer:
            return answer.read()

    def json(self, path):
        return json.loads(self.get(path))

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()
        shutil.rmtree(self.dir)


class Canned:
    """A server whose answers are a dict from the path without its query to
    (type, bytes); anything else is 404."""

    def __init__(self, answers):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                kind, body = answers.get(self.path.split("?")[0], (None, b""))
                self.send_response(200 if kind else 404)
                self.send_header("Content-Type", kind or "text/plain")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

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
                          env=env, timeout=60, **more)
    return done.returncode, done.stdout, done.stderr


def client_to(build, url, out, *args):
    """The same with an open file for stdout, as a terminal: status, stderr."""
    env = dict(os.environ, GRADWATCH_SERVER=url, LC_ALL="C.UTF-8",
               TERM="xterm", XDG_STATE_HOME="/nonexistent")
    done = subprocess.run([os.path.join(build, "client/gradwatch"), *args],
                          stdout=out, stderr=subprocess.PIPE, env=env,
                          timeout=60)
    return done.returncode, done.stderr
