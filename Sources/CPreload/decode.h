/// Decodes the instructions that a CPU without DSA support refuses: ENQCMD, ENQCMDS, MOVDIR64B and WAITPKG.

#ifndef SWQ_DECODE_H
#define SWQ_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "registers.h"

/// What an instruction does.
enum swq_operation {
    SWQ_ENQCMD = 1,
    SWQ_ENQCMDS = 2,
    SWQ_MOVDIR64B = 3,
    SWQ_UMONITOR = 4,
    SWQ_UMWAIT = 5,
    SWQ_TPAUSE = 6,
};

enum {
    /// The longest instruction of the architecture, in bytes.
    SWQ_INSTRUCTION_MAX = 15,
    /// `base` or `index` of an address without one.
    SWQ_NO_REGISTER = 0xff,
    /// `base` of an address relative to the next instruction.
    SWQ_BASE_RIP = 0xfe,
};

/// Which segment base an address adds. The others are zero in 64-bit mode.
enum swq_segment { SWQ_SEGMENT_FLAT = 0, SWQ_SEGMENT_FS = 1, SWQ_SEGMENT_GS = 2 };

/// One decoded instruction.
struct swq_instruction {
    /// An `enum swq_operation`.
    uint8_t operation;
    /// In bytes, prefixes included.
    uint8_t length;
    /// The register that holds the destination (the portal); of WAITPKG the one register operand.
    uint8_t reg;
    /// Address-size override: addresses are computed modulo 2^32.
    bool address32;
    /// An `enum swq_segment`, of the source only: the destination uses ES.
    uint8_t segment;
    uint8_t base;
    uint8_t index;
    /// The index counts 1 << scale.
    uint8_t scale;
    int32_t displacement;
};

/// Decodes the instruction at `code`, of which `available` bytes may be read. False: none of ours.
bool swq_decode(const uint8_t *code, size_t available, struct swq_instruction *instruction);

/// The linear address of the 64-byte source operand of an instruction at `rip`, with all registers as they were there.
uint64_t swq_source_address(
    const struct swq_instruction *instruction, const uint64_t registers[SWQ_REGISTER_COUNT], uint64_t rip);

/// The linear address of the destination operand.
uint64_t swq_destination_address(
    const struct swq_instruction *instruction, const uint64_t registers[SWQ_REGISTER_COUNT]);

#endif
