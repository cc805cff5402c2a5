#!/usr/bin/env python3
"""Every command of the documents runs, or is listed here with the reason why
not. Commands are the lines of indented and of ```sh blocks that begin with a
program's name; a document's commands run in their order, in a home directory of
their own with a data set, against a daemon whose worker tells canned events.
What is only for other machines is at least read by the shell (bash -n).

  test_docs.py BUILD
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/client"))
import programs  # noqa: E402

BUILD = pathlib.Path(sys.argv.pop(1)).resolve()
DOCUMENTS = ["README.md", "HACKING.md"] + sorted(
    f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))
ELSEWHERE = {
    "docs/api.md": "tests/openapi runs its examples",
    "docs/client.md": "tests/client/test_docs.py",
    "docs/export.md": "tests/client/test_docs.py",
}
PROGRAMS = r"(gradwatch\S*|build/\S+|scripts/\S+|tests/\S+|meson|ninja|curl|" \
    r"echo|export|sudo|sudoedit|systemctl|docker|ssh|mkdir|unzip|tensorboard|" \
    r"sqlite3|stat|rm|for|cd|systemd-analyze|GRADWATCH_\w+=\S+|\(umask)"
# Lines of such blocks that are no commands: JSON, formulas, Python.
OUTPUT = re.compile(r"[{ ]|(G|epoch_gradients) = |(mix|key|bits|unit)\(")

# What is not run here, and why. Each row must be of use.
NOT_HERE = [
    (r"scripts/(deps|demo|test|lint|package|screenshots)\b",
     "is or runs this very test, or takes minutes"),
    (r"(meson|ninja)\b", "the build that is tested"),
    (r"export PATH=", "the test's own PATH has the programs"),
    (r"(sudo|sudoedit|systemctl|systemd-analyze)\b", "changes the machine; tests/ops/package "
     "installs, upgrades and removes"),
    (r"docker\b", "no engine; tests/ops/test_dockerfile.py reads the file"),
    (r"ssh\b", "needs another machine"),
    (r"(mkdir -p ~/data|curl -O|unzip)", "fetches 240 MB"),
    (r"tests/(bench|controls|hostile|faults|fuzz)/", "takes minutes; "
     "scripts/test runs its short form"),
    (r"tensorboard\b", "is not installed; tests/client/test_data.py reads the "
     "file"),
    (r"GRADWATCH_TOKEN_FILE=~", "the token was installed by sudo"),
]
# The jobs that a document takes for granted.
JOBS = {"docs/dashboards.md": 1, "docs/operation.md": 2}
# A daemon in the foreground would never end: its options are checked.
DAEMON = re.compile(r"(build/daemon/)?gradwatchd (?!.*--check-)")
# What exits with 1, as it should with canned events: no verdict of two layers.
NO = {"gradwatch verdict 2"}


def blocks(text):
    """Indented blocks and ```sh ones, as lists of lines."""
    block, fence = [], None
    for line in text.splitlines() + ["end"]:
        if fence is not None:
            if line.startswith("```"):
                if fence == "sh":
                    yield block
                block, fence = [], None
            else:
                block.append(line)
        elif line.startswith("```"):
            block, fence = [], line[3:]
        elif line.startswith("    ") or (block and not line):
            block.append(line[4:])
        elif block:     # within a list it is further in
            yield textwrap.dedent("\n".join(block)).split("\n")
            block = []


def commands(text, strays=None):
    """Whole commands: with what follows a backslash, and loops to their end.
    Lines that are neither commands nor known output go to strays."""
    for block in blocks(text):
        command = ""
        for line in block:
            if not command and not re.match(PROGRAMS + r"(\s|$)", line):
                if strays is not None and line and not OUTPUT.match(line):
                    strays.append(line)
                continue
            command += ("\n" if command else "") + line
            loop = command.startswith("for ") and \
                not command.endswith("\ndone")
            if not line.endswith("\\") and not loop:
                yield command
                command = ""


def reason(command):
    for pattern, why in NOT_HERE:
        if re.match(pattern, command):
            return why
    return None


