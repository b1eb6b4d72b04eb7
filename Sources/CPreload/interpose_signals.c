/// Signals: see signals.h.

#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>

#include "interpose.h"
#include "real.h"
#include "signals.h"

SWQ_EXPORT int sigaction(int number, const struct sigaction *action, struct sigaction *previous) {
    swq_real_ready();
    return swq_signals_action(number, action, previous);
}

SWQ_EXPORT int pthread_sigmask(int how, const sigset_t *set, sigset_t *previous) {
    swq_real_ready();
    return swq_signals_mask(how, set, previous);
}

SWQ_EXPORT int sigprocmask(int how, const sigset_t *set, sigset_t *previous) {
    swq_real_ready();
    int error = swq_signals_mask(how, set, previous);
    if (error == 0) return 0;
    errno = error;
    return -1;
}

// MARK: Masks for the time of a wait, under which handlers run

SWQ_EXPORT int sigsuspend(const sigset_t *set) {
    sigset_t room;
    swq_real_ready();
    return swq_real.sigsuspend(swq_signals_filter(set, &room));
}

SWQ_EXPORT int pselect(
    int count, fd_set *readable, fd_set *writable, fd_set *exceptional, const struct timespec *timeout,
    const sigset_t *set) {
    sigset_t room;
    swq_real_ready();
    return swq_real.pselect(count, readable, writable, exceptional, timeout, swq_signals_filter(set, &room));
}

SWQ_EXPORT int epoll_pwait(int queue, struct epoll_event *events, int count, int timeout, const sigset_t *set) {
    sigset_t room;
    swq_real_ready();
    return swq_real.epoll_pwait(queue, events, count, timeout, swq_signals_filter(set, &room));
}

// MARK: Handlers

/// `signal` keeps its own record of siginterrupt in libc; only the claimed signals are taken out of its hands.
SWQ_EXPORT __sighandler_t signal(int number, __sighandler_t handler) {
    swq_real_ready();
    if ((number != SIGILL && number != SIGSEGV) || handler == SIG_ERR) return swq_real.signal(number, handler);
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART}, previous;
    sigaddset(&action.sa_mask, number);
    if (swq_signals_action(number, &action, &previous) != 0) return SIG_ERR;
    return previous.sa_handler;
}

SWQ_EXPORT __sighandler_t bsd_signal(int number, __sighandler_t handler) { return signal(number, handler); }
SWQ_EXPORT __sighandler_t ssignal(int number, __sighandler_t handler) { return signal(number, handler); }

SWQ_EXPORT __sighandler_t sysv_signal(int number, __sighandler_t handler) {
    swq_real_ready();
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESETHAND | SA_NODEFER}, previous;
    if (handler == SIG_ERR) {
        errno = EINVAL;
        return SIG_ERR;
    }
    return swq_signals_action(number, &action, &previous) == 0 ? previous.sa_handler : SIG_ERR;
}
SWQ_EXPORT __sighandler_t __sysv_signal(int number, __sighandler_t handler) { return sysv_signal(number, handler); }
