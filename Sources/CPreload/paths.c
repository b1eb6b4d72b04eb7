#define _GNU_SOURCE
#include "paths.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "syscalls.h"

/// Whether the working directory lies in the tree.
enum directory_state { UNKNOWN, OUTSIDE, INSIDE };
static _Atomic int directory_state;

void swq_path_directory_changed(void) { atomic_store(&directory_state, UNKNOWN); }

/// `path` is `prefix`, or below it.
static bool is_below(const char *path, const char *prefix, size_t length) {
    return strncmp(path, prefix, length) == 0 && (path[length] == 0 || path[length] == '/');
}

static bool is_below_root(const char *path) {
    size_t length;
    const char *root = swq_daemon_root(&length);
    return length > 0 && is_below(path, root, length);
}

size_t swq_path_strip(char *path, size_t length) {
    size_t prefix;
    const char *root = swq_daemon_root(&prefix);
    if (prefix == 0 || length < prefix || memcmp(path, root, prefix) != 0) return length;
    if (length > prefix && path[prefix] != '/') return length;
    memmove(path, path + prefix, length - prefix);
    return length - prefix;
}

static bool exists(const char *path) {
    return swq_syscall4(SYS_readlinkat, AT_FDCWD, (long)path, 0, 0) != -ENOENT &&
           swq_syscall3(SYS_faccessat, AT_FDCWD, (long)path, 0) != -ENOTDIR &&
           swq_syscall3(SYS_faccessat, AT_FDCWD, (long)path, 0) != -ENOENT;
}

// MARK: Names

/// Removes empty and "." components, and resolves ".." by name. False: too long.
static bool normalise(const char *path, char *plain, size_t capacity) {
    size_t count = 0;
    while (*path) {
        while (*path == '/') path++;
        size_t length = strcspn(path, "/");
        if (length == 0) break;
        if (length == 2 && path[0] == '.' && path[1] == '.') {
            while (count > 0 && plain[--count] != '/') continue;
        } else if (!(length == 1 && path[0] == '.')) {
            if (count + length + 2 > capacity) return false;
            plain[count++] = '/';
            memcpy(plain + count, path, length);
            count += length;
        }
        path += length;
    }
    if (count == 0) plain[count++] = '/';
    plain[count] = 0;
    return true;
}

static bool is_digit(char letter) { return letter >= '0' && letter <= '9'; }

/// Has a component like dsa0.
static bool names_device(const char *path) {
    for (const char *at = strstr(path, "/dsa"); at; at = strstr(at + 1, "/dsa")) {
        if (is_digit(at[4])) return true;
    }
    return false;
}

/// The tree, or else the machine, has the path.
static bool tree_has(const char *plain) {
    char real[2 * SWQ_PATH_BYTES];
    size_t length;
    const char *root = swq_daemon_root(&length);
    memcpy(real, root, length);
    strcpy(real + length, plain);
    return exists(real);
}

/// At or below a directory that is always the daemon's.
static bool is_always_ours(const char *path) {
    static const struct {
        const char *text;
        size_t length;
    } always[] = {{"/sys/bus/dsa", 12}, {"/sys/module/idxd", 16}, {"/dev/dsa", 8}, {"/dev/iax", 8}};
    for (size_t i = 0; i < sizeof always / sizeof *always; i++) {
        if (is_below(path, always[i].text, always[i].length)) return true;
    }
    return false;
}

/// A plain absolute path is one that the daemon stands behind. Connects when it may be.
static bool is_ours(const char *plain) {
    if (is_always_ours(plain)) return swq_daemon_connect();
    if (strncmp(plain, "/sys/devices/pci", 16) == 0) {
        if (names_device(plain)) return swq_daemon_connect();
        // Functions and buses are the machine's, unless it has none of the kind.
        return swq_daemon_is_connected() && tree_has(plain) && !exists(plain);
    }
    if (strncmp(plain, "/dev/char/", 10) == 0) {
        if (!swq_daemon_is_connected() && exists(plain)) return false;
        return swq_daemon_connect() && tree_has(plain);
    }
    return false;
}

// MARK: Directories

/// The path of a directory descriptor, or of the working directory. False: not to be had.
static bool directory_path(int directory, char *path, size_t capacity) {
    long count;
    if (directory == AT_FDCWD) {
        count = swq_syscall2(SYS_getcwd, (long)path, (long)capacity);
        return count > 0 && path[0] == '/';
    }
    char link[32];
    snprintf(link, sizeof link, "/proc/self/fd/%d", directory);
    count = swq_syscall4(SYS_readlinkat, AT_FDCWD, (long)link, (long)path, (long)capacity - 1);
    if (count <= 0) return false;
    path[count] = 0;
    return path[0] == '/';
}

/// A working directory that a shell has left to this program may be in the tree before anything has connected.
static bool looks_like_tree(const char *path) {
    return strstr(path, "idxd/sys") != NULL || strstr(path, "idxd/dev") != NULL;
}

