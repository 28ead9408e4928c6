; Virtual-8086 mode: entry and exit, segments, what IOPL governs, interrupts and a monitor that reflects them, ports, tasks
; (SDM vol. 3, ch. 20.2, 20.3; vol. 2). There are no virtual-mode extensions.
%include "environment32.inc"

%macro v86_attempt 2+                       ; name, one instruction at IOPL 3
    attempt %1
    v86_begin
    %2
    v86_end
    outcome
%endmacro
%macro v86_refused 2+                       ; at IOPL 2
    attempt %1
    v86_begin 0x22002
    %2
    v86_end
    outcome
%endmacro

;| frame: #BP
;|   CS: 0000ffff
;|   SS: 00001000
;|   ESP: 0000fff0
;|   ES: 00001111
;|   DS: 00002222
;|   FS: 00003333
;|   GS: 00004444
;|   flags: 00023046
;|   handler's DS: 00000000
;|   handler's GS: 00000000
;|   handler's flags: 00003046
;| read through DS: #BP
;|   base is the selector's: 00001234
;| last byte: #BP
;| last word: #BP
;| word at ffff: #GP(0000)
;| word at ffff by BP: #SS(0000)
;| doubleword at fffd: #GP(0000)
;| 32-bit address behind ffff: #GP(0000)
;| 16-bit address wraps: #BP
;| push at 1: #SS(0000)
;| push at 0: #BP
;|   SP: 0000fffe
;| push keeps the upper half of ESP: 7777fffe
;| MOV SS of anything: #BP
;| code may be written: #BP
;| far call: #BP
;|   returned with: 00005678
;| far jump behind the limit: #GP(0000)
;| string over ffff: #GP(0000)
;|   with CX left: 00000004
;| CLI, IOPL 3: #BP
;|   IF: 00000000
;| STI, IOPL 3: #BP
;|   IF: 00000200
;| PUSHF, IOPL 3: #BP
;|   shows IOPL: 00003046
;| PUSHFD: VM and RF are not shown: #BP
;|   flags: 00003046
;| POPF keeps IOPL: #BP
;|   flags: 00003242
;| POPFD keeps VM, RF, IOPL: #BP
;|   flags: 00263002
;| INT 32, IOPL 3: 00023202
;| INT 33, IOPL 3, gate of DPL 0: #GP(010a)
;| INT 34, handler of DPL 3: #GP(0018)
;| IRET, IOPL 3: #BP
;|   flags, IOPL as it was: 00023a02
;| CLI, IOPL 2: #GP(0000)
;| STI, IOPL 2: #GP(0000)
;| PUSHF, IOPL 2: #GP(0000)
;| PUSHFD, IOPL 2: #GP(0000)
;| POPF, IOPL 2: #GP(0000)
;| INT 32, IOPL 2: #GP(0000)
;| IRET, IOPL 2: #GP(0000)
;| IRETD, IOPL 2: #GP(0000)
;| INT3, IOPL 2: #BP
;| INTO, IOPL 2: #OF
;| BOUND, IOPL 2: #BR
;| LAHF, SAHF, IOPL 2: #BP
;| HLT: #GP(0000)
;| MOV from CR0: #GP(0000)
;| MOV to DR7: #GP(0000)
;| CLTS: #GP(0000)
;| LMSW: #GP(0000)
;| SMSW: #BP
;| LGDT: #GP(0000)
;| SGDT: #BP
;| INVLPG: #GP(0000)
;| RDMSR: #GP(0000)
;| LLDT: #UD
;| LTR: #UD
;| SLDT: #UD
;| STR: #UD
;| LAR: #UD
;| LSL: #UD
;| VERR: #UD
;| ARPL: #UD
;| divide error: #DE
;|   saved with VM: 00020000
;| single step: #DB
;|   one instruction on: 00000001
;| IN without a permission map: #GP(0000)
;| IN that the map allows: #BP
;| IN that the map forbids: #GP(0000)
;| IN of a word, half of it forbidden: #GP(0000)
;| IN of a word, allowed: #BP
;| OUT behind the map's end: #GP(0000)
;| monitor: #BP
;|   two instructions reflected: 00000002
;|   the V86 handler ran: 0000beef
;|   SP as before: 0000fff0
;| external interrupt: 00020000
;| task gate from V86: 00020000
;|   and back: #BP
;| task that begins in V86: #BP
;|   its CS: 0000ffff
;|   its base: 00001234
;| POPFD cannot set VM: 00000000
;| CR4.VME: #GP(0000)
;| CR4.PVI: #GP(0000)
;| EIP behind 64 KiB: #GP(0000)
;| end

