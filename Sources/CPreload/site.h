/// The places in the program where one of the instructions was met, and how each is reached without a trap.
///
/// A site's record is written once and never moves, because a trampoline points to it.

#ifndef SWQ_SITE_H
#define SWQ_SITE_H

#include <stdatomic.h>
#include <stdint.h>

#include "decode.h"

enum swq_site_state {
    /// Not patched: it traps.
    SWQ_SITE_TRAPS,
    /// Its first byte is `SWQ_SITE_MARKER`, or it is the instruction still: it traps.
    SWQ_SITE_CHANGING,
    /// A jump to its thunk.
    SWQ_SITE_PATCHED,
    /// Nobody may write there, or no memory is near enough: it traps for ever.
    SWQ_SITE_REFUSED,
};

enum {
    SWQ_SITES_MAX = 1024,
    /// PUSH ES: invalid in 64-bit mode, so that it raises #UD as the instruction itself does.
    SWQ_SITE_MARKER = 0x06,
};

struct swq_site {
    /// Where the program has it. 0: the record is free.
    _Atomic uint64_t address;
    _Atomic uint32_t state;
    struct swq_instruction instruction;
    /// Its bytes, as the program had them.
    uint8_t original[SWQ_INSTRUCTION_MAX];
    /// The trampoline's entry of this site, or NULL.
    uint8_t *thunk;
};

/// The site at an address, or NULL. Safe in handlers.
struct swq_site *swq_site_find(uint64_t address);

/// Adds a site. NULL: SWQ_SITES_MAX are known. Only under the lock of the sites.
struct swq_site *swq_site_add(uint64_t address, const struct swq_instruction *instruction, const uint8_t *code);

/// The instruction at `rip` as the program has it, whether or not the site is patched by now. `site` gets its record,
/// or NULL. False: none of ours, or not readable.
bool swq_site_read(uint64_t rip, struct swq_instruction *instruction, uint8_t code[SWQ_INSTRUCTION_MAX],
    struct swq_site **site);

#endif
