#define _GNU_SOURCE
#include "node.h"

#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <time.h>

#include "daemon.h"
#include "portal.h"
#include "signals.h"
#include "syscalls.h"

enum { DESCRIPTOR_BYTES = 64 };

static bool is_owner(const struct swq_file *file) {
    return file->process == (int32_t)swq_syscall1(SYS_getpid, 0);
}

int swq_node_open(const char *name, int flags) {
    struct swq_file file = {.kind = SWQ_FILE_NODE, .process = (int32_t)swq_syscall1(SYS_getpid, 0)};
    file.readable = (flags & O_ACCMODE) != O_WRONLY;
    file.writable = (flags & O_ACCMODE) != O_RDONLY;
    if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL)) {
        errno = EEXIST;
        return -1;
    }
    if ((flags & O_DIRECTORY) || strlen(name) >= SWQ_NAME_BYTES) {
        errno = flags & O_DIRECTORY ? ENOTDIR : ENAMETOOLONG;
        return -1;
    }
    strcpy(file.name, name);
    int timer_flags = TFD_NONBLOCK | (flags & O_CLOEXEC ? TFD_CLOEXEC : 0);
    long fd = swq_syscall2(SYS_timerfd_create, CLOCK_MONOTONIC, timer_flags);
    int error = fd < 0 ? (int)-fd : swq_daemon_open_wq(name, &file.number, &file.portal);
    if (error == 0) {
        // The portal is about to be used.
        swq_signals_claim();
        if (swq_files_add((int)fd, &file)) return (int)fd;
        swq_daemon_close_wq(file.number, false);
        error = ENFILE;
    }
    if (fd >= 0) swq_syscall1(SYS_close, fd);
    errno = error;
    return -1;
}

/// A processor that knows MOVDIR64B would write to the page, so that it may have none. On any other the page is
/// ordinary memory that nobody looks at, which is what becomes of ordinary stores to a portal.
static int portal_protection(int wanted) {
    unsigned int eax, ebx, ecx = 0, edx;
    if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && (ecx & bit_MOVDIR64B)) return PROT_NONE;
    return wanted & (PROT_READ | PROT_WRITE);
}

/// What mmap of the driver refuses, in its order.
static int map_error(const struct swq_file *file, size_t length, int protection, int flags) {
    if (length == 0 || !(flags & MAP_TYPE)) return EINVAL;
    if (!file->readable) return EACCES;
    bool is_shared = (flags & MAP_TYPE) != MAP_PRIVATE;
    if (is_shared && (protection & PROT_WRITE) && !file->writable) return EACCES;
    if (!is_owner(file)) return EPERM;
    return length > SWQ_PORTAL_BYTES ? EINVAL : 0;
}

void *swq_node_map(struct swq_file *file, void *address, size_t length, int protection, int flags) {
    int error = map_error(file, length, protection, flags);
    if (error == 0) {
        int own = (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE | MAP_32BIT)) | MAP_PRIVATE | MAP_ANONYMOUS;
        if (flags & MAP_FIXED) swq_node_unmap(address, SWQ_PORTAL_BYTES);
        long page = swq_syscall6(
            SYS_mmap, (long)address, SWQ_PORTAL_BYTES, portal_protection(protection), own, -1, 0);
        if (page < 0 && page > -4096) {
            error = (int)-page;
        } else if (swq_syscall3(SYS_madvise, page, SWQ_PORTAL_BYTES, MADV_DONTFORK) != 0 ||
                   !swq_portal_add((uint64_t)page, file->portal)) {
            swq_syscall2(SYS_munmap, page, SWQ_PORTAL_BYTES);
            error = ENOMEM;
        } else {
            swq_files_map(file);
            return (void *)page;
        }
    }
    errno = error;
    return MAP_FAILED;
}

void swq_node_unmap(void *address, size_t length) {
    uint64_t portal;
    struct swq_file file;
    if (swq_daemon_is_borrowed()) return;
    while (swq_portal_remove_within((uint64_t)address, length, &portal) != 0) {
        if (swq_files_unmap(portal, &file)) swq_daemon_unmap_wq(file.number);
    }
}

ssize_t swq_node_write(struct swq_file *file, const void *bytes, size_t count) {
    size_t written = 0;
    int error = 0;
    if (!file->writable) {
        error = EBADF;
    } else if (!is_owner(file)) {
        error = EPERM;
    } else {
        // A rest that is no descriptor is not looked at.
        count -= count % DESCRIPTOR_BYTES;
        // The daemon is handed the bytes themselves; a page that cannot be read must not fault in here.
        struct iovec own = {(void *)bytes, count};
        char probe[DESCRIPTOR_BYTES];
        for (size_t at = 0; at < count && error == 0; at += DESCRIPTOR_BYTES) {
            own = (struct iovec){(char *)(uintptr_t)bytes + at, DESCRIPTOR_BYTES};
            struct iovec into = {probe, sizeof probe};
            long copied = swq_syscall6(SYS_process_vm_readv, file->process, (long)&into, 1, (long)&own, 1, 0);
            if (copied == DESCRIPTOR_BYTES || copied == -ENOSYS || copied == -EPERM) continue;
            if (at == 0) error = EFAULT;
            count = at;
        }
        if (error == 0 && count > 0) error = swq_daemon_write_wq(file->number, bytes, count, &written);
    }
    if (error == 0) return (ssize_t)written;
    errno = error;
    return -1;
}

void swq_node_update(int fd, struct swq_file *file) {
    bool readable = false;
    if (is_owner(file)) swq_daemon_poll_wq(file->number, &readable);
    // A time of zero disarms; the shortest one has passed by the time anybody looks.
    struct itimerspec when = {.it_value = {.tv_sec = 0, .tv_nsec = readable ? 1 : 0}};
    swq_syscall4(SYS_timerfd_settime, fd, 0, (long)&when, 0);
}

void swq_node_close(const struct swq_file *file) {
    if (is_owner(file)) swq_daemon_close_wq(file->number, file->mappings > 0);
}
