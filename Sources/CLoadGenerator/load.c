#define _GNU_SOURCE

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "CLoadGenerator.h"
#include "failure.h"
#include "reply.h"

enum {
    READ_BYTES = 64 << 10,
    EVENTS_MAX = 256,
    /// How long one wait lasts at most, so that a stall is noticed.
    WAIT_MS = 100,
};

/// What is known about the request in a slot.
enum { SLOT_OPEN, SLOT_ACCEPTED, SLOT_LATE, SLOT_RETRIED };

/// A connection's requests are numbered from 0; number n is in slot n % slots.
/// finished <= answered <= released <= finished + in_flight.
struct client {
    struct bench_connection connection;
    /// Requests that may be sent.
    uint64_t released;
    /// Requests that have a reply.
    uint64_t answered;
    /// Requests that are over: refused, or accepted and completed.
    uint64_t finished;
    uint64_t sent_bytes;
    uint8_t *slots;
    uint8_t *buffer;
    size_t buffered;
    bool wants_write;
    /// In the list of those with a reply but no completion record.
    bool waits;
};

struct run {
    const struct bench_load *load;
    struct client *clients;
    int poller;
    uint32_t *waiting;
    uint32_t waiting_count;
    struct reply_matcher matcher;
    bool stopping;
    /// Clients that have something in flight, once `stopping`.
    uint32_t busy;
    uint64_t completed;
    uint64_t retried;
    uint64_t late;
};

static int watch(struct run *run, struct client *client, int operation)
{
    struct epoll_event event = {
        .events = EPOLLIN | (client->wants_write ? EPOLLOUT : 0), .data.u32 = (uint32_t)(client - run->clients)};
    if (epoll_ctl(run->poller, operation, client->connection.fd, &event) != 0)
        return bench_fail("epoll_ctl: %s", strerror(errno));
    return 0;
}

/// Sends what has been released, in one call.
static int send_released(struct run *run, struct client *client)
{
    const struct bench_load *load = run->load;
    uint64_t ring = (uint64_t)load->slots * load->request_bytes;
    uint64_t wanted = client->released * load->request_bytes;
    if (client->sent_bytes < wanted) {
        ssize_t sent = send(client->connection.fd, client->connection.requests + client->sent_bytes % ring,
                            wanted - client->sent_bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN && errno != EINTR) return bench_fail("send: %s", strerror(errno));
        if (sent > 0) client->sent_bytes += (uint64_t)sent;
    }
    bool wants_write = client->sent_bytes < wanted;
    if (wants_write == client->wants_write) return 0;
    client->wants_write = wants_write;
    return watch(run, client, EPOLL_CTL_MOD);
}

/// Ends the requests at the front that are over, and releases as many.
static int finish(struct run *run, struct client *client)
{
    const struct bench_load *load = run->load;
    while (client->finished < client->answered) {
        uint32_t slot = (uint32_t)(client->finished % load->slots);
        if (client->slots[slot] == SLOT_RETRIED) {
            run->retried++;
        } else {
            if (client->connection.records) {
                uint8_t *status = client->connection.records + (size_t)slot * BENCH_RECORD_BYTES;
                uint8_t value = __atomic_load_n(status, __ATOMIC_ACQUIRE);
                if (value == 0) {
                    if (client->slots[slot] == SLOT_ACCEPTED) run->late++;
                    client->slots[slot] = SLOT_LATE;
                    break;
                }
                if (value != 1) return bench_fail("a descriptor completed with status 0x%02x", value);
                __atomic_store_n(status, 0, __ATOMIC_RELEASE);
            }
            run->completed++;
        }
        client->slots[slot] = SLOT_OPEN;
        client->finished++;
        // A run ends where the requests begin again.
        if (!run->stopping || client->released % load->slots != 0) client->released++;
    }
    if (run->stopping && client->finished == client->released) run->busy--;
    if (client->finished < client->answered && !client->waits) {
        client->waits = true;
        run->waiting[run->waiting_count++] = (uint32_t)(client - run->clients);
    }
    return send_released(run, client);
}

/// Reads once and takes every whole reply in it.
static int receive(struct run *run, struct client *client)
{
    const struct bench_load *load = run->load;
    ssize_t received = recv(client->connection.fd, client->buffer + client->buffered, READ_BYTES - client->buffered,
                            MSG_DONTWAIT);
    if (received < 0) {
        if (errno == EAGAIN || errno == EINTR) return 0;
        return bench_fail("recv: %s", strerror(errno));
    }
    if (received == 0) return bench_fail("the server closed a connection");

    const uint8_t *next = client->buffer;
    const uint8_t *end = client->buffer + client->buffered + (size_t)received;
    uint64_t before = client->answered;
    for (;;) {
        enum reply_verdict verdict = reply_match(&run->matcher, &next, end);
        if (verdict == REPLY_PARTIAL) break;
        if (verdict == REPLY_EVENT) continue;
        if (verdict == REPLY_REFUSED) return -1;
        if (client->answered == client->released) return bench_fail("a reply that nobody asked for");
        client->slots[client->answered % load->slots] = verdict == REPLY_RETRY ? SLOT_RETRIED : SLOT_ACCEPTED;
        client->answered++;
    }
    client->buffered = (size_t)(end - next);
    if (client->buffered == READ_BYTES) return bench_fail("a reply of more than %d bytes", READ_BYTES);
    memmove(client->buffer, next, client->buffered);
    return client->answered == before ? 0 : finish(run, client);
}

