/// The shared-memory portal: a ring of 64-byte commands in memory that a program and swqd have both mapped.
///
/// The program's side claims a slot, fills it and publishes it with one bit in one word; the daemon takes all published
/// bits at once, carries the commands out and writes each answer into its slot. So there is no index that either side
/// could get wrong, and no thread of the program waits for another one: a thread that is interrupted, even for ever,
/// between the claim and the publication keeps its slot and nothing else. A signal handler may submit while the thread
/// that it interrupted submits.
///
///     program   claim (free) -> fill -> publish (pending) -> ring the bell if the daemon sleeps -> spin, then futex
///     daemon    take (pending) -> read once, check, carry out -> answer (state) -> wake the futex if someone sleeps
///
/// Every function is static inline and calls nothing, not even libc: it can be used in a signal handler and in code
/// that was patched into a program. `errno` is left alone. Works as C11 and as C++.
///
/// Layout: one page of header, then the slots. Integers are little-endian, as everything on x86-64.

#ifndef SWQ_RING_H
#define SWQ_RING_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// MARK: Layout

/// "SWQRING" and the version of the layout, as the first eight bytes.
#define SWQ_RING_MAGIC UINT64_C(0x01474E4952515753)

enum {
    /// Commands that may be under way at once: one bit each of a 64-bit word.
    SWQ_RING_SLOTS = 64,
    SWQ_RING_SLOT_BYTES = 128,
    SWQ_RING_SLOTS_OFFSET = 4096,
    /// The size of the whole memory, a multiple of the page size.
    SWQ_RING_BYTES = 12288,
};

/// What a slot asks for.
enum swq_ring_kind {
    SWQ_RING_ENQCMD = 1,
    SWQ_RING_ENQCMDS = 2,
    SWQ_RING_MOVDIR64B = 3,
};

/// How a slot asks for it.
enum {
    /// No answer is wanted: the daemon gives the slot back.
    SWQ_RING_POSTED = 1,
};

/// Bits 7:0 of a slot's state. Those from 16 on are answers.
enum swq_ring_state {
    SWQ_RING_FREE = 0,
    /// Filled, not answered.
    SWQ_RING_SUBMITTED = 1,
    /// The same, and a thread sleeps on the state.
    SWQ_RING_AWAITED = 2,

    /// ENQCMD, ENQCMDS: accepted, ZF = 0. MOVDIR64B: written.
    SWQ_RING_ACCEPTED = 16,
    /// ENQCMD, ENQCMDS: not accepted, ZF = 1.
    SWQ_RING_RETRY = 17,
    /// The instruction raises #UD.
    SWQ_RING_INVALID_OPCODE = 18,
    /// The instruction raises #GP(0).
    SWQ_RING_GENERAL_PROTECTION = 19,
    /// The instruction raises #PF: see the slot's `fault_address` and `error_code`.
    SWQ_RING_PAGE_FAULT = 20,
    /// Nothing was done: the ring is no longer attached, or its daemon is gone.
    SWQ_RING_DETACHED = 21,
};

/// One command and its answer.
struct swq_ring_slot {
    /// `enum swq_ring_state`; the futex word of who waits for the answer.
    uint32_t state;
    /// `enum swq_ring_kind`.
    uint8_t kind;
    /// SWQ_RING_POSTED or nothing.
    uint8_t flags;
    /// 0.
    uint16_t reserved;
    /// Orders the commands that one thread publishes.
    uint64_t ticket;
    /// The linear address that the instruction writes to.
    uint64_t destination;
    /// SWQ_RING_PAGE_FAULT: the address and the error code of the fault.
    uint64_t fault_address;
    uint32_t error_code;
    uint8_t unused[28];
    /// The 64 bytes that the instruction writes.
    uint64_t words[8];
};

/// What both sides share besides the slots. Each part has a cache line of its own.
struct swq_ring_header {
    // Written once, by the daemon.
    uint64_t magic;
    uint32_t slot_count;
    uint32_t slot_bytes;
    uint32_t slots_offset;
    uint8_t unused0[44];
    // The program's own; the daemon adds to `free` and looks at `sleepers`.
    /// Bit n: slot n may be claimed.
    uint64_t free;
    uint64_t ticket;
    /// Threads that sleep until a slot is free, and the futex word they sleep on.
    uint32_t sleepers;
    uint32_t releases;
    uint8_t unused1[40];
    /// Bit n: slot n is published.
    uint64_t pending;
    uint8_t unused2[56];
    // The daemon's.
    /// 1: the daemon looks at the ring no more before its bell rings.
    uint32_t sleeping;
    /// 1: the ring is no longer attached.
    uint32_t closed;
    uint8_t unused3[56];
};

