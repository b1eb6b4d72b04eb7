#define _GNU_SOURCE

#include "swq.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "json.h"
#include "swq_ring.h"

enum {
    /// The most descriptors that come with one reply.
    DESCRIPTORS = 2,
    ERROR_CLASS_BYTES = 64,
    ERROR_TEXT_BYTES = 1024,
    /// The longest line of the daemon that is taken.
    LINE_BYTES_MAX = 64 << 20,
};

struct swq {
    int socket;
    pthread_mutex_t lock;
    uint64_t next_id;

    char *input;
    size_t input_count;
    size_t input_capacity;
    int descriptors[DESCRIPTORS];
    int descriptor_count;

    void (*event_handler)(const char *event, void *context);
    void *event_context;
    char error_class[ERROR_CLASS_BYTES];
    char error_text[ERROR_TEXT_BYTES];

    void *ring_memory;
    int bell;
    struct swq_ring ring;
};

// MARK: Lines

static enum swq_result send_all(struct swq *swq, const char *text, size_t count) {
    while (count > 0) {
        ssize_t sent = send(swq->socket, text, count, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0) return errno == EPIPE || errno == ECONNRESET ? SWQ_DETACHED : SWQ_SYSTEM_ERROR;
        text += sent;
        count -= (size_t)sent;
    }
    return SWQ_OK;
}

static void drop_descriptors(struct swq *swq) {
    for (int index = 0; index < swq->descriptor_count; index++) close(swq->descriptors[index]);
    swq->descriptor_count = 0;
}

/// Reads more, and keeps the descriptors that come with it.
static enum swq_result fill(struct swq *swq) {
    if (swq->input_count + 4096 > swq->input_capacity) {
        size_t capacity = swq->input_capacity ? swq->input_capacity * 2 : 16384;
        if (capacity > LINE_BYTES_MAX) return SWQ_PROTOCOL_ERROR;
        char *input = realloc(swq->input, capacity);
        if (!input) return SWQ_SYSTEM_ERROR;
        swq->input = input;
        swq->input_capacity = capacity;
    }
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int) * DESCRIPTORS)];
    } control;
    struct iovec data = {swq->input + swq->input_count, swq->input_capacity - swq->input_count};
    struct msghdr message = {
        .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t count;
    do count = recvmsg(swq->socket, &message, MSG_CMSG_CLOEXEC);
    while (count < 0 && errno == EINTR);
    if (count == 0 || (count < 0 && errno == ECONNRESET)) return SWQ_DETACHED;
    if (count < 0) return SWQ_SYSTEM_ERROR;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        size_t passed = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t index = 0; index < passed; index++) {
            int number;
            memcpy(&number, CMSG_DATA(header) + index * sizeof(int), sizeof number);
            if (swq->descriptor_count < DESCRIPTORS) swq->descriptors[swq->descriptor_count++] = number;
            else close(number);
        }
    }
    swq->input_count += (size_t)count;
    return SWQ_OK;
}

/// The next line, to be freed, without its line feed.
static enum swq_result read_line(struct swq *swq, char **line) {
    size_t scanned = 0;
    for (;;) {
        char *end = memchr(swq->input + scanned, '\n', swq->input_count - scanned);
        if (end) {
            size_t count = (size_t)(end - swq->input);
            *line = malloc(count + 1);
            if (!*line) return SWQ_SYSTEM_ERROR;
            memcpy(*line, swq->input, count);
            (*line)[count] = 0;
            swq->input_count -= count + 1;
            memmove(swq->input, end + 1, swq->input_count);
            return SWQ_OK;
        }
        scanned = swq->input_count;
        enum swq_result result = fill(swq);
        if (result) return result;
    }
}

// MARK: Requests

static void note_refusal(struct swq *swq, const char *error) {
    size_t length;
    const char *text = swq_member(error, "class", &length);
    if (text) json_copy_string(text, length, swq->error_class, sizeof swq->error_class);
    text = swq_member(error, "desc", &length);
    if (text) json_copy_string(text, length, swq->error_text, sizeof swq->error_text);
}

/// Waits for the reply with this id; events before it go to their handler.
static enum swq_result receive(struct swq *swq, const char *id, char **answer) {
    for (;;) {
        char *line;
        enum swq_result result = read_line(swq, &line);
        if (result) return result;
        size_t length;
        const char *value;
        if (swq_member(line, "event", &length)) {
            if (swq->event_handler) swq->event_handler(line, swq->event_context);
            free(line);
            continue;
        }
        value = swq_member(line, "error", &length);
        if (value) {
            // One without an id ends the connection.
            note_refusal(swq, value);
            free(line);
            return SWQ_REFUSED;
        }
        const char *given = swq_member(line, "id", &length);
        if (!given || length != strlen(id) || memcmp(given, id, length) != 0) {
            free(line);
            return SWQ_PROTOCOL_ERROR;
        }
        value = swq_member(line, "return", &length);
        if (!value) {
            free(line);
            return SWQ_PROTOCOL_ERROR;
        }
        if (answer) {
            memmove(line, value, length);
            line[length] = 0;
            *answer = line;
        } else {
            free(line);
        }
        return SWQ_OK;
    }
}

