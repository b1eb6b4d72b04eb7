/// The portals that the program has mapped: which page leads to which address of the daemon's process.

#ifndef SWQ_PORTAL_H
#define SWQ_PORTAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SWQ_PORTAL_BYTES = 4096 };

/// The daemon's linear address of the portal address `address`, or 0 where no portal is mapped.
/// Safe in handlers and trampolines.
uint64_t swq_portal_destination(uint64_t address);

/// Remembers a portal. False: SWQ_PORTALS_MAX are mapped.
bool swq_portal_add(uint64_t page, uint64_t destination);

/// Forgets the portal at `page`, and returns its destination, or 0.
uint64_t swq_portal_remove(uint64_t page);

/// Forgets one portal within a range and returns its page, or 0 when none is left. `destination` gets its destination.
uint64_t swq_portal_remove_within(uint64_t start, size_t length, uint64_t *destination);

/// Portals mapped in this process.
uint32_t swq_portal_count(void);

#endif
