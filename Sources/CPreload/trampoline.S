// Called from a thunk with every register as the program has it: see trampoline.h for the frame.

    .text

    .globl  swq_trampoline_enter
    .hidden swq_trampoline_enter
    .type   swq_trampoline_enter, @function
swq_trampoline_enter:
    endbr64
    pushfq
    pushq   %r15
    pushq   %r14
    pushq   %r13
    pushq   %r12
    pushq   %r11
    pushq   %r10
    pushq   %r9
    pushq   %r8
    pushq   %rdi
    pushq   %rsi
    pushq   %rbp
    pushq   %rsp
    pushq   %rbx
    pushq   %rdx
    pushq   %rcx
    pushq   %rax
    movq    %rsp, %rdi
    movq    %rsp, %rbx
    // The program's stack has any alignment, and its direction flag any value.
    andq    $-16, %rsp
    cld
    call    swq_trampoline_execute
    movq    %rbx, %rsp
    testl   %eax, %eax
    jz      1f

    .macro restore
    popq    %rax
    popq    %rcx
    popq    %rdx
    popq    %rbx
    leaq    8(%rsp), %rsp
    popq    %rbp
    popq    %rsi
    popq    %rdi
    popq    %r8
    popq    %r9
    popq    %r10
    popq    %r11
    popq    %r12
    popq    %r13
    popq    %r14
    popq    %r15
    popfq
    .endm

    restore
    ret

1:  restore
    .globl  swq_trampoline_refused
    .hidden swq_trampoline_refused
swq_trampoline_refused:
    ud2
    .size   swq_trampoline_enter, . - swq_trampoline_enter

    .section .note.GNU-stack, "", @progbits
