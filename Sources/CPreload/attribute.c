#define _GNU_SOURCE
#include "attribute.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "daemon.h"
#include "syscalls.h"

/// How the kernel's object is called, and so how another program recognises it.
static const char object_prefix[] = "swq-attribute:";
static const char link_prefix[] = "/memfd:swq-attribute:";

static uint64_t hash_of(const char *text, size_t count) {
    uint64_t hash = 0xcbf29ce484222325;
    for (size_t i = 0; i < count; i++) hash = (hash ^ (uint8_t)text[i]) * 0x100000001b3;
    return hash;
}

/// Another descriptor of the same file, with an access mode of its own.
static long reopen(int fd, int flags) {
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return swq_syscall4(SYS_openat, AT_FDCWD, (long)path, flags, 0);
}

/// Puts a text into the object.
static void put_text(int object, struct swq_file *file, const char *text, size_t count) {
    swq_syscall2(SYS_ftruncate, object, 0);
    swq_syscall4(SYS_pwrite64, object, (long)text, (long)count, 0);
    file->text_count = count;
    file->text_hash = hash_of(text, count);
}

/// As sysfs: the mode decides for root too, and the file's owner is checked by the real file of the tree.
static int check_access(const char *name, unsigned int mode, int access) {
    if (access != O_RDONLY && !(mode & 0222)) return EACCES;
    if (access != O_WRONLY && !(mode & 0444)) return EACCES;
    char path[SWQ_PATH_BYTES];
    size_t length;
    const char *root = swq_daemon_root(&length);
    if (length + 1 + strlen(name) >= sizeof path) return ENAMETOOLONG;
    memcpy(path, root, length);
    path[length] = '/';
    strcpy(path + length + 1, name);
    int wanted = (access != O_WRONLY ? 4 : 0) | (access != O_RDONLY ? 2 : 0);
    return (int)-swq_syscall3(SYS_faccessat, AT_FDCWD, (long)path, wanted);
}

static int make_object(struct swq_file *file, int flags) {
    char name[sizeof object_prefix + SWQ_FILE_NAME_BYTES];
    snprintf(name, sizeof name, "%s%s", object_prefix, file->name);
    long object = swq_syscall2(SYS_memfd_create, (long)name, MFD_CLOEXEC);
    if (object < 0) return (int)object;
    if (file->readable && file->read_error == 0) {
        char text[SWQ_ATTRIBUTE_BYTES];
        size_t count = 0;
        file->read_error = swq_daemon_read_attribute(file->name, text, &count);
        if (file->read_error == 0) put_text((int)object, file, text, count);
    }
    // Where reading fails, it fails for libc's own reads as well: at the beginning of the address space is nothing, and
    // a file that is open for writing alone cannot be read.
    int access = flags & O_ACCMODE, others = flags & (O_CLOEXEC | O_NONBLOCK);
    long opened = -1;
    if (file->readable && file->read_error != 0) {
        if (access == O_RDONLY)
            opened = swq_syscall4(SYS_openat, AT_FDCWD, (long)"/proc/self/mem", O_RDONLY | others, 0);
        access = O_WRONLY;
    }
    if (opened < 0) opened = reopen((int)object, access | others);
    if (opened < 0) return (int)object;
    swq_syscall1(SYS_close, object);
    return (int)opened;
}

int swq_attribute_open(const char *name, unsigned int mode, int flags) {
    struct swq_file file = {.kind = SWQ_FILE_ATTRIBUTE, .is_fresh = true};
    int access = flags & O_ACCMODE, error = 0;
    file.readable = access != O_WRONLY;
    file.writable = access != O_RDONLY;
    if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL)) {
        error = EEXIST;
    } else if (flags & O_DIRECTORY) {
        error = ENOTDIR;
    } else if (strlen(name) >= sizeof file.name) {
        error = ENAMETOOLONG;
    } else {
        error = check_access(name, mode, access);
    }
    if (error == 0) {
        strcpy(file.name, name);
        int fd = make_object(&file, flags);
        if (fd >= 0 && swq_files_add(fd, &file)) return fd;
        if (fd >= 0) swq_syscall1(SYS_close, fd);
        error = fd >= 0 ? ENFILE : -fd;
    }
    errno = error;
    return -1;
}

ssize_t swq_attribute_write(struct swq_file *file, const void *bytes, size_t count) {
    size_t written = 0;
    int error = file->writable ? swq_daemon_write_attribute(file->name, bytes, count, &written) : EBADF;
    if (error == 0) return (ssize_t)written;
    errno = error;
    return -1;
}

int swq_attribute_refresh(int fd, struct swq_file *file) {
    if (!file->readable) return EBADF;
    if (file->is_fresh) {
        file->is_fresh = false;
        return file->read_error;
    }
    char text[SWQ_ATTRIBUTE_BYTES];
    size_t count = 0;
    int error = swq_daemon_read_attribute(file->name, text, &count);
    if (error != 0) return error;
    long object = reopen(fd, O_WRONLY | O_CLOEXEC);
    if (object < 0) return EIO;
    put_text((int)object, file, text, count);
    swq_syscall1(SYS_close, object);
    return 0;
}

int swq_attribute_settle(int fd, struct swq_file *file) {
    if (!file->writable) return 0;
    long object = reopen(fd, O_RDWR | O_CLOEXEC);
    if (object < 0) return 0;
    char text[SWQ_ATTRIBUTE_BYTES];
    long count = swq_syscall4(SYS_pread64, object, (long)text, sizeof text, 0);
    bool is_changed =
        count > 0 && ((size_t)count != file->text_count || hash_of(text, (size_t)count) != file->text_hash);
    int error = 0;
    if (is_changed) {
        // A write at the beginning of a text that was there leaves the rest of that text behind it.
        long offset = swq_syscall3(SYS_lseek, fd, 0, SEEK_CUR);
        size_t written = 0, length = offset > 0 && offset < count ? (size_t)offset : (size_t)count;
        error = swq_daemon_write_attribute(file->name, text, length, &written);
        put_text((int)object, file, "", 0);
        swq_syscall3(SYS_lseek, fd, 0, SEEK_SET);
    }
    swq_syscall1(SYS_close, object);
    return error;
}

void swq_attribute_adopt(int fd) {
    char path[32], target[sizeof link_prefix + SWQ_FILE_NAME_BYTES + 16];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    long count = swq_syscall4(SYS_readlinkat, AT_FDCWD, (long)path, (long)target, sizeof target - 1);
    size_t prefix = sizeof link_prefix - 1;
    if (count <= (long)prefix || memcmp(target, link_prefix, prefix) != 0) return;
    target[count] = 0;
    char *end = strstr(target, " (deleted)");
    if (end) *end = 0;
    long flags = swq_syscall2(SYS_fcntl, fd, F_GETFL);
    if (flags < 0 || strlen(target + prefix) >= SWQ_FILE_NAME_BYTES) return;
    struct swq_file file = {.kind = SWQ_FILE_ATTRIBUTE};
    file.readable = (flags & O_ACCMODE) != O_WRONLY;
    file.writable = (flags & O_ACCMODE) != O_RDONLY;
    strcpy(file.name, target + prefix);
    swq_files_add(fd, &file);
}
