/// A program for DSA hardware, as one would write it: it knows nothing of swqd.
///
/// usage: submitter moves COUNT [BYTES]   that many memory moves through the shared WQ; prints how often Retry came
///        submitter endless BYTES         moves until it is killed; prints "ready" behind the first
///        submitter idle                 one move; prints "ready"; then does nothing until it is killed
///        submitter children              fork and exec while a move is under way
///        submitter waits                 submits, with a pause, until something ends it; status 3: 30 s went by
///        submitter calls                 the driver's answers to open, mmap, write, poll and read
///
/// Status 0: all went well. 1: something did not; 2: no WQ.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct descriptor {
    uint32_t pasid;
    uint32_t flags;
    uint64_t completion;
    uint64_t source;
    uint64_t destination;
    uint32_t size;
    uint16_t interrupt;
    uint8_t rest[26];
} __attribute__((aligned(64)));
_Static_assert(sizeof(struct descriptor) == 64, "a descriptor has 64 bytes");

struct completion {
    volatile uint8_t status;
    uint8_t result;
    uint16_t reserved;
    uint32_t bytes;
    uint64_t fault;
    uint8_t rest[16];
} __attribute__((aligned(32)));

enum {
    OPCODE_MOVE = 3u << 24,
    FLAG_RECORD = 1 << 2,
    FLAG_WANTED = 1 << 3,
    SUCCESS = 1,
    PORTAL = 4096,
};

