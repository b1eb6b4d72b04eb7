/// What stat says: a node is a character device with the numbers of the tree, an attribute is a page long.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "files.h"
#include "interpose.h"
#include "paths.h"
#include "real.h"
#include "syscalls.h"

// 64-bit off_t and ino_t: both structures are one.
_Static_assert(sizeof(struct stat) == sizeof(struct stat64), "struct stat64 differs from struct stat");

enum { ATTRIBUTE_PAGE = 4096 };

/// Reads "254:3" from the tree: sys/bus/dsa/devices/NAME/dsa!NAME/dev.
static dev_t numbers_of(const char *node) {
    char path[2 * SWQ_PATH_BYTES], text[32];
    size_t length;
    const char *root = swq_daemon_root(&length);
    snprintf(path, sizeof path, "%s/sys/bus/dsa/devices/%s/dsa!%s/dev", root, node, node);
    long fd = swq_syscall4(SYS_openat, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0) return 0;
    long count = swq_syscall3(SYS_read, fd, (long)text, sizeof text);
    swq_syscall1(SYS_close, fd);
    unsigned int numbers[2] = {0, 0};
    for (long i = 0, which = 0; i < count && which < 2; i++) {
        if (text[i] == ':') {
            which++;
        } else if (text[i] >= '0' && text[i] <= '9') {
            numbers[which] = numbers[which] * 10 + (unsigned int)(text[i] - '0');
        }
    }
    return makedev(numbers[0], numbers[1]);
}

/// What a file of the tree is to the program: the mode to report, the numbers of a node, and the size.
struct look {
    bool is_ours;
    bool is_node;
    dev_t numbers;
};

static struct look look_at(const char *real, bool no_follow) {
    char name[SWQ_PATH_BYTES];
    unsigned int mode;
    switch (swq_path_classify(real, no_follow, name, &mode)) {
    case SWQ_PLACE_NODE:
        return (struct look){true, true, numbers_of(name)};
    case SWQ_PLACE_ATTRIBUTE:
        return (struct look){true, false, 0};
    default:
        return (struct look){false, false, 0};
    }
}

static struct look look_at_descriptor(int fd) {
    struct swq_file *file = swq_files_find(fd);
    if (!file) return (struct look){false, false, 0};
    bool is_node = file->kind == SWQ_FILE_NODE;
    return (struct look){true, is_node, is_node ? numbers_of(file->name) : 0};
}

static void apply(struct look look, struct stat *status) {
    if (!look.is_ours) return;
    mode_t permissions = status->st_mode & 07777;
    if (look.is_node) {
        status->st_mode = S_IFCHR | permissions;
        status->st_rdev = look.numbers;
        status->st_size = status->st_blocks = 0;
    } else if (S_ISREG(status->st_mode)) {
        status->st_size = ATTRIBUTE_PAGE;
        status->st_blocks = 0;
    }
}

/// A descriptor's permissions are those of the file in the tree; its type is not that of the kernel's object.
static int finish_descriptor(int fd, int result, struct stat *status) {
    struct look look = result == 0 ? look_at_descriptor(fd) : (struct look){false, false, 0};
    if (!look.is_ours) return result;
    status->st_mode = look.is_node ? S_IFCHR | 0600 : S_IFREG | 0644;
    apply(look, status);
    return result;
}

/// The path is empty, or NULL, which Linux takes for the same since 6.11 and the headers do not.
__attribute__((noinline)) static bool means_descriptor(const char *path, int flags) {
    return (flags & AT_EMPTY_PATH) && (!path || *path == 0);
}

#define STAT(name, type, follow)                                                        \
    SWQ_EXPORT int name(const char *path, type *status) {                               \
        char real[SWQ_PATH_BYTES];                                                      \
        swq_real_ready();                                                               \
        if (!swq_path_translate(AT_FDCWD, path, real)) return swq_real.name(path, status); \
        int result = swq_real.name(real, status);                                       \
        if (result == 0) apply(look_at(real, !(follow)), (struct stat *)status);        \
        return result;                                                                  \
    }
STAT(stat, struct stat, true)
STAT(stat64, struct stat64, true)
STAT(lstat, struct stat, false)
STAT(lstat64, struct stat64, false)

