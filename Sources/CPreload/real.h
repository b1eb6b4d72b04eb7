/// The functions that the library stands in front of, as the next library has them.

#ifndef SWQ_REAL_H
#define SWQ_REAL_H

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>

struct statx;
typedef int (*swq_filter)(const struct dirent *);
typedef int (*swq_compare)(const struct dirent **, const struct dirent **);
typedef int (*swq_filter64)(const struct dirent64 *);
typedef int (*swq_compare64)(const struct dirent64 **, const struct dirent64 **);

/// Result, name and parameters of each.
#define SWQ_REAL_FUNCTIONS(X)                                                          \
    X(int, sigaction, (int, const struct sigaction *, struct sigaction *))             \
    X(int, sigprocmask, (int, const sigset_t *, sigset_t *))                           \
    X(int, pthread_sigmask, (int, const sigset_t *, sigset_t *))                       \
    X(__sighandler_t, signal, (int, __sighandler_t))                                   \
    X(int, sigsuspend, (const sigset_t *))                                             \
    X(int, pselect, (int, fd_set *, fd_set *, fd_set *, const struct timespec *, const sigset_t *)) \
    X(int, epoll_pwait, (int, struct epoll_event *, int, int, const sigset_t *))       \
    X(int, open, (const char *, int, ...))                                             \
    X(int, open64, (const char *, int, ...))                                           \
    X(int, openat, (int, const char *, int, ...))                                      \
    X(int, openat64, (int, const char *, int, ...))                                    \
    X(int, __open_2, (const char *, int))                                              \
    X(int, __open64_2, (const char *, int))                                            \
    X(int, __openat_2, (int, const char *, int))                                       \
    X(int, __openat64_2, (int, const char *, int))                                     \
    X(int, creat, (const char *, mode_t))                                              \
    X(FILE *, fopen, (const char *, const char *))                                     \
    X(FILE *, fopen64, (const char *, const char *))                                   \
    X(FILE *, freopen, (const char *, const char *, FILE *))                           \
    X(FILE *, freopen64, (const char *, const char *, FILE *))                         \
    X(int, fflush, (FILE *))                                                           \
    X(int, fflush_unlocked, (FILE *))                                                  \
    X(int, fclose, (FILE *))                                                           \
    X(DIR *, opendir, (const char *))                                                  \
    X(int, scandir, (const char *, struct dirent ***, swq_filter, swq_compare))        \
    X(int, scandir64, (const char *, struct dirent64 ***, swq_filter64, swq_compare64)) \
    X(int, scandirat, (int, const char *, struct dirent ***, swq_filter, swq_compare)) \
    X(ssize_t, readlink, (const char *, char *, size_t))                               \
    X(ssize_t, readlinkat, (int, const char *, char *, size_t))                        \
    X(char *, realpath, (const char *, char *))                                        \
    X(char *, getcwd, (char *, size_t))                                                \
    X(char *, get_current_dir_name, (void))                                            \
    X(int, chdir, (const char *))                                                      \
    X(int, fchdir, (int))                                                              \
    X(int, access, (const char *, int))                                                \
    X(int, eaccess, (const char *, int))                                               \
    X(int, faccessat, (int, const char *, int, int))                                   \
    X(int, stat, (const char *, struct stat *))                                        \
    X(int, lstat, (const char *, struct stat *))                                       \
    X(int, fstat, (int, struct stat *))                                                \
    X(int, fstatat, (int, const char *, struct stat *, int))                           \
    X(int, stat64, (const char *, struct stat64 *))                                    \
    X(int, lstat64, (const char *, struct stat64 *))                                   \
    X(int, fstat64, (int, struct stat64 *))                                            \
    X(int, fstatat64, (int, const char *, struct stat64 *, int))                       \
    X(int, __xstat, (int, const char *, struct stat *))                                \
    X(int, __lxstat, (int, const char *, struct stat *))                               \
    X(int, __fxstat, (int, int, struct stat *))                                        \
    X(int, __fxstatat, (int, int, const char *, struct stat *, int))                   \
    X(int, __xstat64, (int, const char *, struct stat64 *))                            \
    X(int, __lxstat64, (int, const char *, struct stat64 *))                           \
    X(int, __fxstat64, (int, int, struct stat64 *))                                    \
    X(int, __fxstatat64, (int, int, const char *, struct stat64 *, int))               \
    X(int, statx, (int, const char *, int, unsigned int, struct statx *))              \
    X(ssize_t, getxattr, (const char *, const char *, void *, size_t))                 \
    X(ssize_t, lgetxattr, (const char *, const char *, void *, size_t))                \
    X(int, chmod, (const char *, mode_t))                                              \
    X(int, chown, (const char *, uid_t, gid_t))                                        \
    X(int, inotify_add_watch, (int, const char *, uint32_t))                           \
    X(ssize_t, read, (int, void *, size_t))                                            \
    X(ssize_t, pread, (int, void *, size_t, off_t))                                    \
    X(ssize_t, pread64, (int, void *, size_t, off64_t))                                \
    X(off_t, lseek, (int, off_t, int))                                                 \
    X(off64_t, lseek64, (int, off64_t, int))                                           \
    X(ssize_t, write, (int, const void *, size_t))                                     \
    X(ssize_t, writev, (int, const struct iovec *, int))                               \
    X(ssize_t, pwrite, (int, const void *, size_t, off_t))                             \
    X(ssize_t, pwrite64, (int, const void *, size_t, off64_t))                         \
    X(int, close, (int))                                                               \
    X(int, close_range, (unsigned int, unsigned int, int))                             \
    X(void, closefrom, (int))                                                          \
    X(int, dup, (int))                                                                 \
    X(int, dup2, (int, int))                                                           \
    X(int, dup3, (int, int, int))                                                      \
    X(int, fcntl, (int, int, ...))                                                     \
    X(int, fcntl64, (int, int, ...))                                                   \
    X(int, poll, (struct pollfd *, nfds_t, int))                                       \
    X(int, ppoll, (struct pollfd *, nfds_t, const struct timespec *, const sigset_t *)) \
    X(void *, mmap, (void *, size_t, int, int, int, off_t))                            \
    X(void *, mmap64, (void *, size_t, int, int, int, off64_t))                        \
    X(int, munmap, (void *, size_t))

#define SWQ_REAL_MEMBER(result, name, parameters) result(*name) parameters;

struct swq_real {
    SWQ_REAL_FUNCTIONS(SWQ_REAL_MEMBER)
};

/// Filled by the constructor, or by the first wrapper that is called before it. NULL: the C library has no such
/// function.
extern struct swq_real swq_real;
extern _Atomic int swq_real_is_resolved;

void swq_real_resolve(void);

/// To be called first in every wrapper.
static inline void swq_real_ready(void) {
    if (__builtin_expect(!atomic_load_explicit(&swq_real_is_resolved, memory_order_acquire), 0)) swq_real_resolve();
}

#endif
