/// Open device nodes of WQs: /dev/dsa/wqN.M.
///
/// The kernel's object is a timer that never expires, so that poll and select find the descriptor neither readable nor
/// writable, as the driver has it; a software error makes it expire.

#ifndef SWQ_NODE_H
#define SWQ_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "files.h"

/// Opens the node of a WQ. The descriptor, or -1 with errno.
int swq_node_open(const char *name, int flags);

/// Maps the portal. MAP_FAILED with errno in case of an error.
void *swq_node_map(struct swq_file *file, void *address, size_t length, int protection, int flags);

/// Takes portals out of a range that the program unmaps or maps anew.
void swq_node_unmap(void *address, size_t length);

/// Submits descriptors of 64 bytes each. The bytes taken, or -1 with errno.
ssize_t swq_node_write(struct swq_file *file, const void *bytes, size_t count);

/// Makes the descriptor readable or not, as the device is now.
void swq_node_update(int fd, struct swq_file *file);

/// After the last descriptor is gone: drains and unbinds, as soon as no portal is mapped.
void swq_node_close(const struct swq_file *file);

#endif
