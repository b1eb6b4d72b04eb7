/// The program's own handlers and masks of SIGILL and SIGSEGV, which the library has taken for itself.
///
/// Both signals are never blocked in the kernel, because a synchronous signal that is blocked kills. What the program
/// asked for is remembered and given back when it asks. Its handlers run as the kernel would run them, with one
/// exception: its handler of SIGSEGV may be interrupted by another SIGSEGV.

#ifndef SWQ_SIGNALS_H
#define SWQ_SIGNALS_H

#include <signal.h>
#include <stdbool.h>
#include <ucontext.h>

struct swq_fault;

/// Installs `swq_trap` for both signals and keeps the program's actions, once, and lets them through to this thread.
void swq_signals_claim(void);

/// Treats a signal as the program's action says.
void swq_signals_chain(int number, siginfo_t *info, ucontext_t *context);

/// Makes the program see a fault at `context` as soon as the handler returns, with stack, mask and flags as the kernel
/// chooses them for the program's action.
void swq_signals_raise(const struct swq_fault *fault, ucontext_t *context);

/// True once after `swq_signals_raise`, for the signal that it made; completes its context.
bool swq_signals_was_raised(int number, ucontext_t *context);

/// `sigaction` as the program sees it.
int swq_signals_action(int number, const struct sigaction *action, struct sigaction *previous);

/// `pthread_sigmask` as the program sees it: 0 or an error number.
int swq_signals_mask(int how, const sigset_t *set, sigset_t *previous);

/// The mask for a wait, as the kernel may have it: `set` without the claimed signals, kept in `room`. NULL stays NULL.
const sigset_t *swq_signals_filter(const sigset_t *set, sigset_t *room);

#endif
