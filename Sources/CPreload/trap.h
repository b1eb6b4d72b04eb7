/// The handlers of SIGILL and SIGSEGV.

#ifndef SWQ_TRAP_H
#define SWQ_TRAP_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

/// What the processor says of a fault, besides the siginfo.
struct swq_fault {
    siginfo_t info;
    /// As the kernel puts them into the context: vector, error code, CR2.
    uint64_t trap;
    uint64_t error;
    uint64_t cr2;
};

/// The handler that `swq_signals_claim` installs for both signals.
void swq_trap(int number, siginfo_t *info, void *context);

#endif
