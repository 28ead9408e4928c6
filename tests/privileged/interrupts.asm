; When interrupts and NMIs come in: shadows of STI, MOV SS and POP SS, HLT, priorities, NMIs that wait for IRET, frames and what goes
; wrong on the way to a handler (SDM vol. 3, ch. 6.7, 6.8, 6.14, 10.8; vol. 2, STI, MOV, POP).
%include "environment.inc"
%include "interrupts.inc"

apic equ arena + 0x100000       ; a page of the arena shows it
apic_task_priority equ apic + 0x80
apic_eoi equ apic + 0xb0
apic_spurious equ apic + 0xf0
apic_command equ apic + 0x300
apic_timer equ apic + 0x320

%macro interrupt_self 1
    mov dword [apic_command], 0x44000 | (%1)
%endmacro
%macro nmi_self 0                           ; NMI has no short way to oneself
    mov eax, [apic + 0x20]
    mov [apic_command + 0x10], eax
    mov dword [apic_command], 0x4400
%endmacro
%macro no_count 0
    mov dword [count], 0
    mov dword [order], 0
%endmacro
%macro where 2                              ; how far behind a label the handler was told to return to
    mov rax, [came_at]
    sub rax, %2
    say %1, rax
%endmacro

;| IF=0: 0000000000000000
;|   STI and the instruction behind it: 0000000000000001
;|   not before that instruction: 0000000000000001
;| STI, CLI: 0000000000000000
;| STI when IF is set has no shadow: 0000000000000001
;| STI, MOV SS: 0000000000000001
;| POPF: 0000000000000001
;| IRET: 0000000000000001
;| STI, HLT: behind it: 0000000000000000
;| MOV SS, instruction: 0000000000000001
;| POP SS, instruction: 0000000000000001
;| HLT wakes by the timer: 0000000000000001
;| task priority 2: 0000000000000000
;|   0 again: 0000000000000001
;| two vectors: 0000000000003122
;| in service, a lower one waits: 0000000000000031
;|   for the EOI: 0000000000003122
;| in service, a higher one does not: 0000000000002231
;| frame is aligned: 0000000000000000
;|   RSP in it as it was: 0000000000000000
;| interrupt gate: IF: 0000000000000000
;| trap gate: IF: 0000000000000200
;| absent gate: #NP(0113)
;| behind the table: #GP(0403)
;| no gate: #GP(011b)
;| absent code segment: #NP(0049)
;| RIP not canonical: #GP(0001)
;| REP STOS and the timer: 0000000000000000
;| NMI with IF=0: 0000000000000001
;| NMI in NMI waits: 0000000000000001
;|   for IRET: 0000000000000002
;|   two of them are one: 0000000000000002
;| handler left without IRET: 0000000000000001
;|   another waits: 0000000000000001
;|   for any IRET: 0000000000000002
;|   even one that faults: #GP(0000)
;|   then: 0000000000000002
;| NMI in MOV SS's shadow waits: 0000000000000001
;| NMI in STI's shadow: 0000000000000001
;| NMI by CPL 3's IRET: 0000000000000002
;| end

main:
    arena_page 256, 0
    mov dword [arena_entries + 256 * 8], 0xfee00000 | P | W
    invlpg [apic]
    mov dword [apic_spurious], 0x1ff
    mov dword [apic_task_priority], 0
    mov dword [apic_timer], 0x10000
    gate 0x22, .handler22
    gate 0x31, .handler31
    gate 0x3f, .spurious

    ; STI
    no_count
    interrupt_self 0x22
    a_while
    say "IF=0", [count]
    sti
.shadowed:
    nop
.behind_shadow:
    a_while
    cli
    say "  STI and the instruction behind it", [count]
    mov rax, [came_at]
    cmp rax, .behind_shadow
    setae al
    movzx eax, al
    say "  not before that instruction", rax
    no_count
    interrupt_self 0x22
    mov ecx, 100
.sti_cli:
    sti
    cli
    dec ecx
    jnz .sti_cli
    say "STI, CLI", [count]
    sti
    nop
    a_while
    no_count
    interrupt_self 0x22
    sti
    a_while
    cli
    say "STI when IF is set has no shadow", [count]
    no_count
    interrupt_self 0x22
    mov eax, ss
    sti
    mov ss, ax
    nop
    a_while
    cli
    say "STI, MOV SS", [count]
    no_count
    interrupt_self 0x22
    push 0x202
    popf
    a_while
    cli
    say "POPF", [count]
    no_count
    interrupt_self 0x22
    mov rax, rsp
    push kernel_data
    push rax
    push 0x202
    push kernel_code
    push .iret_target
    iretq
.iret_target:
    a_while
    cli
    say "IRET", [count]
    interrupt_self 0x22
    sti
    hlt
.behind_hlt:
    cli
    where "STI, HLT: behind it", .behind_hlt
    ; No interrupt can be timed to fall due in MOV SS's shadow; so the timer's come in a loop that is little else.
    no_count
    mov dword [hit], 0
    gate 0x22, .timer_in_shadow
    mov dword [apic_timer], 0x20022         ; periodic
    mov dword [apic + 0x3e0], 0xb           ; by 1
    mov dword [apic + 0x380], 100000
    mov eax, ss
    sti
