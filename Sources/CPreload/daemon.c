#define _GNU_SOURCE
#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "execute.h"
#include "json.h"
#include "lifetime.h"
#include "patch.h"
#include "ring.h"
#include "syscalls.h"

enum {
    /// The longest reply that the library asks for is an attribute in base64; a greeting is shorter.
    REPLY_BYTES = 65536,
    REQUEST_BYTES = 131072,
    /// Descriptors that one reply may bring.
    REPLY_DESCRIPTORS = 2,
    /// Where the library's own descriptors go, below the number of descriptors that a process may have.
    OWN_DESCRIPTORS_BELOW_LIMIT = 8,
};

/// Everything here is used under the lock of the daemon.
static char reply[REPLY_BYTES], request[REQUEST_BYTES];
static size_t reply_count, reply_used;
static int received[REPLY_DESCRIPTORS];
static int received_count;
static uint64_t last_id;

static char root[SWQ_PATH_BYTES];
static _Atomic size_t root_length;

/// The descriptors of the process, for a child of fork to close.
static int inherited_socket = -1, inherited_bell = -1;

static const char *socket_path(void) {
    static _Atomic(const char *) known;
    const char *path = atomic_load(&known);
    if (!path) {
        path = getenv("SWQD_SOCKET");
        atomic_store(&known, path ? path : "");
    }
    return path && *path ? path : NULL;
}

bool swq_daemon_is_named(void) { return socket_path() != NULL; }

static struct swq_lifetime *lifetime(void) { return atomic_load_explicit(&swq_lifetime, memory_order_acquire); }

bool swq_daemon_is_connected(void) {
    struct swq_lifetime *own = lifetime();
    return own && atomic_load_explicit(&own->connection, memory_order_acquire) >= SWQ_CONNECTED;
}

bool swq_daemon_is_borrowed(void) {
    struct swq_lifetime *own = lifetime();
    return own && own->process != 0 && own->process != (int32_t)swq_syscall1(SYS_getpid, 0);
}

const char *swq_daemon_root(size_t *length) {
    *length = atomic_load_explicit(&root_length, memory_order_acquire);
    return root;
}

// MARK: Descriptors of our own

/// Moves a descriptor to a high number, where programs neither look for one nor reuse it.
static int move_high(int fd) {
    struct rlimit limit = {.rlim_cur = 1024};
    swq_syscall4(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, (long)&limit);
    long floor = limit.rlim_cur > 65536 ? 65536 : (long)limit.rlim_cur;
    long moved = swq_syscall3(SYS_fcntl, fd, F_DUPFD_CLOEXEC, floor - OWN_DESCRIPTORS_BELOW_LIMIT);
    if (moved < 0) return fd;
    swq_syscall1(SYS_close, fd);
    return (int)moved;
}

bool swq_daemon_owns(int fd) {
    struct swq_lifetime *own = lifetime();
    if (!own) return false;
    uint32_t connection = atomic_load_explicit(&own->connection, memory_order_acquire);
    return (connection >= SWQ_CONNECTED && fd == own->socket) || (connection >= SWQ_ATTACHED && fd == own->bell);
}

bool swq_daemon_move(int fd) {
    struct swq_lifetime *own = lifetime();
    uint64_t mask;
    bool moved = true;
    swq_lock(&own->daemon_lock, &mask);
    if (swq_daemon_owns(fd)) {
        long other = swq_syscall3(SYS_fcntl, fd, F_DUPFD_CLOEXEC, fd + 1);
        if (other < 0) other = swq_syscall3(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 3);
        moved = other >= 0;
        if (moved && fd == own->socket) own->socket = own->ring.connection = inherited_socket = (int)other;
        if (moved && fd == own->bell) own->bell = own->ring.bell = inherited_bell = (int)other;
    }
    swq_unlock(&own->daemon_lock, &mask);
    return moved;
}

/// A child has no use for its parent's connection, and would keep it open.
static void after_fork_in_child(void) {
    if (inherited_socket >= 0) swq_syscall1(SYS_close, inherited_socket);
    if (inherited_bell >= 0) swq_syscall1(SYS_close, inherited_bell);
    inherited_socket = inherited_bell = -1;
}

// MARK: Lines

static bool send_all(int socket, const char *bytes, size_t count) {
    while (count > 0) {
        long sent = swq_syscall6(SYS_sendto, socket, (long)bytes, (long)count, MSG_NOSIGNAL, 0, 0);
        if (sent == -EINTR) continue;
        if (sent <= 0) return false;
        bytes += sent;
        count -= (size_t)sent;
    }
    return true;
}

static void take_descriptors(struct msghdr *message) {
    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header; header = CMSG_NXTHDR(message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
            if (received_count < REPLY_DESCRIPTORS) {
                received[received_count++] = fd;
            } else {
                swq_syscall1(SYS_close, fd);
            }
        }
    }
}

