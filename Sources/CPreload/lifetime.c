#include "lifetime.h"

#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>

#include <linux/futex.h>

#include "syscalls.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

/// The kernel's signal set has one bit for each of 64 signals.
enum { KERNEL_SIGSET_BYTES = 8 };

struct swq_lifetime *_Atomic swq_lifetime;

bool swq_lifetime_begin(void) {
    struct swq_lifetime *present = atomic_load_explicit(&swq_lifetime, memory_order_acquire);
    if (present) {
        // In a child of fork the pages are there and empty.
        if (present->process == 0) present->process = (int32_t)swq_syscall1(SYS_getpid, 0);
        return true;
    }
    long pages = swq_syscall6(
        SYS_mmap, 0, sizeof(struct swq_lifetime), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages < 0) return false;
    struct swq_lifetime *made = (struct swq_lifetime *)pages, *none = NULL;
    made->process = (int32_t)swq_syscall1(SYS_getpid, 0);
    if (swq_syscall3(SYS_madvise, pages, sizeof *made, MADV_WIPEONFORK) == 0 &&
        atomic_compare_exchange_strong(&swq_lifetime, &none, made))
        return true;
    swq_syscall2(SYS_munmap, pages, sizeof *made);
    return none != NULL;
}

void swq_signals_hold(uint64_t *mask) {
    uint64_t faults = 1ull << (SIGILL - 1) | 1ull << (SIGSEGV - 1) | 1ull << (SIGBUS - 1) | 1ull << (SIGFPE - 1) |
                      1ull << (SIGTRAP - 1);
    uint64_t all = ~faults;
    swq_syscall4(SYS_rt_sigprocmask, SIG_SETMASK, (long)&all, (long)mask, KERNEL_SIGSET_BYTES);
}

void swq_signals_release(const uint64_t *mask) {
    swq_syscall4(SYS_rt_sigprocmask, SIG_SETMASK, (long)mask, 0, KERNEL_SIGSET_BYTES);
}

// 0 free, 1 held, 2 held and somebody sleeps.
void swq_lock(_Atomic uint32_t *lock, uint64_t *mask) {
    swq_signals_hold(mask);
    uint32_t seen = 0;
    if (atomic_compare_exchange_strong(lock, &seen, 1)) return;
    while (atomic_exchange(lock, 2) != 0) swq_syscall4(SYS_futex, (long)lock, FUTEX_WAIT_PRIVATE, 2, 0);
}

void swq_unlock(_Atomic uint32_t *lock, const uint64_t *mask) {
    if (atomic_exchange(lock, 0) == 2) swq_syscall3(SYS_futex, (long)lock, FUTEX_WAKE_PRIVATE, 1);
    swq_signals_release(mask);
}
