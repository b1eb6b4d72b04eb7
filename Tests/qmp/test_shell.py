"""PyPI's `qmp-shell`, unmodified, driven over its standard input."""

import ast
import json
import os
import subprocess
import sys
import unittest
from pathlib import Path

from daemon import PATIENCE_SECONDS, Daemon
from descriptors import MEMORY_MOVE, NO_OP, decode, descriptor, encode

SHELL = Path(sys.executable).parent / "qmp-shell"
PROMPT = "(QEMU) "


class ShellTests(unittest.TestCase):
    """`qmp-shell` against one daemon."""

    program = None

    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon(cls.program)

    @classmethod
    def tearDownClass(cls):
        if (status := cls.daemon.stop()) != 0:
            raise AssertionError(f"swqd ended with {status}")

    def shell(self, *commands, options=()):
        """Types the commands, ends the input, and returns what the shell printed for each line."""
        ended = subprocess.run(
            [SHELL, *options, self.daemon.socket_path], input="".join(line + "\n" for line in commands),
            # The shell keeps a file of what was typed.
            env=os.environ | {"HOME": str(self.daemon.directory)},
            capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=True,
        )
        self.assertEqual(ended.stderr, "")
        banner, *answers = ended.stdout.split(PROMPT)
        self.assertIn("Connected to QEMU 0.1.0", banner)
        # Behind the last prompt the input ended.
        self.assertEqual(answers.pop(), "\n")
        self.assertEqual(len(answers), len(commands))
        return answers

    def test_query_commands_answers(self):
        (answer,) = self.shell("query-commands")
        self.assertIn({"name": "enqcmd"}, json.loads(answer)["return"])

    def test_work_is_submitted_and_done(self):
        memory, portal = 0x10000000, 0x20000000
        text = b"typed by hand"
        answers = self.shell(
            "attach-process",
            f"alloc-memory size=16384 address={hex(memory)}",
            "bind-process device=dsa0",
            f"map-portal device=dsa0 wq=0 address={hex(portal)}",
            f"write-memory address={hex(memory + 4096)} data={encode(text)}",
            f"enqcmd destination={hex(portal)} "
            f"descriptor={descriptor(MEMORY_MOVE, memory, memory + 4096, memory + 8192, len(text))}",
            f"umwait address={hex(memory)} timeoutMs={PATIENCE_SECONDS * 500}",
            f"read-memory address={hex(memory + 8192)} size={len(text)}",
            "unbind-process device=dsa0",
            "detach",
        )
        returns = [json.loads(answer)["return"] for answer in answers]
        self.assertEqual(returns[1:2] + returns[3:5], [{"address": hex(memory)}, {"address": hex(portal)}, {}])
        self.assertEqual(returns[5:7], [{"zf": False, "gpFixups": 1}, {"changed": True, "value": 1}])
        self.assertEqual(decode(returns[7]["data"]), text)
        self.assertEqual(returns[8:], [{}, {}])

    def test_a_refusal_is_shown(self):
        refused, misaligned = self.shell("query-devices device=dsa9", "query-vresion")
        self.assertEqual(json.loads(refused)["error"]["class"], "NotFound")
        self.assertEqual(json.loads(misaligned)["error"]["class"], "CommandNotFound")

    def test_an_exception_is_a_return(self):
        *_, answer = self.shell(
            "attach-process", f"enqcmd destination=0x20000000 descriptor={descriptor(NO_OP, 0x10000000)}")
        self.assertEqual(json.loads(answer)["return"]["exception"]["vector"], "#GP")

    def test_events_are_shown_on_an_empty_line(self):
        *_, bound, shown = self.shell("attach-process", "bind-process device=dsa0", "")
        events = [ast.literal_eval(line) for line in shown.splitlines()]
        self.assertEqual([event["event"] for event in events], ["IOASID_ALLOC", "IOASID_BIND"])
        self.assertEqual(events[1]["data"]["ioasid"], json.loads(bound)["return"]["pasid"])

    def test_the_verbose_and_the_pretty_form_work(self):
        (answer,) = self.shell("query-status", options=("-v", "-p"))
        request, end = json.JSONDecoder().raw_decode(answer)
        self.assertEqual(request, {"execute": "query-status", "arguments": {}})
        self.assertEqual(json.loads(answer[end:])["return"]["state"], "running")
