#!/usr/bin/env python3
"""Configures a device with Debian's accel-config and with plain system calls. To be run by `swqctl run`.

usage: accel_config.py
"""

import errno
import json
import os
import subprocess
import sys
import tempfile

DEVICES = "/sys/bus/dsa/devices"
DRIVERS = "/sys/bus/dsa/drivers"

# As accel-config saves it: two groups, a shared and a dedicated WQ.
CONFIGURATION = [{
    "dev": "dsa0",
    "read_buffer_limit": 0,
    "groups": [
        {
            "dev": "group0.0",
            "read_buffers_reserved": 0, "use_read_buffer_limit": 0, "read_buffers_allowed": 96,
            "traffic_class_a": 1, "traffic_class_b": 1,
            "grouped_workqueues": [{
                "dev": "wq0.0", "mode": "shared", "size": 16, "group_id": 0, "priority": 10, "block_on_fault": 1,
                "type": "user", "driver_name": "user", "name": "app1", "threshold": 15,
            }],
            "grouped_engines": [{"dev": "engine0.0", "group_id": 0}, {"dev": "engine0.1", "group_id": 0}],
        },
        {
            "dev": "group0.1",
            "read_buffers_reserved": 0, "use_read_buffer_limit": 0, "read_buffers_allowed": 96,
            "traffic_class_a": 1, "traffic_class_b": 1,
            "grouped_workqueues": [{
                "dev": "wq0.1", "mode": "dedicated", "size": 32, "group_id": 1, "priority": 5, "block_on_fault": 0,
                "type": "user", "driver_name": "user", "name": "app2", "threshold": 0,
            }],
            "grouped_engines": [{"dev": "engine0.2", "group_id": 1}],
        },
    ],
}]


class Failure(Exception):
    pass


def check(condition, what):
    if not condition:
        raise Failure(what)


def accel_config(*arguments, fails=False):
    done = subprocess.run(["accel-config", *arguments], capture_output=True, text=True, timeout=60)
    text = f"accel-config {' '.join(arguments)}: status {done.returncode}\n{done.stdout}{done.stderr}"
    check((done.returncode != 0) == fails, text)
    return done.stdout


def listed(*arguments):
    return json.loads(accel_config("list", *arguments) or "[]")


def read(path):
    descriptor = os.open(f"{DEVICES}/{path}", os.O_RDONLY)
    try:
        return os.read(descriptor, 4096).decode().strip()
    finally:
        os.close(descriptor)


def store(path, text):
    """The error number of one store, by the calls that libaccel-config makes."""
    try:
        descriptor = os.open(path, os.O_WRONLY)
    except OSError as error:
        return error.errno
    try:
        os.write(descriptor, text.encode())
        return 0
    except OSError as error:
        return error.errno
    finally:
        os.close(descriptor)


def expect(path, text, code):
    found = store(path, text)
    check(found == code, f"{text!r} to {path}: {errno.errorcode.get(found, found)}, "
                         f"expected {errno.errorcode.get(code, code)}; cmd_status {read('dsa0/cmd_status')}")


def expect_attribute(path, text, code):
    expect(f"{DEVICES}/{path}", text, code)


def disable_everything():
    """Leaves the device as a driver does that has just been loaded, whatever the test before has done."""
    for device in listed("-i"):
        if device["state"] == "enabled":
            accel_config("disable-device", device["dev"])
    for name in sorted(os.listdir(DEVICES)):
        if name.startswith("engine"):
            store(f"{DEVICES}/{name}/group_id", "-1")
        if name.startswith("wq"):
            for attribute, text in (("type", "none"), ("group_id", "-1"), ("size", "0")):
                store(f"{DEVICES}/{name}/{attribute}", text)


def lists():
    """accel-config list shows what is enabled, list -i everything."""
    device = next(device for device in listed("-i") if device["dev"] == "dsa0")
    for name in ("max_groups", "max_work_queues", "max_engines", "work_queue_size", "gen_cap", "version", "state"):
        check(name in device, f"list -i has no {name}")
    disable_everything()
    check(listed() == [], "list shows a device that is disabled")
    check(len(listed("-i")) >= 1, "list -i shows no device")


