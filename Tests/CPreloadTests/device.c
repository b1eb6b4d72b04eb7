#define _GNU_SOURCE
#include "device.h"

#include <sys/mman.h>

#include "check.h"
#include "lifetime.h"
#include "portal.h"
#include "signals.h"

struct device device;

/// As in a trampoline: nothing from libc.
static enum swq_answer submit(enum swq_operation operation, uint64_t destination, const uint64_t words[8]) {
    device.operation = operation;
    device.destination = destination;
    for (int i = 0; i < 8; i++) device.words[i] = words[i];
    atomic_fetch_add(&device.count, 1);
    enum swq_answer answer = atomic_load(&device.answer);
    if (answer == SWQ_ANSWER_RETRY) atomic_fetch_add(&device.retries, 1);
    return answer;
}

void *device_open(void) {
    CHECK(swq_lifetime_begin());
    swq_signals_claim();
    void *page = mmap(NULL, SWQ_PORTAL_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(page != MAP_FAILED);
    CHECK(madvise(page, SWQ_PORTAL_BYTES, MADV_DONTFORK) == 0);
    CHECK(swq_portal_add((uint64_t)page, DEVICE_DESTINATION));
    atomic_store(&swq_submit, submit);
    return page;
}