#define FSTAT(name, type)                                                       \
    SWQ_EXPORT int name(int fd, type *status) {                                 \
        swq_real_ready();                                                       \
        return finish_descriptor(fd, swq_real.name(fd, status), (struct stat *)status); \
    }
FSTAT(fstat, struct stat)
FSTAT(fstat64, struct stat64)

#define FSTATAT(name, type)                                                             \
    SWQ_EXPORT int name(int directory, const char *path, type *status, int flags) {     \
        char real[SWQ_PATH_BYTES];                                                      \
        swq_real_ready();                                                               \
        if (means_descriptor(path, flags))                              \
            return finish_descriptor(                                                   \
                directory, swq_real.name(directory, path, status, flags), (struct stat *)status); \
        if (!swq_path_translate(directory, path, real)) return swq_real.name(directory, path, status, flags); \
        int result = swq_real.name(AT_FDCWD, real, status, flags);                      \
        if (result == 0) apply(look_at(real, flags & AT_SYMLINK_NOFOLLOW), (struct stat *)status); \
        return result;                                                                  \
    }
FSTATAT(fstatat, struct stat)
FSTATAT(fstatat64, struct stat64)

SWQ_EXPORT int statx(int directory, const char *path, int flags, unsigned int mask, struct statx *status) {
    char real[SWQ_PATH_BYTES];
    struct look look = {false, false, 0};
    int result;
    swq_real_ready();
    if (means_descriptor(path, flags)) {
        result = swq_real.statx(directory, path, flags, mask, status);
        look = look_at_descriptor(directory);
    } else if (swq_path_translate(directory, path, real)) {
        result = swq_real.statx(AT_FDCWD, real, flags, mask, status);
        look = look_at(real, flags & AT_SYMLINK_NOFOLLOW);
    } else {
        return swq_real.statx(directory, path, flags, mask, status);
    }
    if (result == 0 && look.is_ours) {
        if (look.is_node) {
            status->stx_mode = (uint16_t)(S_IFCHR | (status->stx_mode & 07777));
            status->stx_rdev_major = major(look.numbers);
            status->stx_rdev_minor = minor(look.numbers);
        }
        status->stx_size = look.is_node ? 0 : ATTRIBUTE_PAGE;
        status->stx_blocks = 0;
    }
    return result;
}

// MARK: What programs call that were built before glibc 2.33

#define XSTAT(name, type, follow)                                                       \
    SWQ_EXPORT int name(int version, const char *path, type *status);                   \
    SWQ_EXPORT int name(int version, const char *path, type *status) {                  \
        char real[SWQ_PATH_BYTES];                                                      \
        swq_real_ready();                                                               \
        if (!swq_path_translate(AT_FDCWD, path, real)) return swq_real.name(version, path, status); \
        int result = swq_real.name(version, real, status);                              \
        if (result == 0) apply(look_at(real, !(follow)), (struct stat *)status);        \
        return result;                                                                  \
    }
XSTAT(__xstat, struct stat, true)
XSTAT(__xstat64, struct stat64, true)
XSTAT(__lxstat, struct stat, false)
XSTAT(__lxstat64, struct stat64, false)

#define FXSTAT(name, type)                                                      \
    SWQ_EXPORT int name(int version, int fd, type *status);                     \
    SWQ_EXPORT int name(int version, int fd, type *status) {                    \
        swq_real_ready();                                                       \
        return finish_descriptor(fd, swq_real.name(version, fd, status), (struct stat *)status); \
    }
FXSTAT(__fxstat, struct stat)
FXSTAT(__fxstat64, struct stat64)

#define FXSTATAT(name, type)                                                            \
    SWQ_EXPORT int name(int version, int directory, const char *path, type *status, int flags); \
    SWQ_EXPORT int name(int version, int directory, const char *path, type *status, int flags) { \
        char real[SWQ_PATH_BYTES];                                                      \
        swq_real_ready();                                                               \
        if (!swq_path_translate(directory, path, real))                                 \
            return swq_real.name(version, directory, path, status, flags);              \
        int result = swq_real.name(version, AT_FDCWD, real, status, flags);             \
        if (result == 0) apply(look_at(real, flags & AT_SYMLINK_NOFOLLOW), (struct stat *)status); \
        return result;                                                                  \
    }
FXSTATAT(__fxstatat, struct stat)
FXSTATAT(__fxstatat64, struct stat64)
