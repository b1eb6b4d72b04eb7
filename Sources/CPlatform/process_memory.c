#define _GNU_SOURCE

#include "CPlatform.h"

#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

/// One call takes no more (UIO_MAXIOV).
enum { PIECES_MAX = 1024 };

static ssize_t copy(int32_t pid, const struct platform_memory_piece *pieces, size_t count, bool is_write) {
    struct iovec local[PIECES_MAX], remote[PIECES_MAX];
    if (count > PIECES_MAX) {
        errno = EINVAL;
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        local[i] = (struct iovec) {.iov_base = pieces[i].local, .iov_len = pieces[i].byte_count};
        remote[i].iov_base = (void *) (uintptr_t) pieces[i].address;
        remote[i].iov_len = pieces[i].byte_count;
    }
    return is_write ? process_vm_writev(pid, local, count, remote, count, 0)
                    : process_vm_readv(pid, local, count, remote, count, 0);
}

ssize_t platform_process_read(int32_t pid, const struct platform_memory_piece *pieces, size_t count) {
    return copy(pid, pieces, count, false);
}

ssize_t platform_process_write(int32_t pid, const struct platform_memory_piece *pieces, size_t count) {
    return copy(pid, pieces, count, true);
}
