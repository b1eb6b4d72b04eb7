#define _GNU_SOURCE

#include "CPlatform.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

int platform_processor_count(void) {
    cpu_set_t set;
    // A machine with more processors than the set has room for has enough of them.
    if (sched_getaffinity(0, sizeof set, &set) != 0) return CPU_SETSIZE;
    return CPU_COUNT(&set);
}

int platform_pidfd_open(int32_t pid) { return (int) syscall(SYS_pidfd_open, pid, 0); }

int platform_pidfd_exited(int fd) {
    struct pollfd poller = {.fd = fd, .events = POLLIN};
    int result;
    do result = poll(&poller, 1, 0);
    while (result < 0 && errno == EINTR);
    return result;
}

struct start {
    void (*body)(void *);
    void *context;
};

static void *run(void *argument) {
    struct start start = *(struct start *) argument;
    free(argument);
    start.body(start.context);
    return NULL;
}

static const int faults[] = {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP};

static int create(pthread_t *thread, size_t stack_bytes, struct start *start) {
    pthread_attr_t attributes;
    int code = pthread_attr_init(&attributes);
    if (code != 0) return code;
    if (stack_bytes > 0) code = pthread_attr_setstacksize(&attributes, stack_bytes);
    if (code == 0) {
        // The new thread inherits this mask: signals belong to the thread that reads the signalfd.
        sigset_t all, previous;
        sigfillset(&all);
        // A fault with its signal blocked kills without a backtrace.
        for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) sigdelset(&all, faults[i]);
        code = pthread_sigmask(SIG_SETMASK, &all, &previous);
        if (code == 0) {
            code = pthread_create(thread, &attributes, run, start);
            (void) pthread_sigmask(SIG_SETMASK, &previous, NULL);
        }
    }
    (void) pthread_attr_destroy(&attributes);
    return code;
}

int platform_thread_start(uintptr_t *thread, size_t stack_bytes, void (*body)(void *), void *context) {
    struct start *start = malloc(sizeof *start);
    if (!start) return -1;
    *start = (struct start) {.body = body, .context = context};
    pthread_t created;
    int code = create(&created, stack_bytes, start);
    if (code != 0) {
        free(start);
        errno = code;
        return -1;
    }
    *thread = (uintptr_t) created;
    return 0;
}

static int failing(int code) {
    if (code == 0) return 0;
    errno = code;
    return -1;
}

int platform_thread_name(const char *name) { return failing(pthread_setname_np(pthread_self(), name)); }

int platform_thread_join(uintptr_t thread) { return failing(pthread_join((pthread_t) thread, NULL)); }

int platform_thread_detach(uintptr_t thread) { return failing(pthread_detach((pthread_t) thread)); }