/// Looks at the completion records that were late.
static int look_again(struct run *run)
{
    uint32_t count = run->waiting_count;
    run->waiting_count = 0;
    for (uint32_t index = 0; index < count; index++) {
        struct client *client = &run->clients[run->waiting[index]];
        client->waits = false;
        // finish() puts it back in front of `index` when it still waits.
        if (finish(run, client) != 0) return -1;
    }
    return 0;
}

/// From now on nothing is released but the rest of a connection's turn. All are busy: something was in flight.
static void stop(struct run *run)
{
    run->stopping = true;
    run->busy = run->load->connection_count;
}

static int turn(struct run *run)
{
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(run->poller, events, EVENTS_MAX, run->waiting_count ? 0 : WAIT_MS);
    if (count < 0 && errno != EINTR) return bench_fail("epoll_wait: %s", strerror(errno));
    for (int index = 0; index < count; index++) {
        struct client *client = &run->clients[events[index].data.u32];
        if (events[index].events & EPOLLOUT && send_released(run, client) != 0) return -1;
        if (events[index].events & ~(uint32_t)EPOLLOUT && receive(run, client) != 0) return -1;
    }
    if (run->waiting_count == 0) return 0;
    // On one processor the engines need it to complete anything.
    if (count == 0) sched_yield();
    return look_again(run);
}

static int measure(struct run *run, struct bench_load_result *result)
{
    const struct bench_load *load = run->load;
    enum { WARM_UP, MEASURED, ENDING } phase = WARM_UP;
    uint64_t start = bench_now();
    uint64_t progress_time = start, progress = 0, cpu = 0, completed = 0, retried = 0, late = 0;
    for (;;) {
        uint64_t now = bench_now();
        if (phase == WARM_UP && now - start >= load->warm_up_ns) {
            phase = MEASURED;
            if (bench_cpu_time(load->server, &cpu) != 0) return -1;
            start = bench_now();
            completed = run->completed, retried = run->retried, late = run->late;
        } else if (phase == MEASURED && now - start >= load->measured_ns) {
            phase = ENDING;
            result->elapsed_ns = bench_now() - start;
            if (bench_cpu_time(load->server, &result->server_cpu_ns) != 0) return -1;
            result->server_cpu_ns -= cpu;
            result->completed = run->completed - completed;
            result->retried = run->retried - retried;
            result->late = run->late - late;
            stop(run);
        }
        if (phase == ENDING && run->busy == 0) break;
        if (run->completed + run->retried != progress) {
            progress = run->completed + run->retried;
            progress_time = now;
        } else if (now - progress_time > load->stall_ns) {
            return bench_fail("no progress: %u connections wait for a completion record", run->waiting_count);
        }
        if (turn(run) != 0) return -1;
    }
    result->completed_in_all = run->completed;
    return 0;
}

static int set_up(struct run *run)
{
    const struct bench_load *load = run->load;
    run->poller = epoll_create1(EPOLL_CLOEXEC);
    if (run->poller < 0) return bench_fail("epoll_create1: %s", strerror(errno));
    run->clients = calloc(load->connection_count, sizeof *run->clients);
    run->waiting = calloc(load->connection_count, sizeof *run->waiting);
    if (!run->clients || !run->waiting) return bench_fail("out of memory");
    for (uint32_t index = 0; index < load->connection_count; index++) {
        struct client *client = &run->clients[index];
        client->connection = load->connections[index];
        client->released = load->in_flight;
        client->slots = calloc(load->slots, 1);
        client->buffer = malloc(READ_BYTES);
        if (!client->slots || !client->buffer) return bench_fail("out of memory");
        if (client->connection.records)
            memset(client->connection.records, 0, (size_t)load->slots * BENCH_RECORD_BYTES);
        if (watch(run, client, EPOLL_CTL_ADD) != 0) return -1;
    }
    for (uint32_t index = 0; index < load->connection_count; index++)
        if (send_released(run, &run->clients[index]) != 0) return -1;
    return 0;
}

static void tear_down(struct run *run)
{
    for (uint32_t index = 0; run->clients && index < run->load->connection_count; index++) {
        free(run->clients[index].slots);
        free(run->clients[index].buffer);
    }
    free(run->clients);
    free(run->waiting);
    if (run->poller >= 0) close(run->poller);
}

int bench_load_run(const struct bench_load *load, struct bench_load_result *result)
{
    if (load->in_flight < 1 || load->in_flight > load->slots) return bench_fail("in_flight is 1 to slots");
    struct run run = {.load = load, .poller = -1, .matcher = {.reply = load->reply}};
    memset(result, 0, sizeof *result);
    int outcome = set_up(&run);
    if (outcome == 0) outcome = measure(&run, result);
    tear_down(&run);
    return outcome;
}
