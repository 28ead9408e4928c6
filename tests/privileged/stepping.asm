; Single steps, breakpoints and interrupts at instructions that repeat, that change TF, that load SS, and behind STI: what comes when, and
; RF (SDM vol. 3, ch. 2.3, 6.8.3, 17.3.1; vol. 2, MOV, POP, LSS, STI). Not asked: RF in the middle of REP, of which processors disagree.
%include "environment.inc"

apic equ arena + 0x100000       ; a page of the arena shows it
TF equ 0x100

%macro handles 2                            ; vector, handler
    push rax
    mov eax, %2
    mov [idt + (%1) * 16], ax
    shr eax, 16
    mov [idt + (%1) * 16 + 6], ax
    pop rax
%endmacro
%macro set_tf 0
    pushf
    or qword [rsp], TF
    popf
%endmacro
; Steps are counted, three less for what ends them.
%macro begin_steps 0-1 -1                   ; the number of one to look at
    mov qword [steps], 0
    mov qword [hits], 0
    mov qword [look_at], %1
    handles 1, count_steps
    set_tf
%endmacro
%macro end_steps 0
    pushf
    and qword [rsp], ~TF
    popf
    handles 1, exception_entries + exception_entry_size
    sub qword [steps], 3
%endmacro
%macro say_dr6 1
    mov rax, dr6
    and eax, 0xe00f
    say %1, rax
    mov eax, 0xffff0ff0
    mov dr6, rax
%endmacro
%macro say_rf 2
    mov rax, %2
    and eax, 0x10000
    say %1, rax
%endmacro
%macro behind 2
    mov rax, [seen.rip]
    sub rax, %2
    say %1, rax
%endmacro
%macro string 1                             ; count
    mov esi, arena + 0x2000
    mov edi, arena + 0x3000
    mov ecx, %1
%endmacro

;| step of REP MOVSB: #DB
;|   behind its beginning by: 0000000000000000
;|   count left: 0000000000000002
;| steps of three iterations: 0000000000000003
;|   RF in the last one: 0000000000000000
;| steps of no iteration: 0000000000000001
;| steps of REPNE SCASB, found: 0000000000000003
;| steps of 1000 iterations: 00000000000003e8
;| REP MOVSB's third iteration faults: #PF(0002) at arena+001000
;|   count left: 0000000000000006
;|   steps before it: 0000000000000002
;|   DR6: 0000000000000000
;|   RF of the iteration that faults: 0000000000010000
;| data breakpoint in REP STOSB: #DB
;|   count left: 0000000000000005
;| data breakpoint in REP STOSB's last iteration: #DB
;|   count left: 0000000000000000
;|   RF: 0000000000000000
;| instruction breakpoint at REP STOSB: 0000000000000001
;|   its iterations: 0000000000000000
;|   with TF: 0000000000000001
;|     steps: 0000000000000003
;| RF is for one instruction: #DB
;|   DR6: 0000000000000002
;| RF of an instruction that faults: #UD
;|   its RF: 0000000000010000
;| POPF that clears TF: #DB
;|   behind it by: 0000000000000000
;| IRET that sets TF: #DB
;|   behind its target's first: 0000000000000000
;| PUSHF: TF: 0000000000000100
;| INT n: steps in its handler: 0000000000000000
;|   TF in its frame: 0000000000000100
;|   TF in the handler: 0000000000000000
;| jump: #DB
;|   behind it by: 0000000000000000
;| CALL: #DB
;|   behind it by: 0000000000000000
;| LOCK CMPXCHG: #DB
;|   LOCK CMPXCHG, behind it by: 0000000000000000
;| CPUID: #DB
;|   CPUID, behind it by: 0000000000000000
;| MOV CR3: #DB
;|   MOV CR3, behind it by: 0000000000000000
;| WRMSR: #DB
;|   WRMSR, behind it by: 0000000000000000
;| OUT: #DB
;|   OUT, behind it by: 0000000000000000
;| FXRSTOR: #DB
;|   FXRSTOR, behind it by: 0000000000000000
;| LSS has no shadow: #DB
;|   LSS has no shadow, behind it by: 0000000000000000
;| STI's shadow is not for steps: #DB
;|   STI's shadow is not for steps, behind it by: 0000000000000000
;| POP SS: #DB
;|   behind the next one by: 0000000000000000
;| POP SS, data breakpoint of its: #DB
;|   its, behind the next one by: 0000000000000000
;| MOV SS, then a fault: #UD
;|   DR6: 0000000000000000
;| STI, then a fault: #UD
;|   IF: 0000000000000200
;|   interrupts before it: 0000000000000000
;|   behind it: 0000000000000001
;| STI, then INT n: interrupts before its handler: 0000000000000000
;|   behind its IRET: 0000000000000001
;| end

