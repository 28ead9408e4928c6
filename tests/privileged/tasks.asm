; Hardware task switches: by JMP, CALL, IRET, interrupts and task gates; what is saved, loaded and marked; and the faults of a task
; that cannot be entered, in the old task or in the new one (SDM vol. 3, ch. 8).
%include "environment32.inc"

;| JMP: task register: 00000040
;| JMP: NT: 00000000
;| JMP: TS: 00000008
;| JMP: old task's type: 00000009
;| JMP: new task's type: 0000000b
;| JMP: back link: 0000dead
;| JMP: EAX from the TSS: 12345678
;| JMP: DR7 without local breakpoints: 00000402
;| JMP: saved EIP is behind it: 00000000
;| JMP: saved EBX: 0badcafe
;| JMP: saved ES: 00000010
;| JMP back: task register: 00000028
;| JMP back: EBX: 0badcafe
;| JMP back: the other is available: 00000009
;| CALL: NT: 00004000
;| CALL: back link: 00000028
;| CALL: old task's type: 0000000b
;| IRET: task register: 00000028
;| IRET: NT: 00000000
;| IRET: NT in the task left: 00000000
;| IRET: the task left is available: 00000009
;| IRET: its saved EIP is behind IRET: 00000000
;| entered again, behind its IRET: 00000001
;| task gate, JMP: 00000040
;| task gate, CALL: 00004000
;| INT: NT: 00004000
;| INT: back link: 00000028
;| exception: error code pushed: 0000fff8
;| exception: back link: 00000028
;| exception: EIP saved is that of the instruction: 00000000
;| from CPL 3: CS: 00000008
;| from CPL 3: saved CS: 0000001b
;| from CPL 3: #BP
;| local table: base by its selector: 5a5a5a5a
;| local table: LDTR: 00000070
;| T: #DB
;| T: DR6: 00008000
;| T: EIP is the task's first: 00000000
;| CR3: 22222222
;| CR3 back: 11111111
;| 16-bit: task register: 00000058
;| 16-bit: AX: 00004321
;| 16-bit: FS: 00000000
;| 16-bit: saved IP is behind it: 00000000
;| 16-bit: back link: 00000028
;| 16-bit, IRET: task register: 00000028
;| JMP: busy: #GP(0028)
;| CALL: busy: #GP(0028)
;| JMP: absent: #NP(0050)
;| JMP: too short: #TS(0050)
;| JMP: 16-bit, too short: #TS(0050)
;| JMP: DPL 0 by CPL 3: #GP(0040)
;| JMP: RPL 3, DPL 0: #GP(0040)
;| gate: DPL 0 by CPL 3: #GP(0048)
;| gate: absent: #NP(0048)
;| gate: to a null selector: #GP(0000)
;| gate: to a local selector: #GP(0044)
;| gate: to data: #GP(0010)
;| gate: to a busy task: #GP(0028)
;| gate: DPL of the task does not matter: 00000040
;| IRET: back link null: #TS(0000)
;| IRET: back link available: #TS(0040)
;| IRET: back link local: #TS(002c)
;| IRET: back link to data: #TS(0010)
;| IRET: back link absent: #NP(0050)
;| CS null: #TS(0000) in task 0040
;| CS data: #TS(0010) in task 0040
;| CS of another level: #TS(0018) in task 0040
;| CS behind the table: #TS(fff8) in task 0040
;| CS absent: #NP(0078) in task 0040
;| CS conforming, DPL 3: #TS(0078) in task 0040
;| SS null: #TS(0000) in task 0040
;| SS read-only: #TS(0078) in task 0040
;| SS of another level: #TS(0020) in task 0040
;| SS with another RPL: #TS(0010) in task 0040
;| SS absent: #SS(0078) in task 0040
;| DS execute-only: #TS(0078) in task 0040
;| GS a system segment: #TS(0028) in task 0040
;| ES absent: #NP(0078) in task 0040
;| DS behind the table: #TS(fff8) in task 0040
;| DS of a lower level: #TS(0010) in task 0040
;| LDT that is none: #TS(0010) in task 0040
;| LDT in the local table: #TS(0074) in task 0040
;| LDT absent: #TS(0078) in task 0040
;| EIP behind the limit: #GP(0000) in task 0040
;| LDT before the others: #TS(0028) in task 0040
;| #GP's task is bad: #DF(0000)
;| INT's task is bad: #TS(0010)
;| #UD's task is bad: #TS(0011)
;| end

ts_type_available equ 0x0000890000000067
ldt_slot equ 6
other_slot equ 7

