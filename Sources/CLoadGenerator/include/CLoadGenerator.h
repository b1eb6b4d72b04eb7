/// The measuring half of swqbench: one load generator for both servers, SQLite without any library above it, and the
/// processes that are measured.
///
/// Functions return 0, or -1 with a sentence in `bench_failure()`. One thread uses all of it.

#ifndef CLOADGENERATOR_H
#define CLOADGENERATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/// Why the last call of this thread failed. Static storage.
const char *bench_failure(void);

/// CLOCK_MONOTONIC, nanoseconds.
uint64_t bench_now(void);

/// CPU time of the calling thread, nanoseconds.
uint64_t bench_thread_time(void);

// MARK: Load

/// How a reply is recognised.
enum bench_reply {
    /// RESP: `+OK`.
    BENCH_REPLY_OK,
    /// A submission: `"zf": false` is accepted and done once its completion record says so, `"zf": true` is retried.
    BENCH_REPLY_SUBMISSION,
    /// Any other command: a line with `"return"`.
    BENCH_REPLY_RETURN,
};

/// Bytes of a completion record; the first is the status, 0 until it is written and 1 for success.
enum { BENCH_RECORD_BYTES = 32 };

/// One connection, open and past its set-up.
struct bench_connection {
    int fd;
    /// `slots` requests of `request_bytes` each, then the same once more, so that any run of them is contiguous.
    const uint8_t *requests;
    /// `slots` completion records, or NULL when replies alone count.
    uint8_t *records;
};

/// A closed loop: every connection keeps `in_flight` requests unanswered and sends its `slots` requests in turn.
struct bench_load {
    enum bench_reply reply;
    const struct bench_connection *connections;
    uint32_t connection_count;
    uint32_t slots;
    /// 1 to `slots`.
    uint32_t in_flight;
    uint32_t request_bytes;
    uint64_t warm_up_ns;
    uint64_t measured_ns;
    /// The run fails when nothing was answered or completed for so long.
    uint64_t stall_ns;
    /// Its CPU time is measured.
    pid_t server;
};

/// What happened within the measured time.
struct bench_load_result {
    /// Requests answered and, where there are records, completed.
    uint64_t completed;
    /// Submissions answered with ZF = 1; they were sent again.
    uint64_t retried;
    /// Completions that were written after the reply had been read.
    uint64_t late;
    uint64_t elapsed_ns;
    uint64_t server_cpu_ns;
    /// Requests completed in the whole run, warm-up and the end included.
    uint64_t completed_in_all;
};

/// Runs the load on the calling thread. Afterwards nothing is in flight, so that connections can be used again.
int bench_load_run(const struct bench_load *load, struct bench_load_result *result);

/// Sends one submission after the other, each when the last is answered, until `*end` is not 0 or `capacity` of them
/// are answered. `nanoseconds` gets what each took; `*count` how many there were. An error in a reply is a failure.
int bench_round_trips(
    int fd, const void *request, size_t request_bytes, const uint8_t *end, uint64_t *nanoseconds, size_t capacity,
    size_t *count);

/// Starts a process on one processor that copies `bytes` with memcpy, in pieces of `piece_bytes` between the same two
/// buffers, and then sets `**end`, which is 0 until then and belongs to the last process that was started, to 1.
int bench_copy_process(int processor, uint64_t bytes, size_t piece_bytes, const uint8_t **end, pid_t *child);

// MARK: SQLite

/// A history written through SQLite's C interface: the tables and indexes of `model`, a database that the daemon made,
/// in a new file, with a write-ahead log and `synchronous=FULL`.
struct bench_history;

struct bench_history *bench_history_create(const char *path, const char *model);
void bench_history_close(struct bench_history *history);

/// Binds and unbinds `waiters` PASIDs for `measured_ns`: one transaction for all binds, one for all unbinds, with the
/// rows of the daemon. `pairs` counts bind and unbind together.
int bench_history_run(
    struct bench_history *history, uint32_t waiters, uint64_t measured_ns, uint64_t *pairs, uint64_t *elapsed_ns);

/// Adds so many ended bindings, two events each, to a history that no daemon has open.
int bench_history_fill(const char *path, uint64_t bindings);

/// Events of a kind in a history that a daemon may have open; -1 on failure.
int64_t bench_history_count(const char *path, const char *kind);

/// SQLite's version.
const char *bench_history_version(void);

// MARK: Library routines

/// CRC-32C by ISA-L.
uint32_t bench_crc32c(const void *bytes, size_t count);

/// Blocks of 512 bytes with a data integrity field behind each: the guard, this application tag, and a reference tag
/// that counts up from this one.
enum { BENCH_DIF_APPLICATION_TAG = 0xA55A, BENCH_DIF_REFERENCE_TAG = 7 };

/// Adds fields to `blocks` blocks, by ISA-L's copy with CRC.
void bench_dif_insert(void *destination, const void *source, size_t blocks);

/// Checks them, by ISA-L's CRC. Returns how many are good.
size_t bench_dif_check(const void *source, size_t blocks);

/// Copies the data of blocks, each checked, by ISA-L's copy with CRC. Returns how many are good.
size_t bench_dif_strip(void *destination, const void *source, size_t blocks);

/// Copies blocks with new fields, each checked, likewise.
size_t bench_dif_update(void *destination, const void *source, size_t blocks);

/// Writes a delta record of `bytes` bytes, the way a program does without a library: word by word. Returns its bytes.
size_t bench_delta_create(const void *first, const void *second, size_t bytes, void *record);

/// Applies a delta record, entry by entry.
void bench_delta_apply(void *destination, const void *record, size_t record_bytes);

/// Keeps the compiler from dropping a computation.
void bench_keep(uint64_t value);

// MARK: Shared memory

/// The nanoseconds that a word takes to a process that spins on `processor` and back, over `duration` nanoseconds.
int bench_pingpong(int processor, uint64_t duration, double *round_trip);

/// The nanoseconds that an ENQCMD of a No-op takes through a ring until its ZF is there, one after the other, and how
/// many were answered Retry. `memory`, `bell` and `connection` are those of the ring.
int bench_ring_round_trip(
    int memory, int bell, int connection, uint64_t portal, uint64_t duration, double *round_trip, uint64_t *retries);

// MARK: Processes

/// The `count` first processors this process may run on; fewer are an error.
int bench_processors(int *processors, size_t count);

/// Confines the calling thread to a processor; a negative number frees it again.
int bench_pin(int processor);

/// Starts a program, on one processor unless that is negative; `log` gets its output. It dies with the caller.
int bench_spawn(
    const char *path, char *const arguments[], char *const environment[], int processor, const char *log, pid_t *child);

/// Waits at most so long for the end of a child: 1 when it has ended and has been reaped, 0 when not.
int bench_wait(pid_t child, uint32_t milliseconds);

/// User and system time of all threads of a process, nanoseconds.
int bench_cpu_time(pid_t process, uint64_t *nanoseconds);

/// A datagram socket to give to a child as NOTIFY_SOCKET.
int bench_notify_open(const char *path);

/// Waits for `READY=1` on it: 1, or 0 when the time ran out or the child has ended.
int bench_notify_wait(int fd, pid_t child, uint32_t milliseconds);

#endif
