"""PyPI's `qemu.qmp`, unmodified, as a client of the daemon."""

import asyncio
import fcntl
import mmap
import os
import struct
import unittest

from qemu.qmp import ExecuteError, QMPClient

import descriptors
from daemon import PATIENCE_SECONDS, Daemon
from descriptors import SUCCESS, crc32c, decode, descriptor, encode


class LibraryTests(unittest.IsolatedAsyncioTestCase):
    """`QMPClient` against one daemon."""

    program = None

    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon(cls.program)

    @classmethod
    def tearDownClass(cls):
        if (status := cls.daemon.stop()) != 0:
            raise AssertionError(f"swqd ended with {status}")

    async def connect(self, path=None):
        """A negotiated client, disconnected at the end of the test."""
        client = QMPClient("test")
        await client.connect(path or self.daemon.socket_path)
        self.addAsyncCleanup(client.disconnect)
        return client

    async def execute(self, client, command, oob=False, **arguments):
        """Runs a command whose reply has to come."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await client.execute(command, arguments or None, oob=oob)

    async def event(self, listener):
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await listener.get()

    async def attach(self):
        """A thread of a new process with bound PASID, 64 KiB of memory and the shared WQ's portal."""
        client = await self.connect()
        await self.execute(client, "attach-process")
        memory = int((await self.execute(client, "alloc-memory", size=65536))["address"], 16)
        await self.execute(client, "bind-process", device="dsa0")
        portal = (await self.execute(client, "map-portal", device="dsa0", wq=0))["address"]
        return client, memory, portal

    async def complete(self, client, record):
        """Waits for the completion record at `record` and returns its 32 bytes."""
        waited = await self.execute(client, "umwait", address=hex(record), timeoutMs=PATIENCE_SECONDS * 500)
        self.assertTrue(waited["changed"])
        return decode((await self.execute(client, "read-memory", address=hex(record), size=32))["data"])

    async def test_connect_reads_the_greeting_and_negotiates(self):
        client = await self.connect()
        self.assertEqual(client.greeting.QMP.capabilities, ["oob"])
        version = await self.execute(client, "query-version")
        self.assertEqual(client.greeting.QMP.version, version)
        self.assertEqual(set(version["qemu"]), {"major", "minor", "micro"})

    async def test_query_commands_lists_what_can_be_executed(self):
        client = await self.connect()
        names = [command["name"] for command in await self.execute(client, "query-commands")]
        self.assertEqual(names, sorted(names))
        self.assertLessEqual({"attach-process", "enqcmd", "qmp_capabilities", "query-commands", "umwait"}, set(names))

    async def test_a_host_process_moves_bytes(self):
        client, memory, portal = await self.attach()
        source, destination, data = memory + 4096, memory + 16384 + 5, os.urandom(8000)
        await self.execute(client, "write-memory", address=hex(source), data=encode(data))
        move = descriptor(descriptors.MEMORY_MOVE, memory, source, destination, len(data))
        submitted = await self.execute(client, "enqcmd", destination=portal, descriptor=move)
        self.assertEqual(submitted, {"zf": False, "gpFixups": 1})
        self.assertEqual((await self.complete(client, memory))[0], SUCCESS)
        moved = await self.execute(client, "read-memory", address=hex(destination), size=len(data))
        self.assertEqual(decode(moved["data"]), data)

    async def test_a_guest_submits_under_its_own_pasid(self):
        owner, processor = await self.connect(), await self.connect()
        vm = (await self.execute(owner, "create-vm"))["vm"]
        await self.execute(processor, "attach-vcpu", vm=vm)
        memory = int((await self.execute(processor, "alloc-memory", size=65536))["address"], 16)
        portal = (await self.execute(processor, "map-portal", device="dsa0", wq=0))["address"]
        data = os.urandom(1000)
        await self.execute(processor, "write-memory", address=hex(memory + 4096), data=encode(data))
        crc = descriptor(descriptors.CRC_GENERATION, memory, memory + 4096, size=len(data))

        await self.execute(processor, "write-msr", msr="0xd93", value=hex(1 << 31 | 9))
        unbound = await self.execute(processor, "enqcmd", destination=portal, descriptor=crc)
        self.assertTrue(unbound["zf"])
        self.assertEqual((unbound["exit"]["reason"], unbound["exit"]["guestPasid"]), (72, 9))

        await self.execute(owner, "bind-guest-pasid", vm=vm, guestPasid=9, device="dsa0")
        bound = await self.execute(processor, "enqcmd", destination=portal, descriptor=crc)
        self.assertEqual(bound, {"zf": False})
        record = await self.complete(processor, memory)
        self.assertEqual((record[0], struct.unpack_from("<I", record, 16)[0]), (SUCCESS, crc32c(data)))
        await self.execute(owner, "destroy-vm", vm=vm)

    async def test_a_refusal_raises_ExecuteError_with_its_class(self):
        client = await self.connect()
        refusals = [
            ("no-such-command", {}, "CommandNotFound"),
            ("attach-process", {"proces": 1}, "InvalidArgument"),
            ("attach-process", {"process": 4_000_000}, "NotFound"),
            ("detach", {}, "PermissionDenied"),
            ("qmp_capabilities", {}, "WrongState"),
            ("x-engine-hold", {"device": "dsa0", "hold": True}, "PermissionDenied"),
            ("query-devices", {"device": "dsa9"}, "NotFound"),
        ]
        for command, arguments, error_class in refusals:
            with self.subTest(command), self.assertRaises(ExecuteError) as raised:
                await self.execute(client, command, **arguments)
            self.assertEqual(raised.exception.error.error.class_, error_class)
            self.assertTrue(raised.exception.error.error.desc)
        self.assertEqual((await self.execute(client, "query-connection"))["role"], "observer")

    async def test_events_of_a_binding_arrive_in_order(self):
        client = await self.connect()
        with client.listener(("IOASID_BIND", "IOASID_UNBIND", "PROCESS_DESTROYED")) as listener:
            process = (await self.execute(client, "attach-process"))["process"]
            pasid = (await self.execute(client, "bind-process", device="dsa0"))["pasid"]
            await self.execute(client, "detach")
            events = []
            while not events or events[-1]["event"] != "PROCESS_DESTROYED":
                event = await self.event(listener)
                # Other tests' objects belong to the same user.
                if event["data"]["process"] == process:
                    events.append(event)
        self.assertEqual(
            [event["event"] for event in events], ["IOASID_BIND", "IOASID_UNBIND", "PROCESS_DESTROYED"])
        self.assertEqual([event["data"]["ioasid"] for event in events[:2]], [pasid, pasid])
        self.assertLess(events[0]["data"]["sequence"], events[1]["data"]["sequence"])
        self.assertEqual(set(events[0]["timestamp"]), {"seconds", "microseconds"})

    async def test_an_out_of_band_command_overtakes_one_that_waits(self):
        client, memory, _ = await self.attach()
        waiting = asyncio.create_task(self.execute(client, "umwait", address=hex(memory)))
        # Its reply proves that the request before it has been read: it waits.
        processor = await self.execute(client, "query-processor", oob=True)
        self.assertEqual(processor["mode"], "native")
        self.assertFalse(waiting.done())
        await self.execute(client, "write-memory", oob=True, address=hex(memory), data=encode(b"\x07"))
        self.assertEqual(await waiting, {"changed": True, "value": 7})

    async def test_a_descriptor_travels_with_a_request(self):
        client = await self.connect()
        await self.execute(client, "attach-process")
        number = os.memfd_create("qmp test", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        self.addCleanup(os.close, number)
        os.ftruncate(number, 8192)
        fcntl.fcntl(number, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
        with mmap.mmap(number, 8192) as mapping:
            client.send_fd_scm(number)
            region = await self.execute(client, "attach-shared-memory")
            self.assertEqual(region["size"], "8192")
            await self.execute(client, "write-memory", address=region["address"], data=encode(b"through the daemon"))
            self.assertEqual(mapping[:18], b"through the daemon")

    async def test_what_a_client_leaves_goes_with_it(self):
        observer = await self.connect(self.daemon.admin_socket_path)
        client = QMPClient("leaving")
        await client.connect(self.daemon.socket_path)
        process = (await self.execute(client, "attach-process"))["process"]
        await self.execute(client, "bind-process", device="dsa0")
        with observer.listener(("PROCESS_DESTROYED",)) as listener:
            await self.execute(observer, "subscribe-events", events=["PROCESS_DESTROYED"])
            await client.disconnect()
            while (event := await self.event(listener))["data"]["process"] != process:
                pass
        self.assertEqual(event["data"]["cause"], "client_died")
        history = await self.execute(observer, "query-history", process=process, kind="unbind")
        self.assertEqual([row["cause"] for row in history["events"]], ["client_died"])