/// The next line from the daemon, without its end. None: the daemon is gone, or the line is longer than any of ours.
static struct swq_json receive_line(int socket) {
    memmove(reply, reply + reply_used, reply_count - reply_used);
    reply_count -= reply_used;
    reply_used = 0;
    size_t searched = 0;
    for (;;) {
        char *end = memchr(reply + searched, '\n', reply_count - searched);
        if (end) {
            reply_used = (size_t)(end + 1 - reply);
            return (struct swq_json){reply, end};
        }
        searched = reply_count;
        if (reply_count == REPLY_BYTES) return (struct swq_json){NULL, NULL};
        char control[CMSG_SPACE(REPLY_DESCRIPTORS * sizeof(int))];
        struct iovec part = {reply + reply_count, REPLY_BYTES - reply_count};
        struct msghdr message = {
            .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control,
        };
        long count = swq_syscall3(SYS_recvmsg, socket, (long)&message, MSG_CMSG_CLOEXEC);
        if (count == -EINTR) continue;
        if (count <= 0) return (struct swq_json){NULL, NULL};
        take_descriptors(&message);
        reply_count += (size_t)count;
    }
}

/// Sends a request and waits for its reply, past events. None: the daemon refused it, or is gone (`*gone`).
static struct swq_json exchange(int socket, struct swq_json_writer *writer, bool *gone) {
    static const struct swq_json none = {NULL, NULL};
    swq_json_put(writer, ", \"id\": ");
    swq_json_put_number(writer, ++last_id);
    swq_json_put(writer, "}\n");
    *gone = writer->overflowed || !send_all(socket, writer->buffer, writer->count);
    while (!*gone) {
        struct swq_json line = receive_line(socket);
        *gone = line.start == NULL;
        uint64_t id;
        if (*gone || !swq_json_number(swq_json_member(line, "id"), &id) || id != last_id) continue;
        return swq_json_member(line, "return");
    }
    return none;
}

static struct swq_json_writer begin(const char *command) {
    struct swq_json_writer writer = {.buffer = request, .capacity = sizeof request};
    swq_json_put(&writer, "{\"execute\": \"");
    swq_json_put(&writer, command);
    swq_json_put(&writer, "\"");
    return writer;
}

/// The same, on a connection that only is being made.
static struct swq_json exchange_plain(int socket, const char *command) {
    struct swq_json_writer writer = begin(command);
    bool gone;
    return exchange(socket, &writer, &gone);
}

// MARK: Connecting

static int open_socket(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) return -1;
    strcpy(address.sun_path, path);
    long fd = swq_syscall3(SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    long result;
    do result = swq_syscall3(SYS_connect, fd, (long)&address, sizeof address);
    while (result == -EINTR);
    if (result == 0) return move_high((int)fd);
    swq_syscall1(SYS_close, fd);
    return -1;
}

