/// libswq against a daemon, as a C program uses it. The daemon's socket is the only argument; the program also serves
/// as the example of how the library is used.

#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <swq.h>

static const char *sentence;

#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s: not so: %s\n", __FILE__, __LINE__, sentence, #condition);   \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

/// A descriptor (DSA 3.0 §8.1).
struct descriptor {
    uint32_t pasid;
    uint32_t flags_and_opcode;
    uint64_t completion_record;
    uint64_t source;
    uint64_t destination;
    uint32_t transfer_size;
    uint8_t other[28];
};

/// A completion record (DSA 3.0 §8.2).
struct record {
    uint8_t status;
    uint8_t other[31];
};

/// Completion Record Address Valid, Request Completion Record.
enum { FLAGS = 0x4 | 0x8, NO_OP = 0x00, MEMORY_MOVE = 0x03 };

enum { BYTES = 1 << 20 };

/// A client whose device moves data in memory that it shares with the daemon.
struct client {
    struct swq *swq;
    uint64_t portal;
    /// Where the device finds `memory`.
    uint64_t address;
    char *memory;
};

static struct client attach(const char *path) {
    struct client client;
    EXPECT(swq_connect(path, &client.swq) == SWQ_OK);
    EXPECT(swq_attach(client.swq, SWQ_MEMORY_MAPPED) == SWQ_OK);
    EXPECT(swq_bind(client.swq, "dsa0") == SWQ_OK);
    EXPECT(swq_map_portal(client.swq, "dsa0", 0, &client.portal) == SWQ_OK);
    char *answer;
    EXPECT(swq_request(client.swq, "create-shared-memory", "{\"size\": 1048576}", &answer) == SWQ_OK);
    size_t length;
    const char *address = swq_member(answer, "address", &length);
    EXPECT(address && length > 4);
    client.address = strtoull(address + 1, NULL, 16);
    free(answer);
    int file = swq_take_descriptor(client.swq);
    EXPECT(file >= 0 && swq_take_descriptor(client.swq) == -1);
    client.memory = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    EXPECT(client.memory != MAP_FAILED);
    close(file);
    return client;
}

static void detach(struct client *client) {
    munmap(client->memory, BYTES);
    swq_disconnect(client->swq);
}

/// Submits until it is accepted, and waits for the end.
static uint8_t carry_out(struct client *client, struct descriptor *descriptor, struct record *record) {
    record->status = 0;
    descriptor->completion_record = client->address + (uint64_t)((char *)record - client->memory);
    enum swq_result result;
    while ((result = swq_enqcmd(client->swq, client->portal, descriptor)) == SWQ_RETRY) {}
    EXPECT(result == SWQ_OK);
    return swq_wait(&record->status, UINT64_C(60000000000));
}

static void a_memory_move_arrives(const char *path) {
    struct client client = attach(path);
    struct record *record = (struct record *)client.memory;
    for (int index = 0; index < 65536; index++) client.memory[4096 + index] = (char)(index * 7);
    struct descriptor move = {
        .flags_and_opcode = FLAGS | (uint32_t)MEMORY_MOVE << 24,
        .source = client.address + 4096,
        .destination = client.address + 524288,
        .transfer_size = 65536,
    };
    EXPECT(carry_out(&client, &move, record) == 1);
    EXPECT(memcmp(client.memory + 4096, client.memory + 524288, 65536) == 0);
    detach(&client);
}

struct submitter {
    struct client *client;
    int number;
};

static void *submit_many(void *context) {
    struct submitter *submitter = context;
    struct record *record = (struct record *)(submitter->client->memory + 64 * submitter->number);
    struct descriptor no_op = {.flags_and_opcode = FLAGS};
    for (int round = 0; round < 500; round++) EXPECT(carry_out(submitter->client, &no_op, record) == 1);
    return NULL;
}

static void threads_submit_at_once(const char *path) {
    enum { THREADS = 4 };
    struct client client = attach(path);
    pthread_t threads[THREADS];
    struct submitter submitters[THREADS];
    for (int number = 0; number < THREADS; number++) {
        submitters[number] = (struct submitter){&client, number};
        EXPECT(pthread_create(&threads[number], NULL, submit_many, &submitters[number]) == 0);
    }
    for (int number = 0; number < THREADS; number++) pthread_join(threads[number], NULL);
    detach(&client);
}

