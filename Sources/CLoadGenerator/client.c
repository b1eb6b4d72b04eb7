#define _GNU_SOURCE

#include "CLoadGenerator.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

#include <swq_ring.h>

int bench_pingpong(int processor, uint64_t duration, double *round_trip)
{
    // A cache line of its own for each direction.
    uint64_t *words = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (words == MAP_FAILED) return -1;
    pid_t parent = getpid();
    pid_t child = fork();
    if (child < 0) return -1;
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent || bench_pin(processor) < 0) _exit(1);
        for (uint64_t next = 1;; next++) {
            uint64_t seen;
            while ((seen = __atomic_load_n(&words[0], __ATOMIC_ACQUIRE)) < next) swq_ring_pause();
            if (seen == UINT64_MAX) _exit(0);
            __atomic_store_n(&words[16], next, __ATOMIC_RELEASE);
        }
    }
    uint64_t rounds = 0, begin = bench_now(), end = begin + duration, now;
    do {
        for (int turn = 0; turn < 100; turn++) {
            rounds++;
            __atomic_store_n(&words[0], rounds, __ATOMIC_RELEASE);
            while (__atomic_load_n(&words[16], __ATOMIC_ACQUIRE) < rounds) {
                // A child that could not begin answers nothing.
                if ((rounds == 1) && waitpid(child, NULL, WNOHANG) == child) {
                    munmap(words, 4096);
                    errno = ECHILD;
                    return -1;
                }
                swq_ring_pause();
            }
        }
        now = bench_now();
    } while (now < end);
    __atomic_store_n(&words[0], UINT64_MAX, __ATOMIC_RELEASE);
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {}
    munmap(words, 4096);
    *round_trip = (double)(now - begin) / (double)rounds;
    return 0;
}

int bench_ring_round_trip(
    int memory, int bell, int connection, uint64_t portal, uint64_t duration, double *round_trip, uint64_t *retries)
{
    void *bytes = mmap(NULL, SWQ_RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
    struct swq_ring ring;
    if (bytes == MAP_FAILED) return -1;
    if (swq_ring_open(&ring, bytes, SWQ_RING_BYTES, bell, connection) < 0) {
        munmap(bytes, SWQ_RING_BYTES);
        errno = EPROTO;
        return -1;
    }
    // A No-op without a completion record.
    const uint64_t descriptor[8] = {0};
    struct swq_ring_answer answer;
    uint64_t rounds = 0, begin = bench_now(), end = begin + duration, now;
    *retries = 0;
    do {
        for (int turn = 0; turn < 100; turn++) {
            uint32_t outcome = swq_ring_execute(&ring, SWQ_RING_ENQCMD, portal, descriptor, &answer);
            if (outcome == SWQ_RING_RETRY) {
                (*retries)++;
            } else if (outcome != SWQ_RING_ACCEPTED) {
                munmap(bytes, SWQ_RING_BYTES);
                errno = EIO;
                return -1;
            }
            rounds++;
        }
        now = bench_now();
    } while (now < end);
    munmap(bytes, SWQ_RING_BYTES);
    *round_trip = (double)(now - begin) / (double)rounds;
    return 0;
}
