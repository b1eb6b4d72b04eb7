/// Pages that nobody brings, for tests of what happens to those who wait for them.

#ifndef CMISSINGPAGES_H
#define CMISSINGPAGES_H

#include <stdint.h>

/// A userfaultfd over `byte_count` bytes at `address`, whose pages are missing from now on: who touches one waits. -1
/// with `errno` set when the kernel refuses.
int test_missing_pages(uint64_t address, uint64_t byte_count);

#endif
