/// The Linux calls that Swift's Glibc module does not offer or cannot import (variadic, macro or hidden declarations).
///
/// Every function behaves like the call it wraps: the result, or -1 with `errno` set. Nothing here holds state, and
/// nothing here knows what the daemon does. Calls that the kernel may interrupt are repeated on EINTR, except
/// `epoll_wait`, whose caller has a clock to look at.

#ifndef CPLATFORM_H
#define CPLATFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/types.h>

// MARK: Errors and environment

/// The symbolic name of an error number ("EMFILE"), or NULL. Static storage, safe from every thread.
const char *platform_error_name(int code);

/// The English description of an error number, or NULL. Static storage, safe from every thread.
const char *platform_error_text(int code);

/// The process's environment: a NULL-terminated array of "NAME=VALUE". Not safe beside `setenv` or `unsetenv`.
char *const *platform_environment(void);

/// The processors that this process may run on, at least 1.
int platform_processor_count(void);

// MARK: Descriptors

/// A duplicate of `fd` with close-on-exec set.
int platform_duplicate(int fd);

/// Sets close-on-exec and O_NONBLOCK on a descriptor that another program opened.
int platform_set_nonblocking_cloexec(int fd);

/// Opens, or creates with `mode`, a file for reading and writing; close-on-exec, never through a symbolic link.
int platform_open_file(const char *path, unsigned int mode);

/// An exclusive, non-blocking `flock`. EWOULDBLOCK: another open file description holds it.
int platform_lock(int fd);

/// A close-on-exec pipe: `ends[0]` reads, `ends[1]` writes.
int platform_pipe(int ends[2]);

/// 1 when the file gives capabilities to who executes it, otherwise 0.
int platform_has_capabilities(int fd);

// MARK: Trees of files

/// Removes a directory and everything in it, without following symbolic links. 0 also when there is none.
int platform_remove_tree(const char *path);

/// Gives a file this text, replacing what it had: created with `mode` whatever the umask if it is not there, never
/// through a symbolic link.
int platform_write_file(const char *path, unsigned int mode, const void *text, size_t length);
// MARK: Memory of other processes

/// Bytes of another process and where they lie, or go, in this one.
struct platform_memory_piece {
    void *local;
    uint64_t address;
    size_t byte_count;
};

/// process_vm_readv of up to 1024 pieces, in their order. Returns the bytes up to the first that cannot be read, or -1
/// when that is the first of all.
ssize_t platform_process_read(int32_t pid, const struct platform_memory_piece *pieces, size_t count);

/// process_vm_writev, likewise.
ssize_t platform_process_write(int32_t pid, const struct platform_memory_piece *pieces, size_t count);

// MARK: Events

/// A close-on-exec epoll instance.
int platform_epoll(void);

/// epoll_ctl, with the 64-bit form of the event's data.
int platform_epoll_control(int poller, int operation, int fd, uint32_t events, uint64_t token);

/// A non-blocking eventfd that starts at zero.
int platform_eventfd(void);

/// A non-blocking timerfd on CLOCK_MONOTONIC, disarmed.
int platform_timerfd(void);

/// Arms a timerfd. `first_ns` is relative, or with `absolute` a CLOCK_MONOTONIC time; zero disarms.
int platform_timerfd_set(int fd, uint64_t first_ns, uint64_t interval_ns, bool absolute);

/// Blocks the signals in the calling thread and returns a non-blocking signalfd for them.
int platform_signalfd(const int *signals, size_t count);

/// Who sent a signal, and which.
struct platform_signal {
    int number;
    int32_t pid;
    uint32_t uid;
    /// Sent by a process, not by the kernel as the terminal's are.
    bool by_process;
};

/// Takes one signal: 1, or 0 when none is pending.
int platform_signalfd_read(int fd, struct platform_signal *signal);

/// Ignores SIGPIPE for the whole process.
int platform_ignore_broken_pipe(void);

// MARK: Eventfds of others

/// 1 when the descriptor is an eventfd, otherwise 0; -1 where /proc does not tell.
int platform_is_eventfd(int fd);

/// A context of asynchronous I/O (io_setup) for `platform_eventfd_signal`.
int platform_signaller(uint64_t *context);

/// Ends a context.
int platform_signaller_end(uint64_t context);

/// Lets the kernel add 1 to an eventfd, whatever its flags and its counter are: never waits. `file` is a memory file of
/// at least one byte.
int platform_eventfd_signal(uint64_t context, int file, int fd);

// MARK: Sockets

/// The longest path a Unix socket address holds, in bytes without the final NUL.
enum { PLATFORM_UNIX_PATH_MAX = 107 };

/// The most descriptors that one message may carry (the kernel's SCM_MAX_FD).
enum { PLATFORM_DESCRIPTORS_MAX = 253 };

/// A close-on-exec AF_UNIX socket, stream or datagram.
int platform_unix_socket(bool datagram, bool nonblocking);

/// Binds to a file-system path. The file's mode is `mode` from its first moment, less the umask.
int platform_unix_bind(int fd, const char *path, size_t length, unsigned int mode);

/// Connects to a path, or to an abstract name when the first byte is NUL.
int platform_unix_connect(int fd, const char *path, size_t length);

/// A close-on-exec stream socket for 127.0.0.1, or with `v6` for ::1 and nothing else.
int platform_loopback_socket(bool v6, bool nonblocking);

