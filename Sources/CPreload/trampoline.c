#include "trampoline.h"

#include <stddef.h>

#include "decode.h"
#include "execute.h"
#include "site.h"

extern const char swq_trampoline_enter[] __attribute__((visibility("hidden")));

/// The thunk. It leaves the red zone untouched and changes no flag.
struct __attribute__((packed)) thunk {
    /// lea -128(%rsp), %rsp
    uint8_t skip_red_zone[5];
    /// call *trampoline(%rip)
    uint8_t call[2];
    int32_t call_offset;
    /// lea 128(%rsp), %rsp
    uint8_t unskip_red_zone[8];
    /// jmp next
    uint8_t jump;
    int32_t jump_offset;
    uint64_t trampoline;
    uint64_t site;
};

void swq_thunk_write(uint8_t *code, const struct swq_site *site, uint64_t next) {
    uint64_t after_call = (uint64_t)code + offsetof(struct thunk, unskip_red_zone);
    uint64_t after_jump = (uint64_t)code + offsetof(struct thunk, trampoline);
    *(struct thunk *)code = (struct thunk){
        .skip_red_zone = {0x48, 0x8d, 0x64, 0x24, 0x80},
        .call = {0xff, 0x15},
        .call_offset = (int32_t)((uint64_t)code + offsetof(struct thunk, trampoline) - after_call),
        .unskip_red_zone = {0x48, 0x8d, 0xa4, 0x24, 0x80, 0x00, 0x00, 0x00},
        .jump = 0xe9,
        .jump_offset = (int32_t)(int64_t)(next - after_jump),
        .trampoline = (uint64_t)swq_trampoline_enter,
        .site = (uint64_t)site,
    };
}

struct swq_site *swq_thunk_site(uint64_t return_address) {
    uint64_t code = return_address - offsetof(struct thunk, unskip_red_zone);
    return (struct swq_site *)((const struct thunk *)code)->site;
}

/// Called by the trampoline. False: the handler has to do it.
__attribute__((visibility("hidden"))) int swq_trampoline_execute(struct swq_trampoline_frame *frame) {
    struct swq_site *site = swq_thunk_site(frame->return_address);
    const struct swq_instruction *instruction = &site->instruction;
    frame->registers[SWQ_RSP] = (uint64_t)(frame + 1) + SWQ_RED_ZONE_BYTES;
    uint64_t source = swq_source_address(instruction, frame->registers, site->address);
    uint64_t destination = swq_destination_address(instruction, frame->registers);
    enum swq_answer answer = swq_execute(instruction->operation, destination, source);
    if (answer != SWQ_ANSWER_ACCEPTED && answer != SWQ_ANSWER_RETRY) return 0;
    frame->flags = swq_flags_after(instruction->operation, answer, frame->flags);
    return 1;
}
