/// Descriptors: closing and duplicating.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <unistd.h>

#include "daemon.h"
#include "files.h"
#include "interpose.h"
#include "real.h"
#include "release.h"

SWQ_EXPORT int close(int fd) {
    swq_real_ready();
    bool is_own = swq_daemon_owns(fd);
    if ((!is_own && !swq_files_find(fd)) || swq_daemon_is_borrowed()) return swq_real.close(fd);
    if (is_own) {
        // The program has not opened it.
        errno = EBADF;
        return -1;
    }
    int error = swq_release(fd);
    int result = swq_real.close(fd);
    if (result == 0 && error != 0) {
        errno = error;
        return -1;
    }
    return result;
}

/// Calls the kernel for the parts of a range between the library's own descriptors.
static int close_around(unsigned int first, unsigned int last, int flags) {
    for (unsigned int fd = first; fd <= last && fd < SWQ_DESCRIPTORS_MAX; fd++) {
        if (!swq_daemon_owns((int)fd)) continue;
        if (fd > first && swq_real.close_range(first, fd - 1, flags) != 0) return -1;
        first = fd + 1;
    }
    return first > last ? 0 : swq_real.close_range(first, last, flags);
}

SWQ_EXPORT int close_range(unsigned int first, unsigned int last, int flags) {
    swq_real_ready();
    // On exec everything of the library's goes as well.
    bool is_plain = !swq_daemon_is_connected() && swq_files_next(0) < 0;
    if (first > last || is_plain || swq_daemon_is_borrowed() || (flags & CLOSE_RANGE_CLOEXEC))
        return swq_real.close_range(first, last, flags);
    for (int fd = swq_files_next((int)first); fd >= 0 && (unsigned int)fd <= last; fd = swq_files_next(fd + 1)) {
        swq_release(fd);
    }
    return close_around(first, last, flags);
}

SWQ_EXPORT void closefrom(int first) {
    swq_real_ready();
    if (!swq_daemon_is_connected() && swq_files_next(0) < 0) return swq_real.closefrom(first);
    if (close_range(first < 0 ? 0 : (unsigned int)first, ~0u, 0) == 0 || errno != ENOSYS) return;
    for (int fd = first; fd < SWQ_DESCRIPTORS_MAX; fd++) close(fd);
}

// MARK: Duplicating

/// After the kernel has made `copy` another descriptor of the file of `fd`.
static int follow(int fd, int copy) {
    if (copy < 0 || !swq_files_find(fd) || swq_daemon_is_borrowed()) return copy;
    if (swq_files_duplicate(fd, copy)) return copy;
    swq_real.close(copy);
    errno = EMFILE;
    return -1;
}

/// Before the kernel closes `fd` to reuse its number. False: not to be had.
static bool make_way(int fd) {
    if (swq_daemon_is_borrowed()) return true;
    if (swq_daemon_owns(fd)) return swq_daemon_move(fd);
    swq_release(fd);
    return true;
}

SWQ_EXPORT int dup(int fd) {
    swq_real_ready();
    return follow(fd, swq_real.dup(fd));
}

/// The kernel refuses before it closes anything.
static bool is_open(int fd) { return swq_real.fcntl(fd, F_GETFD) >= 0; }

SWQ_EXPORT int dup2(int fd, int copy) {
    swq_real_ready();
    if (fd != copy && (swq_files_find(copy) || swq_daemon_owns(copy)) && is_open(fd) && !make_way(copy)) {
        errno = EBADF;
        return -1;
    }
    return fd == copy ? swq_real.dup2(fd, copy) : follow(fd, swq_real.dup2(fd, copy));
}

SWQ_EXPORT int dup3(int fd, int copy, int flags) {
    swq_real_ready();
    bool is_valid = fd != copy && (flags & ~O_CLOEXEC) == 0;
    if (is_valid && (swq_files_find(copy) || swq_daemon_owns(copy)) && is_open(fd) && !make_way(copy)) {
        errno = EBADF;
        return -1;
    }
    return follow(fd, swq_real.dup3(fd, copy, flags));
}

#define FCNTL(name)                                                             \
    SWQ_EXPORT int name(int fd, int command, ...) {                             \
        va_list arguments;                                                      \
        va_start(arguments, command);                                           \
        void *argument = va_arg(arguments, void *);                             \
        va_end(arguments);                                                      \
        swq_real_ready();                                                       \
        int result = swq_real.name(fd, command, argument);                      \
        if (command != F_DUPFD && command != F_DUPFD_CLOEXEC) return result;    \
        return follow(fd, result);                                              \
    }
FCNTL(fcntl)
FCNTL(fcntl64)
