/// System calls without libc: no errno, no cancellation point, no register of a vector unit.
///
/// A trampoline runs in the middle of the program's code and a handler in the middle of anything, libc included.

#ifndef SWQ_SYSCALLS_H
#define SWQ_SYSCALLS_H

#include <stdint.h>
#include <sys/syscall.h>

/// The result, or the negated error number.
static inline long swq_syscall6(long number, long a, long b, long c, long d, long e, long f) {
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

static inline long swq_syscall4(long number, long a, long b, long c, long d) {
    return swq_syscall6(number, a, b, c, d, 0, 0);
}

static inline long swq_syscall3(long number, long a, long b, long c) {
    return swq_syscall6(number, a, b, c, 0, 0, 0);
}

static inline long swq_syscall2(long number, long a, long b) {
    return swq_syscall6(number, a, b, 0, 0, 0, 0);
}

static inline long swq_syscall1(long number, long a) {
    return swq_syscall6(number, a, 0, 0, 0, 0, 0);
}

#endif
