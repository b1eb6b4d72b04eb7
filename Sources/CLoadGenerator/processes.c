#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "CLoadGenerator.h"
#include "failure.h"

/// The processors this process had when it asked first, which is before it pinned itself anywhere.
static const cpu_set_t *processors_at_start(void)
{
    static cpu_set_t set;
    static bool known;
    if (!known && sched_getaffinity(0, sizeof set, &set) != 0) return NULL;
    known = true;
    return &set;
}

int bench_processors(int *processors, size_t count)
{
    const cpu_set_t *set = processors_at_start();
    if (!set) return bench_fail("sched_getaffinity: %s", strerror(errno));
    size_t found = 0;
    for (int processor = 0; processor < CPU_SETSIZE && found < count; processor++)
        if (CPU_ISSET(processor, set)) processors[found++] = processor;
    if (found < count) return bench_fail("%zu processors are needed, %zu may be used", count, found);
    return 0;
}

int bench_pin(int processor)
{
    const cpu_set_t *all = processors_at_start();
    if (!all) return bench_fail("sched_getaffinity: %s", strerror(errno));
    cpu_set_t one;
    CPU_ZERO(&one);
    if (processor >= 0) CPU_SET(processor, &one);
    if (sched_setaffinity(0, sizeof one, processor < 0 ? all : &one) != 0)
        return bench_fail("sched_setaffinity: %s", strerror(errno));
    return 0;
}

/// The child's side, between fork and exec: nothing that is not async-signal-safe.
static void become(
    const char *path, char *const arguments[], char *const environment[], int processor, int output, pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) return;
    if (processor >= 0) {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET(processor, &set);
        if (sched_setaffinity(0, sizeof set, &set) != 0) return;
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (dup2(output, STDOUT_FILENO) < 0 || dup2(output, STDERR_FILENO) < 0) return;
    execve(path, arguments, environment);
}

int bench_spawn(
    const char *path, char *const arguments[], char *const environment[], int processor, const char *log, pid_t *child)
{
    int output = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (output < 0) return bench_fail("%s: %s", log, strerror(errno));
    int report[2];
    if (pipe2(report, O_CLOEXEC) != 0) {
        close(output);
        return bench_fail("pipe2: %s", strerror(errno));
    }
    pid_t parent = getpid();
    *child = fork();
    if (*child == 0) {
        become(path, arguments, environment, processor, output, parent);
        int code = errno;
        ssize_t written = write(report[1], &code, sizeof code);
        _exit(written == sizeof code ? 127 : 126);
    }
    int code = errno;
    close(output);
    close(report[1]);
    if (*child > 0) {
        // The pipe closes with the exec.
        ssize_t got = read(report[0], &code, sizeof code);
        close(report[0]);
        if (got == 0) return 0;
        waitpid(*child, NULL, 0);
        if (got < 0) code = errno;
    } else {
        close(report[0]);
    }
    return bench_fail("%s: %s", path, strerror(code));
}

/// Polls a child, and a descriptor unless it is negative: 1 when the descriptor is readable, 0 when the child has ended
/// or the time ran out.
static int wait_for(pid_t child, int fd, uint32_t milliseconds, bool *ended)
{
    int process = (int)syscall(SYS_pidfd_open, child, 0);
    if (process < 0) return bench_fail("pidfd_open: %s", strerror(errno));
    struct pollfd polled[] = {{.fd = process, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
    uint64_t deadline = bench_now() + milliseconds * UINT64_C(1000000);
    int count;
    do {
        uint64_t now = bench_now();
        count = poll(polled, 2, now < deadline ? (int)((deadline - now + 999999) / 1000000) : 0);
    } while (count < 0 && errno == EINTR);
    close(process);
    if (count < 0) return bench_fail("poll: %s", strerror(errno));
    *ended = polled[0].revents != 0;
    return polled[1].revents != 0;
}

int bench_wait(pid_t child, uint32_t milliseconds)
{
    bool ended = false;
    if (wait_for(child, -1, milliseconds, &ended) < 0) return -1;
    if (!ended) return 0;
    int status;
    if (waitpid(child, &status, 0) < 0) return bench_fail("waitpid: %s", strerror(errno));
    return 1;
}

int bench_cpu_time(pid_t process, uint64_t *nanoseconds)
{
    clockid_t clock;
    int code = clock_getcpuclockid(process, &clock);
    struct timespec time;
    if (code == 0 && clock_gettime(clock, &time) != 0) code = errno;
    if (code != 0) return bench_fail("the CPU time of process %d: %s", (int)process, strerror(code));
    *nanoseconds = (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
    return 0;
}

int bench_notify_open(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) return bench_fail("%s: too long for a socket", path);
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return bench_fail("socket: %s", strerror(errno));
    unlink(path);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) == 0) return fd;
    int code = errno;
    close(fd);
    return bench_fail("%s: %s", path, strerror(code));
}

/// Whether one of the lines of a message is `READY=1`.
static bool says_ready(const char *message, size_t length)
{
    const char *found = memmem(message, length, "READY=1", 7);
    if (!found || (found > message && found[-1] != '\n')) return false;
    return found + 7 == message + length || found[7] == '\n';
}

int bench_notify_wait(int fd, pid_t child, uint32_t milliseconds)
{
    uint64_t deadline = bench_now() + milliseconds * UINT64_C(1000000);
    for (;;) {
        uint64_t now = bench_now();
        bool ended = false;
        int readable = wait_for(child, fd, now < deadline ? (uint32_t)((deadline - now) / 1000000) : 0, &ended);
        if (readable <= 0) return readable;
        char message[1024];
        ssize_t length = recv(fd, message, sizeof message, 0);
        if (length < 0 && errno != EAGAIN && errno != EINTR) return bench_fail("recv: %s", strerror(errno));
        if (length > 0 && says_ready(message, (size_t)length)) return 1;
    }
}