/// Replaces a path by the one without links, as the kernel will name what is below.
static bool resolve_links(char path[SWQ_PATH_BYTES]) {
    long fd = swq_syscall4(SYS_openat, AT_FDCWD, (long)path, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
    if (fd < 0) return false;
    char link[32];
    snprintf(link, sizeof link, "/proc/self/fd/%d", (int)fd);
    long count = swq_syscall4(SYS_readlinkat, AT_FDCWD, (long)link, (long)path, SWQ_PATH_BYTES - 1);
    swq_syscall1(SYS_close, fd);
    if (count <= 0) return false;
    path[count] = 0;
    return true;
}

/// Greeting, negotiation, and where the tree is.
static bool negotiate(int socket) {
    reply_count = reply_used = 0;
    received_count = 0;
    if (!swq_json_member(receive_line(socket), "QMP").start) return false;
    if (!exchange_plain(socket, "qmp_capabilities").start) return false;
    char path[SWQ_PATH_BYTES];
    if (!swq_json_text(swq_json_member(exchange_plain(socket, "query-idxd"), "root"), path, sizeof path)) return false;
    if (!resolve_links(path)) return false;
    if (atomic_load(&root_length) == 0) {
        strcpy(root, path);
        atomic_store_explicit(&root_length, strlen(root), memory_order_release);
    }
    // The tree of another daemon is of no use to paths that the program has by now.
    return strcmp(root, path) == 0;
}

static void connect_locked(struct swq_lifetime *own) {
    int socket = open_socket(socket_path());
    if (socket >= 0 && negotiate(socket)) {
        static _Atomic bool registered;
        if (!atomic_exchange(&registered, true)) pthread_atfork(NULL, NULL, after_fork_in_child);
        own->socket = inherited_socket = socket;
        atomic_store_explicit(&own->connection, SWQ_CONNECTED, memory_order_release);
        return;
    }
    if (socket >= 0) swq_syscall1(SYS_close, socket);
    atomic_store_explicit(&own->connection, SWQ_REFUSED, memory_order_release);
}

bool swq_daemon_connect(void) {
    if (!swq_daemon_is_named() || !swq_lifetime_begin()) return false;
    struct swq_lifetime *own = lifetime();
    if (atomic_load_explicit(&own->connection, memory_order_acquire) == SWQ_UNCONNECTED) {
        uint64_t mask;
        swq_lock(&own->daemon_lock, &mask);
        if (atomic_load(&own->connection) == SWQ_UNCONNECTED) connect_locked(own);
        swq_unlock(&own->daemon_lock, &mask);
    }
    return swq_daemon_is_connected();
}

// MARK: Requests

/// A request under way: the lock is held from `call_begin` to `call_end`.
struct call {
    struct swq_lifetime *own;
    uint64_t mask;
    struct swq_json_writer writer;
};

static bool call_begin(struct call *call, const char *command) {
    if (!swq_daemon_connect()) return false;
    call->own = lifetime();
    swq_lock(&call->own->daemon_lock, &call->mask);
    call->writer = begin(command);
    return true;
}

static void call_end(struct call *call) { swq_unlock(&call->own->daemon_lock, &call->mask); }

/// The reply's `return`, and the error number in it. EIO: the daemon is gone, or would not hear of the request.
static struct swq_json call_reply(struct call *call, int *error) {
    static const struct swq_json none = {NULL, NULL};
    *error = EIO;
    if (atomic_load(&call->own->connection) == SWQ_GONE) return none;
    bool gone;
    struct swq_json result = exchange(call->own->socket, &call->writer, &gone);
    if (gone) atomic_store(&call->own->connection, SWQ_GONE);
    if (!result.start) return none;
    uint64_t number = 0;
    swq_json_number(swq_json_member(result, "errno"), &number);
    *error = (int)number;
    return result;
}

int swq_daemon_read_attribute(const char *path, char *text, size_t *count) {
    struct call call;
    if (!call_begin(&call, "read-attribute")) return EIO;
    swq_json_put(&call.writer, ", \"arguments\": {\"path\": ");
    swq_json_put_text(&call.writer, path);
    swq_json_put(&call.writer, "}");
    int error;
    struct swq_json result = call_reply(&call, &error);
    *count = 0;
    if (error == 0 && !swq_json_bytes(swq_json_member(result, "data"), text, SWQ_ATTRIBUTE_BYTES, count)) error = EIO;
    call_end(&call);
    return error;
}

static int finish_write(struct call *call, size_t *written) {
    int error;
    struct swq_json result = call_reply(call, &error);
    uint64_t taken = 0;
    if (error == 0 && !swq_json_number(swq_json_member(result, "written"), &taken)) error = EIO;
    *written = (size_t)taken;
    call_end(call);
    return error;
}

/// The daemon takes at most 64 KiB in one write; the rest is the caller's next.
static size_t limit(size_t count) { return count < 65536 ? count : 65536; }

int swq_daemon_write_attribute(const char *path, const void *bytes, size_t count, size_t *written) {
    struct call call;
    if (!call_begin(&call, "write-attribute")) return EIO;
    swq_json_put(&call.writer, ", \"arguments\": {\"path\": ");
    swq_json_put_text(&call.writer, path);
    swq_json_put(&call.writer, ", \"data\": ");
    swq_json_put_bytes(&call.writer, bytes, limit(count));
    swq_json_put(&call.writer, "}");
    return finish_write(&call, written);
}

/// A submission as a request of its own. It uses libc, so it is for traps alone: sites are not patched with it.
static enum swq_answer submit_by_request(
    enum swq_operation operation, uint64_t destination, const uint64_t words[8]) {
    struct call call;
    bool is_enqcmd = operation == SWQ_ENQCMD;
    if (!call_begin(&call, is_enqcmd ? "enqcmd" : "movdir64b")) return SWQ_ANSWER_GONE;
    char address[24];
    snprintf(address, sizeof address, "0x%llx", (unsigned long long)destination);
    swq_json_put(&call.writer, ", \"arguments\": {\"destination\": ");
    swq_json_put_text(&call.writer, address);
    swq_json_put(&call.writer, ", \"descriptor\": ");
    swq_json_put_bytes(&call.writer, words, 8 * sizeof *words);
    swq_json_put(&call.writer, "}");
    int error;
    struct swq_json result = call_reply(&call, &error);
    enum swq_answer answer = SWQ_ANSWER_ACCEPTED;
    if (!result.start) {
        answer = SWQ_ANSWER_GONE;
    } else if (swq_json_member(result, "exception").start) {
        answer = SWQ_ANSWER_PROTECTION;
    } else if (is_enqcmd && swq_json_is_true(swq_json_member(result, "zf"))) {
        answer = SWQ_ANSWER_RETRY;
    }
    call_end(&call);
    return answer;
}

/// Becomes a process of the daemon, whose memory is this process's, and gets a ring. 0 or an error number.
static int attach_locked(struct call *call) {
    if (atomic_load(&call->own->connection) >= SWQ_ATTACHED) return 0;
    struct ucred peer;
    socklen_t size = sizeof peer;
    // Where the Yama module is active, the daemon needs leave to reach this memory.
    long known = swq_syscall6(
        SYS_getsockopt, call->own->socket, SOL_SOCKET, SO_PEERCRED, (long)&peer, (long)&size, 0);
    if (known == 0) swq_syscall6(SYS_prctl, PR_SET_PTRACER, peer.pid, 0, 0, 0, 0);
    int error;
    call->writer = begin("attach-process");
    swq_json_put(&call->writer, ", \"arguments\": {\"memory\": \"process\"}");
    call_reply(call, &error);
    if (error != 0) return error;
    call->writer = begin("attach-ring");
    received_count = 0;
    struct swq_json result = call_reply(call, &error);
    if (!result.start && atomic_load(&call->own->connection) != SWQ_GONE) {
        // A daemon that gives out no ring: slow, but the same device.
        swq_patch_forbid();
        atomic_store(&swq_submit, submit_by_request);
        call->own->bell = -1;
        atomic_store_explicit(&call->own->connection, SWQ_ATTACHED, memory_order_release);
        return 0;
    }
    uint64_t ring_bytes = 0;
    if (error == 0 && (received_count != 2 || !swq_json_number(swq_json_member(result, "size"), &ring_bytes)))
        error = EIO;
    for (int i = 0; i < received_count; i++) received[i] = move_high(received[i]);
    if (error == 0 && !swq_ring_begin(call->own, received[0], received[1], ring_bytes)) error = ENOMEM;
    if (received_count > 0) swq_syscall1(SYS_close, received[0]);
    if (error == 0) {
        inherited_bell = call->own->bell;
        atomic_store_explicit(&call->own->connection, SWQ_ATTACHED, memory_order_release);
    } else if (received_count > 1) {
        swq_syscall1(SYS_close, received[1]);
    }
    return error;
}

int swq_daemon_open_wq(const char *name, uint32_t *file, uint64_t *portal) {
    struct call call;
    if (!call_begin(&call, "attach-process")) return EIO;
    int error = attach_locked(&call);
    if (error == 0) {
        call.writer = begin("open-wq");
        swq_json_put(&call.writer, ", \"arguments\": {\"wq\": ");
        swq_json_put_text(&call.writer, name);
        swq_json_put(&call.writer, "}");
        struct swq_json result = call_reply(&call, &error);
        uint64_t number = 0;
        if (error == 0 && (!swq_json_number(swq_json_member(result, "file"), &number) ||
                           !swq_json_number(swq_json_member(result, "portal"), portal)))
            error = EIO;
        *file = (uint32_t)number;
    }
    call_end(&call);
    return error;
}

/// A command whose one argument is a file, and more that is put behind it.
static int call_file(struct call *call, const char *command, uint32_t file) {
    if (!call_begin(call, command)) return EIO;
    swq_json_put(&call->writer, ", \"arguments\": {\"file\": ");
    swq_json_put_number(&call->writer, file);
    return 0;
}

void swq_daemon_close_wq(uint32_t file, bool keeps_portal) {
    struct call call;
    int error;
    if (call_file(&call, "close-wq", file) != 0) return;
    swq_json_put(&call.writer, keeps_portal ? ", \"keepsPortal\": true}" : "}");
    call_reply(&call, &error);
    call_end(&call);
}

void swq_daemon_unmap_wq(uint32_t file) {
    struct call call;
    int error;
    if (call_file(&call, "unmap-wq", file) != 0) return;
    swq_json_put(&call.writer, "}");
    call_reply(&call, &error);
    call_end(&call);
}

int swq_daemon_poll_wq(uint32_t file, bool *readable) {
    struct call call;
    int error;
    if (call_file(&call, "poll-wq", file) != 0) return EIO;
    swq_json_put(&call.writer, "}");
    *readable = swq_json_is_true(swq_json_member(call_reply(&call, &error), "readable"));
    call_end(&call);
    return error;
}

int swq_daemon_write_wq(uint32_t file, const void *bytes, size_t count, size_t *written) {
    struct call call;
    if (call_file(&call, "write-wq", file) != 0) return EIO;
    swq_json_put(&call.writer, ", \"data\": ");
    swq_json_put_bytes(&call.writer, bytes, limit(count));
    swq_json_put(&call.writer, "}");
    return finish_write(&call, written);
}