task_a equ 0x700000

%macro idt_gate 4                           ; vector, selector, offset, attributes
    mov eax, %3
    mov [idt + (%1) * 8], ax
    mov word [idt + (%1) * 8 + 2], %2
    mov word [idt + (%1) * 8 + 4], %4
    shr eax, 16
    mov [idt + (%1) * 8 + 6], ax
%endmacro

main:
    mov dword [arena], 0
    attempt "frame"
    idt_gate 3, kernel_code, .look, 0xee00
    push 0x4444
    push 0x3333
    push 0x2222
    push 0x1111
    push v86_stack_segment
    push v86_stack
    push 0x23046
    push v86_segment
    push v86(.int3)
    iretd
.look:
    mov ecx, ds
    mov edx, gs
    pushfd
    mov ebx, kernel_data
    mov ds, bx
    mov [arena], ecx
    mov [arena + 4], edx
    pop dword [arena + 8]
    jmp exception_entries + 3 * exception_entry_size
    outcome
    mov eax, exception_entries + 3 * exception_entry_size
    mov edi, idt + 3 * 8
    call write_interrupt_gate
    or byte [idt + 3 * 8 + 5], 0x60
    say "  CS", [seen.cs]
    say "  SS", [seen.ss]
    say "  ESP", [seen.esp]
    say "  ES", [seen.es]
    say "  DS", [seen.ds]
    say "  FS", [seen.fs]
    say "  GS", [seen.gs]
    say "  flags", [seen.flags]
    say "  handler's DS", [arena]
    say "  handler's GS", [arena + 4]
    mov eax, [arena + 8]
    say "  handler's flags", eax

    ; segments
    mov word [0x12340 + 0x10], 0x1234
    attempt "read through DS"
    v86_begin
    mov ax, 0x1234
    mov ds, ax
    mov ax, [0x10]
    v86_end
    outcome
    movzx eax, word [seen.eax]
    say "  base is the selector's", eax
    v86_attempt "last byte", mov al, [0xffff]
    v86_attempt "last word", mov ax, [0xfffe]
    v86_attempt "word at ffff", mov ax, [0xffff]
    attempt "word at ffff by BP"
    v86_begin
    mov bp, 0xffff
    mov ax, [bp]
    v86_end
    outcome
    v86_attempt "doubleword at fffd", mov eax, [0xfffd]
    attempt "32-bit address behind ffff"
    v86_begin
    mov ebx, 0x10000
    mov al, [ebx]
    v86_end
    outcome
    attempt "16-bit address wraps"
    v86_begin
    mov bx, 0xffff
    mov al, [bx + 2]
    v86_end
    outcome
    attempt "push at 1"
    v86_begin
    mov sp, 1
    push ax
    v86_end
    outcome
    attempt "push at 0"
    v86_begin
    xor sp, sp
    push ax
    v86_end
    outcome
    say "  SP", [seen.esp]
    mov dword [resume.eip], .upper
    mov [resume.esp], esp
    v86_begin
    mov esp, 0x77770000
    push ax
    v86_end
