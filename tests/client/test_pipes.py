#!/usr/bin/python3
"""The client among other programs: readers that go away, a full disk, standard
descriptors that were never opened, no colours where there should be none, and
Ctrl-C wherever it may come.

Usage: test_pipes.py BUILD
"""
import os
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import programs  # noqa: E402

BUILD = sys.argv.pop(1)
CLIENT = os.path.join(BUILD, "client/gradwatch")
PATIENCE = 120      # seconds for what takes a few milliseconds


class Pipes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = programs.Daemon(BUILD, "tests/fake_worker")
        rc, _, err = programs.client(BUILD, cls.daemon.url, "submit",
                                     "--follow", "--epochs", "2")
        assert rc == 0, err
        cls.dir = tempfile.TemporaryDirectory(prefix="gradwatch-test-")

    @classmethod
    def tearDownClass(cls):
        cls.daemon.stop()
        cls.dir.cleanup()

    def environment(self, **more):
        return dict(os.environ, GRADWATCH_SERVER=self.daemon.url,
                    LC_ALL="C.UTF-8", TERM="xterm",
                    XDG_STATE_HOME="/nonexistent", **more)

    def test_a_reader_that_goes_away(self):
        """The usual end by SIGPIPE, and no word about it. The pipe has no
        reader from the beginning, so no write is let through."""
        for args in (["list"], ["gradients", "1", "--csv"], ["watch", "1"],
                     ["submit", "--help"], ["completion", "zsh"],
                     ["export", "1", "--format", "csv", "-o", "-"]):
            with self.subTest(args=args):
                reader, writer = os.pipe()
                os.close(reader)
                done = subprocess.run([CLIENT, *args], stdout=writer,
                                      stderr=subprocess.PIPE,
                                      env=self.environment(),
                                      timeout=PATIENCE)
                os.close(writer)
                self.assertEqual((done.returncode, done.stderr),
                                 (-signal.SIGPIPE, b""))

    def test_a_full_disk(self):
        for args in (["list"], ["--help"], ["gradients", "1", "--csv"],
                     ["watch", "1"], ["completion", "bash"], ["--json", "list"],
                     ["export", "1", "--format", "csv", "-o", "-"]):
            with self.subTest(args=args), open("/dev/full", "wb") as full:
                done = subprocess.run([CLIENT, *args], stdout=full,
                                      stderr=subprocess.PIPE,
                                      env=self.environment(),
                                      timeout=PATIENCE)
                self.assertEqual(done.returncode, 1)
                said = done.stderr.decode().splitlines()
                self.assertEqual(len(said), 1, said)
                self.assertIn("cannot write", said[0])

    def closed(self, fds, *args):
        """Runs the client without these descriptors."""
        redirections = " ".join("%d>&-" % fd for fd in fds)
        return subprocess.run(
            ["sh", "-c", "exec \"$@\" " + redirections, "-", CLIENT, *args],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, env=self.environment(), timeout=PATIENCE)

    def test_descriptors_that_are_closed(self):
        done = self.closed([0], "list")
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertIn(b"resnet50", done.stdout)
        done = self.closed([1], "list")
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"cannot write", done.stderr)
        done = self.closed([0], "submit", "--dry-run", "--spec", "-")
        self.assertEqual((done.returncode, done.stderr.decode()), (
            2, "gradwatch: cannot read standard input: Bad file descriptor\n"))

    def test_no_file_gets_a_closed_descriptor(self):
        """What is said on stderr does not end up in the file."""
        path = os.path.join(self.dir.name, "norms.csv")
        done = self.closed([0, 1, 2], "export", "1", "-o", path)
        self.assertEqual(done.returncode, 0)
        with open(path, "rb") as file:
            self.assertEqual(file.read(),
                             self.daemon.get("/jobs/1/gradients.csv"))

    def test_colours(self):
        """On a terminal that can, and nowhere else."""
        def seen(*options, **environment):
            return programs.on_terminal(BUILD, self.daemon.url, *options,
                                        "list", **environment)[1]
        self.assertIn(b"\x1b[", seen())
        self.assertIn(b"\x1b[", seen(NO_COLOR=""))      # as no-color.org has it
        self.assertNotIn(b"\x1b", seen(NO_COLOR="1"))
        self.assertNotIn(b"\x1b", seen("--no-color"))
        self.assertNotIn(b"\x1b", seen(TERM="dumb"))
        _, out, _ = programs.client(BUILD, self.daemon.url, "list")
        self.assertNotIn(b"\x1b", out)

    def test_a_terminal_that_cannot_move_gets_lines(self):
        rc, seen = programs.on_terminal(BUILD, self.daemon.url, "watch", "1",
                                        TERM="dumb")
        self.assertEqual(rc, 0)
        self.assertNotIn(b"\x1b", seen)
        self.assertTrue(seen.endswith(b"job 1: done\r\n"), seen)

    def test_interrupts_while_nothing_is_answered(self):
        """A server that takes connections and is silent."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            url = "http://127.0.0.1:%d" % server.getsockname()[1]
            for args in (["list"], ["submit"], ["watch", "1"], ["wait", "1"],
                         ["export", "1", "-o", "a.png"]):
                with self.subTest(args=args):
                    process = programs.start(BUILD, url, *args)
                    connection, _ = server.accept()
                    process.send_signal(signal.SIGINT)
                    out, err = process.communicate(timeout=PATIENCE)
                    connection.close()
                    self.assertEqual((process.returncode, out), (130, b""))
                    self.assertNotIn(b"not reachable", err)

    def test_interrupts_while_a_spec_is_read(self):
        reader, writer = os.pipe()
        process = subprocess.Popen(
            [CLIENT, "submit", "--spec", "-"], stdin=reader,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=self.environment())
        os.close(reader)
        # Having read this, it waits for the rest.
        os.write(writer, b"{")
        self.until_read(writer)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
        os.close(writer)
        self.assertEqual((process.returncode, out, err), (130, b"", b""))

    def until_read(self, writer):
        import array
        import fcntl
        import termios
        left = array.array("i", [1])
        while left[0]:
            fcntl.ioctl(writer, termios.FIONREAD, left)


if __name__ == "__main__":
    unittest.main(verbosity=2)
