#!/usr/bin/python3
"""Nothing that a server says controls the terminal: real answers of every
route, with hostile bytes put into every name and every text of them, given to
every command, on a terminal and into a pipe.

Usage: test_hostile.py BUILD
"""
import json
import os
import re
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import programs  # noqa: E402

BUILD = sys.argv.pop(1)
# A title, a colour that the client never uses, CSI in one character, a turn of
# the direction of writing, a bell, a return and a new line.
EVIL = "\x1b]0;x\x07\x1b[35;7m\x9b2J\u202e\r\nX"
# What the client itself sends.
OWN = re.compile(rb"\x1b\[(0|1|3[12346])m|\x1b\[\?(1049|25)[hl]|\x1b\[2?[HJK]")
BAD = [b"\x1b", b"\x07", b"\r", b"\xc2\x9b", b"\xe2\x80\xae"]
JOB = "/jobs/1"
ROUTES = ["", "/jobs", JOB, "/models", "/models/resnet18", "/datasets",
          "/devices", "/compare", "/queue"] + [
              JOB + "/" + w for w in ("verdict", "checkpoints", "gradients",
                                      "histograms", "profile", "metrics")]
QUERIES = {JOB + "/histograms": "?bins=decade8", "/compare": "?jobs=1,2"}
# Texts that decide what is done with an answer.
KEPT = {"type", "state", "started_at", "created_at", "ended_at", "time"}
COMMANDS = [
    ["list"], ["show", "1"], ["gradients", "1"], ["gradients", "1", "--csv"],
    ["list", "--csv"], ["compare", "1", "2", "--csv"],
    ["histogram", "1"], ["histogram", "1", "--ascii"], ["profile", "1"],
    ["profile", "1", "--list"], ["verdict", "1"], ["compare", "1", "2"],
    ["log", "1"], ["log", "1", "--follow"], ["watch", "1"],
    ["watch", "1", "--json"], ["wait", "1"], ["wait", "1", "--json"],
    ["probe", "1"], ["group", "g"], ["compare", "--group", "g"],
    ["cancel", "--group", "g", "--json"], ["drain", "--json"], ["doctor"],
    ["submit", "--sweep", "train.seed=0..1", "--group", "g"],
    ["models"], ["models", "resnet18"], ["datasets"], ["devices"], ["status"],
    ["version"], ["version", "--json"], ["open"], ["show", "1", "--json"],
    ["submit"], ["submit", "--json"], ["submit", "--follow"],
    ["submit", "--dry-run"], ["clone", "1"], ["cancel", "1", "--json"],
    ["move", "1", "--last", "--json"], ["rm", "1"],
    ["export", "1", "--format", "csv"], ["export", "1", "--format", "json"],
    ["export", "1", "--format", "notebook"],
    ["export", "1", "-o", "/no/such/" + EVIL.replace("/", "") + ".csv"],
    ["export", "1", "-o", EVIL], ["show", EVIL], [EVIL], ["list", "--" + EVIL],
    ["list", "--state", EVIL], ["submit", "--batch", EVIL],
    ["submit", "--spec", EVIL], ["--server", EVIL, "list"],
    ["--token-file", EVIL, "list"], ["wait", "1", "--timeout", EVIL],
]


def spoil(value, key=None):
    if isinstance(value, dict):
        return {(k if k in KNOWN else k + EVIL): spoil(v, k)
                for k, v in value.items()}
    if isinstance(value, list):
        return [spoil(v, key) for v in value]
    if isinstance(value, str) and key not in KEPT:
        return value + EVIL
    return value


# Members that commands look for; other keys (layers, quantities) are names.
KNOWN = set("""jobs next id name state spec progress epoch epochs step
steps_per_epoch images_per_second eta_seconds loss accuracy error code message
device backend index parameters held used job quantity layers layer depth main
median p05 p25 p75 p95 min max mean count nonfinite zeros samples bins edges
counts density underflow overflow complete steps slope factor_per_layer
decades_per_layer low high r2 early_steps value theory source verdict summary
evidence rule threshold href decides differs log10_ratio interval factor p q
units words log checkpoints bytes sha256 type seq time quantities hist decade8
first version detail title errors pointer path created_at started_at ended_at
data train model record last_event_id""".split())


