#!/usr/bin/python3
"""What tests/bench/gpu starts on a card, started where there is none: each
program runs and says what the table needs. Without torch its rows stay empty.

Usage: test_gpu_try.py BUILD
"""
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
OURS = {"images_per_second", "step_millis", "record", "precision", "tap_millis",
        "compile_seconds", "bytes", "loss", "slots", "ahead"}
PEER = {"images_per_second", "step_millis", "record", "norms", "notes"}


class Try(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = os.path.join(folder.name, "out.json")
        out = subprocess.run(
            [sys.executable, os.path.join(HERE, "gpu"), "--try", "--build",
             BUILD, "--python", sys.executable, "--records", "none,six",
             "--json", path], stdout=subprocess.PIPE, text=True)
        self.assertEqual(out.returncode, 0)
        self.out = out.stdout
        with open(path) as f:
            self.json = json.load(f)

    def test_everything_runs(self):
        torch = importlib.util.find_spec("torchvision") is not None
        rows = [[c.strip() for c in line.strip("|").split("|")]
                for line in self.out.splitlines() if line.startswith("| 32")]
        peers = [r for r in rows if r[3].startswith("PyTorch")]
        self.assertEqual((len(rows), len(peers)), (10, 5))
        for row in rows:
            ran = torch or row not in peers
            self.assertEqual(row[5:], ["ran" if ran else "-", "-", "-", "-"])

        # It is said at both ends that these are no figures.
        self.assertTrue(self.out.startswith("TRIED, NOT MEASURED"))
        self.assertEqual(self.out.count("TRIED, NOT MEASURED"), 2)
        self.assertEqual((self.json["card"], self.json["measured"]),
                         ("no card", False))
        by = {}
        for result in self.json["results"]:
            by.setdefault(result["program"].split()[0], []).append(result)
        self.assertEqual(len(by["gradwatch"]), 5)       # one to look for a card
        for result in by["gradwatch"]:
            self.assertEqual(result["device"], "emulated on a CPU")
            self.assertLessEqual(OURS, set(result))
            # As many as gradwatch-train has for such batches.
            self.assertEqual((result["slots"], result["ahead"]), (18, 16))
        self.assertEqual(len(by.get("pytorch", [])), 5 if torch else 0)
        for result in by.get("pytorch", []):
            self.assertEqual(result["device"], "the CPU")
            self.assertLessEqual(PEER, set(result))
            self.assertEqual(len(result["norms"]),
                             6 if result["record"] == "six" else 0)


if __name__ == "__main__":
    BUILD = sys.argv.pop(1)
    unittest.main()
