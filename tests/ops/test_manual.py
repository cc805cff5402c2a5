#!/usr/bin/env python3
"""The manual: pages without a complaint by mandoc, every command, option and
key in them, and a sample configuration that the daemon accepts as it is and
with every key in force."""
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

BUILD = pathlib.Path(sys.argv.pop(1))
MANUAL = BUILD / "manual"
PAGES = ["gradwatch.1", "gradwatch-train.1", "gradwatchd.8",
         "gradwatchd.conf.5"]


def run(*command):
    return subprocess.run([str(word) for word in command], text=True,
                          capture_output=True)


def rendered(page):
    text = run("mandoc", "-T", "ascii", MANUAL / page).stdout
    return re.sub(".\b", "", text)      # bold is a letter struck twice


class Pages(unittest.TestCase):
    def setUp(self):
        if not shutil.which("mandoc"):
            self.skipTest("mandoc is not installed")

    def test_lint(self):
        for page in PAGES:
            with self.subTest(page=page):
                lint = run("mandoc", "-T", "lint", "-W", "style", MANUAL / page)
                # The pages that it refers to are not installed yet.
                said = [line for line in (lint.stdout + lint.stderr).split("\n")
                        if line and "referenced manual not found" not in line]
                self.assertEqual(said, [])

    def check_options(self, page, *help_of):
        text = rendered(page)
        said = run(*help_of).stdout
        # "--[no-]skip" is two options.
        options = re.findall(r"--(?:\[no-\])?([a-z0-9][a-z0-9-]*)", said)
        self.assertGreater(len(options), 5)
        self.assertEqual([x for x in said.split("\n") if len(x) > 80], [])
        for option in options:
            self.assertIn("--" + option, text)

    def test_options(self):
        self.check_options("gradwatchd.8", BUILD / "daemon/gradwatchd",
                           "--help")
        self.check_options("gradwatch.1", BUILD / "client/gradwatch", "submit",
                           "--help")
        train = BUILD / "worker/gradwatch-train"
        if train.exists():
            self.check_options("gradwatch-train.1", train, "--help")

    def test_commands(self):
        text = rendered("gradwatch.1")
        overview = run(BUILD / "client/gradwatch", "--help").stdout
        commands = re.findall(r"^  ([a-z]+) ", overview, re.M)
        self.assertEqual([x for x in overview.split("\n") if len(x) > 80], [])
        self.assertGreater(len(commands), 20)
        for command in commands:
            self.assertRegex(text, rf"(?m)^   {command}\b")


class Sample(unittest.TestCase):
    def check(self, text):
        path = MANUAL / "tried.conf"
        path.write_text(text)
        try:
            return run(BUILD / "daemon/gradwatchd", "--check-config",
                       "--worker", "/bin/true", "--config", path)
        finally:
            path.unlink()

    def test_is_accepted(self):
        self.assertEqual(self.check((MANUAL / "gradwatchd.conf").read_text())
                         .returncode, 0)

    def test_defaults_are_values(self):
        sample = (MANUAL / "gradwatchd.conf").read_text()
        keys = re.findall(r"^#([a-z-]+) = (.*)$", sample, re.M)
        self.assertGreater(len(keys), 10)
        for key, value in keys:
            if not value.isupper() and "=" not in value:    # DIR, NAME=DIR
                done = self.check(f"{key} = {value}\n")
                self.assertEqual(done.returncode, 0, done.stderr)

    def test_lines_fit(self):
        for line in (MANUAL / "gradwatchd.conf").read_text().splitlines():
            self.assertLessEqual(len(line), 80)


if __name__ == "__main__":
    unittest.main()
