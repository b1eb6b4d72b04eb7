/// The ring of `swq_ring.h` between threads and processes, without a daemon: the consumer here echoes.
///
/// Each test is a sentence. A failure prints it with its place and ends with status 1.

#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <swq_ring.h>

static const char *sentence;

#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s: not so: %s\n", __FILE__, __LINE__, sentence, #condition);   \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

_Static_assert(sizeof(struct swq_ring_slot) == SWQ_RING_SLOT_BYTES, "a slot is two cache lines");
_Static_assert(offsetof(struct swq_ring_slot, words) == 64, "the command has a line of its own");
_Static_assert(offsetof(struct swq_ring_header, free) == 64, "each part has a line of its own");
_Static_assert(offsetof(struct swq_ring_header, pending) == 128, "each part has a line of its own");
_Static_assert(offsetof(struct swq_ring_header, sleeping) == 192, "each part has a line of its own");
_Static_assert(SWQ_RING_SLOTS_OFFSET + SWQ_RING_SLOTS * SWQ_RING_SLOT_BYTES == SWQ_RING_BYTES, "the slots end it");

/// A ring with both ends: `ends[0]` is the program's connection, `ends[1]` the daemon's.
struct fixture {
    struct swq_ring ring;
    void *memory;
    int bell;
    int ends[2];
};

static struct fixture make(void) {
    struct fixture f;
    f.memory = mmap(NULL, SWQ_RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    EXPECT(f.memory != MAP_FAILED);
    swq_ring_initialize(f.memory);
    f.bell = eventfd(0, EFD_NONBLOCK);
    EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, f.ends) == 0);
    EXPECT(swq_ring_open(&f.ring, f.memory, SWQ_RING_BYTES, f.bell, f.ends[0]) == 0);
    return f;
}

static void drop(struct fixture *f) {
    munmap(f->memory, SWQ_RING_BYTES);
    close(f->bell);
    close(f->ends[0]);
    close(f->ends[1]);
}

/// Answers each command with what it carried: the sum of its words as the fault address, the destination as the code.
static void echo(void *memory, int index) {
    struct swq_ring_command command;
    EXPECT(swq_ring_read(memory, index, &command) == 0);
    uint64_t sum = 0;
    for (int word = 0; word < 8; word++) sum += command.words[word];
    EXPECT(swq_ring_answer_slot(memory, index, SWQ_RING_RETRY, (uint32_t)command.destination, sum) == 0);
}

/// Consumes until the other end of the connection closes, sleeping whenever nothing is there.
static void serve(struct fixture *f, uint64_t *posted) {
    uint8_t order[SWQ_RING_SLOTS];
    for (;;) {
        int count = swq_ring_take(f->memory, order);
        for (int place = 0; place < count; place++) {
            struct swq_ring_command command;
            EXPECT(swq_ring_read(f->memory, order[place], &command) == 0);
            if (command.flags & SWQ_RING_POSTED) {
                // Who posted, and how often before.
                EXPECT(posted[command.words[0]] == command.words[1]);
                posted[command.words[0]]++;
                EXPECT(swq_ring_finish_posted(f->memory, order[place]) == 0);
            } else {
                echo(f->memory, order[place]);
            }
        }
        if (count || !swq_ring_fall_asleep(f->memory)) continue;
        struct pollfd waits[2] = {{f->bell, POLLIN, 0}, {f->ends[1], POLLRDHUP, 0}};
        EXPECT(poll(waits, 2, -1) > 0);
        if (waits[1].revents) return;
        uint64_t rung;
        EXPECT(read(f->bell, &rung, sizeof rung) == sizeof rung || errno == EAGAIN);
        swq_ring_wake_up(f->memory);
    }
}

enum { THREADS = 6, ROUNDS = 20000 };

struct producer {
    struct fixture *fixture;
    uint64_t number;
    int posts;
};

