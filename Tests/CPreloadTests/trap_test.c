/// What an instruction does to the program, trapped and patched: everything that must change, and nothing else.

#define _GNU_SOURCE
#include <asm/prctl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>

#include "check.h"
#include "decode.h"
#include "device.h"
#include "portal.h"
#include "site.h"
#include "state.h"
#include "trap.h"

uint64_t state_in[16], state_out[16], state_flags_in, state_flags_out;
uint8_t state_vectors_in[16][32], state_vectors_out[16][32];
uint8_t state_legacy_in[512] __attribute__((aligned(64))), state_legacy_out[512] __attribute__((aligned(64)));
uint64_t state_block[8];

static uint8_t stack[65536] __attribute__((aligned(64)));
static uint64_t portal, seed = 0x9e3779b97f4a7c15;

static uint64_t next_random(void) {
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    return seed;
}

enum { RED_ZONE = 128, STATUS_FLAGS = 0x8d5, DIRECTION_FLAG = 0x400, ZERO_FLAG = 0x40 };

static uint8_t *stack_pointer_of(int skew) { return stack + sizeof stack - 4096 - skew; }

/// Fills every register with noise. `skew` moves the stack away from any alignment.
static void prepare(int skew, uint64_t flags) {
    for (int i = 0; i < 16; i++) state_in[i] = next_random();
    state_in[SWQ_RSP] = (uint64_t)stack_pointer_of(skew);
    for (int i = -RED_ZONE; i < 64; i++) stack_pointer_of(skew)[i] = (uint8_t)(i * 7 + 3);
    for (int i = 0; i < 16; i++)
        for (int j = 0; j < 32; j++) state_vectors_in[i][j] = (uint8_t)next_random();
    // A valid image: control words as they are, some x87 registers in use.
    __asm__ volatile("fninit; fld1; fldpi; fldl2e; fxsave64 %0; fninit" : "=m"(state_legacy_in));
    for (int i = 0; i < 16; i++) memcpy(state_legacy_in + 160 + 16 * i, state_vectors_in[i], 16);
    state_flags_in = 0x202 | flags;
    memset(&state_out, 0, sizeof state_out);
}

static void check_untouched(int skew, uint64_t flags) {
    for (int i = 0; i < 16; i++) CHECK_EQUAL(state_out[i], state_in[i]);
    CHECK_EQUAL(state_flags_out, flags | 0x202);
    CHECK(memcmp(state_vectors_in, state_vectors_out, sizeof state_vectors_in) == 0);
    CHECK(memcmp(state_legacy_in, state_legacy_out, 416) == 0);
    for (int i = -RED_ZONE; i < 64; i++) {
        // The form itself has written its last word.
        if (i >= -8 && i < 0) continue;
        CHECK_EQUAL(stack_pointer_of(skew)[i], (uint8_t)(i * 7 + 3));
    }
}

/// One form: which register gets the portal, and how its source is set up.
struct form {
    void (*run)(void);
    const uint8_t *site;
    enum swq_operation operation;
    int destination;
    void (*set_source)(const uint64_t words[8]);
};

static uint64_t block[8] __attribute__((aligned(64)));
static uint64_t *low_block;

static void by_rdx(const uint64_t words[8]) {
    memcpy((char *)block + 0, words, 64);
    state_in[SWQ_RDX] = (uint64_t)block;
}
static void by_index(const uint64_t words[8]) {
    memcpy(block, words, 64);
    state_in[SWQ_RCX] = next_random() >> 40;
    state_in[SWQ_RBX] = (uint64_t)block - 64 - 8 * state_in[SWQ_RCX];
}
static void by_rip(const uint64_t words[8]) { memcpy(state_block, words, 64); }
static void by_red_zone(const uint64_t words[8]) { memcpy((uint8_t *)state_in[SWQ_RSP] - RED_ZONE, words, 64); }
static void by_segment(const uint64_t words[8]) {
    uint64_t base;
    syscall(SYS_arch_prctl, ARCH_GET_FS, &base);
    memcpy(block, words, 64);
    state_in[SWQ_RCX] = (uint64_t)block - base;
}
static void by_edx(const uint64_t words[8]) {
    memcpy(low_block + 8, words, 64);
    // The upper half does not count.
    state_in[SWQ_RDX] = (uint32_t)(uint64_t)(low_block + 8) | 0x7700000000000000;
    state_in[SWQ_RAX] |= 0x1234567800000000;
}
static void by_address(const uint64_t words[8]) { memcpy(low_block, words, 64); }

