/// Reading, writing and waiting.

#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "attribute.h"
#include "daemon.h"
#include "files.h"
#include "interpose.h"
#include "node.h"
#include "real.h"
#include "release.h"
#include "signals.h"

// MARK: Reading

/// Before a read at `offset`: 0, or the error number that it fails with.
static int before_read(int fd, struct swq_file *file, off_t offset) {
    // The driver has no read.
    if (file->kind == SWQ_FILE_NODE) return file->readable ? EINVAL : EBADF;
    return offset == 0 ? swq_attribute_refresh(fd, file) : 0;
}

SWQ_EXPORT ssize_t read(int fd, void *bytes, size_t count) {
    swq_real_ready();
    struct swq_file *file = swq_files_find(fd);
    int error = file ? before_read(fd, file, swq_real.lseek(fd, 0, SEEK_CUR)) : 0;
    if (error == 0) return swq_real.read(fd, bytes, count);
    errno = error;
    return -1;
}

SWQ_EXPORT ssize_t __read_chk(int fd, void *bytes, size_t count, size_t room);
SWQ_EXPORT ssize_t __read_chk(int fd, void *bytes, size_t count, size_t room) {
    if (count > room) abort();
    return read(fd, bytes, count);
}

#define PREAD(name, type)                                                       \
    SWQ_EXPORT ssize_t name(int fd, void *bytes, size_t count, type offset) {   \
        swq_real_ready();                                                       \
        struct swq_file *file = swq_files_find(fd);                             \
        int error = file ? before_read(fd, file, offset) : 0;                   \
        if (error == 0) return swq_real.name(fd, bytes, count, offset);         \
        errno = error;                                                          \
        return -1;                                                              \
    }
PREAD(pread, off_t)
PREAD(pread64, off64_t)

// MARK: Writing

static ssize_t write_emulated(struct swq_file *file, const void *bytes, size_t count) {
    return file->kind == SWQ_FILE_NODE ? swq_node_write(file, bytes, count) : swq_attribute_write(file, bytes, count);
}

SWQ_EXPORT ssize_t write(int fd, const void *bytes, size_t count) {
    swq_real_ready();
    struct swq_file *file = swq_files_find(fd);
    return file ? write_emulated(file, bytes, count) : swq_real.write(fd, bytes, count);
}

