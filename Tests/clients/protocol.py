"""The daemon's own protocol, for what no client program tells: who is bound, and who the daemon is."""

import json
import os
import socket
import struct
import time


class Daemon:
    """A connection to the daemon that SWQD_SOCKET names."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(os.environ["SWQD_SOCKET"])
        credentials = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        self.pid = struct.unpack("3i", credentials)[0]
        self.lines = self.socket.makefile("r")
        self.lines.readline()
        self.execute("qmp_capabilities")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def execute(self, command, **arguments):
        request = {"execute": command, "arguments": arguments, "id": 1}
        self.socket.sendall(json.dumps(request).encode() + b"\n")
        while True:
            reply = json.loads(self.lines.readline())
            if reply.get("id") == 1:
                if "return" not in reply:
                    raise RuntimeError(f"{command}: {reply}")
                return reply["return"]

    def bindings_of(self, pid):
        """The bindings in force that a process of the operating system made."""
        return [row for row in self.execute("query-bindings", limit=1000)["bindings"] if row.get("pid") == pid]

    def wait_for(self, condition, seconds=20):
        """Asks again until it holds; the round trips are what passes the time. False: it never did."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                return False
        return True
