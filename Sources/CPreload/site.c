#include "site.h"

#include "access.h"

/// Filled from the front, so that the handler reads up to the first free one.
static struct swq_site sites[SWQ_SITES_MAX];

struct swq_site *swq_site_find(uint64_t address) {
    for (uint32_t i = 0; i < SWQ_SITES_MAX; i++) {
        uint64_t found = atomic_load_explicit(&sites[i].address, memory_order_acquire);
        if (found == address) return &sites[i];
        if (found == 0) return NULL;
    }
    return NULL;
}

struct swq_site *swq_site_add(uint64_t address, const struct swq_instruction *instruction, const uint8_t *code) {
    for (uint32_t i = 0; i < SWQ_SITES_MAX; i++) {
        struct swq_site *site = &sites[i];
        if (site->address != 0) continue;
        site->instruction = *instruction;
        for (uint8_t byte = 0; byte < instruction->length; byte++) site->original[byte] = code[byte];
        atomic_store_explicit(&site->address, address, memory_order_release);
        return site;
    }
    return NULL;
}

static size_t read_code(uint64_t rip, uint8_t code[SWQ_INSTRUCTION_MAX]) {
    size_t count = 0;
    while (count < SWQ_INSTRUCTION_MAX && swq_access_copy1(code + count, (const void *)(rip + count))) count++;
    return count;
}

/// The code is a state that patching this site leaves or passes through.
static bool is_patch_of(const struct swq_site *site, const uint8_t *code, size_t count) {
    if (count == 0) return false;
    if (code[0] == SWQ_SITE_MARKER) return true;
    // The jump to the thunk: its target tells it from a jump of other code, loaded there since.
    if (code[0] != 0xe9 || count < 5 || !site->thunk) return false;
    int32_t offset;
    __builtin_memcpy(&offset, code + 1, sizeof offset);
    return site->address + 5 + (uint64_t)(int64_t)offset == (uint64_t)site->thunk;
}

static bool is_original_of(const struct swq_site *site, const uint8_t *code, size_t count) {
    if (count < site->instruction.length) return false;
    for (uint8_t i = 0; i < site->instruction.length; i++) {
        if (code[i] != site->original[i]) return false;
    }
    return true;
}

bool swq_site_read(
    uint64_t rip, struct swq_instruction *instruction, uint8_t code[SWQ_INSTRUCTION_MAX], struct swq_site **site) {
    // Another thread may be patching while the bytes are read: read again until they are one of the states.
    for (int attempt = 0; attempt < 16; attempt++) {
        size_t count = read_code(rip, code);
        *site = swq_site_find(rip);
        if (*site && (is_patch_of(*site, code, count) || is_original_of(*site, code, count))) {
            *instruction = (*site)->instruction;
            return true;
        }
        if (!*site) return swq_decode(code, count, instruction);
    }
    // The library with the site is gone and other code stands there.
    size_t count = read_code(rip, code);
    *site = NULL;
    return swq_decode(code, count, instruction);
}
