#!/usr/bin/python3
"""The table of tests/bench/gpu, from programs that make up their numbers: rows,
ratios, shares and the JSON file.
"""
import json
import os
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import floor                                                    # noqa: E402

# 1000 images/s, 800 when recording; 16 images take 16 ms.
OURS = """#!{python}
import json, sys
a = dict(zip(sys.argv[1::2], sys.argv[2::2]))
speed = 1000 if a["--record"] == "none" else 800
print("said something else first")
print(json.dumps({{"images_per_second": speed, "record": a["--record"],
                  "step_millis": 16e3 / speed}}))
"""
# A fifth of that; the second run is the better one.
PEER = """#!{python}
import json, os, sys
seen = os.path.exists("{folder}/seen")
open("{folder}/seen", "w").close()
record = sys.argv[sys.argv.index("--record") + 1]
print(json.dumps({{"images_per_second": 200 if seen else 100,
                  "record": record, "step_millis": 80}}))
"""
TRAIN = """#!{python}
import json, sys
spec = json.load(sys.stdin)
for e in (1, 2):
    print(json.dumps({{"type": "epoch", "images": 100 * e,
                      "duration_seconds": 0.25, "recording_share": 0.01}}))
"""
TEXTURES = """#!{python}
import os, sys
os.mkdir(sys.argv[1])
"""
SMI = """#!{python}
print("NVIDIA H200, 1.2.3, 143771 MiB")
"""


class Table(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        for path, text in (("tests/bench/bench_gpu", OURS), ("peer", PEER),
                           ("worker/gradwatch-train", TRAIN),
                           ("worker/gradwatch-textures", TEXTURES),
                           ("bin/nvidia-smi", SMI)):
            path = os.path.join(cls.folder.name, path)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w") as f:
                f.write(text.format(python=sys.executable,
                                    folder=cls.folder.name))
            os.chmod(path, 0o755)
        at = cls.folder.name
        cls.out = subprocess.run(
            [sys.executable, os.path.join(HERE, "gpu"), "--build", at,
             "--python", os.path.join(at, "peer"), "--sizes", "64",
             "--batches", "16", "--images", "10",
             "--json", os.path.join(at, "out.json")],
            env=dict(os.environ, PATH=at + "/bin:" + os.environ["PATH"]),
            stdout=subprocess.PIPE, text=True)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def test_rows(self):
        out = self.out
        self.assertEqual(out.returncode, 0)
        rows = [[c.strip() for c in line.strip("|").split("|")]
                for line in out.stdout.splitlines() if line.startswith("| 64")]
        # With and without skips: 3 + 3 of ours, 1 on files, 1 + 3 + 3 peers.
        self.assertEqual(len(rows), 2 * 14)
        least = floor.seconds(64, 16, False, "tf32", floor.CARDS["H200"])
        self.assertEqual(rows[0], ["64", "16", "no", "gradwatch tf32", "none",
                                   "1000", "-", "%.0f %%" % (
                                       100 * 1000 * least / 16), "-"])
        self.assertEqual(rows[2][4:6] + rows[2][8:], ["all", "800", "25.00 %"])
        self.assertEqual(rows[6][3:7], ["gradwatch-train, files", "six", "800",
                                        "-"])
        by_name = {(r[3], r[4]): r for r in rows if r[2] == "yes"}
        self.assertEqual(by_name["PyTorch notebook", "six"][5:7],
                         ["200", "4.00"])
        self.assertEqual(by_name["PyTorch best", "all"][5:7], ["200", "4.00"])

    def test_json(self):
        with open(os.path.join(self.folder.name, "out.json")) as f:
            out = json.load(f)
        self.assertIn("H200", out["card"])
        # Two runs of the first look, then of each row but the files' two.
        self.assertEqual(len(out["results"]), 2 + 2 * (2 * 13) + 2)


if __name__ == "__main__":
    unittest.main()
