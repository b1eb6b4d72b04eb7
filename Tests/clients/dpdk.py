#!/usr/bin/env python3
"""Runs DPDK's dmadev_autotest on the idxd bus. To be run by `swqctl run`.

usage: dpdk.py
"""

import os
import subprocess
import sys

DEVICE = [
    ["disable-device", "dsa0"],
    ["config-engine", "dsa0/engine0.0", "--group-id=0"],
    # The bus takes WQs whose names begin like this.
    ["config-wq", "dsa0/wq0.0", "--group-id=0", "--mode=dedicated", "--wq-size=64", "--type=user",
     "--name=dpdk_tests", "--priority=10", "--driver-name=user", "--max-batch-size=1024",
     "--max-transfer-size=2147483648"],
    ["enable-device", "dsa0"],
    ["enable-wq", "dsa0/wq0.0"],
]


def main():
    for arguments in DEVICE:
        subprocess.run(["accel-config", *arguments], check=True, timeout=60)
    environment = os.environ | {"DPDK_TEST": "dmadev_autotest"}
    done = subprocess.run(
        ["dpdk-test", "--iova-mode=va", "--no-huge", "-m", "512", "--no-pci", "-l", "0,1",
         f"--file-prefix=swqd{os.getpid()}"],
        env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=400)
    # Without a device it is content with its own skeleton of one; and it counts on, on one line.
    output = "\n".join(line for line in done.stdout.splitlines() if not line.startswith("Ops submitted"))
    passed = done.returncode == 0 and "Test OK" in output and "[wq0.0]" in output
    print(output if not passed else "dmadev_autotest: Test OK")
    if not passed:
        print(f"status {done.returncode}\n{done.stderr}", file=sys.stderr)
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
