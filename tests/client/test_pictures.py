#!/usr/bin/python3
"""The pictures of `gradwatch export`, by what they decode to (Pillow, an XML
parser): colours at places that follow from the records, which are those of
the fake worker, and from the layout in client/plot.h.

Usage: test_pictures.py BUILD
"""
import io
import json
import math
import re
import sys
import os
import unittest
import xml.etree.ElementTree as ElementTree

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import programs  # noqa: E402

try:
    from PIL import Image
except ImportError:
    Image = None

BUILD = sys.argv.pop(1)
EPOCHS = 3
# client/plot.h
WIDTH, HEIGHT, TOP, BOTTOM, RIGHT, SCALE = 800, 600, 40, 60, 20, 90
LEFT, LEFT_NAMES = 80, 150
# Okabe and Ito's blue and orange, for the first and the second series.
BLUE, ORANGE = (0x00, 0x72, 0xb2), (0xe6, 0x9f, 0x00)
RISING = [(0x2b, 0x10, 0x55), (0x41, 0x44, 0x87), (0x2a, 0x78, 0x8e),
          (0x22, 0xa8, 0x84), (0x7a, 0xd1, 0x51), (0xfd, 0xe7, 0x25)]


def place(x, y, x_axis, y_axis, height=HEIGHT, left=LEFT, right=RIGHT):
    """Pixels of a point of a plot."""
    return (left + (x - x_axis[0]) / (x_axis[1] - x_axis[0])
            * (WIDTH - left - right),
            TOP + (1 - (y - y_axis[0]) / (y_axis[1] - y_axis[0]))
            * (height - TOP - BOTTOM))


def peaks(epoch):
    """Middles of the bins, an eighth of a decade wide, of an epoch's four
    values; each holds one of four, so its density is 2 a decade."""
    return [(math.floor(8 * math.log10(epoch * 1e-3 * i)) + 0.5) / 8
            for i in (1, 2, 3, 4)]


def far(a, b):
    return max(abs(x - y) for x, y in zip(a, b))


def apart(p, a, b):
    """From a point to the line from a to b."""
    along = complex(b[0] - a[0], b[1] - a[1])
    if not along:
        return far(p, a)
    at = complex(p[0] - a[0], p[1] - a[1]) / along
    return abs(at - min(max(at.real, 0), 1)) * abs(along)


