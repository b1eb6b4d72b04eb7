/// The decoder: every addressing form against what the processor itself makes of it.

#define _GNU_SOURCE
#include <asm/prctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "check.h"
#include "decode.h"

/// Values that make overflow, sign and truncation visible.
static uint64_t registers[SWQ_REGISTER_COUNT] = {
    0x1111111122222222, 0x00007f0012345678, 0xfffffffffffffff0, 0x8000000080000000,
    0,                  0x5a5a5a5aa5a5a5a5, 0x0000000100000001, 0x7fffffffffffffff,
    0xdeadbeefcafebabe, 0x0123456789abcdef, 0xfedcba9876543210, 0x00000000ffffffff,
    0x4000000000000000, 0x0f0f0f0f0f0f0f0f, 0x1000000000000001, 0xaaaaaaaa55555555,
};

static uint8_t *code;
static uint64_t result, stack_pointer;

static uint8_t *put(uint8_t *at, const void *bytes, size_t count) {
    return (uint8_t *)memcpy(at, bytes, count) + count;
}
static uint8_t *put8(uint8_t *at, uint8_t byte) { return put(at, &byte, 1); }

/// Builds a function that loads every register but rsp, runs LEA with the operand's bytes, and stores what it got and
/// rsp. Returns where the LEA stands.
static uint8_t *build(int rex, int address32, const uint8_t *operand, size_t count, void (**run)(void)) {
    uint8_t *at = code;
    static const uint8_t saved[] = {0x53, 0x55, 0x41, 0x54, 0x41, 0x55, 0x41, 0x56, 0x41, 0x57};
    at = put(at, saved, sizeof saved);
    for (int i = 0; i < SWQ_REGISTER_COUNT; i++) {
        if (i == SWQ_RSP) continue;
        at = put8(put8(at, 0x48 | (i >> 3)), 0xb8 | (i & 7));
        at = put(at, &registers[i], 8);
    }
    uint8_t *lea = at;
    if (address32) at = put8(at, 0x67);
    // W, and the reg field names rax.
    at = put8(put8(at, 0x48 | rex), 0x8d);
    at = put(at, operand, count);
    uint64_t where = (uint64_t)&result;
    at = put(put8(put8(at, 0x48), 0xa3), &where, 8);
    at = put(at, (uint8_t[]){0x48, 0x89, 0xe0}, 3);
    where = (uint64_t)&stack_pointer;
    at = put(put8(put8(at, 0x48), 0xa3), &where, 8);
    static const uint8_t restored[] = {0x41, 0x5f, 0x41, 0x5e, 0x41, 0x5d, 0x41, 0x5c, 0x5d, 0x5b, 0xc3};
    put(at, restored, sizeof restored);
    *(void **)run = code;
    return lea;
}

static const uint8_t prefixes[] = {0xf2, 0xf3, 0x66};
static const uint8_t operations[] = {SWQ_ENQCMD, SWQ_ENQCMDS, SWQ_MOVDIR64B};

/// Compares one form; its three instructions differ in the prefix alone.
static void compare(int rex, int address32, const uint8_t *operand, size_t count) {
    void (*run)(void);
    uint8_t *lea = build(rex, address32, operand, count, &run);
    run();
    registers[SWQ_RSP] = stack_pointer;
    size_t lea_length = (address32 ? 3 : 2) + count;
    for (int i = 0; i < 3; i++) {
        uint8_t bytes[SWQ_INSTRUCTION_MAX + 1], *at = bytes;
        if (address32) at = put8(at, 0x67);
        at = put8(at, prefixes[i]);
        if (rex) at = put8(at, 0x40 | rex);
        at = put(at, (uint8_t[]){0x0f, 0x38, 0xf8}, 3);
        at = put(at, operand, count);
        size_t length = (size_t)(at - bytes);
        struct swq_instruction instruction;
        CHECK(swq_decode(bytes, length, &instruction));
        CHECK_EQUAL(instruction.operation, operations[i]);
        CHECK_EQUAL(instruction.length, length);
        // Where the two instructions end at the same address, an address relative to the end is the same.
        uint64_t rip = (uint64_t)lea + lea_length - length;
        CHECK_EQUAL(swq_source_address(&instruction, registers, rip), result);
        for (size_t cut = 0; cut < length; cut++) CHECK(!swq_decode(bytes, cut, &instruction));
    }
}

static unsigned every_form(void) {
    static const int32_t displacements[] = {0, 1, -1, 127, -128, 0x12345678, -0x12345678};
    unsigned forms = 0;
    for (int form = 0; form < 3 * 8 * 256; form++) {
        int mod = form >> 11, rm = (form >> 8) & 7, sib = form & 255;
        // Without SIB its value does not matter: once is enough.
        if (rm != 4 && sib != 0) continue;
        for (int rex = 0; rex < 4; rex++) {
            for (int address32 = 0; address32 < 2; address32++) {
                int32_t displacement = displacements[(form * 8 + rex * 2 + address32) % 7];
                uint8_t operand[6], *at = put8(operand, mod << 6 | rm);
                if (rm == 4) at = put8(at, sib);
                if (mod == 1) at = put8(at, (uint8_t)displacement);
                if (mod == 2 || (mod == 0 && (rm == 5 || (rm == 4 && (sib & 7) == 5)))) at = put(at, &displacement, 4);
                compare(rex, address32, operand, (size_t)(at - operand));
                forms++;
            }
        }
    }
    return forms;
}

