/// Replaces an instruction that trapped by a jump to a trampoline.

#ifndef SWQ_PATCH_H
#define SWQ_PATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "decode.h"

struct swq_site;

/// Patches the instruction at `address`, if it can be done at once and safely; otherwise it goes on trapping.
/// `site` is its record, or NULL when it was met for the first time. Safe in handlers; never waits.
void swq_patch(uint64_t address, const struct swq_instruction *instruction, const uint8_t *code, struct swq_site *site);

/// Asks the kernel for what patching beside running threads needs. Once per process.
void swq_patch_prepare(void);

/// From now on no site is patched: submissions need what only a trap may use.
void swq_patch_forbid(void);

/// The site whose thunk contains the return address that a trampoline pushed.
struct swq_site *swq_patch_site_of_return(uint64_t return_address);

#endif
