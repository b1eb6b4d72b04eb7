#define _GNU_SOURCE

#include "CPlatform.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/vfs.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

_Static_assert(PLATFORM_SEAL_SEAL == F_SEAL_SEAL && PLATFORM_SEAL_SHRINK == F_SEAL_SHRINK, "seals");
_Static_assert(PLATFORM_SEAL_GROW == F_SEAL_GROW && PLATFORM_SEAL_WRITE == F_SEAL_WRITE, "seals");
_Static_assert(PLATFORM_SEAL_FUTURE_WRITE == F_SEAL_FUTURE_WRITE, "seals");
_Static_assert(PLATFORM_ADVICE_DISCARD == MADV_DONTNEED && PLATFORM_ADVICE_DO_NOT_FORK == MADV_DONTFORK, "advice");
_Static_assert(PLATFORM_ADVICE_HUGE_PAGES == MADV_HUGEPAGE, "advice");
_Static_assert(PLATFORM_ADVICE_NO_HUGE_PAGES == MADV_NOHUGEPAGE, "advice");
_Static_assert(PLATFORM_ADVICE_DO_NOT_DUMP == MADV_DONTDUMP, "advice");
#ifdef MADV_POPULATE_WRITE
_Static_assert(PLATFORM_ADVICE_POPULATE == MADV_POPULATE_WRITE, "advice");
#endif

int platform_memfd(const char *name, bool huge_pages) {
    unsigned int flags = MFD_CLOEXEC | MFD_ALLOW_SEALING | (huge_pages ? MFD_HUGETLB : 0);
    int fd = memfd_create(name, flags | MFD_NOEXEC_SEAL);
    // Kernels before 6.3 do not know the flag.
    return fd < 0 && errno == EINVAL ? memfd_create(name, flags) : fd;
}

int platform_seals_add(int fd, int seals) { return fcntl(fd, F_ADD_SEALS, seals); }

int platform_seals_get(int fd) { return fcntl(fd, F_GET_SEALS); }

int platform_is_hugetlb(int fd) {
    struct statfs info;
    int result;
    do result = fstatfs(fd, &info);
    while (result < 0 && errno == EINTR);
    return result < 0 ? -1 : (unsigned long) info.f_type == HUGETLBFS_MAGIC;
}

int platform_is_read_write(int fd) {
    int flags = fcntl(fd, F_GETFL);
    return flags < 0 ? -1 : (flags & O_ACCMODE) == O_RDWR && (flags & O_PATH) == 0;
}

void *platform_map(int fd, size_t length) {
    int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
    void *base = mmap(NULL, length, PROT_READ | PROT_WRITE, flags, fd, 0);
    return base == MAP_FAILED ? NULL : base;
}
