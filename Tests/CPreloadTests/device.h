/// A device for tests that need none: it takes down what it is given, and answers what the test says.

#ifndef DEVICE_H
#define DEVICE_H

#include <stdatomic.h>
#include <stdint.h>

#include "execute.h"

struct device {
    _Atomic uint64_t count;
    _Atomic uint64_t retries;
    enum swq_operation operation;
    uint64_t destination;
    uint64_t words[8];
    /// The answer to the next submission, and to those after it.
    _Atomic int answer;
};

extern struct device device;

enum { DEVICE_DESTINATION = 0x40000000 };

/// Maps a portal that leads to `DEVICE_DESTINATION`, and takes over the signals. Returns the portal.
void *device_open(void);

#endif
