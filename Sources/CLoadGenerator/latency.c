#define _GNU_SOURCE

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "CLoadGenerator.h"
#include "failure.h"

/// Reads a line. Returns its bytes, or -1.
static ssize_t read_line(int fd, char *line, size_t capacity)
{
    size_t length = 0;
    while (length < capacity) {
        ssize_t got = recv(fd, line + length, capacity - length, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return bench_fail("the connection has ended: %s", got < 0 ? strerror(errno) : "closed");
        length += (size_t)got;
        if (line[length - 1] == '\n') return (ssize_t)length;
    }
    return bench_fail("a reply is too long");
}

int bench_round_trips(
    int fd, const void *request, size_t request_bytes, const uint8_t *end, uint64_t *nanoseconds, size_t capacity,
    size_t *count)
{
    static const char accepted[] = "\"zf\": false";
    char line[1024];
    for (*count = 0; *count < capacity && __atomic_load_n(end, __ATOMIC_ACQUIRE) == 0; (*count)++) {
        uint64_t start = bench_now();
        if (send(fd, request, request_bytes, MSG_NOSIGNAL) != (ssize_t)request_bytes)
            return bench_fail("send: %s", strerror(errno));
        ssize_t length = read_line(fd, line, sizeof line);
        if (length < 0) return -1;
        nanoseconds[*count] = bench_now() - start;
        if (!memmem(line, (size_t)length, accepted, sizeof accepted - 1))
            return bench_fail("not accepted: %.*s", (int)length, line);
    }
    return 0;
}

static uint8_t *shared_memory(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

int bench_copy_process(int processor, uint64_t bytes, size_t piece_bytes, const uint8_t **end, pid_t *child)
{
    static uint8_t *flag;
    if (!flag && !(flag = shared_memory(1))) return bench_fail("mmap: %s", strerror(errno));
    uint8_t *memory = shared_memory(2 * piece_bytes);
    if (!memory) return bench_fail("mmap: %s", strerror(errno));
    *flag = 0;
    *end = flag;
    memset(memory, 1, 2 * piece_bytes);
    pid_t parent = getpid();
    *child = fork();
    if (*child == 0) {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET(processor, &set);
        bool is_alone = sched_setaffinity(0, sizeof set, &set) != 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) != 0;
        if (is_alone || getppid() != parent) _exit(1);
        for (uint64_t done = 0; done < bytes; done += piece_bytes) {
            memcpy(memory + piece_bytes, memory, piece_bytes);
            // Each copy counts, though the next one writes the same.
            __asm__ volatile("" : : "r"(memory) : "memory");
        }
        __atomic_store_n(flag, 1, __ATOMIC_RELEASE);
        _exit(0);
    }
    int code = errno;
    munmap(memory, 2 * piece_bytes);
    return *child > 0 ? 0 : bench_fail("fork: %s", strerror(code));
}
