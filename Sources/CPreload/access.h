/// Reads and writes of the program's memory that survive a fault.
///
/// Each is a few instructions in access.S between two labels; the SIGSEGV handler continues one that faulted at its
/// end (`swq_access_resume`), so that the caller learns of the fault instead of the program.

#ifndef SWQ_ACCESS_H
#define SWQ_ACCESS_H

#include <stdbool.h>
#include <stdint.h>

/// Copies 64 bytes by eight loads and stores. False: a page was not accessible.
bool swq_access_copy64(void *destination, const void *source);

/// Copies one byte. False: the page was not accessible.
bool swq_access_copy1(void *destination, const void *source);

/// Provokes the fault that a store to the address would meet, and changes nothing.
bool swq_access_probe_store(void *address);

/// Where to continue when an access faulted at `rip`, or 0 when `rip` is in none.
uint64_t swq_access_resume(uint64_t rip);

#endif