%macro attributes_of 1                      ; EAX = type of a descriptor
    movzx eax, byte [gdt + (%1) + 5]
    and eax, 15
%endmacro
%macro fresh_task 1                         ; task A, starting at %1
    mov eax, %1
    call fill_task_a
%endmacro

main:
    descriptor 0, ts_type_available, task_a           ; 40
    mov dword [gdt + slot(1)], slot(0) << 16          ; 48: a task gate to it, DPL 3
    mov dword [gdt + slot(1) + 4], 0xe500
    descriptor 2, 0x0000090000000067, task_a          ; 50: absent
    descriptor 3, 0x000081000000002b, task16          ; 58: 16-bit
    descriptor 6, 0x0000820000000007, local_table     ; 70
    mov dword [local_table], 0x0000ffff               ; its only descriptor: data at the arena
    mov dword [local_table + 4], 0x00cf9300 | arena >> 16
    call ready_fault_tasks

    ; JMP
    fresh_task .in_a
    mov word [task_a], 0xdead
    mov dword [task_a + 0x28], 0x12345678
    mov eax, 0x457
    mov dr7, eax
    mov ebx, 0x0badcafe
    jmp slot(0):0
.behind_jump:
    jmp .back
.in_a:
    mov [arena], eax
    str eax
    and eax, 0xffff
    say "JMP: task register", eax
    pushfd
    pop eax
    and eax, 0x4000
    say "JMP: NT", eax
    mov eax, cr0
    and eax, 8
    say "JMP: TS", eax
    clts
    attributes_of task_segment
    say "JMP: old task's type", eax
    attributes_of slot(0)
    say "JMP: new task's type", eax
    movzx eax, word [task_a]
    say "JMP: back link", eax
    say "JMP: EAX from the TSS", [arena]
    mov eax, dr7
    and eax, 0x7ff
    say "JMP: DR7 without local breakpoints", eax
    mov eax, 0x400
    mov dr7, eax
    mov eax, [tss + 0x20]
    sub eax, .behind_jump
    say "JMP: saved EIP is behind it", eax
    say "JMP: saved EBX", [tss + 0x34]
    movzx eax, word [tss + 0x48]
    say "JMP: saved ES", eax
    jmp task_segment:0
.back:
    str eax
    and eax, 0xffff
    say "JMP back: task register", eax
    say "JMP back: EBX", ebx
    attributes_of slot(0)
    say "JMP back: the other is available", eax

    ; CALL and IRET
    fresh_task .called
    call slot(0):0
    str eax
    and eax, 0xffff
    say "IRET: task register", eax
    pushfd
    pop eax
    and eax, 0x4000
    say "IRET: NT", eax
    mov eax, [task_a + 0x24]
    and eax, 0x4000
    say "IRET: NT in the task left", eax
    attributes_of slot(0)
    say "IRET: the task left is available", eax
    mov eax, [task_a + 0x20]
    sub eax, .behind_iret
    say "IRET: its saved EIP is behind IRET", eax
    call slot(0):0
    jmp .gates
.called:
    pushfd
    pop eax
    and eax, 0x4000
    say "CALL: NT", eax
    movzx eax, word [task_a]
    say "CALL: back link", eax
    attributes_of task_segment
    say "CALL: old task's type", eax
    iretd
.behind_iret:
    mov eax, 1
    say "entered again, behind its IRET", eax
    iretd

    ; task gates
.gates:
    fresh_task .by_gate
    jmp slot(1):0
    jmp .gate_call
.by_gate:
    str eax
    and eax, 0xffff
    say "task gate, JMP", eax
    jmp task_segment:0
.gate_call:
    fresh_task .by_gate_call
    call slot(1):0
    jmp .interrupts
.by_gate_call:
    pushfd
    pop eax
    and eax, 0x4000
    say "task gate, CALL", eax
    iretd

    ; interrupts and exceptions
.interrupts:
    mov dword [idt + 5 * 8], slot(0) << 16
    mov dword [idt + 5 * 8 + 4], 0xe500
    fresh_task .interrupted
    int 5
    jmp .exception
.interrupted:
    pushfd
    pop eax
    and eax, 0x4000
    say "INT: NT", eax
    movzx eax, word [task_a]
    say "INT: back link", eax
    iretd
.exception:
    push dword [idt + 13 * 8]
    push dword [idt + 13 * 8 + 4]
    mov dword [idt + 13 * 8], slot(0) << 16
    mov dword [idt + 13 * 8 + 4], 0x8500
    fresh_task .excepted
    mov eax, 0xfff8
