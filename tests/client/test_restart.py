#!/usr/bin/python3
"""wait, watch and log --follow go on when the daemon is restarted while a job
trains; a log is followed while the job itself is silent.

Usage: test_restart.py BUILD
"""
import os
import sys
import threading
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import programs  # noqa: E402

BUILD = sys.argv.pop(1)


class Restart(unittest.TestCase):
    def test_all_go_on(self):
        """The fake worker's job `again` waits until the daemon stops, and ends
        well after that."""
        daemon = programs.Daemon(BUILD, "tests/fake_worker")
        self.addCleanup(daemon.stop)
        rc, out, _ = programs.client(BUILD, daemon.url, "submit", "-q",
                                     "--name", "again", "--epochs", "2")
        self.assertEqual((rc, out), (0, b"1\n"))
        watch = programs.start(BUILD, daemon.url, "watch", "1")
        while b"running on cpu" not in watch.stdout.readline():
            self.assertIsNone(watch.poll())
        log = programs.start(BUILD, daemon.url, "log", "1", "--follow")
        self.assertIn(b"attempt 1", log.stdout.readline())
        while daemon.metric("gradwatch_watchers") < 2:
            pass
        wait = programs.start(BUILD, daemon.url, "wait", "1")
        # It asks again and again: others than this test have asked.
        total = 'gradwatch_http_requests_total{code="200"}'
        before, asked = daemon.metric(total), 1
        while daemon.metric(total) - before < asked + 3:
            asked += 1
            self.assertIsNone(wait.poll())
        daemon.end()
        for process in (watch, log, wait):      # each has noticed
            self.assertIn(b"does not answer, trying again",
                          process.stderr.readline())
        daemon.start()
        results = [p.communicate(timeout=600) for p in (log, wait, watch)]
        self.assertEqual([p.returncode for p in (log, wait, watch)],
                         [0, 0, 0], results)
        for _, err in results:
            self.assertIn(b"is back", err)
        self.assertEqual(results[0][0], b"attempt 2\n")     # once
        self.assertEqual(results[1][0], b"job 1: done\n")
        self.assertTrue(results[2][0].endswith(b"job 1: done\n"))


class SilentJob(BaseHTTPRequestHandler):
    """Its log grows after the first look at it, and no event tells."""
    looks, printed = 0, threading.Event()

    def do_GET(self):
        body, kind = b'{"state": "running", "last_event_id": 1}', "json"
        if self.path.endswith("/log"):
            SilentJob.looks += 1
            body, kind = b"late\n" if SilentJob.looks > 1 else b"", "text"
        elif self.path.endswith("/events"):
            body, kind = b'id: 2\ndata: {"type": "finished"}\n\n', "stream"
        self.send_response(200)
        self.send_header("Content-Type", {
            "json": "application/json", "text": "text/plain",
            "stream": "text/event-stream"}[kind])
        self.end_headers()
        if kind == "stream":
            self.wfile.flush()
            self.printed.wait(100)
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class Log(unittest.TestCase):
    def test_a_log_is_followed_without_events(self):
        server = ThreadingHTTPServer(("127.0.0.1", 0), SilentJob)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            log = programs.start(BUILD, "http://127.0.0.1:%d" %
                                 server.server_port, "log", "1", "--follow")
            self.assertEqual(log.stdout.readline(), b"late\n")
            SilentJob.printed.set()
            self.assertEqual(log.communicate(timeout=600), (b"", b""))
            self.assertEqual(log.returncode, 0)
        finally:
            SilentJob.printed.set()
            server.shutdown()
            thread.join()
            server.server_close()


if __name__ == "__main__":
    unittest.main(verbosity=2)
