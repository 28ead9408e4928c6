; A fault in the delivery of #DF shuts the processor down (SDM vol. 3, ch. 6.15, "Double Fault Exception"). Until then all is well:
; a page fault whose handler's stack is absent is a double fault, and can be handled.
%define rounds 1
%include "environment.inc"

;| the second fault alone: #DF(0000)
;| the third is still to come: 0000000000000000
;! triple fault

main:
    arena_page 3, 0
    mov qword [tss + 44], arena + 0x4000    ; IST2, on the absent page
    mov byte [idt + 14 * 16 + 4], 2
    attempt "the second fault alone"
    mov eax, [arena + 0x3000]
    outcome
    xor eax, eax
    say "the third is still to come", rax
    mov byte [idt + 8 * 16 + 4], 2
    attempt "not reached"
    mov eax, [arena + 0x3000]
    outcome
    ret

image_ends
