#!/usr/bin/env python3
"""What `meson install` puts where, and that it works from there: daemon, worker
and page find each other below any root. Units, users and folders are checked by
systemd's own tools, where they are installed."""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest
import urllib.request

BUILD = pathlib.Path(sys.argv.pop(1))
# Of 10: 1.8 when this was written; what is open is what a GPU and compiling
# at run time need (packaging/gradwatchd.service.in says which).
EXPOSURE = 20       # in tenths

FILES = """
bin/gradwatch bin/gradwatchd etc/gradwatch/gradwatchd.conf
lib/systemd/system/gradwatchd.service lib/systemd/user/gradwatchd.service
lib/sysusers.d/gradwatch.conf lib/tmpfiles.d/gradwatch.conf
share/man/man1/gradwatch.1 share/man/man1/gradwatch-train.1
share/man/man5/gradwatchd.conf.5 share/man/man8/gradwatchd.8
share/bash-completion/completions/gradwatch.bash
share/zsh/site-functions/_gradwatch
share/fish/vendor_completions.d/gradwatch.fish
share/doc/gradwatch/README.md share/doc/gradwatch/docs/api.md
share/doc/gradwatch/examples/jobs/control-healthy.json
""".split()


def option(name):
    found = subprocess.run(["meson", "introspect", "--buildoptions", BUILD],
                           capture_output=True, text=True, check=True)
    return {o["name"]: o["value"] for o in json.loads(found.stdout)}[name]


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.TemporaryDirectory()
        cls.top = pathlib.Path(cls.dir.name)
        done = subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild",
                               "--destdir", cls.top], capture_output=True,
                              text=True)
        if done.returncode:
            raise RuntimeError(done.stdout + done.stderr)
        cls.prefix = cls.top / option("prefix").lstrip("/")

    @classmethod
    def tearDownClass(cls):
        cls.dir.cleanup()

    def test_places(self):
        for name in FILES:
            self.assertTrue((self.prefix / name).is_file(), name)

    def test_works_from_there(self):
        worker = self.prefix / "bin/gradwatch-train"
        if not worker.exists():
            self.skipTest("the worker is not built")
        state = self.top / "state"
        daemon = subprocess.Popen(
            [self.prefix / "bin/gradwatchd", "--listen", "127.0.0.1:0",
             "--state", state, "--config",
             self.prefix / "etc/gradwatch/gradwatchd.conf"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            url = daemon.stdout.readline().split()[-1]
            client = [self.prefix / "bin/gradwatch", "--server", url,
                      "--token-file", state / "token"]
            job = ["submit", "--arch", "resnet18", "--width", "0.0625",
                   "--image-size", "16", "--synthetic-images", "8",
                   "--synthetic-size", "16", "--synthetic-classes", "2",
                   "--batch", "4", "--epochs", "1", "--device", "cpu",
                   "--follow"]
            done = subprocess.run(client + job, capture_output=True, text=True,
                                  timeout=600)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            if (self.prefix / "share/gradwatch/web").exists():
                page = urllib.request.urlopen(url + "/", timeout=120).read()
                self.assertIn(b"app.js", page)
        finally:
            daemon.send_signal(signal.SIGTERM)
            daemon.stdout.close()
            self.assertEqual(daemon.wait(20), 0)

    def unit(self, kind):
        """The unit with its program where it is installed here."""
        text = (self.prefix / f"lib/systemd/{kind}/gradwatchd.service"
                ).read_text()
        at = option("prefix") + "/bin/gradwatchd"
        self.assertIn(at, text)
        folder = self.top / kind
        folder.mkdir(exist_ok=True)
        path = folder / "gradwatchd.service"
        path.write_text(text.replace(at, f"{self.prefix}/bin/gradwatchd"))
        return path

    def tool(self, *command):
        if not shutil.which(command[0]):
            self.skipTest(f"{command[0]} is not installed")
        done = subprocess.run([str(word) for word in command], text=True,
                              capture_output=True, timeout=600,
                              env=dict(os.environ, XDG_RUNTIME_DIR=self.top))
        return done.returncode, done.stdout + done.stderr

    def test_units_are_well_formed(self):
        for kind, how in (("system", []), ("user", ["--user"])):
            code, said = self.tool("systemd-analyze", *how, "verify",
                                   "--man=no", self.unit(kind))
            about = [line for line in said.splitlines() if "gradwatch" in line]
            self.assertEqual((code, about), (0, []), said)

    def test_the_service_is_shut_in(self):
        code, said = self.tool("systemd-analyze", "security", "--offline=true",
                               "--no-pager", f"--threshold={EXPOSURE}",
                               self.unit("system"))
        self.assertEqual(code, 0, said)
        # A GPU's nodes are visible, and are all that is.
        unit = (self.unit("system")).read_text()
        self.assertNotIn("\nPrivateDevices=yes", unit)
        self.assertIn("DevicePolicy=closed", unit)
        for line in re.findall(r"^DeviceAllow=(.*)$", unit, re.M):
            self.assertRegex(line, r"^char-nvidia\S* rw$")

    def test_user_and_folder(self):
        root = self.top / "root"
        (root / "etc").mkdir(parents=True)
        code, said = self.tool("systemd-sysusers", f"--root={root}",
                               self.prefix / "lib/sysusers.d/gradwatch.conf")
        self.assertEqual(code, 0, said)
        user = re.search(r"^gradwatch:.*$", (root / "etc/passwd").read_text(),
                         re.M).group()
        self.assertIn(":/var/lib/gradwatch:", user)
        for group in ("video", "render"):
            self.assertRegex((root / "etc/group").read_text(),
                             rf"(?m)^{group}:.*gradwatch")
        if os.geteuid():
            self.skipTest("only root can give the folder to the user")
        code, said = self.tool("systemd-tmpfiles", f"--root={root}",
                               "--create",
                               self.prefix / "lib/tmpfiles.d/gradwatch.conf")
        self.assertEqual(code, 0, said)
        state = root / "var/lib/gradwatch"
        self.assertEqual(state.stat().st_mode & 0o777, 0o700)


if __name__ == "__main__":
    unittest.main()
