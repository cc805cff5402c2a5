#!/usr/bin/env python3
"""Completions: each shell completes command lines, with a gradwatch in PATH
that knows two jobs. Skips the shells that are not installed."""
import os
import pathlib
import pty
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

BUILD = pathlib.Path(sys.argv.pop(1))
MANUAL = BUILD / "manual"
PATIENCE = 120      # seconds for a shell to start on a busy machine
EDITING = r"\x1b\[\?2004h"  # zsh turns bracketed paste on as it reads a line

# A command line up to the cursor, what is offered, what is not.
ROWS = [
    ("gradwatch su", ["submit"], ["show"]),
    ("gradwatch submit --dr", ["--dry-run"], ["--pair"]),
    ("gradwatch submit --no-sk", ["--no-skip"], []),
    ("gradwatch submit --preset t", ["tiny"], ["demo"]),
    ("gradwatch submit --arch vgg3", ["vgg38"], ["resnet18"]),
    ("gradwatch --json list --state q", ["queued"], ["done"]),
    ("gradwatch watch 1", ["12", "17"], ["submit"]),
    ("gradwatch completion z", ["zsh"], ["bash"]),
    ("gradwatchd --log-level d", ["debug"], ["info"]),
    ("gradwatchd --check", ["--check-config"], ["--config"]),
    ("gradwatch-train --die", ["--die-with-parent"], ["--probe"]),
]


class Completion(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        stub = pathlib.Path(self.dir.name) / "gradwatch"
        stub.write_text("#!/bin/sh\n[ \"$*\" = 'list -q' ] && echo 12 && "
                        "echo 17\n")
        stub.chmod(0o755)
        self.env = dict(os.environ, HOME=self.dir.name, TERM="dumb",
                        PATH=self.dir.name + ":" + os.environ["PATH"],
                        XDG_CONFIG_HOME=self.dir.name,
                        XDG_DATA_HOME=self.dir.name)

    def tearDown(self):
        self.dir.cleanup()

    def shell(self, *command):
        return subprocess.run(command, env=self.env, text=True,
                              capture_output=True, timeout=PATIENCE)

    def check(self, offers):
        for line, yes, no in ROWS:
            with self.subTest(line=line):
                words = offers(line)
                for word in yes:
                    self.assertIn(word, words)
                for word in no:
                    self.assertNotIn(word, words)

    @unittest.skipUnless(shutil.which("bash"), "no bash")
    def test_bash(self):
        def offers(line):
            program = line.split()[0]
            words = line.split(" ")
            # Readline would call the function that `complete` names.
            script = (f"source {MANUAL}/{program}.bash; "
                      f"complete -p {program} >/dev/null || exit; "
                      "COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); "
                      f"_{program}; printf '%s\\n' \"${{COMPREPLY[@]}}\"")
            done = self.shell("bash", "--norc", "-c", script, "-", *words)
            self.assertEqual(done.stderr, "")
            return done.stdout.split()
        self.check(offers)
        # "=" is a word of its own there.
        script = (f"source {MANUAL}/gradwatchd.bash; COMP_WORDS=(gradwatchd "
                  "--log-format = js); COMP_CWORD=3; _gradwatchd; "
                  "echo ${COMPREPLY[@]}")
        self.assertEqual(self.shell("bash", "-c", script).stdout, "json\n")

    @unittest.skipUnless(shutil.which("fish"), "no fish")
    def test_fish(self):
        def offers(line):
            program = line.split()[0]
            done = self.shell("fish", "--no-config", "-c", f"source {MANUAL}/"
                              f"{program}.fish; complete -C '{line}'")
            self.assertEqual(done.stderr, "")
            return [row.split("\t")[0] for row in done.stdout.splitlines()]
        self.check(offers)

    @unittest.skipUnless(shutil.which("zsh"), "no zsh")
    def test_zsh(self):
        """Types into a zsh of its own, as it completes nowhere else."""
        for name in ("gradwatch", "gradwatchd", "gradwatch-train"):
            (pathlib.Path(self.dir.name) / f"_{name}").write_text(
                (MANUAL / f"_{name}").read_text())
        pid, fd = pty.fork()
        if not pid:
            os.execvpe("zsh", ["zsh", "-f", "-i"], self.env)
        self.addCleanup(os.close, fd)
        self.addCleanup(os.kill, pid, 9)
        self.type(fd, "PS1=; unsetopt zle prompt_cr; stty -echo columns 200; "
                  f"fpath=({self.dir.name} $fpath); autoload -U compinit; "
                  f"compinit -u -D; setopt zle; LISTMAX=0; "
                  "zstyle ':completion:*' list-prompt ''; echo READ''Y\n")
        self.read_until(fd, "READY(?s:.*)" + EDITING)

        def offers(line):
            # Lists the matches, then clears the line and tells that it did.
            self.type(fd, line + "\x04")
            self.type(fd, "\x15echo DO''NE\n")
            return done(fd).replace(line, "").split()

        def offers_whole(line):
            # A single match is put into the line rather than listed.
            self.type(fd, line + "\t")
            self.type(fd, "\x01echo \n\x15echo DO''NE\n")
            return done(fd).split()

        def done(fd):
            # Behind it the line editor reads again; what came before that
            # would be the terminal's, which has no completion.
            return self.read_until(fd, "DONE(?s:.*)" + EDITING)
        for line, yes, no in ROWS:
            with self.subTest(line=line):
                words = offers_whole(line) if len(yes) == 1 else offers(line)
                for word in yes:
                    self.assertIn(word, words)
                for word in no:
                    self.assertNotIn(word, words)

    def type(self, fd, text):
        os.write(fd, text.encode())

    def read_until(self, fd, mark):
        text, until = "", time.monotonic() + PATIENCE
        while not re.search(mark, text):
            left = until - time.monotonic()
            if left < 0 or not select.select([fd], [], [], left)[0]:
                self.fail(f"zsh did not say {mark}: {text!r}")
            text += os.read(fd, 4096).decode(errors="replace")
        return text


if __name__ == "__main__":
    unittest.main()