main:
    mov eax, 0xffff0ff0
    mov dr6, rax
    attempt "step of REP MOVSB"
    string 3
    set_tf
.rep:
    rep movsb
    nop
    outcome
    behind "  behind its beginning by", .rep
    say "  count left", rcx
    string 3
    begin_steps 3
    rep movsb
    end_steps
    say "steps of three iterations", [steps]
    say_rf "  RF in the last one", [looked_at]
    string 0
    begin_steps
    rep movsb
    end_steps
    say "steps of no iteration", [steps]
    string 100
    mov byte [rdi + 2], 0x5a
    mov al, 0x5a
    begin_steps
    repne scasb
    end_steps
    mov byte [arena + 0x3002], 0
    say "steps of REPNE SCASB, found", [steps]
    string 1000
    begin_steps
    rep lodsb
    end_steps
    say "steps of 1000 iterations", [steps]
    arena_page 1, 0
    attempt "REP MOVSB's third iteration faults"
    string 8
    mov edi, arena + 0xffe
    begin_steps
    rep movsb
    outcome
    handles 1, exception_entries + exception_entry_size
    say "  count left", rcx
    say "  steps before it", [steps]
    say_dr6 "  DR6"
    say_rf "  RF of the iteration that faults", [seen.flags]
    arena_page 1, P | W

    ; breakpoints
%macro data_breakpoint 1                    ; one byte, write
    mov eax, %1
    mov dr0, rax
    mov eax, 0x402 | 1 << 16
    mov dr7, rax
%endmacro
%macro no_breakpoints 0
    mov eax, 0x400
    mov dr7, rax
    mov eax, 0xffff0ff0
    mov dr6, rax
%endmacro
    data_breakpoint arena + 0x3002
    attempt "data breakpoint in REP STOSB"
    string 8
    rep stosb
    nop
    outcome
    no_breakpoints
    say "  count left", rcx
    data_breakpoint arena + 0x3007
    attempt "data breakpoint in REP STOSB's last iteration"
    string 8
    rep stosb
    nop
    outcome
    no_breakpoints
    say "  count left", rcx
    say_rf "  RF", [seen.flags]
    mov eax, .breakpoint
    mov dr0, rax
    mov eax, 0x402
    mov dr7, rax
    mov qword [hits], 0
    handles 1, count_steps
    string 3
    call .breakpoint
    say "instruction breakpoint at REP STOSB", [hits]
    say "  its iterations", rcx
    string 3
    begin_steps
    call .breakpoint
    end_steps
    no_breakpoints
    say "  with TF", [hits]
    mov rax, [steps]                        ; CALL and RET are two of them
    sub rax, 2
    say "    steps", rax
    jmp .next
.breakpoint:
    rep stosb
    ret
.next:
    mov eax, .resumed
    mov dr0, rax
    mov eax, .resumed_next
    mov dr1, rax
    mov eax, 0x40a
    attempt "RF is for one instruction"
    mov dr7, rax
    mov rax, rsp
    push kernel_data
    push rax
    push 0x10002
    push kernel_code
    push .resumed
    iretq
.resumed:
    nop
.resumed_next:
    nop
    outcome
    say_dr6 "  DR6"
    no_breakpoints
    attempt "RF of an instruction that faults"
    mov rax, rsp
    push kernel_data
    push rax
    push 2
    push kernel_code
    push .faulting
    iretq
.faulting:
    ud2
    outcome
    say_rf "  its RF", [seen.flags]

    ; TF
    attempt "POPF that clears TF"
    push 2
    set_tf
    popf
.popf:
    nop
    outcome
    behind "  behind it by", .popf
    attempt "IRET that sets TF"
    mov rax, rsp
    push kernel_data
    push rax
    push TF | 2
    push kernel_code
    push .iret
    iretq
.iret:
    nop
.iret_next:
    nop
    outcome
    behind "  behind its target's first", .iret_next
    begin_steps
    pushf
    end_steps
    pop rax
    and eax, TF
    say "PUSHF: TF", rax
    handles 7, count_in_handler
    begin_steps
    int 7
    end_steps
    handles 7, exception_entries + 7 * exception_entry_size
    say "INT n: steps in its handler", [in_handler]
    say "  TF in its frame", [in_handler + 8]
    say "  TF in the handler", [in_handler + 16]
    attempt "jump"
    set_tf
    jmp .jump
    nop
.jump:
    nop
    outcome
    behind "  behind it by", .jump
    attempt "CALL"
    set_tf
    call .call
.call:
    nop
    outcome
    behind "  behind it by", .call
%macro stepped_one 2+
    attempt %1
    set_tf
    %2
