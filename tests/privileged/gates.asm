; Transfers between privilege levels in 32-bit protected mode: call gates and their parameters, conforming code, RET and IRET to an
; outer level, interrupt and trap gates, the stack that the TSS names; and what each of them refuses (SDM vol. 3, ch. 5.8, 6.12; vol. 2).
%include "environment32.inc"

;| call gate, CS: 00000008
;| call gate, SS: 00000010
;| call gate, return CS: 0000001b
;| call gate, parameter at the top: 00000003
;| call gate, second parameter: 00000002
;| call gate, third parameter: 00000001
;| call gate, SS saved: 00000023
;| call gate, its stack pointer from the TSS: 00000020
;| call gate, ESP back behind the parameters: #BP
;|   by: 00000000
;|   DS, of an inner level, is null: 00000000
;|   ES, of this level, is not: 00000023
;|   conforming code stays: 00000050
;| null DS: #GP(0000)
;| 16-bit gate, IP pushed in 16 bits: 00000000
;| 16-bit gate, CS: 0000005b
;| 16-bit gate, parameter: 00001234
;| 16-bit gate, SS: 00000023
;| 16-bit gate: #BP
;|   ESP moved by: 00000000
;| gate at the same level: 00000008
;|   JMP, too: 00000008
;| gate to conforming code: #BP
;|   CS: 00000053
;| call of conforming code: #BP
;|   CS: 00000053
;| jump to conforming code, RPL 0: #BP
;|   CS: 00000053
;| gate to level 1: 00000069
;|   SS: 00000071
;|   and on to level 0: 00000008
;| code of DPL 0 by CPL 3: #GP(0008)
;| conforming code of DPL 3 by CPL 0: #GP(0078)
;| code with RPL 3 by CPL 0: #GP(0008)
;| gate: DPL 0: #GP(0040)
;| gate: RPL 3, DPL 0: #GP(0040)
;| gate: absent: #NP(0040)
;| gate: null code: #GP(0000)
;| gate: data: #GP(0010)
;| gate: absent code: #NP(0078)
;| gate: code of an outer level: #GP(0018)
;| gate: behind the limit: #GP(0000)
;| gate: a gate: #GP(0040)
;| gate: JMP inwards: #GP(0008)
;| gate: local table: #GP(0044)
;| absent before DPL: #GP(0040)
;| inner SS: null: #TS(0000)
;| inner SS: wrong DPL: #TS(0010)
;| inner SS: wrong RPL: #TS(0070)
;| inner SS: read-only: #TS(0078)
;| inner SS: absent: #SS(0078)
;| inner SS: behind the table: #TS(fff8)
;| inner SS: no room: #SS(0078)
;| TSS too short: #TS(0028)
;| outer stack too short for the parameters: #SS(0000)
;| RET: inwards: #GP(0008)
;| RET: null: #GP(0000)
;| RET: absent: #NP(0078)
;| RET: data: #GP(0010)
;| RET: behind the limit: #GP(0000)
;| RET: outer SS null: #GP(0000)
;| RET: outer SS, RPL 0: #GP(0020)
;| RET: outer SS, DPL 0: #GP(0010)
;| RET: outer SS absent: #SS(0078)
;| RET: outer SS read-only: #GP(0078)
;| RET: to conforming code by its DPL: #GP(0050)
;| RET: conforming, RPL 3: #BP
;| RET: stack ends: #SS(0000)
;| IRET: inwards: #GP(0008)
;| IRET: absent: #NP(0078)
;| IRET: outer SS absent: #SS(0078)
;| IRET with 16-bit operands: #BP
;| IRET and null selectors: #BP
;|   which become 0: 00000000
;| IRET at CPL 3 with IOPL 0: #BP
;|   IF, IOPL and VM stay: 00000000
;| POPF at CPL 3 with IOPL 0: #BP
;|   IF and IOPL stay: 00000000
;| POPF at CPL 3 with IOPL 3: #BP
;|   IF changes, IOPL stays: 00003200
;| interrupt gate: IF: 00000000
;| trap gate: IF: 00000200
;| TF and NT are clear in the handler: 00000000
;| flags saved: 00004302
;| 16-bit interrupt gate: 00000000
;|   flags in 16 bits: 00000202
;|   CS in 16 bits: 0000005b
;| gate to conforming code: #BP
;|   by CPL 3: CS: 00000053
;|   on the same stack: 00000000
;| gate to code of an outer level: #GP(0018)
;| gate to null code: #GP(0000)
;| #UD by such a gate: #GP(0001)
;| gate to absent code: #NP(0078)
;| #UD by such a gate, too: #NP(0079)
;| gate behind the limit: #GP(0000)
;| INT by CPL 3, gate of DPL 0: #GP(003a)
;| end


