/// What every test program of the preload library uses: a test is a sentence and a block; the first check that fails
/// ends the program.

#ifndef CHECK_H
#define CHECK_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *test_name = "(none)";

/// Begins a test.
#define TEST(name) test_name = (name); fprintf(stderr, "  %s\n", test_name);

#define CHECK(condition)                                                                        \
    do {                                                                                        \
        if (!(condition)) {                                                                     \
            fprintf(stderr, "%s:%d: failed: %s\n  in: %s\n", __FILE__, __LINE__, #condition, test_name); \
            _exit(1);                                                                           \
        }                                                                                       \
    } while (0)

#define CHECK_EQUAL(found, expected)                                                                            \
    do {                                                                                                        \
        unsigned long long f_ = (unsigned long long)(found), e_ = (unsigned long long)(expected);               \
        if (f_ != e_) {                                                                                         \
            fprintf(stderr, "%s:%d: %s is %#llx, expected %#llx\n  in: %s\n", __FILE__, __LINE__, #found, f_, e_, \
                test_name);                                                                                     \
            _exit(1);                                                                                           \
        }                                                                                                       \
    } while (0)

#endif
