#!/usr/bin/env python3
"""Programs that share a device, die, fork and lose their daemon. To be run by `swqctl run`.

usage: processes.py SUBMITTER
"""

import os
import select
import signal
import subprocess
import sys

from protocol import Daemon

SUBMITTER = None
MANY = 64
IDLE_SECONDS = 5


class Failure(Exception):
    pass


def check(condition, what):
    if not condition:
        raise Failure(what)


def start(*arguments):
    return subprocess.Popen([SUBMITTER, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process, timeout=120):
    try:
        output, errors = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        raise Failure(f"{process.args}: hangs\n{process.communicate()}") from None
    return process.returncode, output, errors


def succeed(*arguments):
    status, output, errors = finish(start(*arguments))
    check(status == 0, f"submitter {' '.join(arguments)}: status {status}\n{output}{errors}")
    return output


def answers_as_the_driver():
    """open, mmap, write, poll, read and close of a device node answer as the driver does."""
    succeed("calls")


def forks_and_executes():
    """Children of fork and exec submit for themselves, while a move of their parent is under way."""
    succeed("children")


def shares_a_queue():
    """64 processes share one WQ: each gets every move done, and Retry comes."""
    processes = [start("moves", "60", "20000") for _ in range(MANY)]
    results = [finish(process) for process in processes]
    for status, output, errors in results:
        check(status == 0, f"status {status}\n{output}{errors}")
    retries = sum(int(output) for _, output, _ in results)
    check(retries > 0, "no process was told to retry")
    print(f"  {MANY} processes, {retries} times Retry")


def survives_a_killed_client():
    """A client that is killed in mid-transfer harms nobody, and its PASID is unbound, which the history tells."""
    victim = start("endless", str(256 << 20))
    check(victim.stdout.readline() == "ready\n", "the victim did not start")
    with Daemon() as daemon:
        bound = daemon.bindings_of(victim.pid)
        check(len(bound) == 1, f"the victim has {len(bound)} bindings")
        victim.send_signal(signal.SIGKILL)
        finish(victim)
        succeed("moves", "20")
        check(daemon.wait_for(lambda: not daemon.bindings_of(victim.pid)), "the victim is bound for ever")
        events = daemon.execute("query-history", ioasid=bound[0]["ioasid"], limit=1000)["events"]
        kinds = [event["kind"] for event in events if event["sequence"] >= bound[0]["boundSequence"]]
        check("bind" in kinds and "unbind" in kinds, f"the history tells of {kinds}")


def leaves_an_idle_daemon_idle():
    """With 64 rings attached and nothing to do, the daemon uses less than 1 % of a processor."""
    clients = [start("idle") for _ in range(MANY)]
    try:
        for client in clients:
            check(client.stdout.readline() == "ready\n", "a client did not start")
        with Daemon() as daemon:
            # Nothing of theirs will ever be readable: this is the wait.
            outputs = [client.stdout for client in clients]
            before = processor_ticks(daemon.pid)
            readable, _, _ = select.select(outputs, [], [], IDLE_SECONDS)
            used = (processor_ticks(daemon.pid) - before) / os.sysconf("SC_CLK_TCK") / IDLE_SECONDS
            check(not readable, "a client has ended")
            print(f"  idle with {MANY} rings: {used * 100:.2f} % of a processor")
            check(used < 0.01, f"{used * 100:.2f} % of a processor")
    finally:
        for client in clients:
            client.kill()
            client.communicate()


def processor_ticks(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def ends_with_its_daemon():
    """A program whose daemon is killed gets an error; it does not hang."""
    process = start("waits")
    check(process.stdout.readline() == "ready\n", "the program did not start")
    with Daemon() as daemon:
        os.kill(daemon.pid, signal.SIGKILL)
    status, output, errors = finish(process, timeout=20)
    check(status == -signal.SIGBUS, f"status {status}\n{output}{errors}")


def main():
    global SUBMITTER
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    SUBMITTER = sys.argv[1]
    tests = [
        answers_as_the_driver, forks_and_executes, shares_a_queue, survives_a_killed_client,
        leaves_an_idle_daemon_idle, ends_with_its_daemon,
    ]
    failed = 0
    for test in tests:
        try:
            test()
            print(f"passed: {test.__doc__}", flush=True)
        except Failure as failure:
            failed += 1
            print(f"FAILED: {test.__doc__}\n{failure}", file=sys.stderr, flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
