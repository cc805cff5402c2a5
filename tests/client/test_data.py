#!/usr/bin/python3
"""What `gradwatch export` writes that is no picture, read by others: Python's
json, csv and struct, NumPy, Google's protobuf. The fake worker's records are
known: in epoch e every layer has the values e * 1e-3 * (1, 2, 3, 4).

Usage: test_data.py BUILD
"""
import csv
import hashlib
import io
import json
import math
import os
import pty
import struct
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import programs  # noqa: E402

try:
    import numpy as np
except ImportError:
    np = None
try:
    import event_file
except ImportError:
    event_file = None
try:
    from tensorboard import context as tensorboard_context
    from tensorboard.backend.event_processing import \
        data_provider, plugin_event_multiplexer
    from tensorboard.data import provider
except Exception:       # one that does not start is none
    plugin_event_multiplexer = None

BUILD = sys.argv.pop(1)
EPOCHS = 2


def values(epoch):
    return [epoch * 1e-3 * i for i in (1, 2, 3, 4)]


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = programs.Daemon(BUILD, "tests/fake_worker")
        cls.run_client("submit", "--follow", "--epochs", str(EPOCHS))
        cls.dir = tempfile.TemporaryDirectory(prefix="gradwatch-test-")

    @classmethod
    def tearDownClass(cls):
        cls.daemon.stop()
        cls.dir.cleanup()

    @classmethod
    def run_client(cls, *args, url=None, **more):
        return programs.client(BUILD, url or cls.daemon.url, *args, **more)

    def path(self, name):
        return os.path.join(self.dir.name, name)

    def export(self, name, *args, job="1"):
        rc, out, err = self.run_client("export", job, "-o", self.path(name),
                                       *args)
        self.assertEqual((rc, out), (0, b""), err)
        self.assertEqual(err.decode(),
                         "gradwatch: wrote %s\n" % self.path(name))
        with open(self.path(name), "rb") as file:
            return file.read()

    def refused(self, status, says, *args, **more):
        rc, out, err = self.run_client("export", *args, **more)
        self.assertEqual((rc, out), (status, b""), err)
        self.assertIn(says, err.decode())
        self.assertNotIn(b"\x1b", err)
        self.assertEqual([n for n in os.listdir(self.dir.name)
                          if n.endswith(".part")], [])