/// How a command ended.
struct swq_ring_answer {
    /// One of the answers of `enum swq_ring_state`.
    uint32_t outcome;
    /// SWQ_RING_PAGE_FAULT only.
    uint32_t error_code;
    uint64_t fault_address;
};

// MARK: What the kernel does for both sides

struct swq_ring_time {
    int64_t seconds;
    int64_t nanoseconds;
};

/// A system call with up to four arguments; -errno in case of an error, and `errno` is not touched.
static inline long swq_ring_call(long number, long a, long b, long c, long d) {
#if defined(__x86_64__)
    long result;
    register long fourth __asm__("r10") = d;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth)
                     : "rcx", "r11", "memory");
    return result;
#else
#error "swqd emulates x86-64 instructions and runs on x86-64"
#endif
}

enum {
    SWQ_RING_CALL_WRITE = 1,
    SWQ_RING_CALL_POLL = 7,
    SWQ_RING_CALL_YIELD = 24,
    SWQ_RING_CALL_FUTEX = 202,
};

/// Sleeps while `*word` is `value`, at most that long. Shared between processes.
static inline void swq_ring_futex_wait(uint32_t *word, uint32_t value, int64_t nanoseconds) {
    struct swq_ring_time time = {nanoseconds / 1000000000, nanoseconds % 1000000000};
    swq_ring_call(SWQ_RING_CALL_FUTEX, (long)word, 0, (long)value, (long)&time);
}

/// Wakes up to `count` threads that sleep on a word.
static inline void swq_ring_futex_wake(uint32_t *word, int count) {
    swq_ring_call(SWQ_RING_CALL_FUTEX, (long)word, 1, count, 0);
}

/// Tells the processor that this thread spins.
static inline void swq_ring_pause(void) { __builtin_ia32_pause(); }

// MARK: The program's side

/// A mapped ring. Threads may share it.
struct swq_ring {
    struct swq_ring_header *header;
    struct swq_ring_slot *slots;
    /// The eventfd that wakes the daemon.
    int bell;
    /// The connection to the daemon; its end is the daemon's.
    int connection;
    /// How often to look before sleeping. 0 where the daemon could only run instead of the thread that spins.
    uint32_t spins;
};

enum {
    /// About as long as waking a thread takes.
    SWQ_RING_SPINS_DEFAULT = 2000,
};

/// Takes over memory that the daemon has passed. 0, or -1 when it is no ring of this version.
static inline int swq_ring_open(struct swq_ring *ring, void *memory, size_t bytes, int bell, int connection) {
    struct swq_ring_header *header = (struct swq_ring_header *)memory;
    if (bytes < SWQ_RING_BYTES || header->magic != SWQ_RING_MAGIC || header->slot_count != SWQ_RING_SLOTS ||
        header->slot_bytes != SWQ_RING_SLOT_BYTES || header->slots_offset != SWQ_RING_SLOTS_OFFSET)
        return -1;
    ring->header = header;
    ring->slots = (struct swq_ring_slot *)((char *)memory + SWQ_RING_SLOTS_OFFSET);
    ring->bell = bell;
    ring->connection = connection;
    ring->spins = SWQ_RING_SPINS_DEFAULT;
    return 0;
}

/// 1 when the ring is no longer attached or its daemon is gone.
static inline int swq_ring_is_gone(const struct swq_ring *ring) {
    if (__atomic_load_n(&ring->header->closed, __ATOMIC_SEQ_CST)) return 1;
    // struct pollfd: POLLRDHUP asked for; POLLERR, POLLHUP and POLLNVAL come unasked.
    struct {
        int fd;
        short events;
        short revents;
    } connection = {ring->connection, 0x2000, 0};
    return swq_ring_call(SWQ_RING_CALL_POLL, (long)&connection, 1, 0, 0) > 0;
}

/// How long a sleeping thread may not notice that the daemon was killed.
#define SWQ_RING_LIVENESS_NANOSECONDS INT64_C(50000000)

