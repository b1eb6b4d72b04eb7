"""The daemon under test, with everything of it in a directory of its own."""

import os
import select
import socket
import subprocess
import tempfile
from pathlib import Path

PATIENCE_SECONDS = 60


class Daemon:
    """Runs `swqd` with its default configuration, from readiness to an orderly end."""

    def __init__(self, program):
        self._directory = tempfile.TemporaryDirectory(prefix="swqd-qmp.")
        self.directory = Path(self._directory.name)
        self.socket_path = str(self.directory / "swqd.sock")
        self.admin_socket_path = str(self.directory / "admin.sock")
        notify_path = str(self.directory / "notify.sock")
        self._log = open(self.directory / "log", "w+b")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(notify_path)
            self._process = subprocess.Popen(
                [program, "--socket", self.socket_path, "--state-dir", str(self.directory / "state")],
                env=os.environ | {"NOTIFY_SOCKET": notify_path},
                stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log,
            )
            if not self._becomes_ready(notify):
                self._process.kill()
                self._process.wait()
                raise RuntimeError("swqd does not get ready:\n" + self.log())

    def _becomes_ready(self, notify):
        """Waits for `READY=1`; False when the daemon ended before or takes too long."""
        exit_descriptor = os.pidfd_open(self._process.pid)
        try:
            while True:
                readable, _, _ = select.select([notify, exit_descriptor], [], [], PATIENCE_SECONDS)
                if notify not in readable:
                    return False
                if b"READY=1" in notify.recv(4096).split(b"\n"):
                    return True
        finally:
            os.close(exit_descriptor)

    def log(self):
        """What the daemon said."""
        self._log.seek(0)
        return self._log.read().decode()

    def stop(self):
        """Ends the daemon as an administrator would and returns its status."""
        self._process.terminate()
        try:
            status = self._process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        if status != 0:
            print(self.log())
        self._log.close()
        self._directory.cleanup()
        return status
