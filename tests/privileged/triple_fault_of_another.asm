; A processor that shuts down, here because it has no interrupt table at all, takes the machine with it, whichever it is
; (SDM vol. 3, ch. 6.15, "Double Fault Exception"; ch. 8.4).
%define cpus 2
%define rounds 1
%include "environment.inc"
%include "processors.inc"

;| the other one has its table: 0000000000000001
;| and now it has none: 0000000000000000
;! triple fault

main:
    start_processors
    gate_of processor_idt, 3, .breakpoint
    work 1, .breaks
    finished 1
    say "the other one has its table", [breakpoints]
    mov qword [breakpoints], 0
    say "and now it has none", [breakpoints]
    work 1, .breaks_without_table
    finished 1
    say "not reached", [breakpoints]
    ret

.breaks_without_table:
    lidt [no_table]
.breaks:
    int3
    ret
.breakpoint:
    inc qword [breakpoints]
    iretq

    align 8
breakpoints: dq 0
no_table: dw 0
    dq 0
image_ends
