// Runs one instruction with every register as the test says, and takes down every register behind it. See state.h.

    .macro  load_ymm from, to
    vmovdqu state_vectors_in+32*\from(%rip), %ymm\to
    .endm
    .macro  store_ymm from, to
    vmovdqu %ymm\from, state_vectors_out+32*\to(%rip)
    .endm

    .macro  form name, instruction:vararg
    .globl  \name
    .globl  \name\()_site
    .type   \name, @function
\name:
    pushq   %rbx
    pushq   %rbp
    pushq   %r12
    pushq   %r13
    pushq   %r14
    pushq   %r15
    movq    %rsp, saved_stack(%rip)
    fxrstor64 state_legacy_in(%rip)
    .irp    number, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    load_ymm \number, \number
    .endr
    movq    state_in+32(%rip), %rsp
    pushq   state_flags_in(%rip)
    popfq
    // The push went into the red zone.
    movq    $0x5a5a5a5a, -8(%rsp)
    movq    state_in+0(%rip), %rax
    movq    state_in+8(%rip), %rcx
    movq    state_in+16(%rip), %rdx
    movq    state_in+24(%rip), %rbx
    movq    state_in+40(%rip), %rbp
    movq    state_in+48(%rip), %rsi
    movq    state_in+56(%rip), %rdi
    movq    state_in+64(%rip), %r8
    movq    state_in+72(%rip), %r9
    movq    state_in+80(%rip), %r10
    movq    state_in+88(%rip), %r11
    movq    state_in+96(%rip), %r12
    movq    state_in+104(%rip), %r13
    movq    state_in+112(%rip), %r14
    movq    state_in+120(%rip), %r15
\name\()_site:
    \instruction
    jmp     take_down
    .size   \name, . - \name
    .endm

    .text
take_down:
    movq    %rax, state_out+0(%rip)
    movq    %rcx, state_out+8(%rip)
    movq    %rdx, state_out+16(%rip)
    movq    %rbx, state_out+24(%rip)
    movq    %rsp, state_out+32(%rip)
    movq    %rbp, state_out+40(%rip)
    movq    %rsi, state_out+48(%rip)
    movq    %rdi, state_out+56(%rip)
    movq    %r8, state_out+64(%rip)
    movq    %r9, state_out+72(%rip)
    movq    %r10, state_out+80(%rip)
    movq    %r11, state_out+88(%rip)
    movq    %r12, state_out+96(%rip)
    movq    %r13, state_out+104(%rip)
    movq    %r14, state_out+112(%rip)
    movq    %r15, state_out+120(%rip)
    movq    saved_stack(%rip), %rsp
    pushfq
    popq    state_flags_out(%rip)
    cld
    .irp    number, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    store_ymm \number, \number
    .endr
    fxsave64 state_legacy_out(%rip)
    vzeroupper
    popq    %r15
    popq    %r14
    popq    %r13
    popq    %r12
    popq    %rbp
    popq    %rbx
    ret

    form    plain_enqcmd, enqcmd (%rdx), %rax
    form    plain_movdir64b, movdir64b (%rdx), %rax
    form    indexed_enqcmd, enqcmd 64(%rbx,%rcx,8), %r15
    form    relative_movdir64b, movdir64b state_block(%rip), %r9
    form    red_zone_enqcmd, enqcmd -128(%rsp), %rdi
    form    segment_movdir64b, movdir64b %fs:(%rcx), %r8
    form    short_enqcmd, enqcmd (%edx), %eax
    form    absolute_enqcmd, enqcmd 0x10000000, %rbp
    form    plain_enqcmds, enqcmds (%rdx), %rax
    form    plain_umonitor, umonitor %rcx
    form    plain_umwait, umwait %ecx
    form    plain_tpause, tpause %r9d

// Sites that cross the ends of words, cache lines and pages: each is called with rdi the source and rsi the portal, and
// returns ZF.
    .macro  small number
    .balign 256
    .skip   255 - \number
    .globl  small_site_\number
small_site_\number:
    enqcmd  (%rdi), %rsi
    setz    %al
    movzbl  %al, %eax
    ret
    .endm

    .balign 4096
    .altmacro
    .set    number, 0
    .rept   64
    small   %number
    .set    number, number + 1
    .endr
    .balign 4096
    .skip   4094
    .globl  page_site
page_site:
    enqcmd  (%rdi), %rsi
    setz    %al
    movzbl  %al, %eax
    ret

    .macro  small_entry number
    .quad   small_site_\number
    .endm
    .section .data.rel.ro, "aw"
    .globl  small_sites
small_sites:
    .set    number, 0
    .rept   64
    small_entry %number
    .set    number, number + 1
    .endr
    .quad   page_site

    .bss
    .balign 64
saved_stack:
    .skip   8
    .section .note.GNU-stack, "", @progbits