.storm:
    nop
    mov ss, ax
.shadow:
    nop
    lea rdx, [.shadow]
    mov [forbidden], rdx
    cmp dword [count], 20
    jb .storm
    cli
    mov dword [apic_timer], 0x10000
    mov dword [apic + 0x380], 0
    sti
    nop
    a_while
    cli
    gate 0x22, .handler22
    mov eax, [hit]
    xor eax, 1
    say "MOV SS, instruction", rax
    ; POP SS exists in compatibility mode only: interrupts from there come in the same way.
    no_count
    interrupt_self 0x22
    mov [saved_rsp], rsp
    push kernel_code32
    push .compatible
    o64 retf
bits 32
.compatible:
    push ss
    sti
    pop ss                                  ; in STI's shadow; its own holds until behind the next
.pop_shadow:
    nop
.behind_pop_shadow:
    mov ecx, 64
.compatible_while:
    dec ecx
    jnz .compatible_while
    cli
    jmp kernel_code:.long_again
bits 64
.long_again:
    mov rsp, [saved_rsp]
    say "POP SS, instruction", [count]
    no_count
    mov dword [apic_timer], 0x22            ; once
    mov dword [apic + 0x3e0], 0xb
    mov dword [apic + 0x380], 1000000
    sti
    hlt
    cli
    mov dword [apic_timer], 0x10000
    say "HLT wakes by the timer", [count]

    ; priorities
    no_count
    mov eax, 2
    mov cr8, rax
    interrupt_self 0x22
    sti
    a_while
    cli
    say "task priority 2", [count]
    xor eax, eax
    mov cr8, rax
    sti
    a_while
    cli
    say "  0 again", [count]
    no_count
    interrupt_self 0x22
    interrupt_self 0x31
    sti
    nop
    a_while
    cli
    mov eax, [order]
    say "two vectors", rax
    no_count
    gate 0x31, .no_eoi
    interrupt_self 0x31
    sti
    nop
    a_while
    interrupt_self 0x22
    a_while
    mov eax, [order]
    cli
    say "in service, a lower one waits", rax
    mov dword [apic_eoi], 0
    sti
    nop
    a_while
    cli
    mov eax, [order]
    say "  for the EOI", rax
    gate 0x31, .handler31
    gate 0x22, .no_eoi22
    no_count
    interrupt_self 0x22
    sti
    nop
    a_while
    interrupt_self 0x31
    a_while
    cli
    mov eax, [order]
    say "in service, a higher one does not", rax
    mov dword [apic_eoi], 0
    gate 0x22, .handler22

    ; frames
    gate 0x22, .look_at_frame, 0x8e00
    interrupt_self 0x22
    mov rbp, rsp
    sub rsp, 8
    and rsp, ~15
    sub rsp, 8                              ; not on a multiple of 16
    mov rdx, rsp
    sti
    nop
    a_while
    cli
    mov rsp, rbp
    mov rax, [frame_at]
    and eax, 15
    xor eax, 8                              ; five quadwords below an aligned top
    say "frame is aligned", rax
    mov rax, [frame_rsp]
    sub rax, rdx
    say "  RSP in it as it was", rax
    mov eax, [frame_flags]
    and eax, 0x200
    say "interrupt gate: IF", rax
    gate 0x22, .look_at_frame, 0x8f00
    interrupt_self 0x22
    sti
    nop
    a_while
    cli
    mov eax, [frame_flags]
    and eax, 0x200
    say "trap gate: IF", rax
%macro bad_gate 1
    attempt %1
    interrupt_self 0x22
    sti
    nop
    a_while
    outcome
    cli
    mov dword [apic_eoi], 0
%endmacro
    gate 0x22, .handler22, 0x0e01
    bad_gate "absent gate"
    attempt "behind the table"
    interrupt_self 0x80
    sti
    nop
    a_while
    outcome
    mov dword [apic_eoi], 0
    mov qword [idt + 0x23 * 16], 0
    attempt "no gate"
    interrupt_self 0x23
    sti
    nop
    a_while
    outcome
    mov dword [apic_eoi], 0
    mov rax, 0x00af1b000000ffff
    mov [gdt.free], rax
    gate 0x22, .handler22
    mov word [idt + 0x22 * 16 + 2], free_selector
    bad_gate "absent code segment"
    gate 0x22, .handler22
    mov dword [idt + 0x22 * 16 + 8], 0x8000
    bad_gate "RIP not canonical"
    gate 0x22, .handler22

    ; a long string instruction, interrupted
    mov dword [apic_timer], 0x20022
    mov dword [apic + 0x380], 50000
    sti
    mov edi, 0x2000000
    mov ecx, 0x400000
    mov al, 0x5a
    rep stosb
    cli
    mov dword [apic_timer], 0x10000
    mov dword [apic + 0x380], 0
    sub edi, 0x2400000
    or edi, ecx
    mov esi, 0x2000000