static enum swq_result exchange(struct swq *swq, const char *execute, const char *arguments, char **answer) {
    swq->error_class[0] = 0;
    swq->error_text[0] = 0;
    drop_descriptors(swq);
    char id[24];
    snprintf(id, sizeof id, "%llu", (unsigned long long)swq->next_id++);
    char *request = NULL;
    int count = arguments
        ? asprintf(&request, "{\"execute\": \"%s\", \"arguments\": %s, \"id\": %s}\n", execute, arguments, id)
        : asprintf(&request, "{\"execute\": \"%s\", \"id\": %s}\n", execute, id);
    if (count < 0) return SWQ_SYSTEM_ERROR;
    enum swq_result result = send_all(swq, request, (size_t)count);
    free(request);
    return result ? result : receive(swq, id, answer);
}

enum swq_result swq_request(struct swq *swq, const char *execute, const char *arguments, char **answer) {
    pthread_mutex_lock(&swq->lock);
    enum swq_result result = exchange(swq, execute, arguments, answer);
    pthread_mutex_unlock(&swq->lock);
    return result;
}

int swq_take_descriptor(struct swq *swq) {
    pthread_mutex_lock(&swq->lock);
    int number = -1;
    if (swq->descriptor_count > 0) {
        number = swq->descriptors[0];
        swq->descriptor_count--;
        memmove(swq->descriptors, swq->descriptors + 1, sizeof(int) * (size_t)swq->descriptor_count);
    }
    pthread_mutex_unlock(&swq->lock);
    return number;
}

void swq_set_event_handler(struct swq *swq, void (*handler)(const char *event, void *context), void *context) {
    pthread_mutex_lock(&swq->lock);
    swq->event_handler = handler;
    swq->event_context = context;
    pthread_mutex_unlock(&swq->lock);
}

const char *swq_error_class(const struct swq *swq) { return swq->error_class; }

const char *swq_error_text(const struct swq *swq) { return swq->error_text; }

// MARK: The connection

/// The path of the socket into `address`; false when there is none or it does not fit.
static bool find_socket(const char *path, struct sockaddr_un *address) {
    const char *directory = NULL;
    if (!path) path = getenv("SWQD_SOCKET");
    if (!path || !*path) {
        directory = getenv("XDG_RUNTIME_DIR");
        if (!directory || !*directory) return false;
    }
    address->sun_family = AF_UNIX;
    int count = directory ? snprintf(address->sun_path, sizeof address->sun_path, "%s/swqd/swqd.sock", directory)
                          : snprintf(address->sun_path, sizeof address->sun_path, "%s", path);
    return count > 0 && (size_t)count < sizeof address->sun_path;
}

enum swq_result swq_connect(const char *path, struct swq **result_swq) {
    struct sockaddr_un address = {0};
    if (!find_socket(path, &address)) {
        errno = ENOENT;
        return SWQ_SYSTEM_ERROR;
    }
    struct swq *swq = calloc(1, sizeof *swq);
    if (!swq) return SWQ_SYSTEM_ERROR;
    pthread_mutex_init(&swq->lock, NULL);
    swq->bell = -1;
    swq->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    enum swq_result result = SWQ_SYSTEM_ERROR;
    if (swq->socket >= 0 && connect(swq->socket, (const struct sockaddr *)&address, sizeof address) == 0) {
        char *greeting = NULL;
        size_t length;
        result = fill(swq);
        if (!result) result = read_line(swq, &greeting);
        if (!result && !swq_member(greeting, "QMP", &length)) result = SWQ_PROTOCOL_ERROR;
        free(greeting);
        if (!result) result = exchange(swq, "qmp_capabilities", NULL, NULL);
    }
    if (result) {
        int reason = errno;
        swq_disconnect(swq);
        errno = reason;
        return result;
    }
    *result_swq = swq;
    return SWQ_OK;
}

void swq_disconnect(struct swq *swq) {
    if (!swq) return;
    if (swq->socket >= 0) close(swq->socket);
    drop_descriptors(swq);
    if (swq->ring_memory) munmap(swq->ring_memory, SWQ_RING_BYTES);
    if (swq->bell >= 0) close(swq->bell);
    free(swq->input);
    pthread_mutex_destroy(&swq->lock);
    free(swq);
}

// MARK: The process and its ring