#define REQUIRE(condition)                                                                    \
    do {                                                                                      \
        if (!(condition)) {                                                                   \
            fprintf(stderr, "submitter: line %d: %s, errno %d\n", __LINE__, #condition, errno); \
            exit(1);                                                                          \
        }                                                                                     \
    } while (0)

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int enqcmd(void *portal, const struct descriptor *descriptor) {
    uint8_t retry;
    // enqcmd (%rdx), %rax
    __asm__ volatile(".byte 0xf2, 0x0f, 0x38, 0xf8, 0x02; setz %0"
                     : "=q"(retry)
                     : "a"(portal), "d"(descriptor)
                     : "cc", "memory");
    return retry;
}

/// The first node of a WQ in the mode: by the names in sysfs, as libraries do it.
static int open_wq(const char *mode) {
    int error = ENOENT;
    for (int queue = 0; queue < 8; queue++) {
        char path[64], found[32] = "";
        snprintf(path, sizeof path, "/sys/bus/dsa/devices/wq0.%d/mode", queue);
        FILE *file = fopen(path, "r");
        if (!file) continue;
        if (!fgets(found, sizeof found, file)) found[0] = 0;
        fclose(file);
        if (strncmp(found, mode, strlen(mode)) != 0) continue;
        snprintf(path, sizeof path, "/dev/dsa/wq0.%d", queue);
        int fd = open(path, O_RDWR);
        if (fd >= 0) return fd;
        error = errno;
    }
    errno = error;
    return -1;
}

static int open_shared(void) {
    int fd = open_wq("shared");
    if (fd < 0) {
        perror("submitter: no shared WQ");
        exit(2);
    }
    return fd;
}

static void *map_portal(int fd) {
    void *portal = mmap(NULL, PORTAL, PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
    REQUIRE(portal != MAP_FAILED);
    return portal;
}

static struct descriptor move_of(const void *source, void *destination, uint32_t size, struct completion *record) {
    record->status = 0;
    return (struct descriptor){
        .flags = OPCODE_MOVE | FLAG_RECORD | FLAG_WANTED, .completion = (uint64_t)record,
        .source = (uint64_t)source, .destination = (uint64_t)destination, .size = size,
    };
}

static uint64_t submit(void *portal, const struct descriptor *descriptor) {
    uint64_t retries = 0;
    while (enqcmd(portal, descriptor)) {
        retries++;
        __builtin_ia32_pause();
    }
    return retries;
}

static void await(struct completion *record) {
    double start = now();
    for (uint64_t looks = 1; record->status == 0; looks++) {
        __builtin_ia32_pause();
        if (looks % 1000 == 0) REQUIRE(now() - start < 20);
    }
    REQUIRE(record->status == SUCCESS);
}

static uint8_t *buffer_of(size_t size, uint32_t seed) {
    uint8_t *buffer = malloc(size);
    REQUIRE(buffer);
    for (size_t i = 0; i < size; i++) buffer[i] = (uint8_t)((i * 2654435761u + seed) >> 7);
    return buffer;
}

static int run_moves(uint64_t count, size_t size) {
    int fd = open_shared();
    void *portal = map_portal(fd);
    // As programs do: the mapping is enough.
    close(fd);
    uint8_t *source = buffer_of(size, (uint32_t)getpid()), *destination = buffer_of(size, 1);
    static struct completion record;
    uint64_t retries = 0;
    for (uint64_t i = 0; i < count; i++) {
        uint32_t length = (uint32_t)(i * 7919 % size + 1);
        memset(destination, (int)i, length);
        struct descriptor move = move_of(source, destination, length, &record);
        retries += submit(portal, &move);
        await(&record);
        REQUIRE(memcmp(source, destination, length) == 0);
    }
    REQUIRE(munmap(portal, PORTAL) == 0);
    printf("%llu\n", (unsigned long long)retries);
    return 0;
}

__attribute__((noreturn)) static void run_endless(size_t size) {
    void *portal = map_portal(open_shared());
    uint8_t *source = buffer_of(size, 1), *destination = buffer_of(size, 2);
    static struct completion record;
    for (uint64_t i = 0;; i++) {
        struct descriptor move = move_of(source, destination, (uint32_t)size, &record);
        submit(portal, &move);
        await(&record);
        if (i == 0) {
            printf("ready\n");
            fflush(stdout);
        }
    }
}

__attribute__((noreturn)) static void run_idle(void) {
    void *portal = map_portal(open_shared());
    static struct completion record;
    uint8_t *source = buffer_of(64, 1), *destination = buffer_of(64, 2);
    struct descriptor move = move_of(source, destination, 64, &record);
    submit(portal, &move);
    await(&record);
    printf("ready\n");
    fflush(stdout);
    for (;;) pause();
}

static int run_children(const char *self) {
    enum { SIZE = 1 << 21 };
    int fd = open_shared();
    void *portal = map_portal(fd);
    uint8_t *source = buffer_of(SIZE, 3), *destination = buffer_of(SIZE, 4);
    static struct completion record;
    for (int round = 0; round < 8; round++) {
        struct descriptor move = move_of(source, destination, SIZE, &record);
        submit(portal, &move);
        pid_t child = fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            // A mapping of the portal is not inherited, and the descriptor is of another process.
            REQUIRE(mmap(NULL, PORTAL, PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED && errno == EPERM);
            if (round % 2 == 0) {
                execl(self, self, "moves", "20", (char *)NULL);
                _exit(1);
            }
            exit(run_moves(20, 5000));
        }
        await(&record);
        REQUIRE(memcmp(source, destination, SIZE) == 0);
        int status;
        REQUIRE(waitpid(child, &status, 0) == child && status == 0);
        memset(destination, round, SIZE);
    }
    return 0;
}

static int run_waits(void) {
    void *portal = map_portal(open_shared());
    static struct completion record;
    uint8_t *source = buffer_of(4096, 1), *destination = buffer_of(4096, 2);
    printf("ready\n");
    fflush(stdout);
    double start = now();
    while (now() - start < 30) {
        struct descriptor move = move_of(source, destination, 4096, &record);
        submit(portal, &move);
        // The daemon may be killed between the two.
        for (double begun = now(); record.status == 0 && now() - begun < 1;) __builtin_ia32_pause();
        struct timespec pause = {.tv_nsec = 1000000};
        nanosleep(&pause, NULL);
    }
    return 3;
}

static int run_calls(void) {
    int dedicated = open_wq("dedicated");
    REQUIRE(dedicated >= 0);
    // A dedicated WQ has one client.
    REQUIRE(open_wq("dedicated") == -1 && errno == EBUSY);
    int shared = open_shared(), second = open_shared();
    struct stat status;
    REQUIRE(fstat(shared, &status) == 0 && S_ISCHR(status.st_mode) && status.st_rdev != 0);
    REQUIRE(mmap(NULL, 2 * PORTAL, PROT_WRITE, MAP_SHARED, shared, 0) == MAP_FAILED && errno == EINVAL);
    char byte;
    REQUIRE(read(shared, &byte, 1) == -1 && errno == EINVAL);
    struct pollfd wait = {.fd = shared, .events = POLLIN | POLLOUT};
    REQUIRE(poll(&wait, 1, 0) == 0);

    // write() submits, and takes whole descriptors.
    static struct completion record;
    uint8_t *source = buffer_of(4096, 5), *destination = buffer_of(4096, 6);
    const int files[] = {shared, second, dedicated};
    for (int i = 0; i < 3; i++) {
        struct descriptor moves[2] = {move_of(source, destination, 4096, &record)};
        REQUIRE(write(files[i], moves, sizeof moves[0] + 5) == sizeof moves[0]);
        await(&record);
        REQUIRE(memcmp(source, destination, 4096) == 0);
        memset(destination, 0, 4096);
    }
    const void *volatile nowhere = (const void *)8;
    REQUIRE(write(shared, nowhere, 64) == -1 && errno == EFAULT);
    struct descriptor misaligned = move_of(source, destination, 4096, &record);
    misaligned.completion += 8;
    REQUIRE(write(shared, &misaligned, 64) == -1 && errno == EINVAL);

    // The portal outlives the descriptor, and a dedicated WQ stays busy as long.
    void *portal = map_portal(dedicated);
    close(dedicated);
    REQUIRE(open_wq("dedicated") == -1 && errno == EBUSY);
    struct descriptor move = move_of(source, destination, 4096, &record);
    __asm__ volatile(".byte 0x66, 0x0f, 0x38, 0xf8, 0x02" : : "a"((char *)portal + 64), "d"(&move) : "memory");
    await(&record);
    REQUIRE(munmap(portal, PORTAL) == 0);
    dedicated = open_wq("dedicated");
    REQUIRE(dedicated >= 0);

    // An ordinary store to a portal is dropped.
    portal = map_portal(shared);
    *(volatile uint32_t *)portal = 1;
    move = move_of(source, destination, 4096, &record);
    submit(portal, &move);
    await(&record);
    return 0;
}

int main(int count, char **arguments) {
    const char *mode = count > 1 ? arguments[1] : "";
    if (strcmp(mode, "moves") == 0 && count > 2)
        return run_moves(strtoull(arguments[2], NULL, 0), count > 3 ? strtoull(arguments[3], NULL, 0) : 5000);
    if (strcmp(mode, "endless") == 0 && count > 2) run_endless(strtoull(arguments[2], NULL, 0));
    if (strcmp(mode, "idle") == 0) run_idle();
    if (strcmp(mode, "children") == 0) return run_children("/proc/self/exe");
    if (strcmp(mode, "waits") == 0) return run_waits();
    if (strcmp(mode, "calls") == 0) return run_calls();
    fprintf(stderr, "usage: submitter moves COUNT [BYTES] | endless BYTES | idle | children | waits | calls\n");
    return 64;
}