class Docs(unittest.TestCase):
    def setUp(self):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="gradwatch-test-"))
        self.addCleanup(shutil.rmtree, self.home)
        for name in ("build", "config"):
            (self.home / name).symlink_to(BUILD if name == "build"
                                          else ROOT / name)
        (self.home / "runs").mkdir()
        # A tiny Tiny ImageNet, and CIFAR-10's folder.
        for name in ("tiny-imagenet-200/train/n01/images", "val/n01",
                     "cifar/cifar-10-batches-bin"):
            (self.home / "data" / name).mkdir(parents=True)
        tiny = self.home / "data/tiny-imagenet-200"
        for name in ("train", "val", ""):
            shutil.copytree(BUILD_TEXTURES, tiny / name, dirs_exist_ok=True)

    def run_document(self, name):
        listed = list(commands((ROOT / name).read_text()))
        data = self.home / "data"
        daemon = programs.Daemon(BUILD, "tests/fake_worker",
                                 f"--data=tiny={data}/tiny-imagenet-200",
                                 f"--data=cifar={data}/cifar")
        self.addCleanup(daemon.stop)
        state = self.home / ".local/state/gradwatch"
        shutil.copytree(pathlib.Path(daemon.dir) / "state", state)
        (state / "token").write_text("0123456789012345678901\n")
        (state / "token").chmod(0o600)
        path = ":".join(str(BUILD / d) for d in ("client", "daemon", "worker"))
        env = dict(os.environ, HOME=str(self.home), LC_ALL="C.UTF-8",
                   GRADWATCH_SERVER=daemon.url, OMP_WAIT_POLICY="passive",
                   PATH=path + ":" + os.environ["PATH"])
        # Root's state would be that of the system.
        env["XDG_STATE_HOME"] = str(self.home / ".local/state")
        port = daemon.url.rsplit(":", 1)[1]
        for _ in range(JOBS.get(name, 0)):
            subprocess.run(["gradwatch", "submit", "--follow"], env=env,
                           check=True, capture_output=True, timeout=600)
        for command in listed:
            with self.subTest(document=name, command=command):
                self.run_command(command, env, port)
        return len(listed)

    def run_command(self, command, env, port):
        script = command.replace("localhost:7050", f"localhost:{port}")
        script = script.replace("/etc/gradwatch/",
                                f"{BUILD}/manual/")
        if script.startswith("build/tests/bench/bench_step"):
            script += " --steps 1 --warmup 0 --size 32 --batch 2"
        if script.startswith("gradwatchd --check-config"):
            script += " --worker /bin/true"
        if DAEMON.match(script):
            script = re.sub(r"\s*&?\s*(#.*)?$", "", script) + \
                " --check-config --worker /bin/true"
        how = ["bash", "-n", "-c"] if reason(command) else \
            ["bash", "-c"]
        if not reason(command) and "sqlite3" in command and \
                not shutil.which("sqlite3"):
            self.skipTest("no sqlite3")
        done = subprocess.run(how + [script], cwd=self.home, env=env,
                              capture_output=True, text=True, timeout=600)
        plain = re.sub(r"\s*(#.*)?$", "", command)
        self.assertEqual(done.returncode, int(plain in NO),
                         done.stdout + done.stderr)

    def test_no_line_is_overlooked(self):
        """A program that is new in a document is run, or has its reason."""
        for name in DOCUMENTS:
            strays = []
            list(commands((ROOT / name).read_text(), strays))
            self.assertEqual(strays, [], name)

    def test_a_new_program_is_noticed(self):
        strays = []
        text = "So:\n\n    gradwatch list\n    pip install x\n\n    {1}\n"
        self.assertEqual(list(commands(text, strays)), ["gradwatch list"])
        self.assertEqual(strays, ["pip install x"])

    def test_reasons_are_of_use(self):
        every = [c for name in DOCUMENTS if name not in ELSEWHERE
                 for c in commands((ROOT / name).read_text())]
        for pattern, _ in NOT_HERE:
            self.assertTrue(any(re.match(pattern, c) for c in every), pattern)

    @unittest.skipUnless(shutil.which("promtool"), "no promtool")
    def test_prometheus_takes_the_examples(self):
        text = (ROOT / "docs/dashboards.md").read_text()
        examples = re.findall(r"(?s)```yaml\n(.*?)```", text)
        self.assertEqual(len(examples), 2)
        for example, kind in zip(examples, ("config", "rules")):
            path = self.home / f"{kind}.yml"
            # The token's file is that of a service which is not here.
            path.write_text(example.replace("/var/lib/gradwatch/token",
                                            "/dev/null"))
            done = subprocess.run(["promtool", "check", kind, path],
                                  capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_all_are_read(self):
        for name in ELSEWHERE:
            self.assertIn(name, DOCUMENTS)
        self.assertGreater(len(list(commands(
            (ROOT / "README.md").read_text()))), 10)


def add_test(name):
    def test(self):
        self.run_document(name)
    label = re.sub(r"\W", "_", name.lower())
    setattr(Docs, f"test_{label}", test)


for document in DOCUMENTS:
    if document not in ELSEWHERE:
        add_test(document)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="gradwatch-test-") as textures:
        BUILD_TEXTURES = os.path.join(textures, "set")
        subprocess.run([BUILD / "worker/gradwatch-textures", BUILD_TEXTURES,
                        "--classes", "2", "--images", "2", "--size", "16"],
                       check=True, stdout=subprocess.DEVNULL)
        unittest.main()
