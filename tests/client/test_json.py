#!/usr/bin/python3
"""--json of every command: the server's bytes where they are the server's, and
members that are never renamed nor change their type: shapes.txt has a line for
each. Programs of other people read them.

Usage: test_json.py BUILD [--print]      --print: what shapes.txt should hold
"""
import json
import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import programs  # noqa: E402

PRINT = "--print" in sys.argv
if PRINT:
    sys.argv.remove("--print")
BUILD = sys.argv.pop(1)
# Commands that only ask, and where the answer comes from.
ASKING = {
    "list": "/jobs?limit=100", "show 1": "/jobs/1",
    "gradients 1": "/jobs/1/gradients", "histogram 1":
    "/jobs/1/histograms?bins=decade8&source=all&density=decade",
    "profile 1": "/jobs/1/profile", "verdict 1": "/jobs/1/verdict",
    "compare 1 2": "/compare?jobs=1,2", "models": "/models",
    "models resnet18": "/models/resnet18", "datasets": "/datasets",
    "devices": "/devices", "status": "",
}
OTHERS = ["submit --epochs 1", "submit --dry-run", "clone 1", "cancel 5",
          "pause 4", "resume 4", "move 4 --last", "wait 1", "version",
          "probe 1", "doctor", "drain", "undrain"]
# With a daemon of their own, in this order.
SWEEP = ["submit --sweep model.skip=true,false --group g --epochs 1",
         "wait 1 2", "group g", "compare --group g", "cancel --group g"]
KINDS = {bool: "boolean", int: "number", float: "number", str: "text"}
# Their members are named by what there is: layers, states of jobs.
NAMED = {"layers", "states"}


def shape(value, path, out):
    if isinstance(value, dict):
        out.add((path or ".", "object"))
        for key, each in value.items():
            named = path.rsplit(".", 1)[-1] in NAMED
            shape(each, path + "." + ("*" if named else key), out)
    elif isinstance(value, list):
        out.add((path, "list"))
        for each in value:
            shape(each, path + "[]", out)
    elif value is not None:
        out.add((path, KINDS[type(value)]))
    return out


class Json(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = programs.Daemon(BUILD, "tests/fake_worker")
        for args in (("--follow", "--epochs", "2"),) * 2 + (
                ("--name", "hang"),):
            programs.client(BUILD, cls.daemon.url, "submit", *args)
        cls.shapes = []

    @classmethod
    def tearDownClass(cls):
        cls.daemon.stop()
        if PRINT:
            print("\n".join(sorted(cls.shapes)))

    def run_json(self, command, url=None):
        rc, out, err = programs.client(BUILD, url or self.daemon.url, "--json",
                                       *command.split())
        self.assertIn(rc, (0, 1), err)
        return out

    def freeze(self, command, out):
        rows = set()
        for line in ([out] if command.split()[0] not in ("watch", "wait")
                     else out.splitlines()):
            shape(json.loads(line), "", rows)
        name = command.replace(" ", "_")
        # A job's spec is docs/job-spec.md's, held by other tests.
        lines = ["%s %s %s" % (name, path, kind) for path, kind in rows
                 if ".spec." not in path]
        type(self).shapes += lines
        if PRINT:
            return
        with open(os.path.join(HERE, "shapes.txt")) as file:
            frozen = [x for x in file.read().splitlines()
                      if x.split()[0] == name]
        self.assertTrue(frozen)
        self.assertEqual([x for x in frozen if x not in lines], [])

    def test_what_asks_prints_the_servers_bytes(self):
        for command, route in ASKING.items():
            with self.subTest(command=command):
                out = self.run_json(command)
                if command not in ("status", "list"):   # have what moves
                    self.assertEqual(out.rstrip(b"\n"), self.daemon.get(
                        route).rstrip(b"\n"))
                self.freeze(command, out)

    def test_others(self):
        for command in OTHERS:
            with self.subTest(command=command):
                self.freeze(command, self.run_json(command))

    def test_sweeps(self):
        daemon = programs.Daemon(BUILD, "tests/fake_worker")
        self.addCleanup(daemon.stop)
        for command in SWEEP:
            with self.subTest(command=command):
                self.freeze(command, self.run_json(command, daemon.url))

    def test_open_prints_the_servers_answer(self):
        """From a daemon that wants a token; the others here want none."""
        server = programs.Canned({"/api/v1/login": (
            "application/json", b'{"path": "/login?code=1"}')})
        self.addCleanup(server.stop)
        self.assertEqual(self.run_json("open 1", server.url),
                         b'{"path": "/login?code=1"}\n')

    def test_watch_is_lines(self):
        self.freeze("watch 1", self.run_json("watch 1"))


if __name__ == "__main__":
    unittest.main(verbosity=0 if PRINT else 2)
