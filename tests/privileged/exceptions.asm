; Which exception an instruction raises, which comes first, gates that refuse, and exceptions within exceptions
; (SDM vol. 3, ch. 6.9, 6.12 to 6.15).
%include "environment.inc"

;| undefined instruction: #UD
;| LOCK where it is not allowed: #UD
;| sixteen bytes long: #GP(0000)
;| divide by zero: #DE
;| quotient too large: #DE
;| most negative by -1: #DE
;| INT3: #BP
;| INT3 by CPL 3: #BP
;| INT 13 by CPL 3: #GP(006a)
;| INT behind the table's end: #GP(0402)
;| INT through an absent gate: #NP(002a)
;| #UD through an absent gate: #NP(0033)
;| #GP through an absent gate: #DF(0000)
;| #PF through an absent gate: #DF(0000)
;| #DE through a gate that is no gate: #DF(0000)
;| #PF in the delivery of #GP: #PF(0002) at arena+002ff8
;| fetch faults before LOCK is looked at: #PF(0010) at arena+002000
;| the operand's fault before the division's: #PF(0000) at arena+002000
;| privilege before the operand's fault: #GP(0000)
;| #UD before the operand's fault: #UD
;| user RIP pushed: 0000000000000001
;| end

main:
    attempt "undefined instruction"
    ud2
    outcome
    attempt "LOCK where it is not allowed"
    db 0xf0, 0x01, 0xc0                     ; lock add eax, eax
    outcome
    attempt "sixteen bytes long"
    times 15 db 0x66
    nop
    outcome
    attempt "divide by zero"
    xor ecx, ecx
    mov eax, 1
    cdq
    div ecx
    outcome
    attempt "quotient too large"
    mov edx, 1
    mov ecx, 1
    div ecx
    outcome
    attempt "most negative by -1"
    mov rax, 0x8000000000000000
    cqo
    mov rcx, -1
    idiv rcx
    outcome
    attempt "INT3"
    int3
    outcome
    attempt "INT3 by CPL 3"
    user_begin
    int3
    user_end
    outcome
    attempt "INT 13 by CPL 3"
    user_begin
    int 13
    user_end
    outcome
    attempt "INT behind the table's end"
    int 0x80
    outcome
    and byte [idt + 5 * 16 + 5], 0x7f
    attempt "INT through an absent gate"
    int 5
    outcome
    or byte [idt + 5 * 16 + 5], 0x80
    and byte [idt + 6 * 16 + 5], 0x7f
    attempt "#UD through an absent gate"
    ud2
    outcome
    or byte [idt + 6 * 16 + 5], 0x80
    and byte [idt + 13 * 16 + 5], 0x7f
    attempt "#GP through an absent gate"
    mov rax, 0x800000000000
    mov eax, [rax]
    outcome
    or byte [idt + 13 * 16 + 5], 0x80
    arena_page 2, 0
    and byte [idt + 14 * 16 + 5], 0x7f
    attempt "#PF through an absent gate"
    mov eax, [arena + 0x2000]
    outcome
    or byte [idt + 14 * 16 + 5], 0x80
    mov byte [idt + 0 * 16 + 5], 0x80
    attempt "#DE through a gate that is no gate"
    xor ecx, ecx
    div ecx
    outcome
    mov byte [idt + 0 * 16 + 5], 0x8e
    ; The handler's stack is absent: a page fault behind a contributory exception takes its place.
    mov byte [idt + 13 * 16 + 4], 2
    mov qword [tss + 44], arena + 0x3000    ; IST2
    attempt "#PF in the delivery of #GP"
    mov rax, 0x800000000000
    mov eax, [rax]
    outcome
    mov byte [idt + 13 * 16 + 4], 1

    ; priorities
    mov byte [arena + 0x1fff], 0xf0         ; LOCK, the rest on the absent page
    attempt "fetch faults before LOCK is looked at"
    mov eax, arena + 0x1fff
    jmp rax
    outcome
    attempt "the operand's fault before the division's"
    xor edx, edx
    div dword [arena + 0x2000]
    outcome
    attempt "privilege before the operand's fault"
    user_begin
    lgdt [arena + 0x2000]
    user_end
    outcome
    attempt "#UD before the operand's fault"
    db 0xf0, 0x8b, 0x04, 0x25               ; lock mov eax, [arena + 0x2000]
    dd arena + 0x2000
    outcome
    attempt "user RIP pushed"
    user_begin
.at:
    ud2
    user_end
%$resume:
%pop
    mov rax, [seen.rip]
    sub rax, user_view + .at
    mov rbx, [seen.cs]
    xor ecx, ecx
    cmp rax, 0
    jne .wrong
    cmp rbx, user_code
    sete cl
.wrong:
    say "user RIP pushed", rcx
    ret

image_ends
