; Single step, breakpoints and what DR6 says of them; what MOV SS and POPF put off (SDM vol. 3, ch. 17.2, 17.3, 6.8.3).
%include "environment.inc"

; DR6's bits and where the handler was told to return to, counted from a label.
%macro seen_at 2
    mov rax, dr6
    and eax, 0xe00f
    say %1, rax
    mov rax, [seen.rip]
    sub rax, %2
    say "  behind it by", rax
%endmacro
%macro clear_dr6 0
    mov eax, 0xffff0ff0
    mov dr6, rax
%endmacro
%macro breakpoint 3                         ; number, address, DR7
    lea rax, [%2]
    mov dr%1, rax
    mov eax, %3
    mov dr7, rax
%endmacro

;| single step: #DB
;| of the instruction behind POPF: 0000000000004000
;|   behind it by: 0000000000000001
;| single step behind MOV SS: #DB
;| one instruction later: 0000000000004000
;|   behind it by: 0000000000000003
;| INT1: #DB
;| sets no bit: 0000000000000000
;|   behind it by: 0000000000000001
;| instruction breakpoint: #DB
;| before the instruction: 0000000000000001
;|   behind it by: 0000000000000000
;| RF lets it pass: none
;| data breakpoint, write: #DB
;| behind the instruction: 0000000000000002
;|   behind it by: 0000000000000008
;| data breakpoint, a read does not hit: none
;| data breakpoint, read: #DB
;| reads hit this one: 0000000000000004
;|   behind it by: 0000000000000007
;| data breakpoint, next byte: none
;| data breakpoint, half covered: #DB
;| covers it: 0000000000000002
;|   behind it by: 0000000000000008
;| MOV SS puts a data breakpoint off: #DB
;| hit, told one later: 0000000000000002
;|   behind it by: 0000000000000001
;| DR7.GD: #DB
;| before the access: 0000000000002000
;|   behind it by: 0000000000000000
;| single step of SYSCALL's target: #DB
;| end

main:
    clear_dr6
    attempt "single step"
    pushf
    or qword [rsp], 0x100
    popf
.step:
    nop
    nop
    outcome
    seen_at "of the instruction behind POPF", .step

    clear_dr6
    attempt "single step behind MOV SS"
    mov ax, ss
    pushf
    or qword [rsp], 0x100
    popf
.ss:
    mov ss, ax
    nop
    nop
    outcome
    seen_at "one instruction later", .ss

    clear_dr6
    attempt "INT1"
.int1:
    db 0xf1
    outcome
    seen_at "sets no bit", .int1

    clear_dr6
    breakpoint 0, .here, 0x402
    attempt "instruction breakpoint"
.here:
    nop
    outcome
    seen_at "before the instruction", .here
    attempt "RF lets it pass"
    push kernel_data
    push rsp
    add qword [rsp], 8
    push 0x10002
    push kernel_code
    push .here2
    breakpoint 0, .here2, 0x402
    iretq
.here2:
    nop
    outcome

    clear_dr6
    breakpoint 1, word_there, 0x408 | 0xd << 20         ; four bytes, write
    attempt "data breakpoint, write"
.write:
    mov byte [word_there], 1
    nop
    outcome
    seen_at "behind the instruction", .write
    attempt "data breakpoint, a read does not hit"
    mov eax, [word_there]
    outcome
    clear_dr6
    breakpoint 2, word_there, 0x420 | 0x3 << 24         ; one byte, read or write
    attempt "data breakpoint, read"
.read:
    mov eax, [word_there]
    nop
    outcome
    seen_at "reads hit this one", .read
    attempt "data breakpoint, next byte"
    mov al, [word_there + 1]
    outcome
    clear_dr6
    breakpoint 1, word_there, 0x408 | 0x5 << 20         ; two bytes, write
    attempt "data breakpoint, half covered"
.half:
    mov [word_there - 1], ax
    nop
    outcome
    seen_at "covers it", .half
    mov eax, 0x400
    mov dr7, rax

    clear_dr6
    mov word [word_there], ss
    breakpoint 1, word_there, 0x408 | 0xf << 20         ; four bytes, read or write
    attempt "MOV SS puts a data breakpoint off"
    mov ss, [word_there]
.put_off:
    nop
    nop
    outcome
    seen_at "hit, told one later", .put_off
    mov eax, 0x400
    mov dr7, rax

    clear_dr6
    mov eax, 0x2400
    mov dr7, rax
    attempt "DR7.GD"
.access:
    mov rax, dr0
    outcome
    mov eax, 0x400
    mov dr7, rax
    seen_at "before the access", .access

    ; SYSCALL with TF set and not masked: the trap comes behind it.
    mov ecx, 0xc0000081
    xor eax, eax
    mov edx, (user_code32 & ~3 | 3) << 16 | kernel_code
    wrmsr
    mov ecx, 0xc0000082
    mov eax, .target
    xor edx, edx
    wrmsr
    mov ecx, 0xc0000084
    xor eax, eax
    wrmsr
    attempt "single step of SYSCALL's target"
    user_begin 0x3102
    syscall
    user_end
.target:
    nop
    nop
    outcome
    ret

align 8
    dd 0
word_there: dd 0

image_ends