.faulting:
    mov ds, ax
    pop dword [idt + 13 * 8 + 4]
    pop dword [idt + 13 * 8]
    jmp .user
.excepted:
    pop eax
    say "exception: error code pushed", eax
    movzx eax, word [task_a]
    say "exception: back link", eax
    mov eax, [tss + 0x20]
    sub eax, .faulting
    say "exception: EIP saved is that of the instruction", eax
    mov dword [tss + 0x28], kernel_data     ; EAX, for the next try
    iretd
.user:
    fresh_task .from_user
    attempt "from CPL 3"
    user_begin
    call slot(1):0
    user_end
.from_user:
    mov eax, cs
    say "from CPL 3: CS", eax
    movzx eax, word [tss + 0x4c]
    say "from CPL 3: saved CS", eax
    mov dword [said], .user_name
    iretd
.user_name: db "from CPL 3", 0
    outcome
    clts

    ; a local descriptor table, the T bit
    fresh_task .local
    mov dword [arena + 0x2000], 0x5a5a5a5a
    mov word [task_a + 0x60], slot(ldt_slot)
    mov word [task_a + 0x54], 4             ; DS
    call slot(0):0
    jmp .trap
.local:
    mov eax, [0x2000]
    mov ecx, kernel_data
    mov ds, cx
    say "local table: base by its selector", eax
    sldt eax
    and eax, 0xffff
    say "local table: LDTR", eax
    iretd
.trap:
    fresh_task .trapped
    mov word [task_a + 0x64], 1
    mov eax, 0xffff0ff0
    mov dr6, eax
    attempt "T"
    jmp slot(0):0
.trapped:
    nop
    outcome
    call main_task_again
    mov eax, dr6
    and eax, 0xe00f
    say "T: DR6", eax
    mov eax, [seen.eip]
    sub eax, .trapped
    say "T: EIP is the task's first", eax

    ; CR3: each task with its own page at the arena
    call build_page_directories
    mov eax, directory_1
    mov cr3, eax
    mov [tss + 0x1c], eax
    mov eax, cr4
    or eax, 1 << 4                          ; PSE
    mov cr4, eax
    mov eax, cr0
    or eax, 1 << 31
    mov cr0, eax
    fresh_task .other_space
    mov dword [task_a + 0x1c], directory_2
    mov dword [arena], 0x11111111
    call slot(0):0
    say "CR3 back", [arena]
    mov eax, cr0
    and eax, ~(1 << 31)
    mov cr0, eax
    mov eax, cr4
    and eax, ~(1 << 4)
    mov cr4, eax
    jmp .short_task
.other_space:
    mov dword [arena], 0x22222222
    say "CR3", [arena]
    iretd

    ; a 16-bit TSS
.short_task:
    mov edi, task16
    mov ecx, 11
    xor eax, eax
    rep stosd
    descriptor 4, 0x00009b000000ffff, 0x100000        ; 60: code of 16 bits
    mov word [task16 + 0x0e], .in_16 - 0x100000
    mov word [task16 + 0x10], 2
    mov word [task16 + 0x12], 0x4321        ; AX
    mov word [task16 + 0x1a], 0x8000        ; SP
    mov word [task16 + 0x22], kernel_data
    mov word [task16 + 0x24], slot(4)
    mov word [task16 + 0x26], kernel_data
    mov word [task16 + 0x28], kernel_data
    call slot(3):0
.short_task_called:
    str eax
    and eax, 0xffff
    say "16-bit, IRET: task register", eax
    jmp .refused
bits 16
.in_16:
    jmp dword kernel_code:.in_16_flat
bits 32
.in_16_flat:
    mov esp, stack_top - 0x2000
    movzx eax, ax
    mov [arena], eax
    str eax
    and eax, 0xffff
    say "16-bit: task register", eax
    say "16-bit: AX", [arena]
    mov eax, fs
    say "16-bit: FS", eax
    mov eax, [tss + 0x20]
    sub eax, .short_task_called
    say "16-bit: saved IP is behind it", eax
    movzx eax, word [task16]
    say "16-bit: back link", eax
    iretd

    ; refused in the old task
