#define _GNU_SOURCE
#include "signals.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include "lifetime.h"
#include "patch.h"
#include "real.h"
#include "syscalls.h"
#include "trap.h"

static const int claimed[] = {SIGILL, SIGSEGV};
enum { CLAIMED_COUNT = 2, SIGNAL_COUNT = 65, KERNEL_SIGSET_BYTES = 8 };

/// Bit i stands for claimed[i].
typedef uint8_t claimed_bits;

/// The program's actions, once the signals are claimed. Written under the sequence word of the lifetime.
static struct sigaction actions[CLAIMED_COUNT];
static _Atomic bool is_claimed;

/// Which of the claimed signals the program put into the mask of each signal's action.
static _Atomic claimed_bits action_masks[SIGNAL_COUNT];

/// What the thread believes to have blocked.
static __thread claimed_bits thread_blocked __attribute__((tls_model("initial-exec")));

/// The fault that was raised and has not arrived.
static __thread struct swq_fault raised __attribute__((tls_model("initial-exec")));
static __thread bool is_raised __attribute__((tls_model("initial-exec")));

static int index_of(int number) {
    for (int i = 0; i < CLAIMED_COUNT; i++) {
        if (claimed[i] == number) return i;
    }
    return -1;
}

/// Removes the claimed signals from a set and returns which there were.
static claimed_bits take_out(sigset_t *set) {
    claimed_bits bits = 0;
    for (int i = 0; i < CLAIMED_COUNT; i++) {
        if (sigismember(set, claimed[i]) == 1) bits |= 1 << i;
        sigdelset(set, claimed[i]);
    }
    return bits;
}

static void put_in(sigset_t *set, claimed_bits bits) {
    for (int i = 0; i < CLAIMED_COUNT; i++) {
        if (bits & 1 << i) sigaddset(set, claimed[i]);
    }
}

// MARK: The program's actions

static struct sigaction read_action(int index) {
    struct swq_lifetime *lifetime = atomic_load(&swq_lifetime);
    struct sigaction action;
    uint32_t before, after;
    do {
        before = atomic_load_explicit(&lifetime->signals_sequence, memory_order_acquire);
        action = actions[index];
        atomic_thread_fence(memory_order_acquire);
        after = atomic_load_explicit(&lifetime->signals_sequence, memory_order_relaxed);
        if (before & 1) swq_syscall1(SYS_sched_yield, 0);
    } while ((before & 1) || before != after);
    return action;
}

/// Replaces an action and returns the one before. `install` is called in between.
static struct sigaction exchange_action(int index, const struct sigaction *action, bool install);

/// What the kernel is told in place of the program's action: the same stack, mask and restarting, our handler.
static void install_trap(int index, const struct sigaction *action) {
    struct sigaction trap = {.sa_sigaction = swq_trap, .sa_mask = action->sa_mask};
    take_out(&trap.sa_mask);
    trap.sa_flags = SA_SIGINFO | SA_NODEFER | (action->sa_flags & (SA_ONSTACK | SA_RESTART));
    swq_real.sigaction(claimed[index], &trap, NULL);
}

static struct sigaction exchange_action(int index, const struct sigaction *action, bool install) {
    struct swq_lifetime *lifetime = atomic_load(&swq_lifetime);
    uint64_t mask;
    swq_signals_hold(&mask);
    uint32_t even = atomic_load(&lifetime->signals_sequence) & ~1u;
    while (!atomic_compare_exchange_weak(&lifetime->signals_sequence, &even, even | 1)) {
        even &= ~1u;
        swq_syscall1(SYS_sched_yield, 0);
    }
    struct sigaction previous = actions[index];
    actions[index] = *action;
    if (install) install_trap(index, action);
    atomic_store_explicit(&lifetime->signals_sequence, even + 2, memory_order_release);
    swq_signals_release(&mask);
    return previous;
}

/// Takes the signals over, unless it is done. A child of fork may find it half done.
static void claim_locked(void) {
    if (atomic_load(&is_claimed)) return;
    swq_patch_prepare();
    for (int i = 0; i < CLAIMED_COUNT; i++) {
        struct sigaction found;
        swq_real.sigaction(claimed[i], NULL, &found);
        if (found.sa_sigaction != swq_trap) actions[i] = found;
    }
    for (int i = 0; i < CLAIMED_COUNT; i++) install_trap(i, &actions[i]);
    atomic_store(&is_claimed, true);
}

void swq_signals_claim(void) {
    struct swq_lifetime *lifetime = atomic_load(&swq_lifetime);
    uint64_t mask;
    swq_lock(&lifetime->claim_lock, &mask);
    claim_locked();
    swq_unlock(&lifetime->claim_lock, &mask);
    // A thread that was started, or a program that was executed, with both blocked.
    sigset_t both, before;
    sigemptyset(&both);
    put_in(&both, (1 << CLAIMED_COUNT) - 1);
    if (swq_real.pthread_sigmask(SIG_UNBLOCK, &both, &before) == 0) thread_blocked |= take_out(&before);
}