; slot, code segment, offset, attributes with the parameter count
%macro gate 4
    mov eax, %3
    mov [gdt + slot(%1)], ax
    mov word [gdt + slot(%1) + 2], %2
    mov word [gdt + slot(%1) + 4], %4
    shr eax, 16
    mov [gdt + slot(%1) + 6], ax
%endmacro
%macro idt_gate 4                           ; vector, selector, offset, attributes
    mov eax, %3
    mov [idt + (%1) * 8], ax
    mov word [idt + (%1) * 8 + 2], %2
    mov word [idt + (%1) * 8 + 4], %4
    shr eax, 16
    mov [idt + (%1) * 8 + 6], ax
%endmacro
; name, gate's code, offset, attributes: called by CPL 3
%macro bad_gate 4
    gate 0, %2, %3, %4
    attempt %1
    user_begin
    call slot(0):0
    user_end
    outcome
%endmacro

main:
    descriptor 2, 0x00cf9f000000ffff                  ; 50: conforming, DPL 0
    descriptor 3, 0x00cffb000000ffff, 0x100000        ; 58: code of DPL 3 at the image
    descriptor 4, 0x00cf9b000000ffff, 0x100000        ; 60: and of DPL 0
    descriptor 5, 0x00cfbb000000ffff                  ; 68: code of DPL 1
    descriptor 6, 0x00cfb3000000ffff                  ; 70: data of DPL 1
    mov dword [tss + 12], stack_top - 0x9000          ; ESP1
    mov dword [tss + 16], slot(6) | 1

    ; a call gate with three doublewords
    gate 0, kernel_code, .by_gate, 0xec03
    attempt "call gate, ESP back behind the parameters"
    user_begin
    mov eax, slot(2) | 3
    mov fs, ax
    mov gs, ax
    push 1
    push 2
    push 3
    call slot(0):0x12345678                           ; the offset does not matter
    mov ecx, ds
    mov edx, es
    mov ebx, fs
    mov eax, esp
    mov ebp, ss
    mov ds, bp
    mov [arena], eax
    mov [arena + 4], ecx
    mov [arena + 8], edx
    mov [arena + 12], ebx
    user_end
.by_gate:
    mov ecx, kernel_data
    mov ds, cx
    mov ecx, [said]
    push ecx
    lea ebp, [esp + 4]
    mov ecx, cs
    say "call gate, CS", ecx
    mov ecx, ss
    say "call gate, SS", ecx
    say "call gate, return CS", [ebp + 4]
    say "call gate, parameter at the top", [ebp + 8]
    say "call gate, second parameter", [ebp + 12]
    say "call gate, third parameter", [ebp + 16]
    say "call gate, SS saved", [ebp + 24]
    mov ecx, stack_top - 0x8000
    sub ecx, ebp
    add ecx, 4                                        ; seven doublewords, and one for good measure
    say "call gate, its stack pointer from the TSS", ecx
    mov ecx, user_data
    mov es, cx
    pop dword [said]
    retf 12
    outcome
    mov eax, user_stack
    sub eax, [arena]
    say "  by", eax
    say "  DS, of an inner level, is null", [arena + 4]
    say "  ES, of this level, is not", [arena + 8]
    mov eax, [arena + 12]
    and eax, ~3
    say "  conforming code stays", eax
    gate 0, kernel_code, .leave_ds, 0xec00
    attempt "null DS"
    user_begin
    call slot(0):0
    mov eax, [arena]
    user_end
.leave_ds:
    mov ecx, kernel_data
    mov ds, cx
    retf
    outcome

    ; a 16-bit one
    gate 0, slot(4), image(.by_gate16), 0xe401
    attempt "16-bit gate"
    user_begin
    jmp (slot(3) | 3):image(.caller16)
.caller16:
    mov esp, 0xf000                                   ; its lower half is all that comes back
    push word 0x1234
    call slot(0):0
.return16:
    mov [arena], esp
    user_end
