; Loading segment registers, table registers and code segments: what a descriptor must be, and which fault says that it is not
; (SDM vol. 3, ch. 3.4, 5.2 to 5.8; vol. 2, MOV, LTR, LLDT, RET, IRET, CALL).
%include "environment.inc"

; slot, value
%macro descriptor 2
    mov rax, %2
    mov [gdt.free + (%1) * 8], rax
%endmacro
%define slot(n) (free_selector + (n) * 8)

%macro loads 3                              ; name, register, selector
    attempt %1
    mov eax, %3
    mov %2, ax
    outcome
%endmacro
%macro far_return 2                         ; name, selector
    attempt %1
    push %2
    push %%there
    o64 retf
%%there:
    outcome
%endmacro

;| DS: null: none
;| DS: data: none
;| DS: not present: #NP(0050)
;| DS: execute-only code: #GP(0058)
;| DS: readable code: none
;| DS: a system segment: #GP(0068)
;| DS: behind the table's end: #GP(fff8)
;| DS: in a local table there is none of: #GP(000c)
;| DS by CPL 3: DPL 0: #GP(0010)
;| DS by CPL 3: RPL 3, DPL 0: #GP(0010)
;| SS: null at CPL 0: none
;| SS: null by CPL 3: #GP(0000)
;| SS: RPL 3 at CPL 0: #GP(0048)
;| SS: read-only: #GP(0070)
;| SS: not present: #SS(0050)
;| SS: DPL 3 at CPL 0: #GP(0028)
;| LTR: busy: #GP(0038)
;| LTR: null: #GP(0000)
;| LTR: data: #GP(0048)
;| LLDT: null: none
;| LLDT: a task: #GP(0038)
;| LLDT: not present: #NP(0078)
;| far return: data: #GP(0048)
;| far return: null: #GP(0000)
;| far return: not present: #NP(0088)
;| far return: both L and D: #GP(0090)
;| far return: conforming, DPL 3: #GP(0098)
;| far return: conforming, DPL 0: none
;| far return: to CPL 3 without a stack: #GP(0000)
;| IRET: not canonical: #GP(0000)
;| IRET: CPL 3 with a null SS: #GP(0000)
;| IRET: CPL 3 with a stack of DPL 0: #GP(0048)
;| IRET with NT: #GP(0000)
;| IRET to CPL 3 makes null selectors 0: 0000000000000000
;| call gate from CPL 3: 0000000000000000
;| call gate below its DPL: #GP(00a0)
;| call gate that is absent: #NP(00a0)
;| gate in 8 bytes: #GP(00b0)
;| accessed bit is set by a load: 0000000000000001
;| LAR of data: 0000000000cf9300
;| LAR of nothing clears ZF: 0000000000000000
;| LSL, by pages: 00000000ffffffff
;| LSL of a call gate: 0000000000000000
;| VERR of execute-only code: 0000000000000000
;| VERW of data: 0000000000000001
;| end

main:
    descriptor 0, 0x00cf92000000ffff        ; 48: data, not accessed yet
    descriptor 1, 0x00cf13000000ffff        ; 50: data, not present
    descriptor 2, 0x00af99000000ffff        ; 58: execute-only code
    descriptor 3, 0x00af9b000000ffff        ; 60: readable code
    descriptor 4, 0x0000820000000000        ; 68: a local table
    descriptor 5, 0x00cf91000000ffff        ; 70: data, read-only
    descriptor 6, 0x0000020000000000        ; 78: a local table, not present
    descriptor 7, 0
    descriptor 8, 0x00af1b000000ffff        ; 88: code, not present
    descriptor 9, 0x00ef9b000000ffff        ; 90: code with L and D
    descriptor 10, 0x00afff000000ffff       ; 98: conforming code, DPL 3
    xor eax, eax
    lldt ax                                 ; at reset there is one, at address 0
    loads "DS: null", ds, 3
    loads "DS: data", ds, slot(0)
    loads "DS: not present", ds, slot(1)
    loads "DS: execute-only code", ds, slot(2)
    loads "DS: readable code", ds, slot(3)
    loads "DS: a system segment", ds, slot(4)
    loads "DS: behind the table's end", ds, 0xfff8
    loads "DS: in a local table there is none of", ds, 0x0c
    attempt "DS by CPL 3: DPL 0"
    user_begin
    mov eax, kernel_data
    mov ds, ax
    user_end
    outcome
    attempt "DS by CPL 3: RPL 3, DPL 0"
    user_begin
    mov eax, kernel_data | 3
    mov ds, ax
    user_end
    outcome
    loads "SS: null at CPL 0", ss, 0
    attempt "SS: null by CPL 3"
    user_begin
    xor eax, eax
    mov ss, ax
    user_end
    outcome
    loads "SS: RPL 3 at CPL 0", ss, slot(0) | 3
    loads "SS: read-only", ss, slot(5)
    loads "SS: not present", ss, slot(1)
    loads "SS: DPL 3 at CPL 0", ss, user_data & ~3
    mov ax, kernel_data
    mov ss, ax

    attempt "LTR: busy"
    mov ax, task_segment
    ltr ax
    outcome
    attempt "LTR: null"
    xor eax, eax
    ltr ax
    outcome
    attempt "LTR: data"
    mov ax, slot(0)
    ltr ax
    outcome
    attempt "LLDT: null"
    xor eax, eax
    lldt ax
    outcome
    attempt "LLDT: a task"
    mov ax, task_segment
    lldt ax
    outcome
    attempt "LLDT: not present"
    mov ax, slot(6)
    lldt ax
    outcome

    far_return "far return: data", slot(0)
    far_return "far return: null", 0
    far_return "far return: not present", slot(8)
    far_return "far return: both L and D", slot(9)
    far_return "far return: conforming, DPL 3", slot(10)
    descriptor 10, 0x00af9f000000ffff
    far_return "far return: conforming, DPL 0", slot(10)
    attempt "far return: to CPL 3 without a stack"
    push 0
    push 0
    push user_code
    push user_view + .there
    o64 retf
