#!/usr/bin/python3
"""wait, watch and log --follow go on when the daemon is restarted while a job
trains.

Usage: test_restart.py BUILD
"""
import os
import sys
import unittest

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
        results = [p.communicate(timeout=100) for p in (log, wait, watch)]
        self.assertEqual([p.returncode for p in (log, wait, watch)],
                         [0, 0, 0], results)
        for _, err in results:
            self.assertIn(b"is back", err)
        self.assertEqual(results[0][0], b"attempt 2\n")     # once
        self.assertEqual(results[1][0], b"job 1: done\n")
        self.assertTrue(results[2][0].endswith(b"job 1: done\n"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