/// Maps the ring that came with a reply.
static enum swq_result adopt_ring(struct swq *swq) {
    if (swq->descriptor_count != 2) return SWQ_PROTOCOL_ERROR;
    void *memory = mmap(NULL, SWQ_RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, swq->descriptors[0], 0);
    if (memory == MAP_FAILED) return SWQ_SYSTEM_ERROR;
    // A child would submit as its parent.
    madvise(memory, SWQ_RING_BYTES, MADV_DONTFORK);
    swq->bell = swq->descriptors[1];
    close(swq->descriptors[0]);
    swq->descriptor_count = 0;
    swq->ring_memory = memory;
    if (swq_ring_open(&swq->ring, memory, SWQ_RING_BYTES, swq->bell, swq->socket)) return SWQ_PROTOCOL_ERROR;
    cpu_set_t processors;
    if (sched_getaffinity(0, sizeof processors, &processors) == 0 && CPU_COUNT(&processors) == 1) swq->ring.spins = 0;
    return SWQ_OK;
}

enum swq_result swq_attach(struct swq *swq, enum swq_memory memory) {
    const char *arguments = memory == SWQ_MEMORY_PROCESS ? "{\"memory\": \"process\"}" : NULL;
    pthread_mutex_lock(&swq->lock);
    enum swq_result result = exchange(swq, "attach-process", arguments, NULL);
    if (!result) result = exchange(swq, "attach-ring", NULL, NULL);
    if (!result) result = adopt_ring(swq);
    pthread_mutex_unlock(&swq->lock);
    return result;
}

enum swq_result swq_bind(struct swq *swq, const char *device) {
    char *arguments = NULL;
    if (asprintf(&arguments, "{\"device\": \"%s\"}", device) < 0) return SWQ_SYSTEM_ERROR;
    enum swq_result result = swq_request(swq, "bind-process", arguments, NULL);
    free(arguments);
    return result;
}

enum swq_result swq_map_portal(struct swq *swq, const char *device, unsigned wq, uint64_t *portal) {
    char *arguments = NULL;
    if (asprintf(&arguments, "{\"device\": \"%s\", \"wq\": %u}", device, wq) < 0) return SWQ_SYSTEM_ERROR;
    char *answer = NULL;
    enum swq_result result = swq_request(swq, "map-portal", arguments, &answer);
    free(arguments);
    if (result) return result;
    size_t length;
    const char *address = swq_member(answer, "address", &length);
    char text[32];
    if (address && json_copy_string(address, length, text, sizeof text)) *portal = strtoull(text, NULL, 16);
    else result = SWQ_PROTOCOL_ERROR;
    free(answer);
    return result;
}

// MARK: Submission

enum swq_result swq_enqcmd(struct swq *swq, uint64_t portal, const void *descriptor) {
    struct swq_ring_answer answer;
    if (!swq->ring_memory) return SWQ_DETACHED;
    switch (swq_ring_execute(&swq->ring, SWQ_RING_ENQCMD, portal, descriptor, &answer)) {
    case SWQ_RING_ACCEPTED: return SWQ_OK;
    case SWQ_RING_RETRY: return SWQ_RETRY;
    case SWQ_RING_INVALID_OPCODE: return SWQ_INVALID_OPCODE;
    case SWQ_RING_GENERAL_PROTECTION: return SWQ_GENERAL_PROTECTION;
    case SWQ_RING_PAGE_FAULT: return SWQ_PAGE_FAULT;
    case SWQ_RING_DETACHED: return SWQ_DETACHED;
    default: return SWQ_PROTOCOL_ERROR;
    }
}

enum swq_result swq_movdir64b(struct swq *swq, uint64_t portal, const void *descriptor) {
    if (!swq->ring_memory) return SWQ_DETACHED;
    return swq_ring_post(&swq->ring, portal, descriptor) ? SWQ_DETACHED : SWQ_OK;
}

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

uint8_t swq_wait(const volatile void *status, uint64_t nanoseconds) {
    // Most operations end within the first looks; then the processor goes to whoever needs it, the daemon above all.
    enum { LOOKS = 2000, YIELDS = 100, NAP = 50000 };
    const uint8_t *byte = (const uint8_t *)status;
    uint8_t value;
    for (int look = 0; look < LOOKS; look++) {
        value = __atomic_load_n(byte, __ATOMIC_ACQUIRE);
        if (value) return value;
        swq_ring_pause();
    }
    uint64_t end = now();
    end = nanoseconds > UINT64_MAX - end ? UINT64_MAX : end + nanoseconds;
    for (int round = 0;; round++) {
        value = __atomic_load_n(byte, __ATOMIC_ACQUIRE);
        if (value || now() >= end) return value;
        if (round < YIELDS) sched_yield();
        else nanosleep(&(struct timespec){0, NAP}, NULL);
    }
}
