; Two processors write code for each other (SDM vol. 3, ch. 8.1.3), at the same time in both directions: functions that
; a flag announces, at every alignment and across a page; then an immediate that changes while the other one runs it.
%include "bzimage.inc"
local_apic equ 0xfee00000
trampoline_page equ 0x8

rounds          equ 2000
patches         equ 100000

; For each processor: what the other one says to it, each on a line of its own.
mailbox         equ 0x20000
sequence        equ 0x00        ; the function of that number is ready
done            equ 0x40        ; ... and this one of mine has been called
errors          equ 0x80
finished        equ 0xc0
mailbox_size    equ 0x1000
functions       equ 0x30000     ; a page and a bit for each
functions_size  equ 0x3000
patched         equ 0x40000     ; mov eax, immediate; ret: one for each, on pages of their own
patched_size    equ 0x1000
second_stack    equ 0x60000

        mov     edi, local_apic
        mov     dword [rdi + 0xf0], 0x1ff
        xor     eax, eax
        mov     edi, mailbox
        mov     ecx, 2 * mailbox_size / 8
        rep     stosq
        mov     rax, cr3
        mov     [rel trampoline_cr3], eax
        mov     rax, cr4
        mov     [rel trampoline_cr4], eax
        lea     rsi, [rel trampoline]
        mov     edi, trampoline_page << 12
        mov     ecx, trampoline_end - trampoline
        rep     movsb
        mov     edi, local_apic
        mov     dword [rdi + 0x310], 1 << 24
        mov     dword [rdi + 0x300], 0x4500
        mov     dword [rdi + 0x300], 0x4600 | trampoline_page

        xor     ebp, ebp
        call    play
        mov     ebx, mailbox + mailbox_size
.wait:  pause
        cmp     dword [rbx + finished], 1
        jne     .wait
        mov     eax, [abs mailbox + errors]
        or      eax, [rbx + errors]
        lea     rsi, [rel right]
        jz      .print
        lea     rsi, [rel wrong]
.print: call    print
        jmp     power_off

; EBP: the number of this processor. R12 and R13: what is its own, and the other's.
play:
        imul    r12d, ebp, mailbox_size
        add     r12d, mailbox
        mov     r13d, 2 * mailbox + mailbox_size
        sub     r13d, r12d
        imul    r14d, ebp, functions_size
        add     r14d, functions                 ; functions for this one to call
        mov     r15d, 2 * functions + functions_size
        sub     r15d, r14d
        mov     ecx, 1
.round:
        lea     eax, [rcx - 1]                  ; has the other one called the last?
.free:  pause
        cmp     [r13 + done], eax
        jne     .free
        call    place
        lea     rdi, [r15 + rax]
        lea     edx, [rcx + rcx * 2]
        mov     byte [rdi], 0xb8                ; mov eax, 3 n; ret
        mov     [rdi + 1], edx
        mov     byte [rdi + 5], 0xc3
        mov     [r13 + sequence], ecx
.ready: pause
        cmp     [r12 + sequence], ecx           ; behind the last round it may be further already
        jb      .ready
        call    place
        lea     rdi, [r14 + rax]
        call    rdi
        lea     edx, [rcx + rcx * 2]
        cmp     eax, edx
        je      .called
        inc     dword [r12 + errors]
.called:
        mov     [r12 + done], ecx
        inc     ecx
        cmp     ecx, rounds
        jbe     .round

        ; The immediates: aligned, so that a store of one is seen whole.
        imul    r14d, ebp, patched_size
        add     r14d, patched + 3               ; to call
        mov     r15d, 2 * (patched + 3) + patched_size
        sub     r15d, r14d
        mov     byte [r15], 0xb8
        mov     dword [r15 + 1], 0
        mov     byte [r15 + 5], 0xc3
        mov     ecx, rounds + 1
        mov     [r13 + sequence], ecx
.both:  pause
        cmp     [r12 + sequence], ecx
        jb      .both
        xor     ebx, ebx                        ; the greatest seen
        mov     ecx, 1
.patch: mov     [r15 + 1], ecx
        test    ecx, 15
        jnz     .next
        call    r14
        cmp     eax, ebx
        jae     .rises
        inc     dword [r12 + errors]
.rises: mov     ebx, eax
.next:  inc     ecx
        cmp     ecx, patches
        jbe     .patch
        mov     dword [r13 + sequence], rounds + 2
.last:  pause
        cmp     dword [r12 + sequence], rounds + 2
        jb      .last
        call    r14
        cmp     eax, patches
        je      .final
        inc     dword [r12 + errors]
.final: mov     dword [r12 + finished], 1
        ret

; Where function ECX lies: RAX bytes into the area, from the end of its first page on to the beginning of its second.
place:
        imul    eax, ecx, 7
        and     eax, 0x7f
        add     eax, 0x1000 - 0x40
        ret

define_print
define_power_off
right   db "each saw what the other wrote", 10, 0
wrong   db "stale code ran", 10, 0

bits 16
trampoline:
        mov     ax, cs
        mov     ds, ax
        lgdt    [gdt_pointer - trampoline]
        mov     eax, [trampoline_cr4 - trampoline]
        mov     cr4, eax
        mov     eax, [trampoline_cr3 - trampoline]
        mov     cr3, eax
        mov     ecx, 0xc0000080
        rdmsr
        or      eax, 1 << 8                     ; LME
        wrmsr
        mov     eax, 1 << 31 | 1 << 0           ; PG, PE
        mov     cr0, eax
        jmp     dword 8:second
trampoline_cr3  dd 0
trampoline_cr4  dd 0
        align   8
gdt     dq 0, 0x00af9b000000ffff, 0x00cf93000000ffff
gdt_pointer:
        dw      gdt_pointer - gdt - 1
        dd      (trampoline_page << 12) + gdt - trampoline
trampoline_end:

bits 64
second:
        mov     eax, 16
        mov     ds, eax
        mov     es, eax
        mov     ss, eax
        mov     esp, second_stack
        mov     ebp, 1
        call    play
.halt:  cli
        hlt
        jmp     .halt
end_of_image