/// Claims a slot, waiting for one if all are in use: 0 to 63, or -1 when the ring is gone.
static inline int swq_ring_claim(const struct swq_ring *ring) {
    struct swq_ring_header *header = ring->header;
    uint32_t looks = 0;
    for (;;) {
        uint32_t releases = __atomic_load_n(&header->releases, __ATOMIC_SEQ_CST);
        uint64_t free = __atomic_load_n(&header->free, __ATOMIC_SEQ_CST);
        while (free) {
            if (__atomic_compare_exchange_n(
                    &header->free, &free, free & (free - 1), 1, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
                return __builtin_ctzll(free);
        }
        if (looks++ < ring->spins) {
            swq_ring_pause();
            continue;
        }
        if (swq_ring_is_gone(ring)) return -1;
        // Who frees a slot from now on sees this thread, or has counted its release before the sleep begins.
        __atomic_fetch_add(&header->sleepers, 1, __ATOMIC_SEQ_CST);
        if (!__atomic_load_n(&header->free, __ATOMIC_SEQ_CST))
            swq_ring_futex_wait(&header->releases, releases, SWQ_RING_LIVENESS_NANOSECONDS);
        __atomic_fetch_sub(&header->sleepers, 1, __ATOMIC_SEQ_CST);
    }
}

/// Gives a slot back; for both sides.
static inline void swq_ring_release(struct swq_ring_header *header, int slot) {
    __atomic_fetch_or(&header->free, UINT64_C(1) << slot, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&header->sleepers, __ATOMIC_SEQ_CST)) {
        __atomic_fetch_add(&header->releases, 1, __ATOMIC_SEQ_CST);
        swq_ring_futex_wake(&header->releases, 1);
    }
}

/// Fills a claimed slot and publishes it. `bytes` are any 64 readable bytes.
static inline void swq_ring_publish(
    const struct swq_ring *ring, int index, uint8_t kind, uint8_t flags, uint64_t destination, const void *bytes) {
    struct swq_ring_header *header = ring->header;
    struct swq_ring_slot *slot = &ring->slots[index];
    const char *source = (const char *)bytes;
    for (int word = 0; word < 8; word++) {
        uint64_t value;
        __builtin_memcpy(&value, source + 8 * word, sizeof value);
        slot->words[word] = value;
    }
    slot->kind = kind;
    slot->flags = flags;
    slot->reserved = 0;
    slot->destination = destination;
    slot->ticket = __atomic_fetch_add(&header->ticket, 1, __ATOMIC_RELAXED);
    __atomic_store_n(&slot->state, SWQ_RING_SUBMITTED, __ATOMIC_RELAXED);
    __atomic_fetch_or(&header->pending, UINT64_C(1) << index, __ATOMIC_SEQ_CST);
    // The daemon sets the word, then looks for published slots; so one of the two sides sees the other. Only the daemon
    // clears it: a thread that cleared it and then was interrupted would keep the others from ringing.
    if (__atomic_load_n(&header->sleeping, __ATOMIC_SEQ_CST)) {
        uint64_t one = 1;
        swq_ring_call(SWQ_RING_CALL_WRITE, ring->bell, (long)&one, sizeof one, 0);
    }
}

/// Waits for the answer of a published slot, and gives the slot back.
static inline void swq_ring_await(const struct swq_ring *ring, int index, struct swq_ring_answer *answer) {
    struct swq_ring_slot *slot = &ring->slots[index];
    uint32_t state = __atomic_load_n(&slot->state, __ATOMIC_ACQUIRE);
    for (uint32_t looks = 0; state < SWQ_RING_ACCEPTED && looks < ring->spins; looks++) {
        swq_ring_pause();
        state = __atomic_load_n(&slot->state, __ATOMIC_ACQUIRE);
    }
    while (state < SWQ_RING_ACCEPTED) {
        uint32_t submitted = SWQ_RING_SUBMITTED;
        if (__atomic_compare_exchange_n(
                &slot->state, &submitted, SWQ_RING_AWAITED, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE) ||
            submitted == SWQ_RING_AWAITED) {
            // A ring that closed before this slot was published has nobody who would answer it.
            if (swq_ring_is_gone(ring)) {
                if (__atomic_load_n(&slot->state, __ATOMIC_ACQUIRE) >= SWQ_RING_ACCEPTED) break;
                answer->outcome = SWQ_RING_DETACHED;
                answer->error_code = 0;
                answer->fault_address = 0;
                return;
            }
            swq_ring_futex_wait(&slot->state, SWQ_RING_AWAITED, SWQ_RING_LIVENESS_NANOSECONDS);
        }
        state = __atomic_load_n(&slot->state, __ATOMIC_ACQUIRE);
    }
    answer->outcome = __atomic_load_n(&slot->state, __ATOMIC_ACQUIRE);
    answer->error_code = slot->error_code;
    answer->fault_address = slot->fault_address;
    swq_ring_release(ring->header, index);
}

/// Executes ENQCMD, ENQCMDS or MOVDIR64B and waits for its outcome, which is returned and with all of it in `answer`.
static inline uint32_t swq_ring_execute(
    const struct swq_ring *ring, uint8_t kind, uint64_t destination, const void *bytes,
    struct swq_ring_answer *answer) {
    answer->outcome = SWQ_RING_DETACHED;
    answer->error_code = 0;
    answer->fault_address = 0;
    int index = swq_ring_claim(ring);
    if (index < 0) return SWQ_RING_DETACHED;
    swq_ring_publish(ring, index, kind, 0, destination, bytes);
    swq_ring_await(ring, index, answer);
    return answer->outcome;
}

/// Executes MOVDIR64B without waiting: a posted write. Those of one thread arrive in their order. 0, or -1 when the
/// ring is known to be gone; as on the bus, nobody tells of a write that was lost after that.
static inline int swq_ring_post(const struct swq_ring *ring, uint64_t destination, const void *bytes) {
    if (__atomic_load_n(&ring->header->closed, __ATOMIC_RELAXED)) return -1;
    int index = swq_ring_claim(ring);
    if (index < 0) return -1;
    swq_ring_publish(ring, index, SWQ_RING_MOVDIR64B, SWQ_RING_POSTED, destination, bytes);
    return 0;
}

// MARK: The daemon's side. Whatever the memory holds, these functions stay within it.

/// A command, copied out of its slot: the program cannot change it any more.
struct swq_ring_command {
    uint8_t kind;
    uint8_t flags;
    uint64_t destination;
    uint64_t words[8];
};

/// Makes a ring of SWQ_RING_BYTES zero bytes; the daemon is awake.
static inline void swq_ring_initialize(void *memory) {
    struct swq_ring_header *header = (struct swq_ring_header *)memory;
    header->magic = SWQ_RING_MAGIC;
    header->slot_count = SWQ_RING_SLOTS;
    header->slot_bytes = SWQ_RING_SLOT_BYTES;
    header->slots_offset = SWQ_RING_SLOTS_OFFSET;
    __atomic_store_n(&header->free, ~UINT64_C(0), __ATOMIC_RELEASE);
}

/// Whether a slot is published. Cheap: the word changes only when one is.
static inline int swq_ring_has_pending(const void *memory) {
    return __atomic_load_n(&((const struct swq_ring_header *)memory)->pending, __ATOMIC_RELAXED) != 0;
}

/// Says that the bell is needed from now on. 1 when the daemon may sleep; 0 when something was published before.
static inline int swq_ring_fall_asleep(void *memory) {
    struct swq_ring_header *header = (struct swq_ring_header *)memory;
    __atomic_store_n(&header->sleeping, 1, __ATOMIC_SEQ_CST);
    if (!__atomic_load_n(&header->pending, __ATOMIC_SEQ_CST)) return 1;
    __atomic_store_n(&header->sleeping, 0, __ATOMIC_SEQ_CST);
    return 0;
}

/// Says that the bell is not needed: the daemon looks by itself.
static inline void swq_ring_wake_up(void *memory) {
    __atomic_store_n(&((struct swq_ring_header *)memory)->sleeping, 0, __ATOMIC_SEQ_CST);
}

/// Takes all published slots: their indices into `order`, those of each thread in the order of their publication.
/// Returns how many there are.
static inline int swq_ring_take(void *memory, uint8_t order[SWQ_RING_SLOTS]) {
    struct swq_ring_header *header = (struct swq_ring_header *)memory;
    const struct swq_ring_slot *slots = (const struct swq_ring_slot *)((char *)memory + SWQ_RING_SLOTS_OFFSET);
    // One word, so whoever sees a thread's later bit sees its earlier ones.
    uint64_t pending = __atomic_exchange_n(&header->pending, 0, __ATOMIC_SEQ_CST);
    uint64_t first = 0, tickets[SWQ_RING_SLOTS];
    int count = 0;
    for (; pending; pending &= pending - 1) {
        uint8_t index = (uint8_t)__builtin_ctzll(pending);
        uint64_t ticket = __atomic_load_n(&slots[index].ticket, __ATOMIC_RELAXED);
        if (count == 0) first = ticket;
        // By the distance from one of them, so that the count may wrap around.
        int place = count++;
        for (; place > 0 && (int64_t)(tickets[place - 1] - first) > (int64_t)(ticket - first); place--) {
            tickets[place] = tickets[place - 1];
            order[place] = order[place - 1];
        }
        tickets[place] = ticket;
        order[place] = index;
    }
    return count;
}

/// Copies the command of a taken slot, each word read once. 0, or -1 when it is not one that this header writes.
static inline int swq_ring_read(const void *memory, int index, struct swq_ring_command *command) {
    const struct swq_ring_slot *slot =
        (const struct swq_ring_slot *)((const char *)memory + SWQ_RING_SLOTS_OFFSET) + index;
    uint32_t state = __atomic_load_n(&slot->state, __ATOMIC_ACQUIRE);
    if (state != SWQ_RING_SUBMITTED && state != SWQ_RING_AWAITED) return -1;
    command->kind = __atomic_load_n(&slot->kind, __ATOMIC_RELAXED);
    command->flags = __atomic_load_n(&slot->flags, __ATOMIC_RELAXED);
    command->destination = __atomic_load_n(&slot->destination, __ATOMIC_RELAXED);
    for (int word = 0; word < 8; word++) command->words[word] = __atomic_load_n(&slot->words[word], __ATOMIC_RELAXED);
    if (__atomic_load_n(&slot->reserved, __ATOMIC_RELAXED) != 0) return -1;
    if (command->kind < SWQ_RING_ENQCMD || command->kind > SWQ_RING_MOVDIR64B) return -1;
    if (command->flags > (command->kind == SWQ_RING_MOVDIR64B ? SWQ_RING_POSTED : 0)) return -1;
    return 0;
}

/// Answers a taken slot, and wakes who sleeps on it. 0, or -1 when the program has changed its state meanwhile.
static inline int swq_ring_answer_slot(
    void *memory, int index, uint32_t outcome, uint32_t error_code, uint64_t fault_address) {
    struct swq_ring_slot *slot = (struct swq_ring_slot *)((char *)memory + SWQ_RING_SLOTS_OFFSET) + index;
    __atomic_store_n(&slot->fault_address, fault_address, __ATOMIC_RELAXED);
    __atomic_store_n(&slot->error_code, error_code, __ATOMIC_RELAXED);
    uint32_t state = __atomic_exchange_n(&slot->state, outcome, __ATOMIC_ACQ_REL);
    if (state == SWQ_RING_AWAITED) swq_ring_futex_wake(&slot->state, 1);
    return state == SWQ_RING_SUBMITTED || state == SWQ_RING_AWAITED ? 0 : -1;
}

/// Gives a posted slot back. 0, or -1 when the program has changed its state meanwhile.
static inline int swq_ring_finish_posted(void *memory, int index) {
    struct swq_ring_slot *slot = (struct swq_ring_slot *)((char *)memory + SWQ_RING_SLOTS_OFFSET) + index;
    uint32_t state = __atomic_exchange_n(&slot->state, SWQ_RING_FREE, __ATOMIC_ACQ_REL);
    swq_ring_release((struct swq_ring_header *)memory, index);
    return state == SWQ_RING_SUBMITTED ? 0 : -1;
}

/// Ends a ring: what is published and not answered, now or later, is answered with SWQ_RING_DETACHED.
static inline void swq_ring_close(void *memory) {
    struct swq_ring_header *header = (struct swq_ring_header *)memory;
    uint8_t order[SWQ_RING_SLOTS];
    __atomic_store_n(&header->closed, 1, __ATOMIC_SEQ_CST);
    int count = swq_ring_take(memory, order);
    for (int place = 0; place < count; place++) {
        (void)swq_ring_answer_slot(memory, order[place], SWQ_RING_DETACHED, 0, 0);
    }
    __atomic_fetch_add(&header->releases, 1, __ATOMIC_SEQ_CST);
    swq_ring_futex_wake(&header->releases, SWQ_RING_SLOTS);
}

#ifdef __cplusplus
}
#endif

#endif