static struct swq_instruction decoded(const char *bytes, size_t count) {
    struct swq_instruction instruction;
    CHECK(swq_decode((const uint8_t *)bytes, count, &instruction));
    CHECK_EQUAL(instruction.length, count);
    return instruction;
}
#define DECODED(bytes) decoded(bytes, sizeof(bytes) - 1)
#define REFUSED(bytes) CHECK(!swq_decode((const uint8_t *)(bytes), sizeof(bytes) - 1, &(struct swq_instruction){0}))

int main(void) {
    code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    CHECK(code != MAP_FAILED);

    TEST("the source address of every ModRM, SIB, REX and address size is what LEA computes");
    CHECK_EQUAL(every_form(), (3 * 7 + 3 * 256) * 4 * 2);

    TEST("the destination is any of sixteen registers, cut to 32 bits by an address-size override");
    for (int reg = 0; reg < SWQ_REGISTER_COUNT; reg++) {
        uint8_t bytes[] = {0x67, 0xf2, 0x40 | (reg >> 3) << 2, 0x0f, 0x38, 0xf8, (reg & 7) << 3 | 2};
        struct swq_instruction instruction;
        CHECK(swq_decode(bytes + 1, sizeof bytes - 1, &instruction));
        CHECK_EQUAL(swq_destination_address(&instruction, registers), registers[reg]);
        CHECK(swq_decode(bytes, sizeof bytes, &instruction));
        CHECK_EQUAL(swq_destination_address(&instruction, registers), (uint32_t)registers[reg]);
    }

    TEST("FS and GS add their bases after the address was cut; the other segments are ignored");
    uint64_t base, other = (uint64_t)&base;
    CHECK(syscall(SYS_arch_prctl, ARCH_GET_FS, &base) == 0);
    struct swq_instruction instruction = DECODED("\x64\x67\xf2\x0f\x38\xf8\x02");
    CHECK_EQUAL(swq_source_address(&instruction, registers, 0), (uint32_t)registers[SWQ_RDX] + base);
    CHECK(syscall(SYS_arch_prctl, ARCH_SET_GS, other) == 0);
    instruction = DECODED("\xf2\x65\x0f\x38\xf8\x02");
    CHECK_EQUAL(swq_source_address(&instruction, registers, 0), registers[SWQ_RDX] + other);
    CHECK_EQUAL(swq_destination_address(&instruction, registers), registers[SWQ_RAX]);
    instruction = DECODED("\x2e\x36\x3e\x26\xf2\x0f\x38\xf8\x02");
    CHECK_EQUAL(swq_source_address(&instruction, registers, 0), registers[SWQ_RDX]);

    TEST("F2 and F3 decide before 66, the last of them counts, and REX counts only before the opcode");
    CHECK_EQUAL(DECODED("\x66\xf2\x0f\x38\xf8\x02").operation, SWQ_ENQCMD);
    CHECK_EQUAL(DECODED("\xf2\x66\x0f\x38\xf8\x02").operation, SWQ_ENQCMD);
    CHECK_EQUAL(DECODED("\xf2\xf3\x0f\x38\xf8\x02").operation, SWQ_ENQCMDS);
    CHECK_EQUAL(DECODED("\x41\xf2\x0f\x38\xf8\x02").base, SWQ_RDX);
    CHECK_EQUAL(DECODED("\xf2\x41\x0f\x38\xf8\x02").base, 10);

    TEST("UMONITOR, UMWAIT and TPAUSE are told by their prefix and name one register");
    CHECK_EQUAL(DECODED("\xf3\x48\x0f\xae\xf0").operation, SWQ_UMONITOR);
    CHECK_EQUAL(DECODED("\xf2\x48\x0f\xae\xf1").operation, SWQ_UMWAIT);
    CHECK_EQUAL(DECODED("\x66\x41\x0f\xae\xf7").operation, SWQ_TPAUSE);
    CHECK_EQUAL(DECODED("\x66\x41\x0f\xae\xf7").reg, 15);

    TEST("other instructions are not ours");
    REFUSED("\x0f\x38\xf8\x02");              // No mandatory prefix.
    REFUSED("\xf2\x0f\x38\xf8\xc2");          // A register as the source.
    REFUSED("\xf0\xf2\x0f\x38\xf8\x02");      // LOCK.
    REFUSED("\x66\x0f\x38\xf9\x02");          // MOVDIRI's neighbourhood.
    REFUSED("\xf2\x0f\x38\xf1\xc0");          // CRC32.
    REFUSED("\x0f\xae\xf0");                  // MFENCE.
    REFUSED("\xf3\x0f\xae\xe8");              // INCSSP.
    REFUSED("\x66\x0f\xae\x33");              // CLWB.
    REFUSED("\x0f\x0b");                      // UD2.
    REFUSED("");

    TEST("an instruction is at most 15 bytes long");
    DECODED("\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x0f\x38\xf8\x02");
    REFUSED("\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x0f\x38\xf8\x02");
    return 0;
}
