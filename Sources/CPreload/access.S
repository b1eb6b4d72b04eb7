// See access.h. Arguments by the C convention: rdi destination, rsi source. Result in eax: 1 done, 0 faulted.

    .text

    .globl  swq_access_begin
    .hidden swq_access_begin
swq_access_begin:

    .globl  swq_access_copy64
    .hidden swq_access_copy64
    .type   swq_access_copy64, @function
swq_access_copy64:
    movq    (%rsi), %rax
    movq    8(%rsi), %rcx
    movq    16(%rsi), %rdx
    movq    24(%rsi), %r8
    movq    32(%rsi), %r9
    movq    40(%rsi), %r10
    movq    48(%rsi), %r11
    movq    56(%rsi), %rsi
    movq    %rax, (%rdi)
    movq    %rcx, 8(%rdi)
    movq    %rdx, 16(%rdi)
    movq    %r8, 24(%rdi)
    movq    %r9, 32(%rdi)
    movq    %r10, 40(%rdi)
    movq    %r11, 48(%rdi)
    movq    %rsi, 56(%rdi)
    movl    $1, %eax
    ret
    .size   swq_access_copy64, . - swq_access_copy64

    .globl  swq_access_copy1
    .hidden swq_access_copy1
    .type   swq_access_copy1, @function
swq_access_copy1:
    movb    (%rsi), %al
    movb    %al, (%rdi)
    movl    $1, %eax
    ret
    .size   swq_access_copy1, . - swq_access_copy1

    .globl  swq_access_probe_store
    .hidden swq_access_probe_store
    .type   swq_access_probe_store, @function
swq_access_probe_store:
    lock orb $0, (%rdi)
    movl    $1, %eax
    ret
    .size   swq_access_probe_store, . - swq_access_probe_store

    .globl  swq_access_end
    .hidden swq_access_end
swq_access_end:

    // None of them pushes anything, so that the return address is on top wherever one stops.
    .globl  swq_access_failed
    .hidden swq_access_failed
    .type   swq_access_failed, @function
swq_access_failed:
    xorl    %eax, %eax
    ret
    .size   swq_access_failed, . - swq_access_failed

    .section .note.GNU-stack, "", @progbits
