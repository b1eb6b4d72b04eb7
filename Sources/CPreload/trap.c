#define _GNU_SOURCE
#include "trap.h"

#include <stddef.h>
#include <string.h>
#include <ucontext.h>

#include "access.h"
#include "execute.h"
#include "patch.h"
#include "signals.h"
#include "site.h"
#include "syscalls.h"
#include "trampoline.h"

enum { VECTOR_PROTECTION = 13 };

/// The last fault of an access of ours in this thread.
static __thread struct swq_fault access_fault __attribute__((tls_model("initial-exec")));

/// Where the context has each register, in the order of their encoding.
static const uint8_t context_register[SWQ_REGISTER_COUNT] = {
    REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
    REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
};

static struct swq_fault fault_of(const siginfo_t *info, const greg_t *registers) {
    return (struct swq_fault){
        .info = *info,
        .trap = (uint64_t)registers[REG_TRAPNO],
        .error = (uint64_t)registers[REG_ERR],
        .cr2 = (uint64_t)registers[REG_CR2],
    };
}

static void raise_protection(ucontext_t *context) {
    struct swq_fault fault = {.trap = VECTOR_PROTECTION};
    fault.info.si_signo = SIGSEGV;
    fault.info.si_code = SI_KERNEL;
    swq_signals_raise(&fault, context);
}

/// The device went away under a mapped portal.
static void raise_gone(ucontext_t *context, uint64_t destination) {
    struct swq_fault fault = {0};
    fault.info.si_signo = SIGBUS;
    fault.info.si_code = BUS_OBJERR;
    fault.info.si_addr = (void *)destination;
    swq_signals_raise(&fault, context);
}

/// UMONITOR does nothing. UMWAIT and TPAUSE wait for nothing: they give the processor away once, and report that the
/// time limit of the operating system was not what ended them (CF = 0).
static void carry_out_wait(
    const struct swq_instruction *instruction, const uint64_t *registers, ucontext_t *context) {
    greg_t *all = context->uc_mcontext.gregs;
    if (instruction->operation != SWQ_UMONITOR) {
        // Bits 31:1 of the operand are reserved.
        if ((uint32_t)registers[instruction->reg] >> 1 != 0) return raise_protection(context);
        swq_syscall1(SYS_sched_yield, 0);
        all[REG_EFL] &= ~(greg_t)SWQ_FLAGS_STATUS;
    }
    all[REG_RIP] += instruction->length;
}

/// Carries the instruction out. False: it is the program's own affair.
static bool carry_out(
    int number, const struct swq_instruction *instruction, const uint8_t *code, struct swq_site *site,
    ucontext_t *context) {
    greg_t *all = context->uc_mcontext.gregs;
    uint64_t registers[SWQ_REGISTER_COUNT], rip = (uint64_t)all[REG_RIP];
    for (int i = 0; i < SWQ_REGISTER_COUNT; i++) registers[i] = (uint64_t)all[context_register[i]];
    enum swq_operation operation = instruction->operation;
    if (operation >= SWQ_UMONITOR) {
        if (number != SIGILL) return false;
        carry_out_wait(instruction, registers, context);
        return true;
    }
    uint64_t destination = swq_destination_address(instruction, registers);
    uint64_t source = swq_source_address(instruction, registers, rip);
    enum swq_answer answer = swq_execute(operation, destination, source);
    if (answer == SWQ_ANSWER_NO_PORTAL) {
        // A processor that knows the instruction has faulted by itself.
        if (number != SIGILL) return false;
        answer = swq_execute_on_memory(operation, destination, source);
    }
    switch (answer) {
    case SWQ_ANSWER_ACCEPTED:
    case SWQ_ANSWER_RETRY:
        all[REG_EFL] = (greg_t)swq_flags_after(operation, answer, (uint64_t)all[REG_EFL]);
        all[REG_RIP] += instruction->length;
        swq_patch(rip, instruction, code, site);
        break;
    case SWQ_ANSWER_PROTECTION:
        raise_protection(context);
        break;
    case SWQ_ANSWER_PAGE_FAULT:
        swq_signals_raise(&access_fault, context);
        break;
    case SWQ_ANSWER_GONE:
    case SWQ_ANSWER_NO_PORTAL:
        raise_gone(context, destination);
        break;
    }
    return true;
}

/// False: the signal is the program's.
static bool handle(int number, const siginfo_t *info, ucontext_t *context) {
    greg_t *registers = context->uc_mcontext.gregs;
    // Sent by a process, or by ourselves.
    if (info->si_code <= 0 || swq_signals_was_raised(number, context)) return false;
    uint64_t rip = (uint64_t)registers[REG_RIP];
    uint64_t resume = number == SIGSEGV ? swq_access_resume(rip) : 0;
    if (resume != 0) {
        access_fault = fault_of(info, registers);
        registers[REG_RIP] = (greg_t)resume;
        return true;
    }
    if (rip == (uint64_t)swq_trampoline_refused) {
        // As if the site itself had trapped.
        struct swq_site *site = swq_patch_site_of_return(*(const uint64_t *)registers[REG_RSP]);
        registers[REG_RSP] += sizeof(uint64_t) + SWQ_RED_ZONE_BYTES;
        registers[REG_RIP] = (greg_t)site->address;
        return carry_out(number, &site->instruction, site->original, site, context);
    }
    struct swq_instruction instruction;
    struct swq_site *site;
    uint8_t code[SWQ_INSTRUCTION_MAX];
    if (!swq_site_read(rip, &instruction, code, &site)) return false;
    return carry_out(number, &instruction, site ? site->original : code, site, context);
}

void swq_trap(int number, siginfo_t *info, void *context) {
    if (!handle(number, info, context)) swq_signals_chain(number, info, context);
}