@unittest.skipUnless(Image, "Pillow is not installed")
class Pictures(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = programs.Daemon(BUILD, "tests/fake_worker")
        rc, _, err = cls.run_client("submit", "--follow", "--epochs",
                                    str(EPOCHS))
        assert rc == 0, err

    @classmethod
    def tearDownClass(cls):
        cls.daemon.stop()

    @classmethod
    def run_client(cls, *args, url=None):
        return programs.client(BUILD, url or cls.daemon.url, *args)

    def export(self, format, *args, url=None):
        rc, out, err = self.run_client("export", "1", "-o", "-", "--format",
                                       format, *args, url=url)
        if b"built without pictures" in err:
            self.assertEqual((rc, out), (1, b""))
            self.skipTest("this build draws no pictures")
        self.assertEqual((rc, err), (0, b""))
        return out

    def image(self, *args, size=(WIDTH, HEIGHT), **more):
        image = Image.open(io.BytesIO(self.export("png", *args, **more)))
        self.assertEqual((image.format, image.size), ("PNG", size))
        return image.convert("RGB")

    def assert_colour(self, image, where, colour, near=0):
        """Somewhere within `near` pixels, or 1 for a place that is rounded;
        a line of two pixels covers one of them wholly."""
        x, y = (round(v) for v in where)
        got = [image.getpixel((x + dx, y + dy))
               for dx in range(-1 - near, 2 + near)
               for dy in range(-1 - near, 2 + near)]
        # 6 of 255: a gif's palette.
        self.assertLessEqual(min(far(g, colour) for g in got), 6, got)

    def assert_histogram(self, image, epoch, top):
        for x in peaks(epoch):
            self.assert_colour(image, place(x, 2, (-10, 0), (0, top)), ORANGE,
                               near=2)
        # Half way up from the bin before, which is empty.
        self.assert_colour(image, place(peaks(epoch)[0] - 1 / 16, 1, (-10, 0),
                                        (0, top)), ORANGE, near=2)
        x, y = place(-7.5, top / 2, (-10, 0), (0, top))
        self.assertEqual(image.getpixel((int(x), int(y) + 9)), (255,) * 3)

    def test_histogram(self):
        self.assert_histogram(self.image(), EPOCHS, 2.1)
        self.assert_histogram(self.image("--epochs", "1"), 1, 2.1)

    def test_the_notebooks_density(self):
        """49 bins a tenth or so of a decade wide, per unit of the norm."""
        edges = [10 ** (-10 + 10 * i / 49) for i in range(50)]
        counts = [0] * 49
        for i in (1, 2, 3, 4):
            counts[next(k for k in range(49)
                        if edges[k] <= i * 1e-3 < edges[k + 1])] += 1
        density = [c / 4 / (edges[k + 1] - edges[k])
                   for k, c in enumerate(counts)]
        image = self.image("--density", "linear", "--epochs", "1")
        top = 1.05 * max(density)
        for k, y in enumerate(density):
            if y:
                x = math.log10((edges[k] + edges[k + 1]) / 2)
                self.assert_colour(image, place(x, y, (-10, 0), (0, top)),
                                   ORANGE, near=3)

    def test_gif_has_a_frame_an_epoch(self):
        gif = Image.open(io.BytesIO(self.export("gif")))
        self.assertEqual((gif.n_frames, gif.size), (EPOCHS, (WIDTH, HEIGHT)))
        self.assertEqual(gif.info["loop"], 0)           # for ever
        for i in range(EPOCHS):
            gif.seek(i)
            self.assertEqual(gif.info["duration"], 1000)
            self.assert_histogram(gif.convert("RGB"), i + 1, 2.1)
        gif = Image.open(io.BytesIO(self.export("gif", "--epochs", "2-3",
                                                "--view", "profile")))
        self.assertEqual(gif.n_frames, 2)

    def test_profile(self):
        """conv1 alone is of the main path, at depth 1; percentiles within one
        decade, from 1e-3 to 1e-2, over all epochs."""
        image = self.image("--view", "profile")
        height = math.log10(EPOCHS * 2.5e-3)
        y_axis = (math.floor(math.log10(EPOCHS * 1.15e-3)),
                  math.ceil(math.log10(EPOCHS * 3.85e-3)))
        self.assert_colour(image, place(1, height, (0, 2), y_axis), BLUE)

    def test_heat(self):
        """Two rows; colours from 1e-3 to 1e-2."""
        size = (WIDTH, TOP + BOTTOM + 200)
        image = self.image("--view", "heat", size=size)
        for epoch in range(1, EPOCHS + 1):
            at = (math.log10(epoch * 2.5e-3) + 3) * (len(RISING) - 1)
            i = int(at)
            colour = [a + (at - i) * (b - a)
                      for a, b in zip(RISING[i], RISING[i + 1])]
            for row in (0, 1):
                where = place(epoch, row, (0.5, EPOCHS + 0.5), (1.5, -0.5),
                              size[1], LEFT_NAMES, SCALE)
                self.assertLessEqual(far(image.getpixel(
                    tuple(round(v) for v in where)), colour), 1)

    def test_training(self):
        """Losses 2, 1 and 2/3 in the first of four panels."""
        image = self.image("--view", "training", size=(WIDTH, 4 * 270))
        room = 0.05 * (2 - 2 / 3)
        for epoch in range(1, EPOCHS + 1):
            self.assert_colour(image, place(epoch, 2 / epoch, (0.5, 3.5),
                               (2 / 3 - room, 2 + room), 270), BLUE)

    def test_ridgeline(self):
        """One row, conv1's, whose highest ridge is 2.4 rows high."""
        image = self.image("--view", "ridgeline",
                           size=(WIDTH, TOP + BOTTOM + int(34 * 3.4)))
        for x in peaks(EPOCHS):
            where = place(x, -1.2, (-10, 0), (0.5, -2.5), image.size[1],
                          LEFT_NAMES)
            got = image.getpixel(tuple(round(v) for v in where))
            # The fill is 70 % blue on white.
            self.assertLessEqual(far(got, [255 - 0.7 * (255 - c)
                                           for c in BLUE]), 3)

    def test_svg(self):
        """The curve is a path through where the records say."""
        root = ElementTree.fromstring(self.export("svg"))
        self.assertEqual(root.tag, "{http://www.w3.org/2000/svg}svg")
        self.assertEqual(root.get("viewBox"), "0 0 %d %d" % (WIDTH, HEIGHT))
        corners = []
        for path in root.iter("{http://www.w3.org/2000/svg}path"):
            paint = path.get("style", "") + str(path.attrib)
            # rgb(90.196078%,62.352941%,0%) is the orange.
            if re.search(r"stroke:rgb\(90\.19\d*%, ?62\.35\d*%, ?0%\)", paint):
                corners += [(float(x), float(y)) for x, y in re.findall(
                    r"[ML] (\S+) (\S+)", path.get("d"))]
        for x in peaks(EPOCHS):
            want = place(x, 2, (-10, 0), (0, 2.1))
            # Cairo counts in 256ths of a pixel.
            self.assertLess(min(apart(want, *ends) for ends
                                in zip(corners, corners[1:])), 1 / 256)
        for view in ("ridgeline", "heat", "profile", "training"):
            ElementTree.fromstring(self.export("svg", "--view", view))

    def test_names_with_escapes_and_nothing_to_draw(self):
        """Whatever is in a name, the file is a picture; layers without any
        number in range are left out."""
        name = "\x1b[31m<&>\u202e\n"
        layer = {"layer": name, "depth": 1, "main": True, "median": None,
                 "p05": None, "p95": 0}
        profile = {"job": 1, "quantity": name, "epochs": [
            {"epoch": 1, "layers": [layer], "slope": None}]}
        histograms = {"job": 1, "quantity": name, "bins": {"edges": [1e-3, 1]},
                      "epochs": [{"epoch": 1, "layers": {
                          name: {"counts": [0], "density": None}}}]}
        answers = {"/api/v1/jobs/1/" + what: ("application/json",
                                              json.dumps(body).encode())
                   for what, body in (("profile", profile),
                                      ("histograms", histograms))}
        server = programs.Canned(answers)
        try:
            for view in ("histogram", "ridgeline", "heat", "profile"):
                with self.subTest(view=view):
                    ElementTree.fromstring(self.export(
                        "svg", "--view", view, url=server.url))
        finally:
            server.stop()

    def test_no_records_yet(self):
        none = {p: ("application/json", b'{"job": 1, "epochs": []}')
                for p in ("/api/v1/jobs/1/profile", "/api/v1/jobs/1/metrics")}
        server = programs.Canned(none)
        try:
            for view in ("histogram", "heat", "training"):
                rc, out, err = self.run_client(
                    "export", "1", "-o", "-", "--format", "png", "--view",
                    view, url=server.url)
                if b"built without pictures" not in err:
                    self.assertEqual((rc, out), (1, b""))
                    self.assertRegex(err.decode(), "job 1 has no .* yet")
        finally:
            server.stop()


if __name__ == "__main__":
    unittest.main(verbosity=2)