/// Binds to a port of the loopback address with SO_REUSEADDR; port 0 lets the kernel choose.
int platform_loopback_bind(int fd, bool v6, uint16_t port);

/// Connects to a port of the loopback address, with TCP_NODELAY.
int platform_loopback_connect(int fd, bool v6, uint16_t port);

/// accept4 with SOCK_NONBLOCK and SOCK_CLOEXEC; `tcp` also sets TCP_NODELAY.
int platform_accept(int fd, bool tcp);

/// What an inherited socket is.
struct platform_socket {
    enum { PLATFORM_SOCKET_OTHER, PLATFORM_SOCKET_UNIX, PLATFORM_SOCKET_IPV4, PLATFORM_SOCKET_IPV6 } family;
    bool stream;
    bool listening;
    bool loopback;
    uint16_t port;
    size_t path_length;
    char path[108];
};

/// Describes a socket: family, type, whether it listens, and its local address.
int platform_socket_describe(int fd, struct platform_socket *description);

/// SO_PEERCRED. `pid` is 0 when the peer lives in a PID namespace that this process cannot see.
int platform_peer_credentials(int fd, int32_t *pid, uint32_t *uid, uint32_t *gid);

/// SO_PEERPIDFD (Linux 6.5): a pidfd of the process that connected.
int platform_peer_pidfd(int fd);

/// SO_RCVTIMEO in milliseconds; 0 waits for ever.
int platform_receive_timeout(int fd, uint32_t milliseconds);

/// SO_SNDBUF in bytes; the kernel doubles it and keeps its own minimum.
int platform_send_buffer(int fd, int bytes);

/// recvmsg with MSG_CMSG_CLOEXEC. At most `room` descriptors are installed into `fds`; the kernel closes those in
/// excess and `truncated` says so.
ssize_t platform_receive(
    int fd, void *buffer, size_t length, int *fds, size_t room, size_t *count, bool *truncated);

/// sendmsg with MSG_NOSIGNAL; the `count` descriptors travel with the first byte.
ssize_t platform_send(int fd, const void *buffer, size_t length, const int *fds, size_t count);

// MARK: Memory

/// A close-on-exec memfd that accepts seals and refuses execution where the kernel can (Linux 6.3).
int platform_memfd(const char *name, bool huge_pages);

int platform_seals_add(int fd, int seals);

int platform_seals_get(int fd);

/// 1 when the file lives on hugetlbfs, otherwise 0.
int platform_is_hugetlb(int fd);

/// 1 when the descriptor was opened for reading and writing, otherwise 0.
int platform_is_read_write(int fd);

/// A read-write mapping: private anonymous memory when `fd` is negative, otherwise a shared view of the file.
/// NULL with `errno` set on failure.
void *platform_map(int fd, size_t length);

enum {
    PLATFORM_SEAL_SEAL = 0x01,
    PLATFORM_SEAL_SHRINK = 0x02,
    PLATFORM_SEAL_GROW = 0x04,
    PLATFORM_SEAL_WRITE = 0x08,
    PLATFORM_SEAL_FUTURE_WRITE = 0x10,
};

enum {
    PLATFORM_ADVICE_DISCARD = 4,
    PLATFORM_ADVICE_DO_NOT_FORK = 10,
    PLATFORM_ADVICE_HUGE_PAGES = 14,
    PLATFORM_ADVICE_NO_HUGE_PAGES = 15,
    PLATFORM_ADVICE_DO_NOT_DUMP = 16,
    PLATFORM_ADVICE_POPULATE = 23,
};

// MARK: Processes and threads

/// pidfd_open, close-on-exec.
int platform_pidfd_open(int32_t pid);

/// 1 when the process behind a pidfd has exited, otherwise 0.
int platform_pidfd_exited(int fd);

/// The signals that the calling thread blocks, bit n - 1 for signal n.
int platform_signal_mask(uint64_t *mask);

/// How a program is started.
struct platform_spawn {
    /// The signals that it blocks, bit n - 1 for signal n.
    uint64_t signal_mask;
    /// A descriptor that it has as 3; -1 for none.
    int kept;
    /// The signal that it gets when the thread that started it ends; 0 for none.
    int parent_death_signal;
    /// It leads a session of its own, so that the terminal's signals do not reach it.
    bool new_session;
    /// Nothing as standard input and output.
    bool silent;
};

/// Starts a program. Returns 0, or the error number of what failed, execve included.
int platform_spawn(
    const char *path, char *const *arguments, char *const *environment, const struct platform_spawn *how,
    int32_t *process);

/// Waits for a child; `status` is waitpid's.
int platform_wait(int32_t process, int *status);

/// Starts a thread with every signal blocked but those that faults raise. `stack_bytes` 0 is the default size.
int platform_thread_start(
    uintptr_t *thread, size_t stack_bytes, void (*body)(void *), void *context);

/// Names the calling thread; at most 15 bytes.
int platform_thread_name(const char *name);

int platform_thread_join(uintptr_t thread);

int platform_thread_detach(uintptr_t thread);

/// RLIMIT_NOFILE.
int platform_descriptor_limit(uint64_t *soft, uint64_t *hard);

/// Sets the soft RLIMIT_NOFILE; the hard one stays.
int platform_descriptor_limit_set(uint64_t soft);

#endif