.upper:
    say "push keeps the upper half of ESP", [seen.esp]
    attempt "MOV SS of anything"
    v86_begin
    mov ax, 3
    mov ss, ax
    mov ax, 0x1000
    mov ss, ax
    mov sp, v86_stack
    v86_end
    outcome
    attempt "code may be written"
    v86_begin
    mov byte [cs:v86(.written)], 0x90
.written:
    nop
    v86_end
    outcome
    attempt "far call"
    v86_begin
    call v86_segment:v86(.far_function)
    v86_end
    outcome
    movzx eax, word [seen.eax]
    say "  returned with", eax
    attempt "far jump behind the limit"
    v86_begin
    jmp dword v86_segment:0x10000
    v86_end
    outcome
    attempt "string over ffff"
    v86_begin
    mov cx, 5
    mov si, 0xfffd
    cld
    rep lodsw
    v86_end
    outcome
    say "  with CX left", [seen.ecx]

    ; IOPL 3
    attempt "CLI, IOPL 3"
    v86_begin 0x23202
    cli
    v86_end
    outcome
    mov eax, [seen.flags]
    and eax, 0x200
    say "  IF", eax
    attempt "STI, IOPL 3"
    v86_begin
    sti
    nop
    v86_end
    outcome
    mov eax, [seen.flags]
    and eax, 0x200
    say "  IF", eax
    attempt "PUSHF, IOPL 3"
    v86_begin 0x23046
    pushf
    pop ax
    v86_end
    outcome
    movzx eax, word [seen.eax]
    say "  shows IOPL", eax
    attempt "PUSHFD: VM and RF are not shown"
    v86_begin 0x33046
    pushfd
    pop eax
    v86_end
    outcome
    say "  flags", [seen.eax]
    attempt "POPF keeps IOPL"
    v86_begin 0x23002
    push word 0x0242
    popf
    pushf
    pop ax
    v86_end
    outcome
    movzx eax, word [seen.eax]
    say "  flags", eax
    attempt "POPFD keeps VM, RF, IOPL"
    v86_begin 0x23002
    push dword 0x250002
    popfd
    v86_end
    outcome
    say "  flags", [seen.flags]
    idt_gate 32, kernel_code, .int32, 0xee00
    mov [resume.esp], esp
    v86_begin 0x23202
    int 32
    v86_end
.int32:
    mov ecx, [esp + 8]
    call load_flat_segments
    mov esp, [resume.esp]
    say "INT 32, IOPL 3", ecx
    idt_gate 33, kernel_code, .never, 0x8e00
    v86_attempt "INT 33, IOPL 3, gate of DPL 0", int 33
    idt_gate 34, user_code & ~3, .never, 0xee00
    v86_attempt "INT 34, handler of DPL 3", int 34
    attempt "IRET, IOPL 3"
    v86_begin
    push word 0x0a02                        ; IF, OF, IOPL 0
    push word -1                            ; v86_segment
    push word v86(.int3)
    iret
    v86_end
    outcome
    say "  flags, IOPL as it was", [seen.flags]

    ; IOPL 2
    v86_refused "CLI, IOPL 2", cli
    v86_refused "STI, IOPL 2", sti
    v86_refused "PUSHF, IOPL 2", pushf
    v86_refused "PUSHFD, IOPL 2", pushfd
    v86_refused "POPF, IOPL 2", popf
    v86_refused "INT 32, IOPL 2", int 32
    v86_refused "IRET, IOPL 2", iret
    v86_refused "IRETD, IOPL 2", iretd
    v86_refused "INT3, IOPL 2", int3
    attempt "INTO, IOPL 2"
    v86_begin 0x22802
    into
    v86_end
    outcome
    attempt "BOUND, IOPL 2"
    v86_begin 0x22002
    mov ax, 0x7fff
    bound ax, [v86(.bounds)]
    v86_end
    outcome
    attempt "LAHF, SAHF, IOPL 2"
    v86_begin 0x22002
    lahf
    sahf
    v86_end
    outcome

    ; privileged instructions, and those that V86 mode does not know
    v86_attempt "HLT", hlt
    v86_attempt "MOV from CR0", mov eax, cr0
    v86_attempt "MOV to DR7", mov dr7, eax
    v86_attempt "CLTS", clts
    v86_attempt "LMSW", lmsw ax
    v86_attempt "SMSW", smsw ax
    v86_attempt "LGDT", lgdt [v86(gdt_pointer)]
    v86_attempt "SGDT", sgdt [ss:0x100]
    v86_attempt "INVLPG", invlpg [0]
    v86_attempt "RDMSR", rdmsr
    v86_attempt "LLDT", lldt ax
    v86_attempt "LTR", ltr ax
    v86_attempt "SLDT", sldt ax
    v86_attempt "STR", str ax
    v86_attempt "LAR", lar ax, cx
    v86_attempt "LSL", lsl ax, cx
    v86_attempt "VERR", verr ax
    v86_attempt "ARPL", arpl ax, cx
    attempt "divide error"
    v86_begin
    xor cx, cx
    div cx
    v86_end
    outcome
    mov eax, [seen.flags]
    and eax, 0x20000
    say "  saved with VM", eax
    attempt "single step"
    v86_begin 0x23102
