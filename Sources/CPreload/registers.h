/// The program's registers at an instruction, as the decoder and the trampoline see them.

#ifndef SWQ_REGISTERS_H
#define SWQ_REGISTERS_H

#include <stdint.h>

/// The general registers in the order of their encoding: rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8 ... r15.
enum { SWQ_RAX, SWQ_RCX, SWQ_RDX, SWQ_RBX, SWQ_RSP, SWQ_RBP, SWQ_RSI, SWQ_RDI, SWQ_REGISTER_COUNT = 16 };

/// Bits of RFLAGS.
enum {
    SWQ_FLAG_CARRY = 1 << 0,
    SWQ_FLAG_PARITY = 1 << 2,
    SWQ_FLAG_ADJUST = 1 << 4,
    SWQ_FLAG_ZERO = 1 << 6,
    SWQ_FLAG_SIGN = 1 << 7,
    SWQ_FLAG_OVERFLOW = 1 << 11,
    SWQ_FLAGS_STATUS = SWQ_FLAG_CARRY | SWQ_FLAG_PARITY | SWQ_FLAG_ADJUST | SWQ_FLAG_ZERO | SWQ_FLAG_SIGN |
                       SWQ_FLAG_OVERFLOW,
};

#endif
