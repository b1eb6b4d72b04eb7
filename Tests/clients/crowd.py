#!/usr/bin/env python3
"""More programs than PASIDs. To be run by `swqctl run --socket` on a daemon whose quota is QUOTA.

usage: crowd.py SUBMITTER QUOTA
"""

import subprocess
import sys


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    submitter, quota = sys.argv[1], int(sys.argv[2])
    clients = [
        subprocess.Popen([submitter, "idle"], stdout=subprocess.PIPE, text=True) for _ in range(quota)
    ]
    try:
        for client in clients:
            assert client.stdout.readline() == "ready\n", "a client within the quota was refused"
        late = subprocess.run([submitter, "moves", "1"], capture_output=True, text=True, timeout=60)
        assert late.returncode == 2 and "No space left" in late.stderr, f"{late.returncode}: {late.stderr}"
        clients[0].kill()
        clients[0].communicate()
        # Its PASID comes back as soon as the daemon has drained what it had.
        for _ in range(1000):
            late = subprocess.run([submitter, "moves", "1"], capture_output=True, text=True, timeout=60)
            if late.returncode == 0:
                break
        assert late.returncode == 0, f"{late.returncode}: {late.stderr}"
        print(f"passed: {quota} PASIDs for {quota + 1} programs: the last gets ENOSPC, and its turn when one is free")
    finally:
        for client in clients:
            client.kill()
            client.communicate()


if __name__ == "__main__":
    main()