#define ROW(name, operation, destination, source) {name, name##_site, operation, destination, source}
static const struct form forms[] = {
    ROW(plain_enqcmd, SWQ_ENQCMD, SWQ_RAX, by_rdx),
    ROW(plain_movdir64b, SWQ_MOVDIR64B, SWQ_RAX, by_rdx),
    ROW(indexed_enqcmd, SWQ_ENQCMD, 15, by_index),
    ROW(relative_movdir64b, SWQ_MOVDIR64B, 9, by_rip),
    ROW(red_zone_enqcmd, SWQ_ENQCMD, SWQ_RDI, by_red_zone),
    ROW(segment_movdir64b, SWQ_MOVDIR64B, 8, by_segment),
    ROW(short_enqcmd, SWQ_ENQCMD, SWQ_RAX, by_edx),
    ROW(absolute_enqcmd, SWQ_ENQCMD, SWQ_RBP, by_address),
};

static void run_form(const struct form *form, int skew, uint64_t flags, enum swq_answer answer) {
    uint64_t words[8], before = device.count;
    for (int i = 0; i < 8; i++) words[i] = next_random();
    uint64_t offset = next_random() % 64 * 64;
    prepare(skew, flags);
    state_in[form->destination] = portal + offset;
    form->set_source(words);
    device.answer = answer;
    uint8_t expected_red_zone[64];
    memcpy(expected_red_zone, (uint8_t *)state_in[SWQ_RSP] - RED_ZONE, 64);
    form->run();
    CHECK_EQUAL(device.count, before + 1);
    CHECK_EQUAL(device.operation, form->operation);
    CHECK_EQUAL(device.destination, DEVICE_DESTINATION + offset);
    CHECK(memcmp(device.words, words, 64) == 0);
    CHECK(memcmp(expected_red_zone, (uint8_t *)state_in[SWQ_RSP] - RED_ZONE, 64) == 0);
    for (int i = 0; i < 64; i++) stack_pointer_of(skew)[i - RED_ZONE] = (uint8_t)((i - RED_ZONE) * 7 + 3);
    if (form->operation == SWQ_ENQCMD) flags = (flags & DIRECTION_FLAG) | (answer == SWQ_ANSWER_RETRY ? ZERO_FLAG : 0);
    check_untouched(skew, flags);
}

static void every_form(void) {
    static const uint64_t flag_values[] = {0, STATUS_FLAGS, STATUS_FLAGS | DIRECTION_FLAG, 1, ZERO_FLAG, 0x880};
    static const int skews[] = {0, 8, 1, 63};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        CHECK(*forms[i].site != 0xe9);
        run_form(&forms[i], 8, STATUS_FLAGS, SWQ_ANSWER_ACCEPTED);
        // From now on there is a jump, and the same must come of it.
        CHECK_EQUAL(*forms[i].site, 0xe9);
        CHECK_EQUAL(swq_site_find((uint64_t)forms[i].site)->state, SWQ_SITE_PATCHED);
        for (int round = 0; round < 48; round++) {
            enum swq_answer answer = round & 1 ? SWQ_ANSWER_RETRY : SWQ_ANSWER_ACCEPTED;
            run_form(&forms[i], skews[round / 12], flag_values[round % 12 / 2], answer);
        }
    }
}

// MARK: Faults

static volatile siginfo_t seen;
static volatile uint64_t seen_rip, seen_rsp, seen_trap;
static volatile int seen_count;
static void *page_to_map;

/// Takes down the fault. Maps the page that was missing, or else steps over the instruction.
static void on_fault(int number, siginfo_t *info, void *context) {
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    (void)number;
    memcpy((void *)&seen, info, sizeof seen);
    seen_rip = (uint64_t)registers[REG_RIP];
    seen_rsp = (uint64_t)registers[REG_RSP];
    seen_trap = (uint64_t)registers[REG_TRAPNO];
    seen_count++;
    if (page_to_map) {
        mprotect(page_to_map, 4096, PROT_READ | PROT_WRITE);
        page_to_map = NULL;
    } else {
        registers[REG_RIP] += swq_site_find(seen_rip) ? swq_site_find(seen_rip)->instruction.length : 5;
    }
}

