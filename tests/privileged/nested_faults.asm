; A fault in the delivery of an event, and of several possible faults the one that comes first (SDM vol. 3, ch. 6.9, 6.14, 6.15,
; tables 6-2, 6-5).
%include "environment.inc"

%macro refused 2+
    attempt %1
    %2
    outcome
%endmacro
; The gates that go wrong on the way, and the usual ones again.
%macro absent 1
    and byte [idt + (%1) * 16 + 5], 0x7f
%endmacro
%macro present 1
    or byte [idt + (%1) * 16 + 5], 0x80
%endmacro
%macro bad_stack 1                          ; its stack lies on an absent page
    mov byte [idt + (%1) * 16 + 4], 2
%endmacro
%macro good_stack 1
    mov byte [idt + (%1) * 16 + 4], 1
%endmacro
%define not_canonical 0x900000000000
%macro by_user 2+
    attempt %1
    user_begin
    %2
    user_end
    outcome
%endmacro

;| #UD, then #NP: #NP(0033)
;| #UD, then #PF: #PF(0002) at arena+003ff8
;| #DE, then #NP: #DF(0000)
;| #DE, then #PF: #PF(0002) at arena+003ff8
;| #NP, then #NP: #DF(0000)
;| #GP, then #NP: #DF(0000)
;| #PF, then #NP: #DF(0000)
;| #PF, then #PF: #DF(0000)
;|   CR2 is the second's: 0000000000003ff8
;| #NM, then #GP: #GP(0001)
;| #BP of INT3, then #PF: #PF(0002) at arena+003ff8
;|   RIP is INT3's: 0000000000000000
;| INT n, then #NP: #NP(0032)
;| INT n, then #PF: #PF(0002) at arena+003ff8
;| INT1, then #NP: #NP(000b)
;| #DB, then #NP: #NP(000b)
;| #AC, then #NP: #NP(008b)
;| #GP, then #PF, then #NP: #DF(0000)
;| #UD, then #NP, then #PF: #PF(0002) at arena+003ff8
;| IST not canonical: #DF(0000)
;| IST not canonical, #UD: #SS(0001)
;| handler not canonical: #GP(0001)
;| handler in 32-bit code: #GP(0019)
;| handler in data: #GP(0011)
;| handler in null: #GP(0001)
;| handler of an outer level: #GP(0031)
;| gate with a reserved type: #GP(0032)
;| 16-bit gate: #GP(0032)
;| task gate: #GP(0032)
;| TSS without room for IST: #TS(0038)
;| limit of the table within a gate: #GP(00fa)
;| fault: #UD
;|   RF in its frame: 0000000000010000
;| trap: #BP
;|   RF in its frame: 0000000000000000
;| INT n: #UD
;|   RF in its frame: 0000000000000000
;| breakpoint before the fetch's fault: #DB
;| fourteen prefixes, then the absent page: #PF(0010) at arena+001000
;| fifteen prefixes: #GP(0000)
;| #UD before privilege: #UD
;| #NM before the operand's page: #NM
;| #NM before the operand's #GP: #NM
;| LOCK's #UD before #NM: #UD
;| OSFXSR's #UD before #NM: #UD
;| EM's #UD before #NM: #UD
;| #MF before the operand's page: #MF
;| alignment's #GP before the page: #GP(0000)
;| #AC before the divide error: #AC(0000)
;| page before the divide error: #PF(0000) at arena+001000
;| CALL: the target's page before the stack's: #PF(0000) at arena+001000
;| PUSH: the source's page before the stack's: #PF(0000) at arena+001000
;| POP: the stack's page before the destination's: #PF(0000) at arena+003000
;| MOVS: the source's page before the destination's: #PF(0000) at arena+001000
;| CMPXCHG16B: alignment before the page: #GP(0000)
;| XCHG writes: #PF(0002) at arena+001000
;| ADD says that it writes: #PF(0002) at arena+001000
;| CMP does not: #PF(0000) at arena+001000
;| BTS, far from its operand: #PF(0002) at arena+001000
;| single step and #UD: #UD
;|   DR6: 0000000000000000
;| single step and INT3: #BP
;|   DR6: 0000000000000000
;| data breakpoint and a fault: #PF(0002) at arena+001000
;|   DR6: 0000000000000000
;| end

