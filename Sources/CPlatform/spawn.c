#define _GNU_SOURCE

#include "CPlatform.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/// The kernel's signal set: one bit a signal.
enum { SIGNAL_SET_BYTES = 8 };

int platform_signal_mask(uint64_t *mask) {
    return (int) syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, mask, SIGNAL_SET_BYTES);
}

/// Becomes the program; what goes wrong is written to `report`.
static void become(
    const char *path, char *const *arguments, char *const *environment, const struct platform_spawn *how, int report,
    pid_t parent) {
    if (how->new_session && setsid() < 0) goto failed;
    if (how->parent_death_signal) {
        if (prctl(PR_SET_PDEATHSIG, how->parent_death_signal) < 0) goto failed;
        // The parent may be gone already, and then nothing would tell.
        if (getppid() != parent) _exit(0);
    }
    if (how->kept >= 0) {
        if (how->kept == 3) {
            if (fcntl(3, F_SETFD, 0) < 0) goto failed;
        } else if (dup2(how->kept, 3) < 0) {
            goto failed;
        }
    }
    if (how->silent) {
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0) goto failed;
    }
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &how->signal_mask, NULL, SIGNAL_SET_BYTES);
    execve(path, arguments, environment);
failed:;
    int code = errno;
    ssize_t written = write(report, &code, sizeof code);
    _exit(written == sizeof code ? 127 : 126);
}

int platform_spawn(
    const char *path, char *const *arguments, char *const *environment, const struct platform_spawn *how,
    int32_t *process) {
    int report[2];
    if (pipe2(report, O_CLOEXEC) < 0) return errno;
    // Out of the way of what the program keeps as 3.
    int place = fcntl(report[1], F_DUPFD_CLOEXEC, 10);
    int code = errno;
    close(report[1]);
    if (place < 0) {
        close(report[0]);
        return code;
    }
    pid_t parent = getpid();
    pid_t child = fork();
    if (child == 0) become(path, arguments, environment, how, place, parent);
    code = errno;
    close(place);
    if (child < 0) {
        close(report[0]);
        return code;
    }
    ssize_t count;
    do count = read(report[0], &code, sizeof code);
    while (count < 0 && errno == EINTR);
    close(report[0]);
    if (count == sizeof code) {
        while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {}
        return code;
    }
    *process = child;
    return 0;
}

int platform_wait(int32_t process, int *status) {
    int result;
    do result = waitpid(process, status, 0);
    while (result < 0 && errno == EINTR);
    return result < 0 ? -1 : 0;
}
