; x87 errors with CR0.NE = 0, as the PC reports them: FERR#, IRQ 13, port 0xf0 and IGNNE# (SDM vol. 1, 8.7.2 and appendix D.2).
%include "environment.inc"
%include "interrupts.inc"

apic equ arena + 0x100000       ; a page of the arena shows it
apic_eoi equ apic + 0xb0
apic_lint0 equ apic + 0x350
numeric_vector equ 0x3d
timer_vector equ 0x22
coprocessor_error equ 0xf0      ; port
NE equ 32

%macro byte_out 2                           ; port, value
    mov al, %2
    out %1, al
%endmacro
; An error that is pending: FCW as given, and 0 / 0.
%macro error 0
    fninit
    fldcw [unmasked]
    fldz
    fdiv st0, st0
%endmacro
%macro reported 2+                          ; name, an instruction that finds an error: the interrupts until it has run
    mov dword [count], 0
    error
    sti
    nop
    %2
    a_while
    cli
    say %1, [count]
%endmacro

;| the error itself: 0000000000000000
;| WAIT: 0000000000000001
;|   ahead of it: 0000000000000000
;|   and of what it does: 0000000000008081
;| FLD1: 0000000000000001
;| FSTP: 0000000000000001
;| MMX: 0000000000000001
;| FLDCW: 0000000000000001
;| FRSTOR: 0000000000000001
;| FNSTSW: 0000000000000000
;| FNINIT: 0000000000000000
;| FXSAVE: 0000000000000000
;| SSE: 0000000000000000
;| FNCLEX, then WAIT with IF=0: 0000000000000000
;| IGNNE#: WAIT: 0000000000000001
;|   and x87 instructions: 0000000000000001
;|   which compute: 0000000000000003
;|   the error stays: 0000000000008081
;|   until FNCLEX, then others count: 0000000000000002
;| no write to port 0xf0, no second interrupt: 0000000000000001
;|   but by another one's handler: 0000000000000001
;| NE=1: #MF
;| end

main:
    arena_page 256, 0
    mov dword [arena_entries + 256 * 8], 0xfee00000 | P | W
    invlpg [apic]
    mov dword [apic + 0xf0], 0x1ff
    mov dword [apic + 0x80], 0
    mov dword [apic + 0x320], 0x10000
    mov dword [apic_lint0], 0x700           ; what the 8259s say
    byte_out 0x20, 0x11
    byte_out 0x21, 0x20
    byte_out 0x21, 4
    byte_out 0x21, 1
    byte_out 0xa0, 0x11
    byte_out 0xa1, numeric_vector - 5
    byte_out 0xa1, 2
    byte_out 0xa1, 1
    byte_out 0x21, 0xfb
    byte_out 0xa1, 0xdf                     ; IRQ 13 only
    gate numeric_vector, .clears
    gate timer_vector, .timer
    mov rax, cr0
    and rax, ~NE
    mov cr0, rax

    mov dword [count], 0
    error
    sti
    a_while
    cli
    say "the error itself", [count]
    fnclex
    mov dword [count], 0
    error
    sti
    nop
.waits:
    fwait
    a_while
    cli
    say "WAIT", [count]
    mov rax, [came_at]
    sub rax, .waits
    say "  ahead of it", rax
    movzx eax, word [status]
    and eax, 0x80ff
    say "  and of what it does", rax
    reported "FLD1", fld1
    reported "FSTP", fstp st0
    reported "MMX", movd mm0, eax
    reported "FLDCW", fldcw [unmasked]
    fninit
    fnsave [area]
    reported "FRSTOR", frstor [area]
    reported "FNSTSW", fnstsw ax
    reported "FNINIT", fninit
    reported "FXSAVE", fxsave [area]
    reported "SSE", xorps xmm0, xmm0
    mov dword [count], 0
    error
    fnclex
    fwait                                   ; would wait for ever, were there something to report
    say "FNCLEX, then WAIT with IF=0", [count]

    gate numeric_vector, .ignores
    reported "IGNNE#: WAIT", fwait
    fld1
    fld1
    faddp
    fld1
    faddp
    fistp dword [number]
    say "  and x87 instructions", [count]
    mov eax, [number]
    say "  which compute", rax
    fnstsw ax
    movzx eax, ax
    and eax, 0x80ff
    say "  the error stays", rax
    gate numeric_vector, .clears
    fnclex
    fldz
    fdiv st0, st0
    sti
    nop
    fwait
    cli
    say "  until FNCLEX, then others count", [count]

    ; The interrupt's wire is still high from the first time: only the timer's handler ends the second wait.
    gate numeric_vector, .leaves_it
    reported "no write to port 0xf0, no second interrupt", fwait
    mov dword [timers], 0
    error
    mov dword [apic + 0x3e0], 0xb           ; by 1
    mov dword [apic + 0x320], timer_vector
    mov dword [apic + 0x380], 100000
    sti
    nop
    fwait
    cli
    mov dword [apic + 0x320], 0x10000
    mov eax, [timers]
    say "  but by another one's handler", rax
    byte_out coprocessor_error, 0

    mov rax, cr0
    or rax, NE
    mov cr0, rax
    attempt "NE=1"
    error
    fwait
    outcome
    fninit
    byte_out 0x21, 0xff
    byte_out 0xa1, 0xff
    ret

.clears:
    push rax
    fnstsw [status]
    byte_out coprocessor_error, 0
    fnclex
    jmp .end_of_interrupt
.ignores:
    push rax
    byte_out coprocessor_error, 0
    jmp .end_of_interrupt
.leaves_it:
    push rax
    fnclex
.end_of_interrupt:
    mov rax, [rsp + 8]
    mov [came_at], rax
    inc dword [count]
    byte_out 0xa0, 0x20
    byte_out 0x20, 0x20
    pop rax
    iretq
.timer:
    fnclex
    inc dword [timers]
    mov dword [apic_eoi], 0
    iretq

align 8
count: dq 0
timers: dd 0
number: dd 0
came_at: dq 0
status: dw 0
unmasked: dw 0x37e
align 64
area: times 512 db 0

image_ends
