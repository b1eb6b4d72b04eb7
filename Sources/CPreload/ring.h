/// Submissions through the shared-memory portal.

#ifndef SWQ_PRELOAD_RING_H
#define SWQ_PRELOAD_RING_H

#include <stdbool.h>
#include <stdint.h>

struct swq_lifetime;

/// Maps the ring that the daemon has passed, and lets submissions go there. False: it cannot be mapped, or is none.
bool swq_ring_begin(struct swq_lifetime *lifetime, int memory, int bell, uint64_t bytes);

#endif
