#!/usr/bin/env python3
"""Runs accel-config's dsa_test over every operation, size, kind of WQ and flag. To be run by `swqctl run`.

usage: matrix.py [--every N] [--offset K]      only each Nth run, from the Kth on
"""

import argparse
import subprocess
import sys

DSA_TEST = "/usr/libexec/accel-config/test/dsa_test"
DEDICATED, SHARED = 0, 1
SIZES = [1, 4096, 65536, 1048576, 2097152]
DIF_SIZES = [512, 1024, 4096]
DELTA_SIZES = [4096, 65536]
BATCH, DRAIN, CRC = 0x1, 0x2, 0x10
OPERATIONS = [0x0, DRAIN, 0x3, 0x4, 0x5, 0x6, 0x9, CRC, 0x11, 0x20]
DIF_OPERATIONS = [0x12, 0x13, 0x14, 0x15]
DELTA_OPERATIONS = [0x7, 0x8]


def matrix():
    sized = [(operation, size) for operation in OPERATIONS for size in SIZES]
    sized += [(operation, size) for operation in DIF_OPERATIONS for size in DIF_SIZES]
    sized += [(operation, size) for operation in DELTA_OPERATIONS for size in DELTA_SIZES]
    for queue in (DEDICATED, SHARED):
        for flags in (0x0, 0x1):
            for operation, size in sized:
                common = ["-w", f"{queue}", "-l", f"{size}", "-f", f"{flags:#x}"]
                yield [*common, "-o", f"{operation:#x}"]
                if operation != DRAIN:
                    yield [*common, "-o", f"{BATCH:#x}", "-b", f"{operation:#x}", "-c", "16"]
        # Each combination of the CRC flags: seed from memory, no inversion, no reflection.
        for flags in range(0x10000, 0x80000, 0x10000):
            yield ["-w", f"{queue}", "-l", "4096", "-f", f"{flags:#x}", "-o", f"{CRC:#x}"]
        for operation in (0x0, 0x3, 0x5, 0x9):
            yield ["-w", f"{queue}", "-l", "4096", "-f", "0x1", "-o", f"{operation:#x}", "-n", "200"]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--offset", type=int, default=0)
    options = parser.parse_args()
    runs = list(matrix())
    assert len(runs) == 530, len(runs)
    chosen = runs[options.offset::options.every]
    failed = 0
    for arguments in chosen:
        try:
            done = subprocess.run([DSA_TEST, *arguments], capture_output=True, text=True, timeout=60)
            status, output = done.returncode, done.stdout + done.stderr
        except subprocess.TimeoutExpired as expired:
            status, output = "timeout", str(expired.output)
        if status != 0 or "Tag Error" in output:
            failed += 1
            print(f"dsa_test {' '.join(arguments)}: status {status}\n{output}", file=sys.stderr)
    print(f"matrix: {len(chosen) - failed} of {len(chosen)} runs passed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
