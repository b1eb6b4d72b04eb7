/// Opening: an attribute, a node, or what the tree has at the path.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "attribute.h"
#include "interpose.h"
#include "node.h"
#include "paths.h"
#include "real.h"
#include "release.h"

enum { NOT_OURS = -2 };

/// sysfs and /dev/dsa let nobody make a file.
static int open_in_tree(const char *real, int flags) {
    int fd = swq_real.open(real, flags & ~(O_CREAT | O_EXCL | O_TRUNC));
    if (fd < 0 && errno == ENOENT && (flags & O_CREAT)) errno = EACCES;
    return fd;
}

/// Opens what the program calls `path`. NOT_OURS: the call goes on as it is.
static int open_emulated(int directory, const char *path, int flags, mode_t mode) {
    char real[SWQ_PATH_BYTES], name[SWQ_PATH_BYTES];
    unsigned int permissions = 0;
    if (!swq_path_translate(directory, path, real)) return NOT_OURS;
    enum swq_place place = swq_path_classify(real, flags & O_NOFOLLOW, name, &permissions);
    if (place == SWQ_PLACE_OUTSIDE) return swq_real.open(real, flags, mode);
    if (place == SWQ_PLACE_TREE || (flags & O_PATH)) return open_in_tree(real, flags);
    if (place == SWQ_PLACE_NODE) return swq_node_open(name, flags);
    return swq_attribute_open(name, permissions, flags);
}

static bool takes_mode(int flags) { return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE; }

#define MODE_ARGUMENT(flags, last)                        \
    mode_t mode = 0;                                      \
    if (takes_mode(flags)) {                              \
        va_list arguments;                                \
        va_start(arguments, last);                        \
        mode = va_arg(arguments, mode_t);                 \
        va_end(arguments);                                \
    }

#define OPEN(name)                                                             \
    SWQ_EXPORT int name(const char *path, int flags, ...) {                    \
        swq_real_ready();                                                      \
        MODE_ARGUMENT(flags, flags)                                            \
        int fd = open_emulated(AT_FDCWD, path, flags, mode);                   \
        return fd == NOT_OURS ? swq_real.name(path, flags, mode) : fd;         \
    }
#define OPENAT(name)                                                           \
    SWQ_EXPORT int name(int directory, const char *path, int flags, ...) {     \
        swq_real_ready();                                                      \
        MODE_ARGUMENT(flags, flags)                                            \
        int fd = open_emulated(directory, path, flags, mode);                  \
        return fd == NOT_OURS ? swq_real.name(directory, path, flags, mode) : fd; \
    }
// What fortified programs call when there is no mode.
#define OPEN_2(name)                                                           \
    SWQ_EXPORT int name(const char *path, int flags);                          \
    SWQ_EXPORT int name(const char *path, int flags) {                         \
        swq_real_ready();                                                      \
        int fd = open_emulated(AT_FDCWD, path, flags, 0);                      \
        return fd == NOT_OURS ? swq_real.name(path, flags) : fd;               \
    }
#define OPENAT_2(name)                                                         \
    SWQ_EXPORT int name(int directory, const char *path, int flags);           \
    SWQ_EXPORT int name(int directory, const char *path, int flags) {          \
        swq_real_ready();                                                      \
        int fd = open_emulated(directory, path, flags, 0);                     \
        return fd == NOT_OURS ? swq_real.name(directory, path, flags) : fd;    \
    }

OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)
OPEN_2(__open_2)
OPEN_2(__open64_2)
OPENAT_2(__openat_2)
OPENAT_2(__openat64_2)

SWQ_EXPORT int creat(const char *path, mode_t mode) {
    swq_real_ready();
    int fd = open_emulated(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
    return fd == NOT_OURS ? swq_real.creat(path, mode) : fd;
}
SWQ_EXPORT int creat64(const char *path, mode_t mode) { return creat(path, mode); }

// MARK: Streams

/// The flags that fopen passes to open for a mode.
static int flags_of(const char *mode) {
    bool updates = strchr(mode, '+') != NULL;
    int flags = updates ? O_RDWR : mode[0] == 'r' ? O_RDONLY : O_WRONLY;
    if (mode[0] != 'r') flags |= O_CREAT | (mode[0] == 'a' ? O_APPEND : O_TRUNC);
    if (strchr(mode, 'x')) flags |= O_EXCL;
    if (strchr(mode, 'e')) flags |= O_CLOEXEC;
    return flags;
}

static bool is_mode(const char *mode) { return mode && (*mode == 'r' || *mode == 'w' || *mode == 'a'); }

#define FOPEN(name)                                                                     \
    SWQ_EXPORT FILE *name(const char *path, const char *mode) {                         \
        swq_real_ready();                                                               \
        if (!is_mode(mode) || !swq_path_is_candidate(AT_FDCWD, path)) return swq_real.name(path, mode); \
        int fd = open_emulated(AT_FDCWD, path, flags_of(mode), 0666);                   \
        if (fd == NOT_OURS) return swq_real.name(path, mode);                           \
        if (fd < 0) return NULL;                                                        \
        FILE *stream = fdopen(fd, mode);                                                \
        if (!stream) close(fd);                                                         \
        return stream;                                                                  \
    }
FOPEN(fopen)
FOPEN(fopen64)

/// The stream's descriptor is about to be closed within libc.
static void leave(FILE *stream) {
    int fd = fileno(stream);
    if (fd < 0 || !swq_files_find(fd)) return;
    swq_real.fflush(stream);
    swq_release(fd);
}

/// Lets a stream go on with the file of `fd`, which is taken over.
static FILE *reopen_stream(int fd, const char *mode, FILE *stream) {
    char path[32];
    // As libc does when the file cannot be opened: the stream is closed all the same.
    snprintf(path, sizeof path, fd < 0 ? "/proc/self/fd/none" : "/proc/self/fd/%d", fd);
    int error = errno;
    leave(stream);
    FILE *opened = swq_real.freopen(path, mode, stream);
    if (opened) swq_files_duplicate(fd, fileno(opened));
    if (fd >= 0) close(fd);
    if (!opened && fd < 0) errno = error;
    return opened;
}

#define FREOPEN(name)                                                                   \
    SWQ_EXPORT FILE *name(const char *path, const char *mode, FILE *stream) {           \
        swq_real_ready();                                                               \
        int fd = NOT_OURS;                                                              \
        if (path && is_mode(mode) && swq_path_is_candidate(AT_FDCWD, path))             \
            fd = open_emulated(AT_FDCWD, path, flags_of(mode), 0666);                   \
        if (fd == NOT_OURS) {                                                           \
            if (path) leave(stream);                                                    \
            return swq_real.name(path, mode, stream);                                   \
        }                                                                               \
        return reopen_stream(fd, mode, stream);                                         \
    }

FREOPEN(freopen)
FREOPEN(freopen64)
