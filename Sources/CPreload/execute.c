#include "execute.h"

#include <stdatomic.h>
#include <stddef.h>

#include "access.h"
#include "portal.h"

_Atomic swq_submitter swq_submit;

enum { STORE_BYTES = 64 };

enum swq_answer swq_execute(enum swq_operation operation, uint64_t destination, uint64_t source) {
    uint64_t portal = swq_portal_destination(destination);
    swq_submitter submit = atomic_load_explicit(&swq_submit, memory_order_acquire);
    if (portal == 0 || submit == NULL) return SWQ_ANSWER_NO_PORTAL;
    // Programs run at CPL 3, where ENQCMDS is refused before anything is read.
    if (operation == SWQ_ENQCMDS || destination % STORE_BYTES != 0) return SWQ_ANSWER_PROTECTION;
    uint64_t words[8];
    if (!swq_access_copy64(words, (const void *)source)) return SWQ_ANSWER_PAGE_FAULT;
    return submit(operation, portal, words);
}

enum swq_answer swq_execute_on_memory(enum swq_operation operation, uint64_t destination, uint64_t source) {
    if (operation == SWQ_ENQCMDS || destination % STORE_BYTES != 0) return SWQ_ANSWER_PROTECTION;
    uint64_t words[8];
    if (!swq_access_copy64(words, (const void *)source)) return SWQ_ANSWER_PAGE_FAULT;
    if (operation == SWQ_MOVDIR64B) {
        return swq_access_copy64((void *)destination, words) ? SWQ_ANSWER_ACCEPTED : SWQ_ANSWER_PAGE_FAULT;
    }
    return swq_access_probe_store((void *)destination) ? SWQ_ANSWER_RETRY : SWQ_ANSWER_PAGE_FAULT;
}

uint64_t swq_flags_after(enum swq_operation operation, enum swq_answer answer, uint64_t flags) {
    if (operation != SWQ_ENQCMD) return flags;
    flags &= ~(uint64_t)SWQ_FLAGS_STATUS;
    return answer == SWQ_ANSWER_RETRY ? flags | SWQ_FLAG_ZERO : flags;
}
