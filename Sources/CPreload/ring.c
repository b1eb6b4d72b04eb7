#define _GNU_SOURCE
#include "ring.h"

#include <stddef.h>
#include <sys/mman.h>

#include "execute.h"
#include "lifetime.h"
#include "syscalls.h"

/// Runs in trampolines and handlers. The ring lies in the lifetime, so that a child of fork finds none.
static enum swq_answer submit(enum swq_operation operation, uint64_t destination, const uint64_t words[8]) {
    struct swq_lifetime *lifetime = atomic_load_explicit(&swq_lifetime, memory_order_acquire);
    const struct swq_ring *ring = &lifetime->ring;
    if (!ring->header) return SWQ_ANSWER_GONE;
    if (operation == SWQ_MOVDIR64B) {
        return swq_ring_post(ring, destination, words) == 0 ? SWQ_ANSWER_ACCEPTED : SWQ_ANSWER_GONE;
    }
    struct swq_ring_answer answer;
    switch (swq_ring_execute(ring, SWQ_RING_ENQCMD, destination, words, &answer)) {
    case SWQ_RING_ACCEPTED:
        return SWQ_ANSWER_ACCEPTED;
    case SWQ_RING_RETRY:
        return SWQ_ANSWER_RETRY;
    case SWQ_RING_GENERAL_PROTECTION:
        return SWQ_ANSWER_PROTECTION;
    default:
        // A portal that the daemon has withdrawn: the page is there, the device behind it is not.
        return SWQ_ANSWER_GONE;
    }
}

/// Where only one thread can run, the daemon cannot answer while this one spins.
static bool has_one_processor(void) {
    uint64_t processors[16] = {0};
    long bytes = swq_syscall3(SYS_sched_getaffinity, 0, sizeof processors, (long)processors);
    int count = 0;
    for (long i = 0; i < bytes / 8; i++) {
        for (uint64_t left = processors[i]; left != 0; left &= left - 1) count++;
    }
    return count == 1;
}

bool swq_ring_begin(struct swq_lifetime *lifetime, int memory, int bell, uint64_t bytes) {
    long pages = swq_syscall6(SYS_mmap, 0, (long)bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
    if (pages < 0) return false;
    if (swq_syscall3(SYS_madvise, pages, (long)bytes, MADV_DONTFORK) != 0 ||
        swq_ring_open(&lifetime->ring, (void *)pages, bytes, bell, lifetime->socket) != 0) {
        swq_syscall2(SYS_munmap, pages, (long)bytes);
        lifetime->ring.header = NULL;
        return false;
    }
    if (has_one_processor()) lifetime->ring.spins = 0;
    lifetime->bell = bell;
    atomic_store(&swq_submit, submit);
    return true;
}