static void *produce(void *context) {
    struct producer *producer = context;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        uint64_t words[8] = {producer->number, round, 3, 5, 7, 11, 13, 17};
        if (producer->posts) {
            EXPECT(swq_ring_post(&producer->fixture->ring, 64, words) == 0);
            continue;
        }
        struct swq_ring_answer answer;
        uint64_t destination = producer->number << 20 | round;
        EXPECT(swq_ring_execute(&producer->fixture->ring, SWQ_RING_ENQCMD, destination, words, &answer) ==
               SWQ_RING_RETRY);
        EXPECT(answer.error_code == (uint32_t)destination);
        EXPECT(answer.fault_address == producer->number + round + 56);
    }
    return NULL;
}

/// Threads of one process against a consumer in another, which sleeps and is woken; the last thread's posts are among
/// the commands, and the ticket wraps around under way.
static void hammer(uint32_t spins, uint64_t ticket) {
    struct fixture f = make();
    f.ring.spins = spins;
    f.ring.header->ticket = ticket;
    uint64_t *posted = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t consumer = fork();
    if (consumer == 0) {
        close(f.ends[0]);
        serve(&f, posted);
        _exit(0);
    }
    close(f.ends[1]);
    pthread_t threads[THREADS];
    struct producer producers[THREADS];
    for (int number = 0; number < THREADS; number++) {
        producers[number] = (struct producer){&f, (uint64_t)number, number >= THREADS - 2};
        EXPECT(pthread_create(&threads[number], NULL, produce, &producers[number]) == 0);
    }
    for (int number = 0; number < THREADS; number++) pthread_join(threads[number], NULL);
    // A command behind the posts is answered after them only if it comes from the same thread; so ask till they are in.
    struct swq_ring_answer answer;
    uint64_t words[8] = {0};
    do swq_ring_execute(&f.ring, SWQ_RING_ENQCMD, 0, words, &answer);
    while (__atomic_load_n(&posted[THREADS - 1], __ATOMIC_RELAXED) < ROUNDS ||
           __atomic_load_n(&posted[THREADS - 2], __ATOMIC_RELAXED) < ROUNDS);
    shutdown(f.ends[0], SHUT_RDWR);
    int status;
    EXPECT(waitpid(consumer, &status, 0) == consumer && status == 0);
    EXPECT(f.ring.header->free == UINT64_MAX && f.ring.header->pending == 0);
    munmap(posted, 4096);
    drop(&f);
}

static void threads_hammer_a_spinning_ring(void) { hammer(SWQ_RING_SPINS_DEFAULT, 0); }
static void threads_that_never_spin_are_woken(void) { hammer(0, 0); }
static void the_ticket_wraps_around(void) { hammer(10, UINT64_MAX - ROUNDS); }

static struct fixture *interrupted;
static volatile sig_atomic_t handled;