.check:
    cmp byte [rsi], 0x5a
    setne al
    movzx eax, al
    or edi, eax
    add esi, 0x1fff
    cmp esi, 0x2400000
    jb .check
    say "REP STOS and the timer", rdi
    sti
    nop
    a_while
    cli

    ; NMI
    gate 2, .nmi
    no_count
    nmi_self
    a_while
    say "NMI with IF=0", [count]
    gate 2, .nmi_twice
    no_count
    nmi_self
    a_while
    mov eax, [seen_in_handler]
    say "NMI in NMI waits", rax
    say "  for IRET", [count]
    gate 2, .nmi_three_times
    no_count
    nmi_self
    a_while
    say "  two of them are one", [count]
    gate 2, .nmi_leaves
    no_count
    mov [saved_rsp], rsp
    mov qword [left_to], .left
    nmi_self
    a_while
.left:
    gate 2, .nmi
    say "handler left without IRET", [count]
    nmi_self
    a_while
    say "  another waits", [count]
%macro an_iret 0
    mov rax, rsp
    push kernel_data
    push rax
    push 2
    push kernel_code
    push %%target
    iretq
%%target:
%endmacro
    an_iret
    a_while
    say "  for any IRET", [count]
    gate 2, .nmi_leaves
    no_count
    mov qword [left_to], .left_again
    nmi_self
    a_while
.left_again:
    gate 2, .nmi
    attempt "  even one that faults"
    nmi_self
    push kernel_data
    push stack_top
    push 2
    push kernel_code
    mov rax, 0x800000000000
    push rax
    iretq
    outcome
    a_while
    say "  then", [count]
    an_iret
    no_count
    mov eax, ss
    nmi_self
    mov ss, ax
    nop
    a_while
    say "NMI in MOV SS's shadow waits", [count]
    no_count
    nmi_self
    sti
    nop
    a_while
    cli
    say "NMI in STI's shadow", [count]
    gate 2, .nmi_leaves
    no_count
    mov qword [left_to], .left_for_user
    nmi_self
    a_while
.left_for_user:
    gate 2, .nmi
    nmi_self
    quietly call .user_iret
    call .flat
    say "NMI by CPL 3's IRET", [count]
    mov dword [arena_entries + 256 * 8], arena_physical + 0x100000 + (P | W)
    invlpg [apic]
    mov eax, exception_entries + 2 * exception_entry_size
    mov [idt + 2 * 16], ax
    shr eax, 16
    mov [idt + 2 * 16 + 6], ax
    ret
.flat:
    mov ax, kernel_data
    mov ds, ax
    mov es, ax
    ret
.user_iret:
    user_begin
    mov rax, rsp
    push user_data
    push rax
    push 0x3002
    push user_code
    push user_view + .user_returned
    iretq
.user_returned:
    user_end

.handler22:
    shl dword [order], 8
    or dword [order], 0x22
    jmp .end_of_interrupt
.handler31:
    shl dword [order], 8
    or dword [order], 0x31
.end_of_interrupt:
    inc dword [count]
    push rax
    mov rax, [rsp + 8]
    mov [came_at], rax
    mov dword [apic_eoi], 0
    pop rax
    iretq
.no_eoi:
    shl dword [order], 8
    or dword [order], 0x31
    iretq
.no_eoi22:
    shl dword [order], 8
    or dword [order], 0x22
    iretq
.spurious:
    iretq
.timer_in_shadow:
    push rax
    mov rax, [rsp + 8]
    cmp rax, [forbidden]
    jne .allowed
    mov dword [hit], 1
.allowed:
    inc dword [count]
    mov dword [apic_eoi], 0
    pop rax
    iretq
.look_at_frame:
    mov [frame_at], rsp
    push rax
    pushf
    pop rax
    mov [frame_flags], eax
    mov rax, [rsp + 32]
    mov [frame_rsp], rax
    mov dword [apic_eoi], 0
    pop rax
    iretq

.nmi:
    inc dword [count]
    iretq
.nmi_twice:
    push rax
    push rcx
    inc dword [count]
    cmp dword [count], 1
    jne .nmi_end
    nmi_self
    a_while
    mov eax, [count]
    mov [seen_in_handler], eax
.nmi_end:
    pop rcx
    pop rax
    iretq
.nmi_three_times:
    push rax
    push rcx
    inc dword [count]
    cmp dword [count], 1
    jne .nmi_end
    nmi_self
    a_while
    nmi_self
    a_while
    jmp .nmi_end
.nmi_leaves:
    inc dword [count]
    mov rsp, [saved_rsp]
    jmp [left_to]

align 8
count: dq 0
order: dq 0
came_at: dq 0
forbidden: dq 0
hit: dq 0
saved_rsp: dq 0
frame_at: dq 0
frame_rsp: dq 0
frame_flags: dq 0
seen_in_handler: dq 0
left_to: dq 0
image_ends