.stepped:
    nop
    nop
    v86_end
    outcome
    mov eax, [seen.eip]
    sub eax, v86(.stepped)
    say "  one instruction on", eax

    ; ports: the map decides, not IOPL
    v86_attempt "IN without a permission map", in al, 0x80
    mov edi, port_map
    mov eax, -1
    mov ecx, 9
    rep stosd
    mov byte [port_map + 0x80 / 8], 0xfc    ; 80 and 81 allowed, 82 not
    mov word [tss + 102], port_map - tss
    mov byte [gdt + task_segment + 5], 0x89
    mov word [gdt + task_segment], port_map - tss + 32
    mov ax, task_segment
    ltr ax
    v86_attempt "IN that the map allows", in al, 0x80
    v86_attempt "IN that the map forbids", in al, 0x82
    v86_attempt "IN of a word, half of it forbidden", in ax, 0x81
    v86_attempt "IN of a word, allowed", in ax, 0x80
    attempt "OUT behind the map's end"
    v86_begin
    mov dx, 0x200
    out dx, al
    v86_end
    outcome
    mov word [tss + 102], 104
    mov byte [gdt + task_segment + 5], 0x89
    mov word [gdt + task_segment], 103
    mov ax, task_segment
    ltr ax

    ; A monitor: INT and IRET at IOPL 0 raise #GP, and it does for them what a real processor would.
    idt_gate 13, kernel_code, .monitor, 0x8e00
    mov dword [arena + 16], 0
    mov dword [0x60 * 4], v86_segment << 16
    mov word [0x60 * 4], v86(.v86_handler)
    attempt "monitor"
    v86_begin 0x20002
    mov ax, 0xdead
    int 0x60
    v86_end
.monitor:
    push ebx
    push esi
    push edi
    push eax                                ; error code: ESP + 16, then EIP, CS, EFLAGS, ESP, SS
    mov eax, kernel_data
    mov ds, ax
    inc dword [arena + 16]
    movzx esi, word [esp + 24]
    shl esi, 4
    add esi, [esp + 20]                     ; the instruction
    movzx edi, word [esp + 36]
    shl edi, 4
    add edi, [esp + 32]                     ; the stack
    cmp byte [esi], 0xcd
    jne .reflect_iret
    movzx ebx, byte [esi + 1]
    mov eax, [esp + 28]
    mov [edi - 2], ax
    mov eax, [esp + 24]
    mov [edi - 4], ax
    mov eax, [esp + 20]
    add eax, 2
    mov [edi - 6], ax
    sub dword [esp + 32], 6
    movzx eax, word [ebx * 4]
    mov [esp + 20], eax
    movzx eax, word [ebx * 4 + 2]
    mov [esp + 24], eax
    jmp .reflected
