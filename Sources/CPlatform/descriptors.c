#define _GNU_SOURCE

#include "CPlatform.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/xattr.h>
#include <unistd.h>

const char *platform_error_name(int code) { return strerrorname_np(code); }

const char *platform_error_text(int code) { return strerrordesc_np(code); }

char *const *platform_environment(void) { return environ; }

int platform_duplicate(int fd) { return fcntl(fd, F_DUPFD_CLOEXEC, 0); }

int platform_set_nonblocking_cloexec(int fd) {
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) return -1;
    int flags = fcntl(fd, F_GETFL);
    return flags < 0 ? -1 : fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

int platform_open_file(const char *path, unsigned int mode) {
    int fd;
    do fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, mode);
    while (fd < 0 && errno == EINTR);
    return fd;
}

int platform_lock(int fd) {
    int result;
    do result = flock(fd, LOCK_EX | LOCK_NB);
    while (result < 0 && errno == EINTR);
    return result;
}

int platform_descriptor_limit(uint64_t *soft, uint64_t *hard) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return -1;
    *soft = limit.rlim_cur;
    *hard = limit.rlim_max;
    return 0;
}

int platform_descriptor_limit_set(uint64_t soft) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return -1;
    limit.rlim_cur = soft;
    return setrlimit(RLIMIT_NOFILE, &limit);
}

int platform_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC); }

int platform_has_capabilities(int fd) { return fgetxattr(fd, "security.capability", NULL, 0) > 0; }