.refused:
    clts
    attempted "JMP: busy", jmp task_segment:0
    attempted "CALL: busy", call task_segment:0
    attempted "JMP: absent", jmp slot(2):0
    descriptor 2, 0x0000890000000066, task_a
    attempted "JMP: too short", jmp slot(2):0
    descriptor 2, 0x000081000000002a, task16
    attempted "JMP: 16-bit, too short", jmp slot(2):0
    attempt "JMP: DPL 0 by CPL 3"
    user_begin
    jmp slot(0):0
    user_end
    outcome
    attempted "JMP: RPL 3, DPL 0", jmp (slot(0) | 3):0
    mov byte [gdt + slot(1) + 5], 0x85
    attempt "gate: DPL 0 by CPL 3"
    user_begin
    jmp slot(1):0
    user_end
    outcome
    mov byte [gdt + slot(1) + 5], 0x65
    attempted "gate: absent", jmp slot(1):0
    mov byte [gdt + slot(1) + 5], 0xe5
    mov word [gdt + slot(1) + 2], 0
    attempted "gate: to a null selector", jmp slot(1):0
    mov word [gdt + slot(1) + 2], slot(0) | 4
    attempted "gate: to a local selector", jmp slot(1):0
    mov word [gdt + slot(1) + 2], kernel_data
    attempted "gate: to data", jmp slot(1):0
    mov word [gdt + slot(1) + 2], task_segment
    attempted "gate: to a busy task", jmp slot(1):0
    mov word [gdt + slot(1) + 2], slot(0)
    fresh_task .by_gate_user
    mov dword [resume.eip], .gate_done
    mov [resume.esp], esp
    user_begin
    jmp slot(1):0
    user_end
.by_gate_user:
    str eax
    and eax, 0xffff
    say "gate: DPL of the task does not matter", eax
    call main_task_again
    mov esp, [resume.esp]
.gate_done:
    call load_flat_segments_but_stack

%macro bad_link 2
    mov word [tss], %2
    attempt %1
    pushfd
    or dword [esp], 0x4000
    popfd
    iretd
    outcome
%endmacro
    bad_link "IRET: back link null", 0
    bad_link "IRET: back link available", slot(0)
    bad_link "IRET: back link local", task_segment | 4
    bad_link "IRET: back link to data", kernel_data
    descriptor 2, 0x00000b0000000067, task_a
    bad_link "IRET: back link absent", slot(2)

    ; refused in the new task: the handlers are tasks, since the stack may be why
%macro bad_task 4                           ; name, offset in the TSS, value, what the other slot holds
    fresh_task .never
    bad_task_again %1, %2, %3, %4
%endmacro
%macro bad_task_again 4
    descriptor other_slot, %4
    mov word [task_a + (%2)], %3
    mov dword [fault.resume], %%end
    mov [fault.esp], esp
    jmp %%begin
%%name: db %1, 0
%%begin:
    mov dword [said], %%name
    jmp slot(0):0
%%end:
    call report_fault
%endmacro
    call exchange_gates
    bad_task "CS null", 0x4c, 0, 0
    bad_task "CS data", 0x4c, kernel_data, 0
    bad_task "CS of another level", 0x4c, user_code & ~3, 0
    bad_task "CS behind the table", 0x4c, 0xfff8, 0
    bad_task "CS absent", 0x4c, slot(other_slot), 0x00cf1b000000ffff
    bad_task "CS conforming, DPL 3", 0x4c, slot(other_slot), 0x00cfff000000ffff
    bad_task "SS null", 0x50, 0, 0
    bad_task "SS read-only", 0x50, slot(other_slot), 0x00cf91000000ffff
    bad_task "SS of another level", 0x50, user_data & ~3, 0
    bad_task "SS with another RPL", 0x50, kernel_data | 1, 0
    bad_task "SS absent", 0x50, slot(other_slot), 0x00cf13000000ffff
    bad_task "DS execute-only", 0x54, slot(other_slot), 0x00cf99000000ffff
    bad_task "GS a system segment", 0x5c, task_segment, 0
    bad_task "ES absent", 0x48, slot(other_slot), 0x00cf13000000ffff
    bad_task "DS behind the table", 0x54, 0xfff8, 0
    bad_task "DS of a lower level", 0x54, kernel_data | 3, 0
    bad_task "LDT that is none", 0x60, kernel_data, 0
    bad_task "LDT in the local table", 0x60, slot(ldt_slot) | 4, 0
    bad_task "LDT absent", 0x60, slot(other_slot), 0x0000020000000007
    bad_task "EIP behind the limit", 0x4c, slot(other_slot), 0x00409b0000000fff
    fresh_task .never
    mov word [task_a + 0x50], user_code
    mov word [task_a + 0x54], user_code
    bad_task_again "LDT before the others", 0x60, task_segment, 0
    call exchange_gates

    ; A task gate whose task cannot be entered: a fault in the delivery of another.
    push dword [idt + 13 * 8]
    push dword [idt + 13 * 8 + 4]
    mov dword [idt + 13 * 8], slot(0) << 16
    mov dword [idt + 13 * 8 + 4], 0x8500
    fresh_task .never
    mov word [task_a + 0x54], kernel_data | 3
    attempt "#GP's task is bad"
    mov eax, 0xfff8
    mov ds, ax
    outcome
    pop dword [idt + 13 * 8 + 4]
    pop dword [idt + 13 * 8]
    fresh_task .never
    mov word [task_a + 0x54], kernel_data | 3
    attempted "INT's task is bad", int 5
    call main_task_again
    push dword [idt + 6 * 8]
    push dword [idt + 6 * 8 + 4]
    mov dword [idt + 6 * 8], slot(0) << 16
    mov dword [idt + 6 * 8 + 4], 0x8500
    fresh_task .never
    mov word [task_a + 0x54], kernel_data | 3
    attempted "#UD's task is bad", ud2
    call main_task_again
    pop dword [idt + 6 * 8 + 4]
    pop dword [idt + 6 * 8]
    ret