.reflect_iret:
    movzx eax, word [edi]
    mov [esp + 20], eax
    movzx eax, word [edi + 2]
    mov [esp + 24], eax
    mov eax, [edi + 4]
    mov [esp + 28], ax
    add dword [esp + 32], 6
.reflected:
    pop eax
    pop edi
    pop esi
    pop ebx
    add esp, 4
    iretd
bits 16
.v86_handler:
    mov ax, 0xbeef
    iret
bits 32
    outcome
    mov eax, exception_entries + 13 * exception_entry_size
    mov edi, idt + 13 * 8
    call write_interrupt_gate
    say "  two instructions reflected", [arena + 16]
    movzx eax, word [seen.eax]
    say "  the V86 handler ran", eax
    say "  SP as before", [seen.esp]

    ; an interrupt of the timer's
    mov al, 0x11
    out 0x20, al
    mov al, 0x20                            ; vectors from 32
    out 0x21, al
    mov al, 4
    out 0x21, al
    mov al, 1
    out 0x21, al
    mov al, 0xfe
    out 0x21, al
    mov al, 0x30                            ; channel 0, mode 0
    out 0x43, al
    mov al, 0xff
    out 0x40, al
    out 0x40, al
    idt_gate 32, kernel_code, .timer, 0x8e00
    mov [resume.esp], esp
    v86_begin 0x20202
.wait:
    jmp .wait
    v86_end
.timer:
    mov ecx, [esp + 8]
    and ecx, 0x20000
    call load_flat_segments
    mov esp, [resume.esp]
    mov al, 0xff
    out 0x21, al
    mov al, 0x20
    out 0x20, al
    say "external interrupt", ecx

    ; tasks
    descriptor 0, 0x0000890000000067, task_a
    idt_gate 32, slot(0), 0, 0xe500
    mov edi, task_a
    mov eax, .task
    mov edx, stack_top - 0x2000
    call fill_tss
    attempt "  and back"
    v86_begin 0x23002
    int 32
    v86_end
.task:
    mov eax, [tss + 0x24]
    and eax, 0x20000
    push dword [said]
    say "task gate from V86", eax
    pop dword [said]
    iretd
    outcome
    clts
    mov edi, task_a
    mov eax, v86(.in_v86_task)
    mov edx, v86_stack
    call fill_tss
    mov dword [task_a + 0x24], 0x23002
    mov word [task_a + 0x4c], v86_segment
    mov word [task_a + 0x50], v86_stack_segment
    mov word [task_a + 0x54], 0x1234
    mov dword [task_a + 4], stack_top - 0x2000
    mov dword [task_a + 8], kernel_data
    attempt "task that begins in V86"
    jmp slot(0):0
bits 16
.in_v86_task:
    mov ax, [0x10]
    int3
bits 32
    outcome
    and byte [gdt + slot(0) + 5], ~2
    and byte [gdt + task_segment + 5], ~2
    mov ax, task_segment
    ltr ax
    clts
    say "  its CS", [seen.cs]
    movzx eax, word [seen.eax]
    say "  its base", eax

    pushfd
    or dword [esp], 0x20000
    popfd
    pushfd
    pop eax
    and eax, 0x20000
    say "POPFD cannot set VM", eax
    attempt "CR4.VME"
    mov eax, 1
    mov cr4, eax
    outcome
    attempt "CR4.PVI"
    mov eax, 2
    mov cr4, eax
    outcome
    attempt "EIP behind 64 KiB"
    push v86_segment
    push v86_segment
    push v86_segment
    push v86_segment
    push v86_stack_segment
    push v86_stack
    push 0x23002
    push v86_segment
    push 0x10000
    iretd
    outcome
    ret

.int3:
    int3
.never:
    ud2
.bounds: dw 0, 0x10
bits 16
.far_function:
    mov ax, 0x5678
    retf
bits 32

image_ends
