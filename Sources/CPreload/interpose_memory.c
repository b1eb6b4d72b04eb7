/// Mapping and unmapping portals.

#define _GNU_SOURCE
#include <sys/mman.h>

#include "files.h"
#include "interpose.h"
#include "node.h"
#include "portal.h"
#include "real.h"

/// The file that a mapping is of, if it is emulated.
static struct swq_file *mapped_node(int flags, int fd) {
    struct swq_file *file = flags & MAP_ANONYMOUS ? NULL : swq_files_find(fd);
    return file && file->kind == SWQ_FILE_NODE ? file : NULL;
}

/// A mapping at a fixed address takes the place of a portal that is there.
static void make_room(void *address, size_t length, int flags) {
    if ((flags & MAP_FIXED) && swq_portal_count() > 0) swq_node_unmap(address, length);
}

#define MMAP(name, type)                                                                                    \
    SWQ_EXPORT void *name(void *address, size_t length, int protection, int flags, int fd, type offset) {   \
        swq_real_ready();                                                                                   \
        struct swq_file *node = mapped_node(flags, fd);                                                     \
        if (node) return swq_node_map(node, address, length, protection, flags);                            \
        make_room(address, length, flags);                                                                  \
        return swq_real.name(address, length, protection, flags, fd, offset);                               \
    }
MMAP(mmap, off_t)
MMAP(mmap64, off64_t)

SWQ_EXPORT int munmap(void *address, size_t length) {
    swq_real_ready();
    bool is_valid = (uintptr_t)address % SWQ_PORTAL_BYTES == 0 && length > 0;
    if (is_valid && swq_portal_count() > 0) swq_node_unmap(address, length);
    return swq_real.munmap(address, length);
}