.never:
    ud2

; --- helpers
; ---------------------------------------------------------------------------------------------------------------------------

fill_task_a:                                ; EAX = EIP
    and byte [gdt + slot(0) + 5], ~2
    mov edi, task_a
    mov edx, stack_top - 0x2000
    call fill_tss
    mov dword [task_a + 0x28], 0x12345678
    ret

main_task_again:                            ; whatever task this is: it is the main one from here on
    and byte [gdt + slot(0) + 5], ~2
    and byte [gdt + task_segment + 5], ~2
    mov ax, task_segment
    ltr ax
    clts
    ret

build_page_directories:                     ; of 4 MiB pages
    xor ecx, ecx
.page:
    mov eax, ecx
    shl eax, 22
    or eax, 0x83
    mov [directory_1 + ecx * 4], eax
    mov [directory_2 + ecx * 4], eax
    inc ecx
    cmp ecx, 16
    jb .page
    mov dword [directory_2 + (arena >> 22) * 4], 0x800083
    mov dword [double_fault_tss + 0x1c], directory_1
    ret

ready_fault_tasks:                          ; for #TS, #NP, #SS and #GP
%assign vector 10
%rep 4
    descriptor vector - 2, ts_type_available, fault_tss + (vector - 10) * 112
    mov edi, fault_tss + (vector - 10) * 112
    mov eax, .entry_ %+ vector
    mov edx, stack_top - 0x6000
    call fill_tss
    mov dword [fault_gates + (vector - 10) * 8], slot(vector - 2) << 16
    mov dword [fault_gates + (vector - 10) * 8 + 4], 0x8500
%assign vector vector + 1
%endrep
    ret
%assign vector 10
%rep 4
.entry_ %+ vector:
    mov dword [fault.vector], vector
    jmp .fault
%assign vector vector + 1
%endrep
.fault:
    pop dword [fault.error]
    mov eax, [fault.vector]
    imul edi, eax, 112
    movzx edi, word [fault_tss + edi - 10 * 112]
    mov [fault.task], edi
    and byte [gdt + slot(0) + eax * 8 - 2 * 8 + 5], ~2
    call main_task_again
    push 2
    popfd
    mov esp, [fault.esp]
    jmp [fault.resume]

exchange_gates:                             ; of the vectors 10 to 13
    xor ecx, ecx
.gate:
    mov eax, [fault_gates + ecx * 4]
    xchg eax, [idt + 10 * 8 + ecx * 4]
    mov [fault_gates + ecx * 4], eax
    inc ecx
    cmp ecx, 8
    jb .gate
    ret

report_fault:                               ; "name: #TS(0010) in task 0040"
    call say_name
    mov eax, [fault.vector]
    lea esi, [exception_names + eax * 4]
    call print
    mov al, '('
    call put_character
    mov ebx, [fault.error]
    mov ecx, 4
    call print_hex
    mov esi, .task
    call print
    mov ebx, [fault.task]
    mov ecx, 4
    call print_hex
    mov al, 10
    jmp put_character
.task: db ") in task ", 0

directory_1 equ 0xc00000
directory_2 equ 0xc01000
fault_tss equ 0xc02000
task_a equ 0xc03000
task16 equ 0xc03100
local_table equ 0xc03200
fault_gates equ 0xc03300
fault equ 0xc03400
fault.vector equ fault
fault.error equ fault + 4
fault.task equ fault + 8
fault.esp equ fault + 12
fault.resume equ fault + 16

image_ends