static void what_the_instruction_raises_is_told(const char *path) {
    struct swq *swq;
    struct descriptor no_op = {.flags_and_opcode = FLAGS};
    EXPECT(swq_connect(path, &swq) == SWQ_OK);
    EXPECT(swq_enqcmd(swq, 0x1000, &no_op) == SWQ_DETACHED);
    EXPECT(swq_attach(swq, SWQ_MEMORY_MAPPED) == SWQ_OK);
    uint64_t portal;
    EXPECT(swq_map_portal(swq, "dsa0", 0, &portal) == SWQ_OK);
    EXPECT(swq_enqcmd(swq, portal, &no_op) == SWQ_GENERAL_PROTECTION);
    EXPECT(swq_bind(swq, "dsa0") == SWQ_OK);
    EXPECT(swq_enqcmd(swq, portal + 1, &no_op) == SWQ_GENERAL_PROTECTION);
    EXPECT(swq_enqcmd(swq, 0x7000000, &no_op) == SWQ_PAGE_FAULT);
    // Posted: an unmapped destination is nobody's to tell.
    EXPECT(swq_movdir64b(swq, 0x7000000, &no_op) == SWQ_OK);
    swq_disconnect(swq);
}

static void a_refusal_has_a_class_and_a_reason(const char *path) {
    struct swq *swq;
    EXPECT(swq_connect(path, &swq) == SWQ_OK);
    EXPECT(swq_attach(swq, SWQ_MEMORY_MAPPED) == SWQ_OK);
    EXPECT(swq_bind(swq, "dsa99") == SWQ_REFUSED);
    EXPECT(strcmp(swq_error_class(swq), "NotFound") == 0);
    EXPECT(strlen(swq_error_text(swq)) > 10);
    EXPECT(swq_request(swq, "query-version", NULL, NULL) == SWQ_OK);
    EXPECT(swq_error_class(swq)[0] == 0);
    EXPECT(swq_request(swq, "no-such-command", NULL, NULL) == SWQ_REFUSED);
    EXPECT(strcmp(swq_error_class(swq), "CommandNotFound") == 0);
    swq_disconnect(swq);
    EXPECT(swq_connect("/no/such/socket", &swq) == SWQ_SYSTEM_ERROR);
}

static int events;

static void count_event(const char *event, void *context) {
    size_t length;
    EXPECT(context == &events && swq_member(event, "event", &length));
    events++;
}

static void events_reach_their_handler(const char *path) {
    struct swq *swq;
    EXPECT(swq_connect(path, &swq) == SWQ_OK);
    swq_set_event_handler(swq, count_event, &events);
    EXPECT(swq_attach(swq, SWQ_MEMORY_MAPPED) == SWQ_OK);
    // The binding is announced before its reply.
    EXPECT(swq_bind(swq, "dsa0") == SWQ_OK);
    EXPECT(swq_request(swq, "query-version", NULL, NULL) == SWQ_OK);
    EXPECT(events > 0);
    swq_disconnect(swq);
}

static void members_are_found_whatever_is_in_the_values(const char *path) {
    (void)path;
    size_t length;
    const char *text = " {\"a\": {\"b\": \"}]\\\"\", \"c\": [1, {\"d\": 2}]}, \"b\" : -1.5e3 , \"\": null}";
    const char *value = swq_member(text, "b", &length);
    EXPECT(value && length == 6 && strncmp(value, "-1.5e3", 6) == 0);
    value = swq_member(text, "a", &length);
    EXPECT(value && value[0] == '{' && value[length - 1] == '}');
    value = swq_member(value, "c", &length);
    EXPECT(value && length == 13);
    EXPECT(swq_member(text, "", &length) && length == 4);
    EXPECT(!swq_member(text, "c", &length));
    // Every prefix ends, found or not.
    for (size_t count = 0; count < strlen(text); count++) {
        char prefix[128] = {0};
        memcpy(prefix, text, count);
        swq_member(prefix, "zz", &length);
    }
}

static const struct {
    const char *sentence;
    void (*run)(const char *path);
} tests[] = {
    {"members are found whatever is in the values", members_are_found_whatever_is_in_the_values},
    {"a Memory Move arrives", a_memory_move_arrives},
    {"threads submit at once", threads_submit_at_once},
    {"what the instruction raises is told", what_the_instruction_raises_is_told},
    {"a refusal has a class and a reason", a_refusal_has_a_class_and_a_reason},
    {"events reach their handler", events_reach_their_handler},
};

int main(int count, char **words) {
    if (count != 2) {
        fprintf(stderr, "usage: client_tests SOCKET\n");
        return 64;
    }
    alarm(120);
    for (size_t index = 0; index < sizeof tests / sizeof *tests; index++) {
        sentence = tests[index].sentence;
        tests[index].run(words[1]);
        printf("passed: %s\n", sentence);
    }
    return 0;
}