static void expect_fault(
    const struct form *form, const uint8_t *site, int number, int code, uint64_t address, int trap) {
    int before = seen_count;
    form->run();
    CHECK_EQUAL(seen_count, before + 1);
    CHECK_EQUAL(seen.si_signo, number);
    CHECK_EQUAL(seen.si_code, code);
    CHECK_EQUAL((uint64_t)seen.si_addr, address);
    CHECK_EQUAL(seen_rip, (uint64_t)site);
    CHECK_EQUAL(seen_rsp, state_in[SWQ_RSP]);
    // The kernel leaves the vector of the trap before in a signal that is none.
    if (number == SIGSEGV) CHECK_EQUAL(seen_trap, trap);
    check_untouched(0, STATUS_FLAGS);
}

static void faults(void) {
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    CHECK(sigaction(SIGSEGV, &action, NULL) == 0);
    CHECK(sigaction(SIGBUS, &action, NULL) == 0);
    const struct form enqcmds = ROW(plain_enqcmds, SWQ_ENQCMDS, SWQ_RAX, by_rdx);
    uint64_t count = device.count, words[8] = {0};

    TEST("ENQCMDS at CPL 3 raises #GP(0) at the instruction");
    prepare(0, STATUS_FLAGS);
    by_rdx(words);
    state_in[SWQ_RAX] = portal;
    expect_fault(&enqcmds, plain_enqcmds_site, SIGSEGV, SI_KERNEL, 0, 13);

    TEST("a destination that is not aligned to 64 bytes raises #GP(0), trapped and patched");
    for (int i = 0; i < 2; i++) {
        prepare(0, STATUS_FLAGS);
        by_rdx(words);
        state_in[SWQ_RAX] = portal + 32;
        expect_fault(&forms[i], forms[i].site, SIGSEGV, SI_KERNEL, 0, 13);
    }

    TEST("a source that is not mapped raises #PF with its address, and the instruction succeeds once it is");
    uint8_t *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < 2; i++) {
        CHECK(mprotect(pages + 4096, 4096, PROT_NONE) == 0);
        prepare(0, STATUS_FLAGS);
        state_in[SWQ_RAX] = portal;
        state_in[SWQ_RDX] = (uint64_t)pages + 4096 - 24;
        expect_fault(&forms[i], forms[i].site, SIGSEGV, SEGV_ACCERR, (uint64_t)pages + 4096, 14);
        CHECK_EQUAL(device.count, count);
        page_to_map = pages + 4096;
        prepare(0, STATUS_FLAGS);
        state_in[SWQ_RAX] = portal;
        state_in[SWQ_RDX] = (uint64_t)pages + 4096 - 24;
        device.answer = SWQ_ANSWER_ACCEPTED;
        forms[i].run();
        CHECK_EQUAL(device.count, ++count);
    }

    TEST("MOVDIR64B to ordinary memory stores 64 bytes, and ENQCMD to it is answered Retry");
    for (int i = 0; i < 8; i++) words[i] = next_random();
    prepare(0, 0);
    by_rdx(words);
    state_in[SWQ_RAX] = (uint64_t)pages + 64;
    plain_movdir64b();
    CHECK(memcmp(pages + 64, words, 64) == 0);
    prepare(0, STATUS_FLAGS);
    by_rdx(words);
    state_in[SWQ_RAX] = (uint64_t)pages + 128;
    plain_enqcmd();
    CHECK_EQUAL(state_flags_out & STATUS_FLAGS, ZERO_FLAG);
    CHECK_EQUAL(pages[128], 0);

    TEST("a destination that is not mapped raises #PF");
    CHECK(munmap(pages, 8192) == 0);
    for (int i = 0; i < 2; i++) {
        prepare(0, STATUS_FLAGS);
        by_rdx(words);
        state_in[SWQ_RAX] = (uint64_t)pages;
        expect_fault(&forms[i], forms[i].site, SIGSEGV, SEGV_MAPERR, (uint64_t)pages, 14);
    }

    TEST("a portal whose daemon is gone raises SIGBUS");
    device.answer = SWQ_ANSWER_GONE;
    prepare(0, STATUS_FLAGS);
    by_rdx(words);
    state_in[SWQ_RAX] = portal;
    expect_fault(&forms[0], forms[0].site, SIGBUS, BUS_OBJERR, portal, 0);
    device.answer = SWQ_ANSWER_ACCEPTED;

    TEST("UMONITOR changes nothing; UMWAIT and TPAUSE clear the status flags and refuse reserved bits");
    prepare(0, STATUS_FLAGS);
    plain_umonitor();
    check_untouched(0, STATUS_FLAGS);
    void (*const waits[])(void) = {plain_umwait, plain_tpause};
    for (int i = 0; i < 2; i++) {
        prepare(0, STATUS_FLAGS);
        state_in[SWQ_RCX] = state_in[9] = 1;
        waits[i]();
        check_untouched(0, 0);
        prepare(0, STATUS_FLAGS);
        state_in[SWQ_RCX] = state_in[9] = 2;
        int before = seen_count;
        struct sigaction stop = {.sa_handler = SIG_DFL};
        pid_t child = fork();
        if (child == 0) {
            sigaction(SIGSEGV, &stop, NULL);
            waits[i]();
            _exit(0);
        }
        int status;
        CHECK(waitpid(child, &status, 0) == child);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
        CHECK_EQUAL(seen_count, before);
    }
}

