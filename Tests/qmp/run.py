"""Runs the tests of this folder against a daemon and prints `N passed, M failed`; status 1 when one failed.

usage: run.py DAEMON
"""

import sys
import unittest

from test_library import LibraryTests
from test_shell import ShellTests


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    suite = unittest.TestSuite()
    for case in LibraryTests, ShellTests:
        case.program = sys.argv[1]
        suite.addTests(unittest.defaultTestLoader.loadTestsFromTestCase(case))
    expected = suite.countTestCases()
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    # A test that did not run, because its daemon did not start, has failed.
    failed = {getattr(test, "test_case", test).id() for test, _ in result.failures + result.errors}
    passed = max(0, min(result.testsRun, expected) - len(failed))
    sys.stderr.flush()
    print(f"{passed} passed, {expected - passed} failed")
    sys.exit(0 if result.wasSuccessful() and passed == expected else 1)


if __name__ == "__main__":
    main()