.by_gate16:
    mov ecx, kernel_data
    mov ds, cx
    mov es, cx
    push dword [said]
    lea ebp, [esp + 4]
    jmp kernel_code:.flat16
.flat16:
    movzx ecx, word [ebp]
    sub ecx, image(.return16)
    say "16-bit gate, IP pushed in 16 bits", ecx
    movzx ecx, word [ebp + 2]
    say "16-bit gate, CS", ecx
    movzx ecx, word [ebp + 4]
    say "16-bit gate, parameter", ecx
    movzx ecx, word [ebp + 8]
    say "16-bit gate, SS", ecx
    pop dword [said]
    mov ecx, user_data
    mov ds, cx
    o16 retf 2
    outcome
    mov eax, [arena]
    sub eax, 0xf000
    say "  ESP moved by", eax

    ; no change of level
    gate 0, kernel_code, .same_level, 0x8c05
    call slot(0):0
    jmp .jump_by_gate
.same_level:
    mov eax, [esp + 4]
    say "gate at the same level", eax
    retf
.jump_by_gate:
    gate 0, kernel_code, .jumped, 0x8c05
    jmp slot(0):0
.jumped:
    mov eax, cs
    say "  JMP, too", eax
    gate 0, slot(2), .conforming, 0xec02
    attempt "gate to conforming code"
    user_begin
    call slot(0):0
.conforming:
    mov eax, cs
    user_end
    outcome
    say "  CS", [seen.eax]
    attempt "call of conforming code"
    user_begin
    call slot(2):.conforming_called
.conforming_called:
    mov eax, cs
    user_end
    outcome
    say "  CS", [seen.eax]
    attempt "jump to conforming code, RPL 0"
    user_begin
    jmp slot(2):.conforming_jumped
.conforming_jumped:
    mov eax, cs
    user_end
    outcome
    say "  CS", [seen.eax]

    ; to level 1 and from there to level 0
    gate 0, slot(5), .level1, 0xec00
    gate 1, kernel_code, .level0, 0xac00
    mov [resume.esp], esp
    user_begin 0x1002                                 ; whose IOPL lets it print
    call slot(0):0
    user_end
.level1:
    mov ecx, slot(6) | 1
    mov ds, cx
    mov es, cx
    mov ecx, cs
    mov [arena], ecx
    mov ecx, ss
    mov [arena + 4], ecx
    call slot(1):0
.level0:
    call load_flat_segments_but_stack
    say "gate to level 1", [arena]
    say "  SS", [arena + 4]
    mov eax, cs
    say "  and on to level 0", eax
    mov eax, kernel_data
    mov ss, ax
    mov esp, [resume.esp]

    ; refused
    attempt "code of DPL 0 by CPL 3"
    user_begin
    call kernel_code:.never
    user_end
    outcome
    descriptor 7, 0x00cfff000000ffff
    attempted "conforming code of DPL 3 by CPL 0", call slot(7):.never
    attempted "code with RPL 3 by CPL 0", jmp (kernel_code | 3):.never
    bad_gate "gate: DPL 0", kernel_code, .never, 0x8c00
    attempted "gate: RPL 3, DPL 0", call (slot(0) | 3):0
    bad_gate "gate: absent", kernel_code, .never, 0x6c00
    bad_gate "gate: null code", 0, .never, 0xec00
    bad_gate "gate: data", kernel_data, .never, 0xec00
    descriptor 7, 0x00cf1b000000ffff
    bad_gate "gate: absent code", slot(7), .never, 0xec00
    gate 0, user_code, .never, 0xec00
    attempted "gate: code of an outer level", call slot(0):0
    descriptor 7, 0x00409b000000ffff
    bad_gate "gate: behind the limit", slot(7), .never, 0xec00
    bad_gate "gate: a gate", slot(0), .never, 0xec00
    gate 0, kernel_code, .never, 0xec00
    attempt "gate: JMP inwards"
    user_begin
    jmp slot(0):0
    user_end
    outcome
    attempted "gate: local table", call (slot(0) | 4):0
    bad_gate "absent before DPL", kernel_code, .never, 0x0c00

    ; the inner stack, of level 1: the exception's own is that of level 0
%macro bad_inner_stack 3                    ; name, SS1, what slot 7 holds
    descriptor 7, %3
    mov dword [tss + 16], %2
    attempt %1
    user_begin
    call slot(0):0
    user_end
    outcome
