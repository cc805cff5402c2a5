#!/usr/bin/env python3
"""The Dockerfile, read as an engine would: there is none to build it with where
tests run. Instructions and stages must exist, images are pinned, layers leave
nothing behind, no service runs as root, and what is copied is there."""
import json
import pathlib
import re
import sys
import unittest

ROOT = pathlib.Path(sys.argv.pop(1))
KNOWN = set("FROM RUN WORKDIR COPY ENV USER VOLUME EXPOSE HEALTHCHECK "
            "STOPSIGNAL ENTRYPOINT CMD ARG LABEL SHELL".split())
# Options of meson.build and scripts that the image relies on.
MESON_OPTIONS = ROOT / "meson_options.txt"


def instructions(text):
    text = re.sub(r"(?m)^\s*#.*\n", "", text)
    text = re.sub(r"\\\n", " ", text)
    for line in text.splitlines():
        if line.strip():
            word, _, rest = line.strip().partition(" ")
            yield word, " ".join(rest.split())


class Dockerfile(unittest.TestCase):
    def setUp(self):
        text = (ROOT / "packaging/Dockerfile").read_text()
        self.all = list(instructions(text))
        last = max(i for i, (word, _) in enumerate(self.all) if word == "FROM")
        self.final = self.all[last:]

    def of(self, word, rows=None):
        return [rest for w, rest in (self.all if rows is None else rows)
                if w == word]

    def test_instructions_are_known(self):
        self.assertEqual([w for w, _ in self.all if w not in KNOWN], [])
        self.assertEqual(self.all[0][0], "FROM")

    def test_images_are_pinned_and_nvidias(self):
        for image in self.of("FROM"):
            self.assertRegex(image, r"^nvidia/cuda:\d+\.\d+\.\d+-cudnn-"
                             r"(devel|runtime)-ubuntu\d\d\.04( AS \w+)?$")
        self.assertIn("-runtime-", self.of("FROM")[-1])
        # The libraries of both stages are those of one release.
        versions = {re.sub("-(devel|runtime)-", "-", i.split()[0])
                    for i in self.of("FROM")}
        self.assertEqual(len(versions), 1)

    def test_packages_leave_no_lists_behind(self):
        for run in self.of("RUN"):
            self.assertNotIn("apt ", run)
            if "apt-get install" in run:
                self.assertIn("apt-get update &&", run)
                self.assertIn("-y --no-install-recommends", run)
                self.assertIn("rm -rf /var/lib/apt/lists/*", run)

    def test_copies(self):
        stages = re.findall(r" AS (\w+)", "\n".join(self.of("FROM")))
        for copy in self.of("COPY"):
            words = copy.split()
            if words[0].startswith("--from="):
                self.assertIn(words[0][7:], stages)
                continue
            for source in words[:-1]:
                self.assertTrue((ROOT / source).exists(), source)

    def test_builds_with_options_that_exist(self):
        known = re.findall(r"option\('(\w+)'", MESON_OPTIONS.read_text())
        used = re.findall(r"-D(\w+)=", "\n".join(self.of("RUN")))
        self.assertGreater(len(used), 1)
        for name in used:
            self.assertIn(name, known)

    def test_runs_as_nobody_special(self):
        users = self.of("USER", self.final)
        self.assertTrue(users and users[-1] not in ("root", "0"))
        made = " ".join(self.of("RUN", self.final))
        self.assertRegex(made, rf"useradd --system.* {users[-1]}\b")

    def test_starts_without_a_shell(self):
        entry = json.loads(self.of("ENTRYPOINT", self.final)[0])
        self.assertEqual(entry[0], "gradwatchd")
        health = self.of("HEALTHCHECK", self.final)[0]
        self.assertEqual(json.loads(health[health.index("["):])[0],
                         "gradwatch")

    def test_nothing_secret_is_copied(self):
        ignored = (ROOT / ".dockerignore").read_text().split()
        for name in (".git", "**/node_modules", "demo"):
            self.assertIn(name, ignored)


if __name__ == "__main__":
    unittest.main()
