#!/usr/bin/env python3
"""Uses the emulated files in every way that a program may use files. To be run by `swqctl run`.

usage: files.py
"""

import errno
import os
import resource
import stat
import subprocess
import sys

DEVICES = "/sys/bus/dsa/devices"
SIZE = f"{DEVICES}/wq0.0/size"


def check(condition, what):
    if not condition:
        raise AssertionError(what)


def check_equal(found, expected):
    check(found == expected, f"{found!r}, expected {expected!r}")


def fails_with(code, call, *arguments, **named):
    try:
        call(*arguments, **named)
    except OSError as error:
        check_equal(errno.errorcode[error.errno], errno.errorcode[code])
        return
    raise AssertionError(f"{call.__name__}{arguments} did not fail")


def text_of(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def store(descriptor, text):
    check_equal(os.write(descriptor, text.encode()), len(text))


def descriptors():
    """Duplicates of a descriptor store and read as the first, until the last is closed."""
    first = os.open(SIZE, os.O_RDWR)
    os.read(first, 100)
    store(first, "8")
    os.lseek(first, 0, os.SEEK_SET)
    check_equal(os.read(first, 100), b"8\n")
    second = os.dup(first)
    os.close(first)
    store(second, "9")
    check_equal(os.pread(second, 10, 0), b"9\n")
    os.dup2(second, 60)
    os.close(second)
    store(60, "10")
    check_equal(text_of(SIZE), "10\n")
    check(os.readlink("/proc/self/fd/60").endswith("/wq0.0/size"), os.readlink("/proc/self/fd/60"))
    check_equal(os.fstat(60).st_size, 4096)
    fails_with(errno.EINVAL, os.write, 60, b"nothing")
    os.close(60)
    fails_with(errno.EBADF, os.write, 60, b"1")


def modes():
    """A file is open for what it was opened for, and nothing is created."""
    reader = os.open(SIZE, os.O_RDONLY)
    fails_with(errno.EBADF, os.write, reader, b"1")
    os.close(reader)
    writer = os.open(SIZE, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    fails_with(errno.EBADF, os.read, writer, 1)
    os.close(writer)
    fails_with(errno.EEXIST, os.open, SIZE, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    fails_with(errno.EACCES, os.open, f"{DEVICES}/wq0.0/none", os.O_WRONLY | os.O_CREAT)
    fails_with(errno.ENOTDIR, os.open, SIZE, os.O_RDONLY | os.O_DIRECTORY)
    fails_with(errno.EACCES, os.open, f"{DEVICES}/wq0.0/state", os.O_RDWR)
    fails_with(errno.EACCES, os.open, "/sys/bus/dsa/drivers/idxd/bind", os.O_RDONLY)


def closing_everything():
    """A program that closes every descriptor it knows of goes on, and so do its children."""
    kept = os.open(SIZE, os.O_RDONLY)
    os.closerange(3, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    fails_with(errno.EBADF, os.read, kept, 1)
    check_equal(text_of(SIZE), "10\n")
    check_equal(subprocess.run(["cat", SIZE], capture_output=True, close_fds=True, check=True).stdout, b"10\n")
    # The number of the library's own descriptor.
    own = [int(name) for name in os.listdir("/proc/self/fd") if name.isdigit() and is_socket(int(name))]
    check(own, "no connection")
    for number in own:
        fails_with(errno.EBADF, os.close, number)
        os.dup2(1, number)
        check_equal(text_of(SIZE), "10\n")
        os.close(number)
    child = os.fork()
    if child == 0:
        left = [int(name) for name in os.listdir("/proc/self/fd") if name.isdigit() and is_socket(int(name))]
        os._exit(0 if not left and text_of(SIZE) == "10\n" else 1)
    check_equal(os.waitpid(child, 0)[1], 0)


def is_socket(descriptor):
    try:
        return stat.S_ISSOCK(os.fstat(descriptor).st_mode)
    except OSError:
        return False


def inheritance():
    """A program stores through the standard stream that another one opened."""
    writer = os.open(SIZE, os.O_WRONLY)
    subprocess.run(["echo", "11"], stdout=writer, check=True)
    os.close(writer)
    check_equal(text_of(SIZE), "11\n")
    reader = os.open(SIZE, os.O_RDONLY)
    check_equal(subprocess.run(["cat"], stdin=reader, capture_output=True, check=True).stdout, b"11\n")
    os.close(reader)


def directories():
    """Relative paths, descriptors of directories, links and odd spellings lead to the same files."""
    device = os.path.realpath(f"{DEVICES}/dsa0")
    check(device.startswith("/sys/devices/pci"), device)
    check_equal(os.path.realpath(f"{DEVICES}/wq0.0"), f"{device}/wq0.0")
    check_equal(text_of(f"{device}/wq0.0/size"), "11\n")
    directory = os.open(f"{DEVICES}/wq0.0", os.O_RDONLY | os.O_DIRECTORY)
    inner = os.open("size", os.O_RDONLY, dir_fd=directory)
    check_equal(os.read(inner, 10), b"11\n")
    check("size" in os.listdir(directory), "not listed")
    check_equal(os.readlink(f"/proc/self/fd/{directory}"), f"{device}/wq0.0")
    os.close(inner)
    os.close(directory)
    before = os.getcwd()
    os.chdir(f"{DEVICES}/wq0.0")
    check_equal(os.getcwd(), f"{device}/wq0.0")
    check_equal(text_of("size"), "11\n")
    check_equal(text_of("../wq0.0/size"), "11\n")
    check(os.path.exists("../../../../../../etc/passwd"), "the way out of the tree")
    check_equal(subprocess.run(["cat", "size"], capture_output=True, check=True).stdout, b"11\n")
    os.chdir(before)
    check_equal(os.getcwd(), before)
    function = os.path.basename(os.path.dirname(device))
    for path in ("//sys//bus/./dsa/devices/wq0.0/size", f"{DEVICES}/dsa0/../../{function}/dsa0/wq0.0/size"):
        check_equal(text_of(path), "11\n")
    for path in ("/dev/dsa/../null", "/sys/bus/dsa/../../bus"):
        check(os.path.exists(path), path)


def nodes():
    """A node is a character device with the numbers that sysfs tells, by its name and by its numbers."""
    names = os.listdir("/dev/dsa")
    check(names, "no nodes")
    for name in names:
        major = int(text_of(f"{DEVICES}/dsa0/cdev_major"))
        minor = int(text_of(f"{DEVICES}/{name}/cdev_minor"))
        for path in (f"/dev/dsa/{name}", f"/dev/char/{major}:{minor}"):
            status = os.stat(path)
            check(stat.S_ISCHR(status.st_mode), f"{path} is no character device")
            check_equal((os.major(status.st_rdev), os.minor(status.st_rdev)), (major, minor))


TESTS = [nodes, descriptors, modes, closing_everything, inheritance, directories]


def main():
    failed = 0
    for test in TESTS:
        if test is descriptors:
            # From here on a WQ is configured anew.
            subprocess.run(["accel-config", "disable-device", "dsa0"], check=True, timeout=60)
        try:
            test()
            print(f"passed: {test.__doc__}", flush=True)
        except (AssertionError, OSError, subprocess.SubprocessError) as failure:
            failed += 1
            print(f"FAILED: {test.__doc__}\n{failure!r}", file=sys.stderr, flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