%endmacro
    gate 0, slot(5), .never, 0xec00
    bad_inner_stack "inner SS: null", 0, 0
    bad_inner_stack "inner SS: wrong DPL", kernel_data | 1, 0
    bad_inner_stack "inner SS: wrong RPL", slot(6), 0
    bad_inner_stack "inner SS: read-only", slot(7) | 1, 0x00cfb1000000ffff
    bad_inner_stack "inner SS: absent", slot(7) | 1, 0x00cf33000000ffff
    bad_inner_stack "inner SS: behind the table", 0xfff9, 0
    mov dword [tss + 12], 0x8000
    bad_inner_stack "inner SS: no room", slot(7) | 1, 0x0040b30000007ff0
    mov dword [tss + 12], stack_top - 0x9000
    mov dword [tss + 16], slot(6) | 1
    ; A TSS that ends behind SS0: 16-bit ones keep SS1 at offset 8.
    mov byte [gdt + task_segment + 5], 0x89
    mov word [gdt + task_segment], 0x10
    mov ax, task_segment
    ltr ax
    attempt "TSS too short"
    user_begin
    call slot(0):0
    user_end
    outcome
    mov byte [gdt + task_segment + 5], 0x89
    mov word [gdt + task_segment], 0x67
    mov ax, task_segment
    ltr ax
    gate 0, slot(5), .never, 0xec04
    descriptor 7, 0x0040f30000007fff                  ; 78: data of 32 KiB, DPL 3
    attempt "outer stack too short for the parameters"
    user_begin
    mov eax, slot(7) | 3
    mov ss, ax
    mov esp, 0x7ff8
    call slot(0):0
    user_end
    outcome

    ; RET
%macro returns 3                            ; name, CS, SS
    attempt %1
    push %3
    push user_stack
    push %2
    push .never
    retf
    outcome
%endmacro
    attempt "RET: inwards"
    user_begin
    push kernel_code
    push .never
    retf
    user_end
    outcome
    returns "RET: null", 0, 0
    descriptor 7, 0x00cf1b000000ffff
    returns "RET: absent", slot(7), 0
    returns "RET: data", kernel_data, 0
    descriptor 7, 0x00409b000000ffff
    returns "RET: behind the limit", slot(7), 0
    returns "RET: outer SS null", user_code, 0
    returns "RET: outer SS, RPL 0", user_code, user_data & ~3
    returns "RET: outer SS, DPL 0", user_code, kernel_data | 3
    descriptor 7, 0x00cf73000000ffff
    returns "RET: outer SS absent", user_code, slot(7) | 3
    descriptor 7, 0x00cff1000000ffff
    returns "RET: outer SS read-only", user_code, slot(7) | 3
    descriptor 2, 0x00cfff000000ffff                  ; conforming, DPL 3: RPL 0 is below it
    returns "RET: to conforming code by its DPL", slot(2), 0
    descriptor 2, 0x00cf9f000000ffff
    attempt "RET: conforming, RPL 3"
    push user_data
    push user_stack
    push slot(2) | 3
    push .int3
    retf
    outcome
    descriptor 7, 0x0040930000007fff
    attempt "RET: stack ends"
    mov eax, slot(7)
    mov ss, ax
    mov esp, 0x7ffc
    retf
    outcome

    ; IRET
%macro interrupt_returns 3
    attempt %1
    push %3
    push user_stack
    push 2
    push %2
    push .never
    iretd
    outcome
%endmacro
    attempt "IRET: inwards"
    user_begin
    push 2
    push kernel_code
    push .never
    iretd
    user_end
    outcome
    descriptor 7, 0x00cf1b000000ffff
    interrupt_returns "IRET: absent", slot(7), 0
    descriptor 7, 0x00cf73000000ffff
    interrupt_returns "IRET: outer SS absent", user_code, slot(7) | 3
    attempt "IRET with 16-bit operands"
    push word user_data
    push word user_stack & 0xffff
    push word 2
    push word slot(3) | 3
    push word image(.int3)
    o16 iret
    outcome
    attempt "IRET and null selectors"
    mov eax, 3
    mov es, ax
    mov fs, ax
    mov gs, ax
    push user_data
    push user_stack
    push 2
    push user_code
    push .nulls
    iretd
