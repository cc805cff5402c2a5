#!/usr/bin/python3
"""Every command of docs/client.md and docs/export.md runs, in their order.

Usage: test_docs.py BUILD
"""
import json
import os
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import programs  # noqa: E402

BUILD = os.path.abspath(sys.argv.pop(1))
DOCS = os.path.join(HERE, "../../docs")
# What exits with 1, as documented: two layers are too few for a verdict, both
# jobs were cancelled, and the fake worker probes nothing.
# What the doctor finds is the machine's affair.
ILL = "gradwatch doctor"
NO = {"gradwatch verdict 1", "gradwatch wait 6 7", "gradwatch probe 1"}
SMALL = {"model": {"arch": "resnet18", "width": 0.0625},
         "data": {"image_size": 16, "synthetic": {"classes": 3, "images": 16,
                                                  "size": 16}},
         "train": {"epochs": 2, "batch": 8}, "device": "cpu"}


def commands(name):
    with open(os.path.join(DOCS, name)) as file:
        return [line.strip() for line in file
                if line.startswith("    ") and "gradwatch " in line]


class Docs(unittest.TestCase):
    def run_all(self, name, daemon, least):
        lines = commands(name)
        self.assertGreater(len(lines), least)
        env = dict(os.environ, GRADWATCH_SERVER=daemon.url, LC_ALL="C.UTF-8",
                   PATH=os.path.join(BUILD, "client") + ":" +
                   os.environ["PATH"], XDG_STATE_HOME="/nonexistent")
        with tempfile.TemporaryDirectory(prefix="gradwatch-test-") as here:
            for line in lines:
                with self.subTest(line=line):
                    # The fake worker's job that goes on until it is ended.
                    done = subprocess.run(
                        ["bash", "-c", line.replace("overnight", "hang")],
                        cwd=here, env=env, stdout=subprocess.PIPE,
                        stderr=subprocess.PIPE, timeout=600)
                    out = done.stderr.decode() + done.stdout.decode()
                    if b"built without pictures" not in done.stderr:
                        self.assertIn(done.returncode, (0, 1) if line == ILL
                                      else (int(line in NO),), out)

    def test_client(self):
        daemon = programs.Daemon(BUILD, "tests/fake_worker")
        self.addCleanup(daemon.stop)
        self.run_all("client.md", daemon, 30)

    def test_all_commands_are_there(self):
        _, help, _ = programs.client(BUILD, "http://127.0.0.1:9", "help")
        names = [line.split()[0] for line in help.decode().splitlines()
                 if line.startswith("  ") and line[2].isalpha()]
        self.assertGreater(len(names), 25)
        lines = " ".join(commands("client.md")).split()
        self.assertEqual([n for n in names if n not in lines], [])

    def test_export(self):
        daemon = programs.Daemon(BUILD, "worker/gradwatch-train")
        self.addCleanup(daemon.stop)
        rc, _, err = programs.client(BUILD, daemon.url, "submit", "--spec",
                                     "-", "--follow",
                                     input=json.dumps(SMALL).encode())
        self.assertEqual(rc, 0, err)
        self.run_all("export.md", daemon, 8)


if __name__ == "__main__":
    unittest.main(verbosity=2)
