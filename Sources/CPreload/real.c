#define _GNU_SOURCE
#include "real.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <stddef.h>

struct swq_real swq_real;
_Atomic int swq_real_is_resolved;

/// Two threads may do it at once: both write the same.
void swq_real_resolve(void) {
#define RESOLVE(result, name, parameters) *(void **)&swq_real.name = dlsym(RTLD_NEXT, #name);
    SWQ_REAL_FUNCTIONS(RESOLVE)
#undef RESOLVE
    // The first version of realpath takes no NULL for the buffer.
    void *current = dlvsym(RTLD_NEXT, "realpath", "GLIBC_2.3");
    if (current) *(void **)&swq_real.realpath = current;
    atomic_store_explicit(&swq_real_is_resolved, 1, memory_order_release);
}

__attribute__((constructor)) static void resolve_early(void) { swq_real_ready(); }