%%behind:
    nop
    nop
    outcome
    %strcat %%text "  ", %1, ", behind it by"
    behind %%text, %%behind
%endmacro
    stepped_one "LOCK CMPXCHG", lock cmpxchg [arena + 0x2000], ecx
    stepped_one "CPUID", cpuid
    mov rbx, cr3
    stepped_one "MOV CR3", mov cr3, rbx
    mov ecx, 0xc0000102
    xor edx, edx
    xor eax, eax
    stepped_one "WRMSR", wrmsr
    stepped_one "OUT", out 0x80, al
    fxsave [area]
    stepped_one "FXRSTOR", fxrstor [area]
    mov [far_pointer], esp
    mov word [far_pointer + 4], kernel_data
    stepped_one "LSS has no shadow", lss esp, [far_pointer]
    stepped_one "STI's shadow is not for steps", sti
    cli

    ; MOV SS, POP SS
%macro compatible 1
    attempt %1
    push kernel_code32
    push %%code
    o64 retf
bits 32
%%code:
%endmacro
    mov eax, kernel_data
    mov ss, ax
    compatible "POP SS"
    push ss
    pushfd
    or dword [esp], TF
    popfd
    pop ss
    nop
.pop_ss:
    nop
bits 64
    outcome
    behind "  behind the next one by", .pop_ss
    mov eax, kernel_data
    mov ss, ax
    mov eax, stack_top - 0x1000
    mov dr0, rax
    mov eax, 0x402 | 0xf << 16              ; four bytes, read or write
    compatible "POP SS, data breakpoint of its"
    mov esp, stack_top - 0xffc
    push ss
    mov dr7, eax
    pop ss
    nop
.pop_ss_data:
    nop
bits 64
    outcome
    no_breakpoints
    behind "  its, behind the next one by", .pop_ss_data
    mov eax, ss
    attempt "MOV SS, then a fault"
    set_tf
    mov ss, ax
    ud2
    outcome
    say_dr6 "  DR6"

    ; interrupts
    mov dword [arena_entries + 256 * 8], 0xfee00000 | P | W
    invlpg [apic]
    mov dword [apic + 0xf0], 0x1ff
    mov eax, interrupt
    mov [idt + 0x22 * 16], ax
    mov word [idt + 0x22 * 16 + 2], kernel_code
    mov word [idt + 0x22 * 16 + 4], 0x8e01
    shr eax, 16
    mov [idt + 0x22 * 16 + 6], ax
    mov qword [count], 0
    mov dword [apic + 0x300], 0x44022
    attempt "STI, then a fault"
    sti
    ud2
    outcome
    mov rax, [seen.flags]
    and eax, 0x200
    say "  IF", rax
    say "  interrupts before it", [count]
    sti
    nop
    mov ecx, 64
.while:
    dec ecx
    jnz .while
    cli
    say "  behind it", [count]
    handles 7, count_in_handler
    mov qword [count], 0
    mov dword [apic + 0x300], 0x44022
    sti
    int 7
    mov ecx, 64
.while_again:
    dec ecx
    jnz .while_again
    cli
    handles 7, exception_entries + 7 * exception_entry_size
    say "STI, then INT n: interrupts before its handler", [in_handler + 24]
    say "  behind its IRET", [count]
    mov dword [arena_entries + 256 * 8], arena_physical + 0x100000 + (P | W)
    invlpg [apic]
    ret

    align 16
count_steps:                                ; and the breakpoints' hits, behind which the instruction runs
    push rax
    mov rax, dr6
    test eax, 0x4000
    jz .breakpoint
    inc qword [steps]
    mov rax, [steps]
    cmp rax, [look_at]
    jne .breakpoint
    mov rax, [rsp + 24]
    mov [looked_at], rax
.breakpoint:
    mov rax, dr6
    test al, 1
    jz .end
    inc qword [hits]
    or qword [rsp + 24], 0x10000
.end:
    mov eax, 0xffff0ff0
    mov dr6, rax
    pop rax
    iretq
count_in_handler:
    push rax
    pushf
    pop rax
    and eax, TF
    mov [in_handler + 16], rax
    mov rax, [rsp + 24]
    and eax, TF
    mov [in_handler + 8], rax
    mov rax, [steps]
    mov [in_handler], rax
    mov rax, [count]
    mov [in_handler + 24], rax
    pop rax
    iretq
interrupt:
    inc qword [count]
    mov dword [apic + 0xb0], 0
    iretq

    align 16
area: times 512 db 0
steps: dq 0
hits: dq 0
look_at: dq 0
looked_at: dq 0
in_handler: times 4 dq 0
count: dq 0
far_pointer: dq 0, 0
image_ends
