#define _GNU_SOURCE

#include "CPlatform.h"

#include <linux/aio_abi.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int platform_is_eventfd(int fd) {
    static const char kind[] = "anon_inode:[eventfd]";
    char path[32], target[sizeof kind + 1];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(path, target, sizeof target);
    if (length < 0) return -1;
    return (size_t) length == sizeof kind - 1 && memcmp(target, kind, sizeof kind - 1) == 0;
}

int platform_signaller(uint64_t *context) {
    aio_context_t made = 0;
    if (syscall(SYS_io_setup, 1, &made) < 0) return -1;
    *context = made;
    return 0;
}

int platform_signaller_end(uint64_t context) { return (int) syscall(SYS_io_destroy, (aio_context_t) context); }

int platform_eventfd_signal(uint64_t context, int file, int fd) {
    char byte;
    struct iocb read_one = {
        .aio_lio_opcode = IOCB_CMD_PREAD,
        .aio_fildes = (uint32_t) file,
        .aio_buf = (uint64_t) (uintptr_t) &byte,
        .aio_nbytes = 1,
        .aio_flags = IOCB_FLAG_RESFD,
        .aio_resfd = (uint32_t) fd,
    };
    struct iocb *requests[] = {&read_one};
    if (syscall(SYS_io_submit, (aio_context_t) context, 1, requests) != 1) return -1;
    // The read of a memory file is complete when it has been submitted. The result makes room for the next.
    struct io_event done;
    struct timespec at_once = {0, 0};
    return syscall(SYS_io_getevents, (aio_context_t) context, 1, 1, &done, &at_once) == 1 ? 0 : -1;
}