def loads_and_saves():
    """load-config -e enables what it loads; what save-config writes loads again and is equal."""
    disable_everything()
    with tempfile.TemporaryDirectory() as directory:
        first, saved, again = (os.path.join(directory, name) for name in ("first", "saved", "again"))
        with open(first, "w", encoding="utf-8") as file:
            json.dump(CONFIGURATION, file, indent=2)
        accel_config("load-config", "-c", first, "-e")
        check(read("dsa0/state") == "enabled", "the device is not enabled")
        for queue, mode in (("wq0.0", "shared"), ("wq0.1", "dedicated")):
            check(read(f"{queue}/state") == "enabled", f"{queue} is not enabled")
            check(read(f"{queue}/mode") == mode, f"{queue} is not {mode}")
            check(os.path.exists(f"/dev/dsa/{queue}"), f"/dev/dsa/{queue} is missing")
        accel_config("save-config", "-s", saved)
        disable_everything()
        check(not os.path.exists("/dev/dsa/wq0.0"), "a disabled WQ has a node")
        accel_config("load-config", "-c", saved, "-e")
        accel_config("save-config", "-s", again)
        with open(saved, encoding="utf-8") as one, open(again, encoding="utf-8") as other:
            check(one.read() == other.read(), "the configuration that was saved and loaded is another one")
        accel_config("load-config", "-c", os.path.join(directory, "missing"), fails=True)


def configures_one_by_one():
    """config-device, -group, -engine, -wq, then enable and disable each."""
    disable_everything()
    accel_config("config-engine", "dsa0/engine0.0", "--group-id=0")
    accel_config(
        "config-wq", "dsa0/wq0.2", "--group-id=0", "--mode=shared", "--wq-size=16", "--threshold=8", "--type=user",
        "--name=tests", "--priority=7", "--block-on-fault=1", "--driver-name=user", "--max-batch-size=16",
        "--max-transfer-size=65536")
    accel_config("config-group", "dsa0/group0.0", "--read-buffers-allowed=48")
    accel_config("config-device", "dsa0", "--read-buffer-limit=8")
    for name, value in (("group_id", "0"), ("size", "16"), ("threshold", "8"), ("priority", "7"), ("name", "tests"),
                        ("max_batch_size", "16"), ("max_transfer_size", "65536"), ("mode", "shared")):
        check(read(f"wq0.2/{name}") == value, f"{name} is {read(f'wq0.2/{name}')}, not {value}")
    check(read("group0.0/engines") == "engine0.0", "group0.0 has not engine0.0")
    check(read("group0.0/work_queues") == "wq0.2", "group0.0 has not wq0.2")
    check(read("group0.0/read_buffers_allowed") == "48", "read_buffers_allowed was not set")
    check(read("dsa0/read_buffer_limit") == "8", "read_buffer_limit was not set")
    accel_config("enable-wq", "dsa0/wq0.2", fails=True)
    accel_config("enable-device", "dsa0")
    accel_config("enable-wq", "dsa0/wq0.2")
    check(read("wq0.2/state") == "enabled", "wq0.2 is not enabled")
    check(os.path.realpath(f"{DEVICES}/wq0.2/driver") == os.path.realpath(f"{DRIVERS}/user"), "no driver link")
    # What may not change while it is enabled.
    accel_config("config-wq", "dsa0/wq0.2", "--wq-size=8", fails=True)
    accel_config("config-wq", "dsa0/wq0.2", "--priority=3", fails=True)
    accel_config("disable-wq", "dsa0/wq0.2")
    check(read("wq0.2/state") == "disabled", "wq0.2 is not disabled")
    accel_config("disable-device", "dsa0")
    check(read("wq0.2/size") == "0" and read("wq0.2/group_id") == "-1", "the configuration outlived the device")


def refuses_wrong_values():
    """Values out of range, through accel-config and with the kernel's error numbers."""
    disable_everything()
    accel_config("config-wq", "dsa0/wq0.0", "--wq-size=1000", fails=True)
    accel_config("config-wq", "dsa0/wq0.0", "--group-id=99", fails=True)
    accel_config("config-wq", "dsa0/wq0.0", "--priority=16", fails=True)
    accel_config("config-engine", "dsa0/engine0.0", "--group-id=99", fails=True)
    accel_config("enable-device", "dsa9", fails=True)
    expect_attribute("wq0.0/size", "sixteen", errno.EINVAL)
    expect_attribute("wq0.0/size", "129", errno.EINVAL)
    expect_attribute("wq0.0/size", "16", 0)
    expect_attribute("wq0.0/group_id", "4", errno.EINVAL)
    expect_attribute("wq0.0/mode", "exclusive", errno.EINVAL)
    expect_attribute("wq0.0/mode", "shared", 0)
    expect_attribute("wq0.0/threshold", "17", errno.EINVAL)
    expect_attribute("wq0.0/priority", "16", errno.EINVAL)
    expect_attribute("wq0.0/type", "mdev", errno.EINVAL)
    expect_attribute("wq0.0/max_transfer_size", "0", errno.EINVAL)
    expect_attribute("wq0.0/state", "enabled", errno.EACCES)
    expect_attribute("wq0.0/nothing", "1", errno.ENOENT)
    expect_attribute("engine0.0/group_id", "-2", errno.EINVAL)


