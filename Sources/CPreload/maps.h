/// Reads /proc/self/maps without libc and without memory: for handlers.

#ifndef SWQ_MAPS_H
#define SWQ_MAPS_H

#include <stdbool.h>
#include <stdint.h>

/// One line of the maps.
struct swq_mapping {
    uint64_t start;
    uint64_t end;
    /// PROT_READ, PROT_WRITE, PROT_EXEC.
    int protection;
    bool shared;
};

/// Calls `visit` for each mapping from the lowest on, until it returns false. False: the maps cannot be read.
bool swq_maps_visit(bool (*visit)(const struct swq_mapping *mapping, void *context), void *context);

#endif
