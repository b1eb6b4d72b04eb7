#include "patch.h"

#include <stddef.h>
#include <sys/mman.h>

#include <linux/membarrier.h>

#include "lifetime.h"
#include "maps.h"
#include "site.h"
#include "syscalls.h"
#include "trampoline.h"

enum {
    PAGE_BYTES = 4096,
    JUMP_BYTES = 5,
    /// Mappings end at 47 bits, and the lowest 64 KiB stay free.
    LOWEST_ADDRESS = 0x10000,
};
static const uint64_t HIGHEST_ADDRESS = 0x7ffffffff000;
/// How far a jump reaches, less what a thunk and an instruction measure.
static const uint64_t REACH = 0x7fff0000;

static _Atomic bool can_synchronise, is_forbidden;

void swq_patch_forbid(void) { atomic_store(&is_forbidden, true); }

void swq_patch_prepare(void) {
    long result = swq_syscall2(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE, 0);
    atomic_store(&can_synchronise, result == 0);
}

/// Makes every thread of the process fetch its next instruction anew.
static bool synchronise(void) {
    if (!atomic_load(&can_synchronise)) return false;
    return swq_syscall2(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, 0) == 0;
}

// MARK: A page for the thunk

struct search {
    uint64_t site;
    uint64_t previous_end;
    uint64_t best;
};

static uint64_t distance(uint64_t a, uint64_t b) { return a > b ? a - b : b - a; }

static void consider(struct search *search, uint64_t page) {
    if (page < LOWEST_ADDRESS || page >= HIGHEST_ADDRESS || distance(page, search->site) > REACH) return;
    if (search->best == 0 || distance(page, search->site) < distance(search->best, search->site)) search->best = page;
}

/// Looks at both ends of each gap. The page next to a mapping is left free: stacks grow down and guards stand there.
static bool look_at_gap(const struct swq_mapping *mapping, void *context) {
    struct search *search = context;
    if (mapping->start >= search->previous_end + 4 * PAGE_BYTES) {
        consider(search, search->previous_end + PAGE_BYTES);
        consider(search, mapping->start - 2 * PAGE_BYTES);
    }
    search->previous_end = mapping->end;
    return true;
}

/// One writable page within reach of a jump from `site`, or 0. Another thread may take the gap
/// first: it is tried thrice.
static uint64_t allocate_near(uint64_t site) {
    for (int attempt = 0; attempt < 3; attempt++) {
        struct search search = {.site = site, .previous_end = LOWEST_ADDRESS};
        if (!swq_maps_visit(look_at_gap, &search) || search.best == 0) return 0;
        long page = swq_syscall6(
            SYS_mmap, (long)search.best, PAGE_BYTES, PROT_READ | PROT_WRITE,
            MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
        if (page == (long)search.best) return search.best;
        // A kernel before 4.17 takes the address for a hint.
        if (page > 0) swq_syscall2(SYS_munmap, page, PAGE_BYTES);
    }
    return 0;
}

/// Writes the thunk of a site into a page of its own, so that no thread runs in it while it is written.
static uint8_t *make_thunk(struct swq_site *site) {
    uint64_t page = allocate_near(site->address);
    if (page == 0) return NULL;
    swq_thunk_write((uint8_t *)page, site, site->address + site->instruction.length);
    if (swq_syscall3(SYS_mprotect, (long)page, PAGE_BYTES, PROT_READ | PROT_EXEC) == 0) return (uint8_t *)page;
    swq_syscall2(SYS_munmap, (long)page, PAGE_BYTES);
    return NULL;
}

struct swq_site *swq_patch_site_of_return(uint64_t return_address) {
    return swq_thunk_site(return_address);
}

// MARK: The program's page

struct protection_search {
    uint64_t address;
    struct swq_mapping found;
};

static bool find_mapping(const struct swq_mapping *mapping, void *context) {
    struct protection_search *search = context;
    if (search->address >= mapping->end) return true;
    if (search->address >= mapping->start) search->found = *mapping;
    return false;
}

/// Writes the jump over the instruction while other threads may be running it. Each state that they can fetch is the
/// instruction, a byte that traps, or the whole jump; between any two, all of them are made to fetch anew.
static bool write_jump(uint64_t address, uint8_t length, const uint8_t *jump) {
    volatile uint8_t *code = (volatile uint8_t *)address;
    if (!synchronise()) return false;
    code[0] = SWQ_SITE_MARKER;
    synchronise();
    for (uint8_t i = 1; i < length; i++) code[i] = i < JUMP_BYTES ? jump[i] : 0x90;
    synchronise();
    code[0] = jump[0];
    synchronise();
    return true;
}

/// Patches a site whose thunk is there.
static bool redirect(struct swq_site *site) {
    uint64_t first = site->address & ~(uint64_t)(PAGE_BYTES - 1);
    uint64_t last = (site->address + site->instruction.length - 1) & ~(uint64_t)(PAGE_BYTES - 1);
    struct protection_search search = {.address = site->address};
    if (!swq_maps_visit(find_mapping, &search)) return false;
    // Code in two mappings is left alone, and so is code that other processes share.
    if (search.found.end < last + PAGE_BYTES || search.found.shared) return false;
    uint64_t size = last + PAGE_BYTES - first;
    int protection = search.found.protection;
    if (!(protection & PROT_WRITE) &&
        swq_syscall3(SYS_mprotect, (long)first, (long)size, protection | PROT_WRITE) != 0)
        return false;
    uint8_t jump[JUMP_BYTES] = {0xe9};
    int32_t offset = (int32_t)((int64_t)site->thunk - (int64_t)(site->address + JUMP_BYTES));
    __builtin_memcpy(jump + 1, &offset, sizeof offset);
    bool done = write_jump(site->address, site->instruction.length, jump);
    if (!(protection & PROT_WRITE)) swq_syscall3(SYS_mprotect, (long)first, (long)size, protection);
    return done;
}

static void patch_locked(
    uint64_t address, const struct swq_instruction *instruction, const uint8_t *code, struct swq_site *site) {
    if (!site) site = swq_site_find(address);
    if (!site) site = swq_site_add(address, instruction, code);
    // A site that is patched already and traps has been loaded again, or lost a race: it is written again.
    if (!site || site->state == SWQ_SITE_REFUSED) return;
    if (!site->thunk) {
        uint8_t *thunk = make_thunk(site);
        if (!thunk) {
            atomic_store(&site->state, SWQ_SITE_REFUSED);
            return;
        }
        __atomic_store_n(&site->thunk, thunk, __ATOMIC_RELEASE);
    }
    atomic_store(&site->state, SWQ_SITE_CHANGING);
    atomic_store(&site->state, redirect(site) ? SWQ_SITE_PATCHED : SWQ_SITE_REFUSED);
}

void swq_patch(
    uint64_t address, const struct swq_instruction *instruction, const uint8_t *code, struct swq_site *site) {
    struct swq_lifetime *lifetime = atomic_load(&swq_lifetime);
    if (!lifetime || atomic_load(&is_forbidden) || instruction->length < JUMP_BYTES) return;
    if (site && site->state == SWQ_SITE_REFUSED) return;
    if (instruction->operation != SWQ_ENQCMD && instruction->operation != SWQ_MOVDIR64B) return;
    uint64_t mask;
    swq_signals_hold(&mask);
    // Whoever holds the lock patches; this thread traps once more.
    uint32_t nobody = 0;
    if (atomic_compare_exchange_strong(&lifetime->sites_lock, &nobody, 1)) {
        patch_locked(address, instruction, code, site);
        atomic_store(&lifetime->sites_lock, 0);
    }
    swq_signals_release(&mask);
}