def explains_failed_binds():
    """bind and unbind answer as the driver does, and cmd_status says why (dsa-device 8.5)."""
    disable_everything()
    expect(f"{DRIVERS}/idxd/bind", "dsa9", errno.ENODEV)
    expect(f"{DRIVERS}/user/bind", "wq0.0", errno.ENXIO)
    expect_attribute("dsa0/cmd_status", "1", 0)
    expect(f"{DRIVERS}/idxd/bind", "dsa0", errno.ENXIO)
    check(read("dsa0/cmd_status") == "0x800d0000", f"cmd_status is {read('dsa0/cmd_status')}: nothing is configured")
    for path, text in (("engine0.0/group_id", "0"), ("wq0.0/group_id", "0"), ("wq0.0/size", "16"),
                       ("wq0.0/mode", "dedicated"), ("wq0.0/priority", "10"), ("wq0.0/type", "user"),
                       ("wq0.0/driver_name", "user")):
        if os.path.exists(f"{DEVICES}/{path}"):
            expect_attribute(path, text, 0)
    expect(f"{DRIVERS}/idxd/bind", "dsa0", 0)
    expect(f"{DRIVERS}/user/bind", "wq0.0", errno.ENXIO)
    check(read("dsa0/cmd_status") == "0x80040000", f"cmd_status is {read('dsa0/cmd_status')}: the WQ has no name")
    expect_attribute("wq0.0/name", "app", 0)
    expect(f"{DRIVERS}/user/bind", "wq0.0", 0)
    check(read("dsa0/cmd_status") == "0", f"cmd_status is {read('dsa0/cmd_status')} after a success")
    expect_attribute("wq0.0/name", "other", errno.EPERM)
    expect_attribute("wq0.0/size", "8", errno.EPERM)


def obeys_the_shell():
    """cat, echo, tee and redirection work on attributes, and a store that fails is told."""
    disable_everything()

    def shell(command, fails=False):
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
        check((done.returncode != 0) == fails, f"{command}: status {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout, done.stderr

    size = f"{DEVICES}/wq0.0/size"
    shell(f"echo 24 > {size}")
    check(shell(f"cat {size}")[0] == "24\n", "echo did not store")
    shell(f"/bin/echo 25 > {size}")
    check(shell(f"cat < {size}")[0] == "25\n", "a program with the attribute as its output did not store")
    shell(f"echo 26 | tee {size}")
    check(shell(f"read -r text < {size}; echo $text")[0] == "26\n", "tee did not store")
    shell(f"cd {DEVICES}/wq0.0 && echo 27 > size && [ $(cat size) = 27 ] && [ $(pwd) = {DEVICES}/wq0.0 ]")
    check("Invalid argument" in shell(f"echo 999 > {size}", fails=True)[1], "echo of a wrong value said nothing")
    check("Invalid argument" in shell(f"/bin/echo 999 > {size}", fails=True)[1], "the program said nothing")
    check("Invalid argument" in shell(f"echo 999 | tee {size}", fails=True)[1], "tee said nothing")
    check("Permission denied" in shell(f"echo 1 > {DEVICES}/wq0.0/state", fails=True)[1], "state could be written")
    check(shell(f"cat {size}")[0] == "27\n", "a wrong value was stored")
    shell(f"[ -c /dev/dsa/wq0.0 ]", fails=True)
    check("dsa0" in shell(f"ls {DEVICES}")[0], "ls does not show dsa0")


TESTS = [lists, loads_and_saves, configures_one_by_one, refuses_wrong_values, explains_failed_binds, obeys_the_shell]


def main():
    failed = 0
    for test in TESTS:
        try:
            test()
            print(f"passed: {test.__doc__}")
        except (Failure, OSError, ValueError, subprocess.TimeoutExpired) as failure:
            failed += 1
            print(f"FAILED: {test.__doc__}\n{failure!r}" if not isinstance(failure, Failure) else
                  f"FAILED: {test.__doc__}\n{failure}", file=sys.stderr)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
