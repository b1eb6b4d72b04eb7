/// Names: links, directories, permissions, and what a path leads to.

#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "interpose.h"
#include "paths.h"
#include "real.h"

/// Declares `real_path`, and `at`, for a call with `directory` and `path`.
#define TRANSLATE(directory, path)            \
    char real_buffer[SWQ_PATH_BYTES];         \
    int at = (directory);                     \
    swq_real_ready();                         \
    const char *real_path = swq_path_real(&at, path, real_buffer);

// MARK: Links

/// What a link in /proc/self/fd names when the descriptor is an attribute.
static ssize_t strip_link(char *target, ssize_t count) {
    static const char object[] = "/memfd:swq-attribute:", deleted[] = " (deleted)";
    size_t prefix = sizeof object - 1, suffix = sizeof deleted - 1, length = (size_t)count;
    if (count <= 0 || !swq_daemon_is_connected()) return count;
    if (length > prefix + suffix && memcmp(target, object, prefix) == 0) {
        memmove(target + 1, target + prefix, length - prefix);
        length -= prefix - 1;
        if (memcmp(target + length - suffix, deleted, suffix) == 0) length -= suffix;
        return (ssize_t)length;
    }
    return (ssize_t)swq_path_strip(target, length);
}

SWQ_EXPORT ssize_t readlink(const char *path, char *target, size_t size) {
    TRANSLATE(AT_FDCWD, path)
    return strip_link(target, swq_real.readlink(real_path, target, size));
}

SWQ_EXPORT ssize_t readlinkat(int directory, const char *path, char *target, size_t size) {
    TRANSLATE(directory, path)
    return strip_link(target, swq_real.readlinkat(at, real_path, target, size));
}

SWQ_EXPORT ssize_t __readlink_chk(const char *path, char *target, size_t size, size_t room);
SWQ_EXPORT ssize_t __readlink_chk(const char *path, char *target, size_t size, size_t room) {
    if (size > room) abort();
    return readlink(path, target, size);
}

SWQ_EXPORT ssize_t __readlinkat_chk(int directory, const char *path, char *target, size_t size, size_t room);
SWQ_EXPORT ssize_t __readlinkat_chk(int directory, const char *path, char *target, size_t size, size_t room) {
    if (size > room) abort();
    return readlinkat(directory, path, target, size);
}

SWQ_EXPORT char *realpath(const char *path, char *resolved) {
    TRANSLATE(AT_FDCWD, path)
    (void)at;
    char *found = swq_real.realpath(real_path, resolved);
    if (found && swq_daemon_is_connected()) found[swq_path_strip(found, strlen(found))] = 0;
    return found;
}

SWQ_EXPORT char *__realpath_chk(const char *path, char *resolved, size_t room);
SWQ_EXPORT char *__realpath_chk(const char *path, char *resolved, size_t room) {
    if (room < 4096) abort();
    return realpath(path, resolved);
}

SWQ_EXPORT char *canonicalize_file_name(const char *path) { return realpath(path, NULL); }

// MARK: Directories

SWQ_EXPORT DIR *opendir(const char *path) {
    TRANSLATE(AT_FDCWD, path)
    (void)at;
    return swq_real.opendir(real_path);
}

SWQ_EXPORT int scandir(const char *path, struct dirent ***names, swq_filter filter, swq_compare compare) {
    TRANSLATE(AT_FDCWD, path)
    (void)at;
    return swq_real.scandir(real_path, names, filter, compare);
}

SWQ_EXPORT int scandir64(const char *path, struct dirent64 ***names, swq_filter64 filter, swq_compare64 compare) {
    TRANSLATE(AT_FDCWD, path)
    (void)at;
    return swq_real.scandir64(real_path, names, filter, compare);
}

SWQ_EXPORT int scandirat(
    int directory, const char *path, struct dirent ***names, swq_filter filter, swq_compare compare) {
    TRANSLATE(directory, path)
    return swq_real.scandirat(at, real_path, names, filter, compare);
}

SWQ_EXPORT int chdir(const char *path) {
    TRANSLATE(AT_FDCWD, path)
    (void)at;
    int result = swq_real.chdir(real_path);
    swq_path_directory_changed();
    return result;
}

SWQ_EXPORT int fchdir(int directory) {
    swq_real_ready();
    int result = swq_real.fchdir(directory);
    swq_path_directory_changed();
    return result;
}

SWQ_EXPORT char *getcwd(char *buffer, size_t size) {
    char path[SWQ_PATH_BYTES];
    swq_real_ready();
    // The empty relative path is a candidate exactly when the working directory is in the tree.
    if (!swq_path_is_candidate(AT_FDCWD, "") || !swq_real.getcwd(path, sizeof path))
        return swq_real.getcwd(buffer, size);
    size_t length = swq_path_strip(path, strlen(path));
    path[length] = 0;
    if (!buffer && size == 0) return strdup(path);
    if (length >= size) {
        errno = size == 0 ? EINVAL : ERANGE;
        return NULL;
    }
    if (!buffer && !(buffer = malloc(size))) return NULL;
    return strcpy(buffer, path);
}

SWQ_EXPORT char *__getcwd_chk(char *buffer, size_t size, size_t room);
SWQ_EXPORT char *__getcwd_chk(char *buffer, size_t size, size_t room) {
    if (size > room) abort();
    return getcwd(buffer, size);
}

SWQ_EXPORT char *get_current_dir_name(void) {
    swq_real_ready();
    if (!swq_path_is_candidate(AT_FDCWD, "")) return swq_real.get_current_dir_name();
    return getcwd(NULL, 0);
}

// MARK: Permissions

SWQ_EXPORT int access(const char *path, int mode) {
    TRANSLATE(AT_FDCWD, path)
    (void)at;
    return swq_real.access(real_path, mode);
}

SWQ_EXPORT int eaccess(const char *path, int mode) {
    TRANSLATE(AT_FDCWD, path)
    (void)at;
    return swq_real.eaccess(real_path, mode);
}

SWQ_EXPORT int euidaccess(const char *path, int mode) { return eaccess(path, mode); }

SWQ_EXPORT int faccessat(int directory, const char *path, int mode, int flags) {
    TRANSLATE(directory, path)
    return swq_real.faccessat(at, real_path, mode, flags);
}

SWQ_EXPORT int chmod(const char *path, mode_t mode) {
    TRANSLATE(AT_FDCWD, path)
    (void)at;
    return swq_real.chmod(real_path, mode);
}

SWQ_EXPORT int chown(const char *path, uid_t user, gid_t group) {
    TRANSLATE(AT_FDCWD, path)
    (void)at;
    return swq_real.chown(real_path, user, group);
}

// MARK: The rest that takes a path

SWQ_EXPORT ssize_t getxattr(const char *path, const char *name, void *value, size_t size) {
    TRANSLATE(AT_FDCWD, path)
    (void)at;
    return swq_real.getxattr(real_path, name, value, size);
}

SWQ_EXPORT ssize_t lgetxattr(const char *path, const char *name, void *value, size_t size) {
    TRANSLATE(AT_FDCWD, path)
    (void)at;
    return swq_real.lgetxattr(real_path, name, value, size);
}

SWQ_EXPORT int inotify_add_watch(int queue, const char *path, uint32_t events) {
    TRANSLATE(AT_FDCWD, path)
    (void)at;
    return swq_real.inotify_add_watch(queue, real_path, events);
}