class Data(Case):
    def test_csv_and_json_are_the_servers(self):
        self.assertEqual(self.export("a.csv"),
                         self.daemon.get("/jobs/1/gradients.csv"))
        self.assertEqual(self.export("a.json", "--layers", "fc", "--epochs",
                                     "2"),
                         self.daemon.get("/jobs/1/gradients?layers=fc"
                                         "&epochs=2"))
        rows = list(csv.DictReader(io.StringIO(
            self.export("b", "--format", "csv").decode())))
        self.assertEqual(len(rows), EPOCHS * 2 * 4)
        self.assertEqual([float(r["value"]) for r in rows[:4]], values(1))

    def test_notebook_has_epoch_gradients(self):
        """{layer: [epoch: [20 numbers]]}, short epochs followed by zeros."""
        got = json.loads(self.export("nb.json", "--format", "notebook"))
        self.assertEqual(list(got), ["conv1", "fc"])
        for layer in got:
            self.assertEqual(got[layer], [values(e) + [0.0] * 16
                                          for e in range(1, EPOCHS + 1)])
        got = json.loads(self.export("nb.json", "--format", "notebook",
                                     "--layers", "fc", "--epochs", "2"))
        self.assertEqual(got, {"fc": [values(2) + [0.0] * 16]})

    @unittest.skipUnless(np, "NumPy is not installed")
    def test_a_plotting_cell_runs_on_it(self):
        """As the notebook's: densities of |x| + 1e-10 on 49 bins, a layer
        left out where something is not finite; drawn by Matplotlib where that
        is installed."""
        try:
            import matplotlib
            matplotlib.use("Agg")
            from matplotlib import pyplot
        except ImportError:
            pyplot = None
        epoch_gradients = json.loads(self.export("nb.json", "--format",
                                                 "notebook"))
        bins, seen = np.logspace(-10, 0, 50), []
        for epoch in range(EPOCHS):
            for layer in ("conv1", "fc"):
                data = epoch_gradients[layer][epoch]
                self.assertTrue(len(data) > 1 and np.isfinite(data).all())
                density, edges = np.histogram(np.abs(data) + 1e-10, bins=bins,
                                              density=True)
                if pyplot:
                    pyplot.plot((edges[:-1] + edges[1:]) / 2, density,
                                label=layer)
                seen.append(density)
        if pyplot:
            pyplot.xscale("log")
            pyplot.savefig(self.path("cell.png"))
        widths = np.diff(bins)
        self.assertTrue(np.allclose([(d * widths).sum() for d in seen], 1))
        # 16 of 20 are padding, which is in the first bin.
        self.assertAlmostEqual((seen[0] * widths)[0], 0.8, 12)

    def test_notebook_says_nan_as_python_does(self):
        layer = {"layer": "a\x1b[31m\"", "depth": 1, "main": True}
        name = layer["layer"]
        gradients = {"job": 1, "layers": [name], "epochs": [
            {"epoch": 1, "complete": True, "layers": {name: {
                "samples": [None, 0.5] + [i / 8 for i in range(38)]}}},
            {"epoch": 2, "complete": False, "layers": {name: {}}}]}
        profile = {"epochs": [{"epoch": 1, "layers": [layer]}]}
        server = programs.Canned({
            "/api/v1/jobs/1/gradients": ("application/json",
                                         json.dumps(gradients).encode()),
            "/api/v1/jobs/1/profile": ("application/json",
                                       json.dumps(profile).encode())})
        rc, out, err = self.run_client("export", "1", "--format", "notebook",
                                       url=server.url)
        server.stop()
        self.assertEqual((rc, err), (0, b""))
        got = json.loads(out)[name]
        self.assertEqual(len(got), 1)           # the partial one has none yet
        self.assertEqual(len(got[0]), 20)       # every second of 40
        self.assertTrue(math.isnan(got[0][0]))
        self.assertEqual(got[0][1:], [i / 8 for i in range(0, 38, 2)])

    @unittest.skipUnless(np, "NumPy is not installed")
    def test_records_as_tensors(self):
        data = self.export("r.safetensors", "--format", "records")
        (size,) = struct.unpack("<Q", data[:8])
        head = json.loads(data[8:8 + size])
        words = head.pop("__metadata__")
        self.assertEqual(size % 8, 0)
        self.assertEqual(json.loads(words["layers"]), ["conv1", "fc"])
        tensors = {}
        for name, row in head.items():
            begin, end = row["data_offsets"]
            self.assertEqual(row["dtype"], "F64")
            tensors[name] = np.frombuffer(
                data[8 + size + begin:8 + size + end]).reshape(row["shape"])
        self.assertEqual(max(r["data_offsets"][1] for r in head.values()),
                         len(data) - 8 - size)
        self.assertEqual(tensors["epochs"].tolist(), [1, 2])
        self.assertEqual(tensors["samples"].tolist(),
                         [[values(e)] * 2 for e in (1, 2)])
        median = json.loads(words["statistics"]).index("median")
        self.assertTrue(np.allclose(tensors["summary"][:, 1, median],
                                    [2.5e-3, 5e-3], 1e-12))

    @unittest.skipUnless(event_file, "protobuf is not installed")
    def test_tensorboard(self):
        events = event_file.read(self.export("events.out.tfevents.1"))
        self.assertEqual(events[0].file_version, "brain.Event:2")
        self.assertEqual([e.step for e in events[1:]], [1, 2])
        times = [e.wall_time for e in events]
        self.assertEqual(times, sorted(times))
        self.assertGreater(times[0], 1.6e9)
        for e in (1, 2):
            rows = {v.tag: v for v in events[e].summary.value}
            self.assertAlmostEqual(rows["loss"].simple_value, 2 / e, 6)
            self.assertAlmostEqual(rows["grad_out_median/fc"].simple_value,
                                   e * 2.5e-3, 9)
            histo = rows["grad_out/conv1"].histo
            self.assertEqual(histo.num, 4)
            self.assertEqual(sum(histo.bucket), 4)
            self.assertAlmostEqual(histo.min, e * 1e-3, 15)
            self.assertAlmostEqual(histo.max, e * 4e-3, 15)
            self.assertAlmostEqual(histo.sum, e * 1e-2, 15)
            self.assert_buckets(histo, values(e))
            self.assert_buckets(rows["log10_grad_out/conv1"].histo,
                                [math.log10(x) for x in values(e)])

    @unittest.skipUnless(plugin_event_multiplexer,
                         "TensorBoard is not installed")
    def test_tensorboards_own_reader(self):
        """What its server gives to the pages of scalars and histograms."""
        runs = os.path.join(self.dir.name, "runs")
        os.makedirs(runs, exist_ok=True)
        self.export("runs/events.out.tfevents.1")
        reader = plugin_event_multiplexer.EventMultiplexer()
        reader.AddRunsFromDirectory(runs)
        reader.Reload()
        data = data_provider.MultiplexerDataProvider(reader, runs)
        context = tensorboard_context.RequestContext()
        (scalars,) = data.list_scalars(context, experiment_id="",
                                       plugin_name="scalars").values()
        self.assertIn("loss", scalars)
        self.assertIn("grad_out_median/fc", scalars)
        wanted = provider.RunTagFilter(tags=["grad_out/conv1"])
        (histograms,) = data.read_tensors(
            context, experiment_id="", plugin_name="histograms",
            downsample=100, run_tag_filter=wanted).values()
        rows = histograms["grad_out/conv1"]
        self.assertEqual([row.step for row in rows], [1, 2])
        for row in rows:            # left, right, count of each bucket
            counts = [0] * len(row.numpy)
            for x in values(row.step):
                counts[next(i for i, (_, right, _) in enumerate(row.numpy)
                            if x <= right)] += 1
            self.assertEqual([c for _, _, c in row.numpy], counts)

    def assert_buckets(self, histo, numbers):
        limits = list(histo.bucket_limit)
        self.assertEqual(limits, sorted(set(limits)))
        self.assertEqual(len(limits), len(histo.bucket))
        counts = [0] * len(limits)
        for x in numbers:
            counts[next(i for i, limit in enumerate(limits) if x < limit)] += 1
        self.assertEqual(list(histo.bucket), counts)