main:
    arena_page 1, 0
    arena_page 3, 0
    mov qword [tss + 44], arena + 0x4000    ; IST2: its first push is on page 3

    absent 6
    refused "#UD, then #NP", ud2
    present 6
    bad_stack 6
    refused "#UD, then #PF", ud2
    good_stack 6
    absent 0
    xor ecx, ecx
    refused "#DE, then #NP", div ecx
    present 0
    bad_stack 0
    refused "#DE, then #PF", div ecx
    good_stack 0
    absent 11
    mov rax, 0x00af1b000000ffff
    mov [gdt.free], rax
    mov eax, free_selector
    refused "#NP, then #NP", mov fs, ax
    present 11
    absent 13
    mov rbx, not_canonical
    refused "#GP, then #NP", mov eax, [rbx]
    present 13
    absent 14
    refused "#PF, then #NP", mov eax, [arena + 0x1000]
    present 14
    bad_stack 14
    refused "#PF, then #PF", mov eax, [arena + 0x1000]
    mov rax, [seen.cr2]
    sub rax, arena
    say "  CR2 is the second's", rax
    good_stack 14
    mov rax, cr0
    bts rax, 3
    mov cr0, rax
    mov dword [idt + 7 * 16 + 8], 0x8000    ; a handler that is not canonical
    refused "#NM, then #GP", fld1
    mov dword [idt + 7 * 16 + 8], 0
    clts
    bad_stack 3
    attempt "#BP of INT3, then #PF"
.int3:
    int3
    outcome
    mov rax, [seen.rip]
    sub rax, .int3
    say "  RIP is INT3's", rax
    good_stack 3
    absent 6
    refused "INT n, then #NP", int 6
    present 6
    bad_stack 6
    refused "INT n, then #PF", int 6
    good_stack 6
    absent 1
    refused "INT1, then #NP", db 0xf1
    attempt "#DB, then #NP"
    pushf
    or qword [rsp], 0x100
    popf
    nop
    nop
    outcome
    present 1
    mov rax, cr0
    bts rax, 18
    mov cr0, rax
    absent 17
    attempt "#AC, then #NP"
    user_begin 0x43002
    mov eax, [user_view + 1]
    user_end
    outcome
    present 17
    bad_stack 13
    absent 14
    refused "#GP, then #PF, then #NP", mov eax, [rbx]
    present 14
    absent 6
    bad_stack 11
    good_stack 13
    refused "#UD, then #NP, then #PF", ud2
    good_stack 11
    present 6
    mov rax, not_canonical
    mov [tss + 44], rax
    bad_stack 13
    refused "IST not canonical", mov eax, [rbx]
    good_stack 13
    bad_stack 6
    refused "IST not canonical, #UD", ud2
    good_stack 6
    mov qword [tss + 44], arena + 0x4000
    mov dword [idt + 6 * 16 + 8], 0x8000
    refused "handler not canonical", ud2
    mov dword [idt + 6 * 16 + 8], 0
%macro handler_in 2
    mov word [idt + 6 * 16 + 2], %2
    refused %1, ud2
    mov word [idt + 6 * 16 + 2], kernel_code
%endmacro
    handler_in "handler in 32-bit code", kernel_code32
    handler_in "handler in data", kernel_data
    handler_in "handler in null", 0
    handler_in "handler of an outer level", user_code & ~3
%macro gate_type 2
    mov al, [idt + 6 * 16 + 5]
    mov byte [idt + 6 * 16 + 5], %2
    refused %1, int 6
    mov byte [idt + 6 * 16 + 5], 0x8e
%endmacro
    gate_type "gate with a reserved type", 0x88
    gate_type "16-bit gate", 0x86
    gate_type "task gate", 0x85
    ; A TSS that ends behind IST1
    mov byte [gdt.task + 5], 0x89
    mov word [gdt.task], 0x2b
    mov ax, task_segment
    ltr ax
    bad_stack 6
    refused "TSS without room for IST", int 6
    good_stack 6
    mov byte [gdt.task + 5], 0x89
    mov word [gdt.task], 0x67
    mov ax, task_segment
    ltr ax
    mov word [idt_pointer], 31 * 16 + 14
    attempt "limit of the table within a gate"
    lidt [idt_pointer]
    int 31
    outcome
    mov word [idt_pointer], 64 * 16 - 1
    lidt [idt_pointer]

