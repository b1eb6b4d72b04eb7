/// The way from a patched site to `swq_execute` and back: a thunk for each site, and one trampoline for all.

#ifndef SWQ_TRAMPOLINE_H
#define SWQ_TRAMPOLINE_H

#include <stdint.h>

#include "registers.h"

struct swq_site;

/// What the trampoline keeps on the stack, lowest address first.
struct swq_trampoline_frame {
    /// All but rsp are the program's; that one is computed.
    uint64_t registers[SWQ_REGISTER_COUNT];
    uint64_t flags;
    /// Into the thunk.
    uint64_t return_address;
};

enum {
    /// The part of the stack below rsp that belongs to the function (System V ABI).
    SWQ_RED_ZONE_BYTES = 128,
};

/// Writes the thunk of `site` at `code`, which continues at `next`. Within reach of a jump from there.
void swq_thunk_write(uint8_t *code, const struct swq_site *site, uint64_t next);

/// The site of a return address that the thunk's call pushed.
struct swq_site *swq_thunk_site(uint64_t return_address);

/// Where the trampoline, its registers restored, traps for what only the handler can do. On top of the stack lies the
/// return address into the thunk, and below it the red zone.
extern const char swq_trampoline_refused[] __attribute__((visibility("hidden")));

#endif
