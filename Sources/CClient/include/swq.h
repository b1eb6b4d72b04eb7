/// libswq: submits to a device of swqd from C, without the hardware's instructions and without writing JSON for it.
///
///     struct swq *swq;
///     if (swq_connect(NULL, &swq) || swq_attach(swq, SWQ_MEMORY_PROCESS) || swq_bind(swq, "dsa0")) ...
///     uint64_t portal;
///     if (swq_map_portal(swq, "dsa0", 0, &portal)) ...
///     while ((result = swq_enqcmd(swq, portal, &descriptor)) == SWQ_RETRY) ...
///     uint8_t status = swq_wait(&record.status, 1000000000);
///
/// Submissions go through a ring in shared memory (`swq_ring.h`) and may come from any thread at once; requests are one
/// at a time, whatever the threads. A child that fork made uses no connection of its parent but to free it.

#ifndef SWQ_H
#define SWQ_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/// A connection to the daemon.
struct swq;

/// What a call answers.
enum swq_result {
    SWQ_OK = 0,
    /// ENQCMD or ENQCMDS was not accepted (ZF = 1): submit again later.
    SWQ_RETRY = 1,
    /// A system call failed: `errno` says why.
    SWQ_SYSTEM_ERROR = -1,
    /// The daemon refused the request: `swq_error_class` and `swq_error_text` say why.
    SWQ_REFUSED = -2,
    /// The daemon is gone, or the connection is not attached.
    SWQ_DETACHED = -3,
    /// What the daemon sent is not what this library understands.
    SWQ_PROTOCOL_ERROR = -4,
    /// The instruction raised #UD.
    SWQ_INVALID_OPCODE = -5,
    /// The instruction raised #GP(0): no PASID is bound, or an operand is invalid.
    SWQ_GENERAL_PROTECTION = -6,
    /// The instruction raised #PF: nothing is mapped at the destination.
    SWQ_PAGE_FAULT = -7,
};

/// Whose memory the addresses in descriptors are.
enum swq_memory {
    /// That of this process: shared virtual addressing.
    SWQ_MEMORY_PROCESS = 0,
    /// What `alloc-memory`, `create-shared-memory` and `attach-shared-memory` map.
    SWQ_MEMORY_MAPPED = 1,
};

/// Connects to the Unix socket `path` and negotiates. NULL: the variable SWQD_SOCKET, else `swqd/swqd.sock` in
/// XDG_RUNTIME_DIR. `*swq` is set in case of SWQ_OK only.
enum swq_result swq_connect(const char *path, struct swq **swq);

/// Ends the connection: what it had bound is unbound. NULL is allowed.
void swq_disconnect(struct swq *swq);

/// Sends the request `execute` with `arguments`, the text of a JSON object or NULL, and waits for its answer. `*answer`
/// is the text of the `return` member, to be freed by `free`; `answer` may be NULL.
enum swq_result swq_request(struct swq *swq, const char *execute, const char *arguments, char **answer);

/// Takes the next descriptor that came with the last answer, such as the memfd of `create-shared-memory`; -1 when there
/// is none. The caller closes it.
int swq_take_descriptor(struct swq *swq);

/// Calls `handler` with the text of each event that comes while a request waits. NULL: events are dropped.
void swq_set_event_handler(struct swq *swq, void (*handler)(const char *event, void *context), void *context);

/// The class of the last refusal, such as `NotFound`, and what it says; empty when there was none. Valid until the next
/// request.
const char *swq_error_class(const struct swq *swq);
const char *swq_error_text(const struct swq *swq);

/// The value of member `name` of a JSON object: its text, quotes included, and how many bytes it has; NULL when there
/// is none.
const char *swq_member(const char *object, const char *name, size_t *length);

/// Becomes a thread of a new process, with a ring.
enum swq_result swq_attach(struct swq *swq, enum swq_memory memory);

/// Binds the process to a PASID for the device.
enum swq_result swq_bind(struct swq *swq, const char *device);

/// Maps the limited portal of a WQ; its address is for `swq_enqcmd` and `swq_movdir64b` only.
enum swq_result swq_map_portal(struct swq *swq, const char *device, unsigned wq, uint64_t *portal);

/// ENQCMD of the 64 bytes at `descriptor` to a portal of a shared WQ: SWQ_OK (ZF = 0), SWQ_RETRY (ZF = 1) or an error.
/// Accepted is not carried out: wait for the completion record.
enum swq_result swq_enqcmd(struct swq *swq, uint64_t portal, const void *descriptor);

/// MOVDIR64B of the 64 bytes at `descriptor` to a portal of a dedicated WQ. Posted: SWQ_OK says that it is under way.
enum swq_result swq_movdir64b(struct swq *swq, uint64_t portal, const void *descriptor);

/// Waits until the status byte of a completion record is not 0, at most so long, and returns it; 0 when the time is up.
uint8_t swq_wait(const volatile void *status, uint64_t nanoseconds);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