// MARK: A processor that knows MOVDIR64B

/// The signal that such a processor makes the kernel send: at an instruction whose portal page is protected.
static bool arrives(const uint8_t *site, uint64_t destination) {
    ucontext_t context;
    siginfo_t info = {.si_signo = SIGSEGV, .si_code = SEGV_ACCERR, .si_addr = (void *)destination};
    memset(&context, 0, sizeof context);
    context.uc_mcontext.gregs[REG_RIP] = (greg_t)site;
    context.uc_mcontext.gregs[REG_RAX] = (greg_t)destination;
    context.uc_mcontext.gregs[REG_RDX] = (greg_t)block;
    int before = seen_count;
    swq_trap(SIGSEGV, &info, &context);
    // The program's own handler steps over the instruction too, so it is the count that tells.
    CHECK_EQUAL(context.uc_mcontext.gregs[REG_RIP], (uint64_t)site + 5);
    return seen_count == before;
}

static void protected_pages(void) {
    TEST("a fault of MOVDIR64B or ENQCMD on a portal's page is taken for the instruction, any other is the program's");
    uint64_t count = device.count, other = (uint64_t)block;
    CHECK(arrives(plain_movdir64b_site, portal + 64));
    CHECK_EQUAL(device.operation, SWQ_MOVDIR64B);
    CHECK_EQUAL(device.destination, DEVICE_DESTINATION + 64);
    CHECK(arrives(plain_enqcmd_site, portal));
    CHECK_EQUAL(device.count, count + 2);
    CHECK(!arrives(plain_movdir64b_site, other));
    CHECK_EQUAL(device.count, count + 2);
}

int main(void) {
    low_block = mmap((void *)0x10000000, 4096, PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    CHECK(low_block == (void *)0x10000000);
    device_open();
    // For the form with 32-bit addresses.
    portal = (uint64_t)mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    CHECK(swq_portal_add(portal, DEVICE_DESTINATION));

    TEST("a submission changes nothing but the flags: registers, vectors, x87, stack and red zone stay");
    every_form();
    faults();
    protected_pages();

    TEST("a portal that is unmapped leads nowhere, and one mapped later leads to its own destination");
    CHECK_EQUAL(swq_portal_remove(portal), DEVICE_DESTINATION);
    CHECK_EQUAL(swq_portal_destination(portal), 0);
    for (uint64_t i = 0; i < 900; i++) CHECK(swq_portal_add(0x100000 + i * 4096 * 3, i + 1));
    for (uint64_t i = 0; i < 900; i += 2) CHECK_EQUAL(swq_portal_remove(0x100000 + i * 4096 * 3), i + 1);
    for (uint64_t i = 0; i < 900; i++) {
        CHECK_EQUAL(swq_portal_destination(0x100040 + i * 4096 * 3), i % 2 ? i + 1 + 0x40 : 0);
    }
    uint64_t destination, left = 0;
    while (swq_portal_remove_within(0x100000, 900 * 4096 * 3, &destination)) left++;
    CHECK_EQUAL(left, 450);
    return 0;
}