class Hostile(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        daemon = programs.Daemon(BUILD, "tests/fake_worker")
        for _ in range(2):
            programs.client(BUILD, daemon.url, "submit", "--follow",
                            "--epochs", "2")
        cls.answers = {}
        for route in ROUTES:
            body = daemon.json(route + QUERIES.get(route, ""))
            cls.answers["/api/v1" + route] = (
                "application/json", json.dumps(spoil(body),
                                               ensure_ascii=False).encode())
        events = daemon.get(JOB + "/events?since=0").decode()
        lines = [re.sub(r"^data: (.*)", lambda m: "data: " + json.dumps(
            spoil(json.loads(m.group(1)))), line)
            for line in events.split("\n")]
        cls.answers["/api/v1" + JOB + "/events"] = (
            "text/event-stream", "\n".join(lines).encode())
        daemon.stop()
        cls.answers["/api/v1/jobs/1/log"] = ("text/plain", EVIL.encode())
        for table in ("/jobs", "/jobs/1/gradients", "/compare"):
            cls.answers["/api/v1" + table + ".csv"] = ("text/csv",
                                                       EVIL.encode())
        layers = {EVIL: {"cosine": 0.25, "confusion": -0.5, "snr": 1}}
        more = {
            "/jobs/1/probe": {"job": 1, "probes": [{
                "epoch": 1, "step": 0, "images": 8, "seconds": 0.5,
                "layers": layers}]},
            "/groups/g": {"group": EVIL, "states": {EVIL: 1}, "sets": [{
                "label": EVIL, "jobs": [1], "seeds": [0]}]},
            "/groups/g/compare": {
                "base": EVIL, "left_out": [EVIL], "comparisons": [{
                    "label": EVIL, "comparison": {
                        "quantity": EVIL, "epochs": [1], "layers": {
                            EVIL: {"log10_ratio": 1, "interval": [0, 2]}},
                        "summary": EVIL}}]},
            "/groups/g/cancel": {"cancelled": [EVIL]},
            "/queue/drain": {"state": EVIL, EVIL: EVIL},
            "/sweeps": {"group": EVIL, "jobs": [{"id": 1, "name": EVIL}]},
        }
        for path, body in more.items():
            cls.answers["/api/v1" + path] = ("application/json", json.dumps(
                body, ensure_ascii=False).encode())
        cls.answers["/api/v1/login"] = ("application/json", json.dumps(
            {"path": "/login?code=" + EVIL}).encode())
        for what in ("cancel", "move", "clone"):
            cls.answers["/api/v1%s/%s" % (JOB, what)] = \
                cls.answers["/api/v1" + JOB]
        cls.server = programs.Canned(cls.answers)

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def check(self, seen):
        # A terminal turns a new line into two bytes.
        rest = OWN.sub(b"", seen).replace(b"\r\n", b"\n")
        for bad in BAD:
            self.assertNotIn(bad, rest)

    def each(self, server, commands):
        for args in commands:
            with self.subTest(args=args):
                _, seen = programs.on_terminal(BUILD, server.url, *args)
                self.assertGreater(len(seen), 0)
                self.check(seen)
                if "--json" in args or "export" in args or "log" in args or \
                        "--csv" in args:
                    continue        # a pipe gets the server's bytes
                _, out, err = programs.client(BUILD, server.url, *args)
                self.check(out + err)

    def test_every_command(self):
        self.each(self.server, COMMANDS)

    def test_ascii(self):
        """Asked for, and in a locale that has nothing else."""
        for args in (["histogram", "1"], ["profile", "1"], ["verdict", "1"],
                     ["compare", "1", "2"], ["watch", "1"], ["list"]):
            for more, locale in ((["--ascii"], "C.UTF-8"), ([], "C")):
                with self.subTest(args=args, locale=locale):
                    _, seen = programs.on_terminal(
                        BUILD, self.server.url, *args, *more, locale=locale)
                    self.assertGreater(len(seen), 20)
                    self.assertEqual([b for b in seen if b > 126], [])

    def test_refusals(self):
        for status in (422, 409, 404, 500):
            problem = {"title": EVIL, "detail": EVIL, "state": EVIL}
            if status == 422:
                problem["errors"] = [{"pointer": "/" + EVIL, "value": EVIL,
                                      "message": EVIL}]
            server = programs.Canned({
                "/api/v1/jobs" + path: ("application/problem+json",
                                        json.dumps(problem).encode(), status)
                for path in ("", "/1", "/1/cancel", "/1/events",
                             "/1/gradients")})
            try:
                self.each(server, [["submit"], ["show", "1"], ["cancel", "1"],
                                   ["watch", "1"], ["wait", "1"],
                                   ["gradients", "1"]])
            finally:
                server.stop()

    def test_something_else_answers(self):
        server = programs.Canned({"/api/v1/jobs": ("text/html",
                                                   EVIL.encode())})
        try:
            self.each(server, [["list"], ["submit"]])
        finally:
            server.stop()


if __name__ == "__main__":
    unittest.main(verbosity=2)