static void submit_in_handler(int signal) {
    (void)signal;
    struct swq_ring_answer answer;
    uint64_t words[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    EXPECT(swq_ring_execute(&interrupted->ring, SWQ_RING_ENQCMD, 9, words, &answer) == SWQ_RING_RETRY);
    EXPECT(answer.fault_address == 36 && answer.error_code == 9);
    handled++;
}

static void *serve_thread(void *context) {
    static uint64_t none[SWQ_RING_SLOTS];
    serve(context, none);
    return NULL;
}

static void a_signal_handler_submits_while_the_thread_it_interrupts_does(void) {
    struct fixture f = make();
    interrupted = &f;
    handled = 0;
    pthread_t consumer;
    sigset_t profile;
    sigemptyset(&profile);
    sigaddset(&profile, SIGPROF);
    pthread_sigmask(SIG_BLOCK, &profile, NULL);
    EXPECT(pthread_create(&consumer, NULL, serve_thread, &f) == 0);
    pthread_sigmask(SIG_UNBLOCK, &profile, NULL);
    struct sigaction action = {.sa_handler = submit_in_handler};
    sigaction(SIGPROF, &action, NULL);
    struct itimerval often = {{0, 50}, {0, 50}}, never = {{0, 0}, {0, 0}};
    setitimer(ITIMER_PROF, &often, NULL);
    struct producer producer = {&f, 0, 0};
    while (handled < 200) produce(&producer);
    setitimer(ITIMER_PROF, &never, NULL);
    shutdown(f.ends[0], SHUT_RDWR);
    pthread_join(consumer, NULL);
    EXPECT(f.ring.header->free == UINT64_MAX);
    drop(&f);
}

static void a_thread_that_stops_between_claim_and_publication_holds_nobody_up(void) {
    struct fixture f = make();
    pthread_t consumer;
    EXPECT(swq_ring_claim(&f.ring) == 0);
    EXPECT(pthread_create(&consumer, NULL, serve_thread, &f) == 0);
    struct producer producer = {&f, 0, 0};
    produce(&producer);
    shutdown(f.ends[0], SHUT_RDWR);
    pthread_join(consumer, NULL);
    EXPECT(f.ring.header->free == (UINT64_MAX ^ 1));
    drop(&f);
}

static void *claim_one_more(void *context) {
    struct fixture *f = context;
    return (void *)(intptr_t)swq_ring_claim(&f->ring);
}

static void the_ring_holds_64_commands_and_the_next_waits(void) {
    struct fixture f = make();
    f.ring.spins = 0;
    for (int slot = 0; slot < SWQ_RING_SLOTS; slot++) EXPECT(swq_ring_claim(&f.ring) == slot);
    pthread_t waiter;
    EXPECT(pthread_create(&waiter, NULL, claim_one_more, &f) == 0);
    // It sleeps: whoever gives a slot back has to wake it.
    while (!__atomic_load_n(&f.ring.header->sleepers, __ATOMIC_SEQ_CST)) sched_yield();
    swq_ring_release(f.ring.header, 17);
    void *claimed;
    pthread_join(waiter, &claimed);
    EXPECT((intptr_t)claimed == 17);
    // Nobody gives any back, and the daemon dies.
    EXPECT(pthread_create(&waiter, NULL, claim_one_more, &f) == 0);
    close(f.ends[1]);
    pthread_join(waiter, &claimed);
    EXPECT((intptr_t)claimed == -1);
    f.ends[1] = dup(f.ends[0]);
    drop(&f);
}

static void *execute_one(void *context) {
    struct fixture *f = context;
    struct swq_ring_answer answer;
    uint64_t words[8] = {0};
    return (void *)(uintptr_t)swq_ring_execute(&f->ring, SWQ_RING_ENQCMD, 0, words, &answer);
}

static void who_waits_for_an_answer_learns_that_the_ring_closed(void) {
    for (int dies = 0; dies < 2; dies++) {
        struct fixture f = make();
        f.ring.spins = dies ? 0 : UINT32_MAX;
        pthread_t waiter;
        EXPECT(pthread_create(&waiter, NULL, execute_one, &f) == 0);
        while (!swq_ring_has_pending(f.memory)) sched_yield();
        if (dies) close(f.ends[1]);
        else swq_ring_close(f.memory);
        void *outcome;
        pthread_join(waiter, &outcome);
        EXPECT((uintptr_t)outcome == SWQ_RING_DETACHED);
        if (!dies) {
            f.ring.spins = 0;
            EXPECT((uintptr_t)execute_one(&f) == SWQ_RING_DETACHED);
            EXPECT(swq_ring_post(&f.ring, 0, f.memory) == -1);
        } else {
            f.ends[1] = dup(f.ends[0]);
        }
        drop(&f);
    }
}

static void a_slot_that_no_program_writes_is_told_from_one_that_it_does(void) {
    struct fixture f = make();
    struct swq_ring_command command;
    uint64_t words[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    int slot = swq_ring_claim(&f.ring);
    struct swq_ring_slot *bytes = &f.ring.slots[slot];
    EXPECT(swq_ring_read(f.memory, slot, &command) == -1);
    swq_ring_publish(&f.ring, slot, SWQ_RING_ENQCMDS, 0, 0x1234, words);
    EXPECT(swq_ring_read(f.memory, slot, &command) == 0);
    EXPECT(command.kind == SWQ_RING_ENQCMDS && command.destination == 0x1234);
    EXPECT(memcmp(command.words, words, sizeof words) == 0);
    for (int kind = 0; kind < 256; kind++) {
        bytes->kind = (uint8_t)kind;
        EXPECT((swq_ring_read(f.memory, slot, &command) == 0) == (kind >= 1 && kind <= 3));
    }
    bytes->kind = SWQ_RING_MOVDIR64B;
    for (int flags = 0; flags < 256; flags++) {
        bytes->flags = (uint8_t)flags;
        EXPECT((swq_ring_read(f.memory, slot, &command) == 0) == (flags <= 1));
    }
    bytes->kind = SWQ_RING_ENQCMD;
    bytes->flags = SWQ_RING_POSTED;
    EXPECT(swq_ring_read(f.memory, slot, &command) == -1);
    bytes->flags = 0;
    bytes->reserved = 0x100;
    EXPECT(swq_ring_read(f.memory, slot, &command) == -1);
    bytes->reserved = 0;
    for (uint32_t state = 0; state < 64; state++) {
        bytes->state = state;
        EXPECT((swq_ring_read(f.memory, slot, &command) == 0) == (state == 1 || state == 2));
        bytes->state = state;
        EXPECT((swq_ring_answer_slot(f.memory, slot, SWQ_RING_ACCEPTED, 0, 0) == 0) == (state == 1 || state == 2));
    }
    drop(&f);
}

static void memory_that_is_no_ring_is_refused(void) {
    struct fixture f = make();
    struct swq_ring ring;
    EXPECT(swq_ring_open(&ring, f.memory, SWQ_RING_BYTES - 1, f.bell, f.ends[0]) == -1);
    f.ring.header->magic ^= UINT64_C(1) << 56;
    EXPECT(swq_ring_open(&ring, f.memory, SWQ_RING_BYTES, f.bell, f.ends[0]) == -1);
    drop(&f);
}

static const struct {
    const char *sentence;
    void (*run)(void);
} tests[] = {
    {"memory that is no ring is refused", memory_that_is_no_ring_is_refused},
    {"a slot that no program writes is told from one that it does",
     a_slot_that_no_program_writes_is_told_from_one_that_it_does},
    {"the ring holds 64 commands and the next one waits", the_ring_holds_64_commands_and_the_next_waits},
    {"who waits for an answer learns that the ring closed", who_waits_for_an_answer_learns_that_the_ring_closed},
    {"a thread that stops between claim and publication holds nobody up",
     a_thread_that_stops_between_claim_and_publication_holds_nobody_up},
    {"a signal handler submits while the thread that it interrupts does",
     a_signal_handler_submits_while_the_thread_it_interrupts_does},
    {"threads hammer a ring whose consumer spins", threads_hammer_a_spinning_ring},
    {"threads that never spin are woken", threads_that_never_spin_are_woken},
    {"the ticket wraps around", the_ticket_wraps_around},
};

int main(void) {
    // A ring that hangs is a failure as well.
    for (size_t index = 0; index < sizeof tests / sizeof *tests; index++) {
        sentence = tests[index].sentence;
        alarm(0);
        pid_t child = fork();
        if (child == 0) {
            alarm(120);
            tests[index].run();
            _exit(0);
        }
        int status;
        if (waitpid(child, &status, 0) != child || status != 0) {
            fprintf(stderr, "ring_tests: failed: %s (status %#x)\n", sentence, status);
            return 1;
        }
        printf("passed: %s\n", sentence);
        fflush(stdout);
    }
    return 0;
}