static bool working_directory_is_inside(void) {
    int state = atomic_load(&directory_state);
    if (state != UNKNOWN) return state == INSIDE;
    char path[SWQ_PATH_BYTES];
    bool inside = directory_path(AT_FDCWD, path, sizeof path) && looks_like_tree(path) && swq_daemon_connect() &&
                  is_below_root(path);
    atomic_store(&directory_state, inside ? INSIDE : OUTSIDE);
    return inside;
}

bool swq_path_is_candidate(int directory, const char *path) {
    if (!path || !swq_daemon_is_named()) return false;
    if (path[0] == '/') {
        return strncmp(path, "/sys/", 5) == 0 || strncmp(path, "/dev/d", 6) == 0 || strncmp(path, "/dev/i", 6) == 0 ||
               strncmp(path, "/dev/c", 6) == 0 || path[1] == '/' || path[1] == '.' ||
               (swq_daemon_is_connected() && is_below_root(path));
    }
    if (directory == AT_FDCWD) return working_directory_is_inside();
    return path[0] != 0 && swq_daemon_is_connected();
}

/// Turns a relative path into the absolute one that the program means. False: outside the tree.
static bool make_absolute(int directory, const char *path, char *absolute, size_t capacity) {
    if (!directory_path(directory, absolute, capacity) || !is_below_root(absolute)) return false;
    size_t length = strlen(absolute);
    if (length + 1 + strlen(path) >= capacity) return false;
    absolute[length] = '/';
    strcpy(absolute + length + 1, path);
    return true;
}

bool swq_path_translate(int directory, const char *path, char real[SWQ_PATH_BYTES]) {
    if (!swq_path_is_candidate(directory, path) || *path == 0) return false;
    char absolute[2 * SWQ_PATH_BYTES], plain[SWQ_PATH_BYTES];
    bool is_relative = path[0] != '/';
    if (!is_relative) {
        if (strlen(path) >= SWQ_PATH_BYTES) return false;
        strcpy(absolute, path);
    } else if (!make_absolute(directory, path, absolute, sizeof absolute)) {
        return false;
    }
    // As the program sees it, whether it has the path from us or from itself.
    size_t before = strlen(absolute), length = swq_path_strip(absolute, before), prefix;
    absolute[length] = 0;
    // From within the tree, by a relative path or through a directory of it.
    bool is_inside = is_relative || length != before || (is_always_ours(absolute) && swq_daemon_connect());
    if (!normalise(absolute, plain, sizeof plain)) return false;
    bool is_known = is_ours(plain) || (is_inside && tree_has(plain));
    if (!is_known) {
        // ".." has led out of the tree, as "/dev/dsa/.." does, where the machine need not have what was gone through.
        if (is_inside) strcpy(real, plain);
        return is_inside;
    }
    const char *root = swq_daemon_root(&prefix);
    if (prefix + length >= SWQ_PATH_BYTES) return false;
    memcpy(real, root, prefix);
    // The kernel knows the links, and so resolves what ".." there is; before the tree begins, names must do.
    bool begins_in_tree = is_inside || strncmp(absolute, "/sys/devices/pci", 16) == 0;
    strcpy(real + prefix, begins_in_tree ? absolute : plain);
    return true;
}

const char *swq_path_real(int *directory, const char *path, char real[SWQ_PATH_BYTES]) {
    if (!swq_path_translate(*directory, path, real)) return path;
    *directory = AT_FDCWD;
    return real;
}

// MARK: What is there

enum swq_place swq_path_classify(
    const char *real, bool no_follow, char name[SWQ_PATH_BYTES], unsigned int *mode) {
    if (!is_below_root(real)) return SWQ_PLACE_OUTSIDE;
    long fd = swq_syscall4(
        SYS_openat, AT_FDCWD, (long)real, O_PATH | O_CLOEXEC | (no_follow ? O_NOFOLLOW : 0), 0);
    if (fd < 0) return SWQ_PLACE_TREE;
    struct stat status;
    bool is_file = swq_syscall2(SYS_fstat, fd, (long)&status) == 0 && S_ISREG(status.st_mode) &&
                   directory_path((int)fd, name, SWQ_PATH_BYTES) && is_below_root(name);
    swq_syscall1(SYS_close, fd);
    if (!is_file) return SWQ_PLACE_TREE;
    *mode = status.st_mode & 0777;
    size_t length = swq_path_strip(name, strlen(name));
    name[length] = 0;
    bool is_node = strncmp(name, "/dev/dsa/", 9) == 0;
    size_t skipped = is_node ? 9 : 1;
    memmove(name, name + skipped, length - skipped + 1);
    return is_node ? SWQ_PLACE_NODE : SWQ_PLACE_ATTRIBUTE;
}