class Files(Case):
    def test_what_is_wrong_is_said(self):
        a = self.path("a.png")
        rows = [
            (2, "needs -o FILE", "1"),
            (2, "cannot tell the format of x.doc: it must end in .csv", "1",
             "-o", "x.doc"),
            (2, "cannot tell the format of \\x1b[2J", "1", "-o", "\x1b[2J"),
            (2, "--format is xls, must be csv, json, notebook,", "1",
             "--format", "xls"),
            (2, "--view is pie, must be histogram, ridgeline,", "1", "-o", a,
             "--view", "pie"),
            (2, "--density is log, must be decade or linear", "1", "-o", a,
             "--density", "log"),
            (2, "--view is of pictures, not of csv", "1", "-o", "a.csv",
             "--view", "heat"),
            (2, "a gif has a frame an epoch", "1", "-o", "a.gif", "--view",
             "training"),
            (2, "finds no file without \"tfevents\"", "1", "-o", "a.log",
             "--format", "tensorboard"),
            (1, "cannot write /no/such/a.csv: No such file", "1", "-o",
             "/no/such/a.csv"),
            (3, "no job 9", "9", "-o", a.replace("png", "csv")),
            (3, "has no checkpoint yet", "1", "-o", self.path("a.safetensors")),
        ]
        for status, says, *args in rows:
            with self.subTest(args=args):
                self.refused(status, says, *args)
        self.assertEqual(os.listdir(self.dir.name), [])

    def test_a_failure_leaves_the_file_that_was(self):
        with open(self.path("old.csv"), "w") as file:
            file.write("old")
        self.refused(3, "no job 9", "9", "-o", self.path("old.csv"))
        with open(self.path("old.csv")) as file:
            self.assertEqual(file.read(), "old")
        os.unlink(self.path("old.csv"))

    def test_devices_stay_what_they_are(self):
        rc, _, err = self.run_client("export", "1", "-o", "/dev/null",
                                     "--format", "csv")
        self.assertEqual(rc, 0, err)
        self.assertFalse(os.path.isfile("/dev/null"))

    def test_stdout(self):
        rc, out, err = self.run_client("export", "1", "-o", "-", "--format",
                                       "csv")
        self.assertEqual((rc, err), (0, b""))
        self.assertEqual(out, self.daemon.get("/jobs/1/gradients.csv"))

    def test_no_bytes_for_a_terminal(self):
        for format in ("png", "gif", "safetensors", "records", "tensorboard"):
            main, other = pty.openpty()
            code = programs.client_to(BUILD, self.daemon.url, other, "export",
                                      "1", "-o", "-", "--format", format)
            os.close(other)
            os.close(main)
            self.assertEqual(code[0], 2)
            self.assertIn(b"to a terminal", code[1])


class Checkpoints(Case):
    """With the real worker, which makes some."""
    @classmethod
    def setUpClass(cls):
        cls.daemon = programs.Daemon(BUILD, "worker/gradwatch-train")
        cls.dir = tempfile.TemporaryDirectory(prefix="gradwatch-test-")
        spec = {"model": {"arch": "resnet18", "width": 0.0625},
                "data": {"image_size": 16, "synthetic": {
                    "classes": 3, "images": 16, "size": 16}},
                "train": {"epochs": 2, "batch": 8}, "device": "cpu"}
        rc, _, err = cls.run_client("submit", "--spec", "-", "--follow",
                                    input=json.dumps(spec).encode())
        assert rc == 0, err

    def test_the_last_and_a_chosen_one(self):
        rows = self.daemon.json("/jobs/1/checkpoints")["checkpoints"]
        for row, args in ((rows[-1], ()), (rows[0], ("--checkpoint", "1"))):
            data = self.export("a.safetensors", *args)
            self.assertEqual(hashlib.sha256(data).hexdigest(), row["sha256"])
            (size,) = struct.unpack("<Q", data[:8])
            self.assertIn("conv1.weight", json.loads(data[8:8 + size]))
        self.refused(3, "keeps no checkpoint of epoch 7; the last is of 2",
                     "1", "-o", self.path("b.safetensors"), "--checkpoint", "7")

    def test_a_damaged_one_is_not_written(self):
        row = {"epoch": 1, "bytes": 4,
               "sha256": hashlib.sha256(b"good").hexdigest()}
        path = "/api/v1/jobs/1/checkpoints"
        answers = {path: ("application/json",
                          json.dumps({"checkpoints": [row]}).encode()),
                   path + "/1": ("application/octet-stream", b"goot")}
        server = programs.Canned(answers)
        self.refused(1, "came damaged", "1", "-o", self.path("c.safetensors"),
                     url=server.url)
        server.stop()
        self.assertFalse(os.path.exists(self.path("c.safetensors")))


if __name__ == "__main__":
    unittest.main(verbosity=2)
