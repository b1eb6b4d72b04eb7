#include "decode.h"

#include <asm/prctl.h>

#include "syscalls.h"

/// The last of F2 and F3 decides, 66 only where neither stands (Intel SDM volume 2, 2.1.2).
struct prefixes {
    uint8_t mandatory;
    uint8_t rex;
    bool address32;
    uint8_t segment;
};

/// Reads the legacy prefixes and REX. Returns the offset of the opcode, or `available` when there is none.
static size_t read_prefixes(const uint8_t *code, size_t available, struct prefixes *prefixes) {
    for (size_t at = 0; at < available; at++) {
        uint8_t byte = code[at];
        if ((byte & 0xf0) == 0x40) {
            // Only the last byte before the opcode counts as REX.
            prefixes->rex = byte;
            continue;
        }
        switch (byte) {
        case 0x66:
            if (prefixes->mandatory == 0) prefixes->mandatory = byte;
            break;
        case 0xf2:
        case 0xf3:
            prefixes->mandatory = byte;
            break;
        case 0x67:
            prefixes->address32 = true;
            break;
        case 0x64:
            prefixes->segment = SWQ_SEGMENT_FS;
            break;
        case 0x65:
            prefixes->segment = SWQ_SEGMENT_GS;
            break;
        case 0x26:
        case 0x2e:
        case 0x36:
        case 0x3e:
            // CS, DS, ES and SS have base 0, and do not undo an FS or GS before them.
            break;
        default:
            // LOCK arrives here as well: none of these instructions takes it.
            return at;
        }
        prefixes->rex = 0;
    }
    return available;
}

static int32_t read_int32(const uint8_t *code) {
    return (int32_t)((uint32_t)code[0] | (uint32_t)code[1] << 8 | (uint32_t)code[2] << 16 | (uint32_t)code[3] << 24);
}

/// Reads SIB and displacement of a memory operand; `at` stands behind ModRM. Returns the end, or 0 when cut off.
static size_t read_address(
    const uint8_t *code, size_t available, size_t at, uint8_t mod, uint8_t rm, uint8_t rex,
    struct swq_instruction *instruction) {
    uint8_t rex_x = (rex & 2) << 2, rex_b = (rex & 1) << 3;
    size_t displacement_size = mod == 1 ? 1 : mod == 2 ? 4 : 0;
    instruction->index = SWQ_NO_REGISTER;
    instruction->base = rm | rex_b;
    if (rm == 4) {
        if (at >= available) return 0;
        uint8_t sib = code[at++];
        uint8_t index = ((sib >> 3) & 7) | rex_x;
        instruction->scale = sib >> 6;
        // rsp cannot be an index; r12 can.
        if (index != SWQ_RSP) instruction->index = index;
        instruction->base = (sib & 7) | rex_b;
        if ((sib & 7) == 5 && mod == 0) {
            instruction->base = SWQ_NO_REGISTER;
            displacement_size = 4;
        }
    } else if (rm == 5 && mod == 0) {
        instruction->base = SWQ_BASE_RIP;
        displacement_size = 4;
    }
    if (at + displacement_size > available) return 0;
    if (displacement_size == 1) instruction->displacement = (int8_t)code[at];
    if (displacement_size == 4) instruction->displacement = read_int32(code + at);
    return at + displacement_size;
}

/// 0F 38 F8 /r: the three that move 64 bytes to an address in a register.
static bool decode_store(
    const uint8_t *code, size_t available, size_t at, const struct prefixes *prefixes,
    struct swq_instruction *instruction) {
    switch (prefixes->mandatory) {
    case 0xf2:
        instruction->operation = SWQ_ENQCMD;
        break;
    case 0xf3:
        instruction->operation = SWQ_ENQCMDS;
        break;
    case 0x66:
        instruction->operation = SWQ_MOVDIR64B;
        break;
    default:
        return false;
    }
    if (at >= available) return false;
    uint8_t modrm = code[at++];
    uint8_t mod = modrm >> 6;
    if (mod == 3) return false;
    instruction->reg = ((modrm >> 3) & 7) | (prefixes->rex & 4) << 1;
    size_t end = read_address(code, available, at, mod, modrm & 7, prefixes->rex, instruction);
    instruction->length = (uint8_t)end;
    return end != 0;
}

/// 0F AE /6 with a register operand: WAITPKG.
static bool decode_wait(
    const uint8_t *code, size_t available, size_t at, const struct prefixes *prefixes,
    struct swq_instruction *instruction) {
    switch (prefixes->mandatory) {
    case 0xf2:
        instruction->operation = SWQ_UMWAIT;
        break;
    case 0xf3:
        instruction->operation = SWQ_UMONITOR;
        break;
    case 0x66:
        instruction->operation = SWQ_TPAUSE;
        break;
    default:
        return false;
    }
    if (at >= available || (code[at] & 0xf8) != 0xf0) return false;
    instruction->reg = (code[at] & 7) | (prefixes->rex & 1) << 3;
    instruction->length = (uint8_t)(at + 1);
    return true;
}

bool swq_decode(const uint8_t *code, size_t available, struct swq_instruction *instruction) {
    if (available > SWQ_INSTRUCTION_MAX) available = SWQ_INSTRUCTION_MAX;
    struct prefixes prefixes = {0};
    size_t at = read_prefixes(code, available, &prefixes);
    *instruction = (struct swq_instruction){
        .address32 = prefixes.address32, .segment = prefixes.segment, .base = SWQ_NO_REGISTER, .index = SWQ_NO_REGISTER,
    };
    if (at + 2 > available || code[at] != 0x0f) return false;
    if (code[at + 1] == 0xae) return decode_wait(code, available, at + 2, &prefixes, instruction);
    if (at + 3 > available || code[at + 1] != 0x38 || code[at + 2] != 0xf8) return false;
    return decode_store(code, available, at + 3, &prefixes, instruction);
}

static uint64_t segment_base(uint8_t segment) {
    uint64_t base = 0;
    if (segment == SWQ_SEGMENT_FS) swq_syscall2(SYS_arch_prctl, ARCH_GET_FS, (long)&base);
    if (segment == SWQ_SEGMENT_GS) swq_syscall2(SYS_arch_prctl, ARCH_GET_GS, (long)&base);
    return base;
}

uint64_t swq_source_address(
    const struct swq_instruction *instruction, const uint64_t registers[SWQ_REGISTER_COUNT], uint64_t rip) {
    uint64_t address = (uint64_t)(int64_t)instruction->displacement;
    if (instruction->base == SWQ_BASE_RIP) {
        address += rip + instruction->length;
    } else if (instruction->base != SWQ_NO_REGISTER) {
        address += registers[instruction->base];
    }
    if (instruction->index != SWQ_NO_REGISTER) address += registers[instruction->index] << instruction->scale;
    // The segment base is added after the offset was cut.
    if (instruction->address32) address = (uint32_t)address;
    return address + segment_base(instruction->segment);
}

uint64_t swq_destination_address(
    const struct swq_instruction *instruction, const uint64_t registers[SWQ_REGISTER_COUNT]) {
    uint64_t address = registers[instruction->reg];
    return instruction->address32 ? (uint32_t)address : address;
}