.there:
    outcome
    attempt "IRET: not canonical"
    push kernel_data
    push stack_top
    push 2
    push kernel_code
    mov rax, 0x800000000000
    push rax
    iretq
    outcome
    attempt "IRET: CPL 3 with a null SS"
    push 0
    push user_stack
    push 2
    push user_code
    push user_view + .there
    iretq
    outcome
    attempt "IRET: CPL 3 with a stack of DPL 0"
    push slot(0) | 3
    push user_stack
    push 2
    push user_code
    push user_view + .there
    iretq
    outcome
    attempt "IRET with NT"
    push kernel_data
    push stack_top
    push 2
    push kernel_code
    push .there
    pushf
    or qword [rsp], 0x4000
    popf
    iretq
    outcome
    mov qword [resume.rip], .nulls_returned
    mov [resume.rsp], rsp
    mov eax, 3
    mov ds, ax
    mov es, ax
    mov fs, ax
    mov gs, ax
    push user_data
    push user_stack
    push 2
    push user_code
    push user_view + .nulls
    iretq
.nulls:
    mov r8d, ds
    mov ecx, es
    or r8d, ecx
    mov ecx, fs
    or r8d, ecx
    mov ecx, gs
    or r8d, ecx
    int3
.nulls_returned:
    mov qword [resume.rip], unexpected
    mov ax, kernel_data
    mov ds, ax
    mov es, ax
    say "IRET to CPL 3 makes null selectors 0", r8

    ; a call gate of 16 bytes at slot 11, DPL 3
    mov eax, .gate
    mov ebx, eax
    and eax, 0xffff
    or eax, kernel_code << 16
    mov [gdt.free + 11 * 8], eax
    and ebx, 0xffff0000
    or ebx, 0xec00
    mov [gdt.free + 11 * 8 + 4], ebx
    mov qword [gdt.free + 12 * 8], 0
    mov qword [resume.rip], .no_gate
    mov [resume.rsp], rsp
    user_begin
    call dword far [rel .pointer]
    user_end
.no_gate:
    mov ecx, 1
    jmp .gate_said
.gate:
    mov ecx, cs
    and ecx, 3
    mov rsp, [resume.rsp]
.gate_said:
    mov ax, kernel_data
    mov ds, ax
    mov es, ax
    mov ss, ax
    say "call gate from CPL 3", rcx
    and byte [gdt.free + 11 * 8 + 5], ~0x60
    attempt "call gate below its DPL"
    user_begin
    call dword far [rel .pointer]
    user_end
    outcome
    mov byte [gdt.free + 11 * 8 + 5], 0x6c
    attempt "call gate that is absent"
    user_begin
    call dword far [rel .pointer]
    user_end
    outcome
    descriptor 13, 0x0000840000000000       ; b0: a 16-bit call gate
    attempt "gate in 8 bytes"
    call dword far [.short_pointer]
    outcome

    xor ecx, ecx
    mov rax, [gdt.free]
    bt rax, 40
    setc cl
    say "accessed bit is set by a load", rcx
    mov eax, slot(0)
    lar ecx, eax
    say "LAR of data", rcx
    mov eax, 0xfff8
    xor edx, edx
    cmp eax, eax
    lar ecx, eax
    setz dl
    say "LAR of nothing clears ZF", rdx
    mov eax, kernel_data
    lsl ecx, eax
    say "LSL, by pages", rcx
    mov eax, slot(11)
    xor edx, edx
    lsl ecx, eax
    setz dl
    say "LSL of a call gate", rdx
    mov eax, slot(2)
    xor edx, edx
    verr ax
    setz dl
    say "VERR of execute-only code", rdx
    mov eax, slot(0)
    xor edx, edx
    verw ax
    setz dl
    say "VERW of data", rdx
    ret
.pointer:
    dd 0
    dw slot(11)
.short_pointer:
    dd 0
    dw slot(13)

image_ends
