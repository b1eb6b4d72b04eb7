#define _GNU_SOURCE

#include "CPlatform.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { NANOSECONDS_PER_SECOND = 1000000000 };

static struct timespec timespec_of(uint64_t nanoseconds) {
    return (struct timespec) {
        .tv_sec = (time_t) (nanoseconds / NANOSECONDS_PER_SECOND),
        .tv_nsec = (long) (nanoseconds % NANOSECONDS_PER_SECOND),
    };
}

int platform_epoll(void) { return epoll_create1(EPOLL_CLOEXEC); }

int platform_epoll_control(int poller, int operation, int fd, uint32_t events, uint64_t token) {
    struct epoll_event event = {.events = events, .data = {.u64 = token}};
    return epoll_ctl(poller, operation, fd, &event);
}

int platform_eventfd(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

int platform_timerfd(void) { return timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK); }

int platform_timerfd_set(int fd, uint64_t first_ns, uint64_t interval_ns, bool absolute) {
    struct itimerspec times = {.it_value = timespec_of(first_ns), .it_interval = timespec_of(interval_ns)};
    return timerfd_settime(fd, absolute ? TFD_TIMER_ABSTIME : 0, &times, NULL);
}

int platform_signalfd(const int *signals, size_t count) {
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < count; i++) {
        if (sigaddset(&set, signals[i]) < 0) return -1;
    }
    int code = pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (code != 0) {
        errno = code;
        return -1;
    }
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int platform_signalfd_read(int fd, struct platform_signal *signal) {
    struct signalfd_siginfo info;
    ssize_t count;
    do count = read(fd, &info, sizeof info);
    while (count < 0 && errno == EINTR);
    if (count < 0) return errno == EAGAIN ? 0 : -1;
    signal->number = (int) info.ssi_signo;
    signal->pid = (int32_t) info.ssi_pid;
    signal->uid = info.ssi_uid;
    signal->by_process = info.ssi_code <= 0;
    return 1;
}

int platform_ignore_broken_pipe(void) {
    struct sigaction action = {.sa_handler = SIG_IGN};
    return sigaction(SIGPIPE, &action, NULL);
}