%macro say_rf 0
    mov rax, [seen.flags]
    and eax, 0x10000
    say "  RF in its frame", rax
%endmacro
    refused "fault", ud2
    say_rf
    refused "trap", int3
    say_rf
    refused "INT n", int 6
    say_rf

    ; priorities
    mov eax, 0xffff0ff0
    mov dr6, rax
    mov eax, arena + 0x1000
    mov dr0, rax
    mov ecx, 0x402
    mov dr7, rcx
    refused "breakpoint before the fetch's fault", jmp rax
    mov ecx, 0x400
    mov dr7, rcx
    mov edi, arena + 0xff0
    mov al, 0x66
    mov ecx, 16
    rep stosb
    mov eax, arena + 0x1000 - 14
    refused "fourteen prefixes, then the absent page", jmp rax
    mov eax, arena + 0x1000 - 15
    refused "fifteen prefixes", jmp rax
    by_user "#UD before privilege", db 0xf0, 0xf4
    mov rax, cr0
    bts rax, 3
    mov cr0, rax
    refused "#NM before the operand's page", fld dword [arena + 0x1000]
    refused "#NM before the operand's #GP", fld dword [rbx]
    refused "LOCK's #UD before #NM", db 0xf0, 0xd9, 0xe8
    mov rax, cr4
    btr rax, 9
    mov cr4, rax
    refused "OSFXSR's #UD before #NM", addps xmm0, xmm0
    mov rax, cr4
    bts rax, 9
    mov cr4, rax
    mov rax, cr0
    bts rax, 2
    mov cr0, rax
    refused "EM's #UD before #NM", addps xmm0, xmm0
    mov rax, cr0
    btr rax, 2
    btr rax, 3
    mov cr0, rax
    fninit
    fldcw [unmasked]
    fldz
    fdiv st0, st0
    refused "#MF before the operand's page", fld dword [arena + 0x1000]
    fnclex
    fninit
    refused "alignment's #GP before the page", movaps xmm0, [arena + 0x1008]
    attempt "#AC before the divide error"
    user_begin 0x43002
    xor edx, edx
    div dword [user_view + 0x180001]
    user_end
    outcome
    xor edx, edx
    refused "page before the divide error", div dword [arena + 0x1000]
    attempt "CALL: the target's page before the stack's"
    mov rsp, arena + 0x4000
    call [arena + 0x1000]
    outcome
    attempt "PUSH: the source's page before the stack's"
    mov rsp, arena + 0x4000
    push qword [arena + 0x1000]
    outcome
    attempt "POP: the stack's page before the destination's"
    mov rsp, arena + 0x3000
    pop qword [arena + 0x1000]
    outcome
    mov esi, arena + 0x1000
    mov edi, arena + 0x3000
    refused "MOVS: the source's page before the destination's", movsb
    refused "CMPXCHG16B: alignment before the page", cmpxchg16b [arena + 0x1008]
    refused "XCHG writes", xchg [arena + 0x1000], eax
    refused "ADD says that it writes", add dword [arena + 0x1000], 1
    refused "CMP does not", cmp dword [arena + 0x1000], 1
    mov ecx, 0x8000
    refused "BTS, far from its operand", bts [arena], ecx
%macro say_dr6 0
    mov rax, dr6
    and eax, 0xe00f
    say "  DR6", rax
    mov eax, 0xffff0ff0
    mov dr6, rax
%endmacro
    mov eax, 0xffff0ff0
    mov dr6, rax
    attempt "single step and #UD"
    pushf
    or qword [rsp], 0x100
    popf
    ud2
    outcome
    say_dr6
    attempt "single step and INT3"
    pushf
    or qword [rsp], 0x100
    popf
    int3
    outcome
    say_dr6
    mov eax, arena + 0x1000
    mov dr0, rax
    mov eax, 0x402 | 0x1 << 16              ; one byte, write
    mov dr7, rax
    refused "data breakpoint and a fault", mov [arena + 0x1000], al
    mov eax, 0x400
    mov dr7, rax
    say_dr6
    mov rax, cr0
    btr rax, 18
    mov cr0, rax
    mov qword [tss + 44], 0
    arena_page 1, P | W
    arena_page 3, P | W
    ret
unmasked: dw 0x37e
image_ends
