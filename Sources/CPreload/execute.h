/// Carries out one 64-byte store to a portal, for a trap or for a trampoline.

#ifndef SWQ_EXECUTE_H
#define SWQ_EXECUTE_H

#include <stdbool.h>
#include <stdint.h>

#include "decode.h"

/// What the device, or the processor in front of it, answered.
enum swq_answer {
    /// Accepted: ZF = 0. Of a MOVDIR64B: written, whatever becomes of it.
    SWQ_ANSWER_ACCEPTED = 0,
    /// Retry: ZF = 1.
    SWQ_ANSWER_RETRY,
    /// #GP(0).
    SWQ_ANSWER_PROTECTION,
    /// #PF on the source or on the destination: `swq_fault_of_thread` has the details.
    SWQ_ANSWER_PAGE_FAULT,
    /// The daemon is gone.
    SWQ_ANSWER_GONE,
    /// No portal, and nothing that only a portal can do: for the trap to judge.
    SWQ_ANSWER_NO_PORTAL,
};

/// Hands 64 bytes to the daemon's linear address `destination`. Called in trampolines: it uses no vector register, no
/// libc and no errno.
typedef enum swq_answer (*swq_submitter)(enum swq_operation operation, uint64_t destination, const uint64_t words[8]);

/// Who takes submissions: the ring, or what a test puts in its place.
extern _Atomic swq_submitter swq_submit;

/// A store to the portal address `destination` of the 64 bytes at `source`.
enum swq_answer swq_execute(enum swq_operation operation, uint64_t destination, uint64_t source);

/// The same for memory that is no portal: MOVDIR64B stores there, and ENQCMD is answered Retry.
enum swq_answer swq_execute_on_memory(enum swq_operation operation, uint64_t destination, uint64_t source);

/// RFLAGS after an answer.
uint64_t swq_flags_after(enum swq_operation operation, enum swq_answer answer, uint64_t flags);

#endif