int swq_signals_action(int number, const struct sigaction *action, struct sigaction *previous) {
    if (number <= 0 || number >= SIGNAL_COUNT) return swq_real.sigaction(number, action, previous);
    struct sigaction filtered;
    claimed_bits bits = 0, before = atomic_load(&action_masks[number]);
    if (action) {
        filtered = *action;
        bits = take_out(&filtered.sa_mask);
    }
    int index = index_of(number), result = 0;
    if (index >= 0 && atomic_load(&is_claimed)) {
        struct sigaction old = action ? exchange_action(index, &filtered, true) : read_action(index);
        if (previous) *previous = old;
    } else {
        result = swq_real.sigaction(number, action ? &filtered : NULL, previous);
    }
    if (result == 0 && previous) put_in(&previous->sa_mask, before);
    if (result == 0 && action) atomic_store(&action_masks[number], bits);
    return result;
}

int swq_signals_mask(int how, const sigset_t *set, sigset_t *previous) {
    if (!set) {
        int result = swq_real.pthread_sigmask(how, NULL, previous);
        if (result == 0 && previous) put_in(previous, thread_blocked);
        return result;
    }
    sigset_t filtered = *set;
    claimed_bits bits = take_out(&filtered), before = thread_blocked;
    // What is to be unblocked is unblocked in the kernel too: it may have been blocked before the library was there.
    if (how == SIG_UNBLOCK) put_in(&filtered, bits);
    int result = swq_real.pthread_sigmask(how, &filtered, previous);
    if (result != 0) return result;
    if (previous) put_in(previous, before);
    if (how == SIG_BLOCK) thread_blocked = before | bits;
    if (how == SIG_UNBLOCK) thread_blocked = before & ~bits;
    if (how == SIG_SETMASK) thread_blocked = bits;
    return 0;
}

const sigset_t *swq_signals_filter(const sigset_t *set, sigset_t *room) {
    if (!set) return NULL;
    *room = *set;
    take_out(room);
    return room;
}

// MARK: Delivery

/// Sends the thread a signal that arrives at `context` when the handler has returned.
static void send_on_return(siginfo_t *info, ucontext_t *context) {
    uint64_t bit = 1ull << (info->si_signo - 1);
    swq_syscall4(SYS_rt_sigprocmask, SIG_BLOCK, (long)&bit, 0, KERNEL_SIGSET_BYTES);
    sigdelset(&context->uc_sigmask, info->si_signo);
    long process = swq_syscall1(SYS_getpid, 0), thread = swq_syscall1(SYS_gettid, 0);
    swq_syscall4(SYS_rt_tgsigqueueinfo, process, thread, info->si_signo, (long)info);
}

static void set_default(int number) {
    struct sigaction fatal = {.sa_handler = SIG_DFL};
    swq_real.sigaction(number, &fatal, NULL);
}

void swq_signals_raise(const struct swq_fault *fault, ucontext_t *context) {
    int number = fault->info.si_signo, index = index_of(number);
    struct sigaction action;
    if (index >= 0) {
        action = read_action(index);
    } else {
        swq_real.sigaction(number, NULL, &action);
    }
    // A fault can be neither ignored nor blocked.
    bool is_blocked = index < 0 && sigismember(&context->uc_sigmask, number) == 1;
    if (action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN || is_blocked) set_default(number);
    raised = *fault;
    is_raised = true;
    send_on_return(&raised.info, context);
}

bool swq_signals_was_raised(int number, ucontext_t *context) {
    if (!is_raised || raised.info.si_signo != number) return false;
    is_raised = false;
    greg_t *registers = context->uc_mcontext.gregs;
    registers[REG_TRAPNO] = (greg_t)raised.trap;
    registers[REG_ERR] = (greg_t)raised.error;
    registers[REG_CR2] = (greg_t)raised.cr2;
    return true;
}

void swq_signals_chain(int number, siginfo_t *info, ucontext_t *context) {
    int index = index_of(number);
    struct sigaction action = read_action(index);
    if (action.sa_handler == SIG_IGN && info->si_code <= 0) return;
    if (action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN) {
        // The instruction faults once more and dies of it as it would without the library; what was sent is sent again.
        set_default(number);
        if (info->si_code <= 0) send_on_return(info, context);
        return;
    }
    if (action.sa_flags & SA_RESETHAND) {
        struct sigaction reset = action;
        reset.sa_handler = SIG_DFL;
        reset.sa_flags &= ~SA_SIGINFO;
        exchange_action(index, &reset, true);
    }
    if (action.sa_flags & SA_SIGINFO) {
        action.sa_sigaction(number, info, context);
    } else {
        action.sa_handler(number);
    }
}