.nulls:
    mov eax, es
    mov ecx, fs
    or eax, ecx
    mov ecx, gs
    or eax, ecx
    int3
    outcome
    say "  which become 0", [seen.eax]
    attempt "IRET at CPL 3 with IOPL 0"
    user_begin 0x0002
    push 0x23202                                      ; VM, IF, IOPL 3
    push user_code
    push .returned
    iretd
.returned:
    pushfd
    pop eax
    and eax, 0x23200
    user_end
    outcome
    say "  IF, IOPL and VM stay", [seen.eax]
    attempt "POPF at CPL 3 with IOPL 0"
    user_begin 0x0002
    push 0x3202
    popfd
    pushfd
    pop eax
    and eax, 0x3200
    user_end
    outcome
    say "  IF and IOPL stay", [seen.eax]
    attempt "POPF at CPL 3 with IOPL 3"
    user_begin 0x3002
    push 0x0202
    popfd
    pushfd
    pop eax
    and eax, 0x3200
    cli
    user_end
    outcome
    say "  IF changes, IOPL stays", [seen.eax]

    ; interrupt and trap gates
    idt_gate 32, kernel_code, .flags_here, 0x8e00
    sti
    int 32
    cli
    and eax, 0x200
    say "interrupt gate: IF", eax
    mov byte [idt + 32 * 8 + 5], 0x8f
    sti
    int 32
    cli
    and eax, 0x200
    say "trap gate: IF", eax
    push 0x4302                                       ; NT, IF and TF: the trap comes behind INT's handler's first look
    mov eax, .single_step
    mov edi, idt + 1 * 8
    call write_interrupt_gate
    popfd
    nop
    push 2
    popfd
    mov eax, exception_entries + exception_entry_size
    mov edi, idt + 1 * 8
    call write_interrupt_gate
    mov eax, [arena]
    and eax, 0x4100
    say "TF and NT are clear in the handler", eax
    say "flags saved", [arena + 4]
    idt_gate 32, slot(4), image(.handler16), 0xe600
    mov [resume.esp], esp
    user_begin 0x0202
    jmp (slot(3) | 3):image(.interrupter16)
.interrupter16:
    int 32
.interrupted16:
.handler16:
    mov ebp, esp
    mov ecx, kernel_data
    mov ds, cx
    mov es, cx
    jmp kernel_code:.handler_flat
.handler_flat:
    movzx ecx, word [ebp]
    sub ecx, image(.interrupted16)
    say "16-bit interrupt gate", ecx
    movzx ecx, word [ebp + 4]
    say "  flags in 16 bits", ecx
    movzx ecx, word [ebp + 2]
    say "  CS in 16 bits", ecx
    mov esp, [resume.esp]
    idt_gate 32, slot(2), .conforming_handler, 0xee00
    attempt "gate to conforming code"
    user_begin
    int 32
.conforming_handler:
    mov eax, cs
    mov [arena], eax
    mov [arena + 4], esp
    user_end
    outcome
    say "  by CPL 3: CS", [arena]
    mov eax, [arena + 4]
    sub eax, user_stack - 12
    say "  on the same stack", eax
    idt_gate 32, user_code, .never, 0xee00
    attempted "gate to code of an outer level", int 32
    idt_gate 32, 0, .never, 0xee00
    attempted "gate to null code", int 32
    idt_gate 6, 0, .never, 0x8e00
    attempted "#UD by such a gate", ud2
    descriptor 7, 0x00cf1b000000ffff
    idt_gate 32, slot(7), .never, 0xee00
    attempted "gate to absent code", int 32
    idt_gate 6, slot(7), .never, 0x8e00
    attempted "#UD by such a gate, too", ud2
    mov eax, exception_entries + 6 * exception_entry_size
    mov edi, idt + 6 * 8
    call write_interrupt_gate
    descriptor 7, 0x00409b000000ffff
    idt_gate 32, slot(7), .never, 0xee00
    attempted "gate behind the limit", int 32
    attempt "INT by CPL 3, gate of DPL 0"
    user_begin
    int 7
    user_end
    outcome
    ret

.flags_here:
    pushfd
    pop eax
    iretd
.single_step:
    push eax
    pushfd
    pop dword [arena]
    mov eax, [esp + 12]
    mov [arena + 4], eax
    and dword [esp + 12], ~0x4100
    pop eax
    iretd
.int3:
    int3
.never:
    ud2

image_ends
