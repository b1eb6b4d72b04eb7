#define _GNU_SOURCE

#include "CPlatform.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status;
    (void)kind;
    (void)place;
    return remove(path);
}

int platform_remove_tree(const char *path)
{
    enum { descriptors = 16 };
    if (nftw(path, remove_entry, descriptors, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) == 0 || errno == ENOENT) return 0;
    return -1;
}

int platform_write_file(const char *path, unsigned int mode, const void *text, size_t length)
{
    // Without O_TRUNC: some file systems write a file that was truncated to disk when it is closed.
    int fd = open(path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == EACCES && chmod(path, mode | S_IWUSR) == 0) {
        // A mode without write permission keeps its owner out too, unless it is root.
        fd = open(path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
        if (fd >= 0 && fchmod(fd, mode) != 0) goto failed;
    }
    if (fd < 0 && errno == ENOENT) {
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd >= 0 && fchmod(fd, mode) != 0) goto failed;
    }
    if (fd < 0) return -1;
    ssize_t written = write(fd, text, length);
    if (written < 0) goto failed;
    if ((size_t)written != length) {
        errno = ENOSPC;
        goto failed;
    }
    if (ftruncate(fd, (off_t)length) != 0) goto failed;
    return close(fd);

failed:;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}