#define PWRITE(name, type)                                                              \
    SWQ_EXPORT ssize_t name(int fd, const void *bytes, size_t count, type offset) {     \
        swq_real_ready();                                                               \
        struct swq_file *file = swq_files_find(fd);                                     \
        return file ? write_emulated(file, bytes, count) : swq_real.name(fd, bytes, count, offset); \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

SWQ_EXPORT ssize_t writev(int fd, const struct iovec *parts, int count) {
    swq_real_ready();
    struct swq_file *file = swq_files_find(fd);
    if (!file || count < 0 || count > IOV_MAX) return swq_real.writev(fd, parts, count);
    ssize_t total = 0;
    for (int i = 0; i < count; i++) {
        if (parts[i].iov_len == 0) continue;
        ssize_t written = write_emulated(file, parts[i].iov_base, parts[i].iov_len);
        if (written < 0) return total > 0 ? total : -1;
        total += written;
        if ((size_t)written < parts[i].iov_len) break;
    }
    return total;
}

// MARK: Streams

/// After a stream was flushed: what libc has written by itself is stored now, and the stream learns how that ended.
static int after_flush(FILE *stream, int result) {
    int error = 0;
    if (!stream) {
        error = swq_files_next(0) < 0 ? 0 : swq_settle_all();
    } else {
        struct swq_file *file = swq_files_find(fileno(stream));
        if (file && file->kind == SWQ_FILE_ATTRIBUTE) error = swq_attribute_settle(fileno(stream), file);
        if (error != 0) stream->_flags |= _IO_ERR_SEEN;
    }
    if (error == 0) return result;
    errno = error;
    return EOF;
}

SWQ_EXPORT int fflush(FILE *stream) {
    swq_real_ready();
    return after_flush(stream, swq_real.fflush(stream));
}

SWQ_EXPORT int fflush_unlocked(FILE *stream) {
    swq_real_ready();
    return after_flush(stream, swq_real.fflush_unlocked(stream));
}

SWQ_EXPORT int fclose(FILE *stream) {
    swq_real_ready();
    int fd = swq_files_next(0) < 0 ? -1 : fileno(stream);
    if (fd < 0 || !swq_files_find(fd)) return swq_real.fclose(stream);
    swq_real.fflush(stream);
    int error = swq_release(fd);
    int result = swq_real.fclose(stream);
    if (error == 0) return result;
    errno = error;
    return EOF;
}

/// A shell leaves attributes to programs as their standard streams.
__attribute__((constructor)) static void adopt_standard_streams(void) {
    if (!swq_daemon_is_named()) return;
    for (int fd = 0; fd <= 2; fd++) swq_attribute_adopt(fd);
}

/// A program may end without closing its streams.
__attribute__((destructor)) static void settle_at_exit(void) {
    if (swq_files_next(0) < 0) return;
    swq_real.fflush(NULL);
    swq_settle_all();
}

// MARK: Waiting

enum {
    /// How long a wait for a device node goes on before the daemon is asked again.
    SLICE_MS = 10,
};

/// Makes the nodes among the descriptors readable or not. False: there is none.
static bool update_nodes(const struct pollfd *descriptors, nfds_t count) {
    bool found = false;
    for (nfds_t i = 0; i < count; i++) {
        struct swq_file *file = swq_files_find(descriptors[i].fd);
        if (!file || file->kind != SWQ_FILE_NODE) continue;
        swq_node_update(descriptors[i].fd, file);
        found = true;
    }
    return found;
}

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/// `limit_ns` negative: for ever.
static int wait_in_slices(struct pollfd *descriptors, nfds_t count, int64_t limit_ns, const sigset_t *mask) {
    int64_t start = now_ns();
    for (;;) {
        int64_t left = limit_ns < 0 ? INT64_MAX : limit_ns - (now_ns() - start);
        if (left < 0) left = 0;
        int64_t slice = left < SLICE_MS * 1000000 ? left : SLICE_MS * 1000000;
        struct timespec time = {.tv_sec = 0, .tv_nsec = slice};
        int result = swq_real.ppoll(descriptors, count, &time, mask);
        if (result != 0 || slice == left) return result;
        update_nodes(descriptors, count);
    }
}

SWQ_EXPORT int poll(struct pollfd *descriptors, nfds_t count, int timeout) {
    swq_real_ready();
    if (swq_files_next(0) < 0 || !update_nodes(descriptors, count)) return swq_real.poll(descriptors, count, timeout);
    return wait_in_slices(descriptors, count, timeout < 0 ? -1 : (int64_t)timeout * 1000000, NULL);
}

SWQ_EXPORT int ppoll(struct pollfd *descriptors, nfds_t count, const struct timespec *timeout, const sigset_t *mask) {
    sigset_t room;
    swq_real_ready();
    mask = swq_signals_filter(mask, &room);
    if (swq_files_next(0) < 0 || !update_nodes(descriptors, count))
        return swq_real.ppoll(descriptors, count, timeout, mask);
    int64_t limit = timeout ? (int64_t)timeout->tv_sec * 1000000000 + timeout->tv_nsec : -1;
    return wait_in_slices(descriptors, count, limit, mask);
}

SWQ_EXPORT int __poll_chk(struct pollfd *descriptors, nfds_t count, int timeout, size_t room);
SWQ_EXPORT int __poll_chk(struct pollfd *descriptors, nfds_t count, int timeout, size_t room) {
    if (room / sizeof *descriptors < count) abort();
    return poll(descriptors, count, timeout);
}
