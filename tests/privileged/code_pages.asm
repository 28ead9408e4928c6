; Instructions that lie in two pages, and code pages that are seen, and changed, at several linear addresses: all of it hot
; (SDM vol. 3, ch. 4.7, 4.10, 8.1.3).
%include "environment.inc"
%include "translations.inc"

; Frame 40 is shown by pages 40 and 50, frame 41 by pages 41 and 51, and both by the identity map.
code equ arena + 0x40000
alias equ arena + 0x50000
frame equ arena_physical + 0x40000

%macro call_hot 1-2 30                      ; an address, 30 times: the answers' sum in EDX
    mov rbx, %1
    mov ecx, %2
    call sum_of_calls
%endmacro
%macro long_function 2                      ; address, answer: mov rax, n; ret, in 11 bytes
    mov rdi, %1
    mov word [rdi], 0xb848
    mov rax, %2
    mov [rdi + 2], rax
    mov byte [rdi + 10], 0xc3
%endmacro

;| every split of a MOV: 00000000000005dc
;| every split of a near jump: 000000000000012c
;| every split of a load: 000000000000012c
;| every split of a conditional jump: 000000000000012c
;| second page absent: #PF(0010) at arena+041000
;|   at the first byte: 0000000000000000
;| second page no-execute: #PF(0011) at arena+041000
;| second page the user's, SMEP: #PF(0011) at arena+041000
;| CPL 3, second page the supervisor's: #PF(0015) at arena+041000
;| second page another frame, INVLPG: 00000000000000d2
;| second page written through an alias: 00000000000000d2
;| second page written through the identity map: 00000000000000f0
;| first page written through an alias: 00000000000000d2
;| jump into the middle of one: 000000000000005a
;| LOCK's prefix before the boundary: 000000000000001e
;| REP before the boundary: 000000000000003c
;| call over the boundary: return address: 0000000000000000
;| fault in the middle of two pages' instruction: #PF(0000) at arena+001000
;|   RIP: 0000000000000000
;| aliases: first: 000000000000001e
;| aliases: second: 000000000000001e
;| changed through the first, run at the second: 000000000000003c
;| and at the first: 000000000000003c
;| changed through the identity map, run at both: 00000000000000b4
;| written by CPL 3: #BP
;| changed by CPL 3: 0000000000000096
;| changed by PUSH: 00000000000000b4
;| changed by an exception's frame: 00000000000000d2
;| changed by REP MOVSB: 00000000000000f0
;| changed by FXSAVE: 000000000000010e
;| changed by LOCK XADD: 000000000000012c
;| changed by CMPXCHG16B: 000000000000014a
;| changed by VMOVDQU: 0000000000000168
;| changed by a store over two pages: 0000000000000186
;| changed by the accessed bit of a descriptor: 0000000000000096
;| a loop patched through an alias: 00000000000003e8
;| an alias that becomes read-only: 00000000000001a4
;| data in the page at the alias: 00000000000186a0
;| end

main:
    fill_frames
    entry 0x40, 0x40, P | W
    entry 0x41, 0x41, P | W
    entry 0x50, 0x40, P | W
    entry 0x51, 0x41, P | W
    mov rax, cr3
    mov cr3, rax
    call fill_code

    ; splits
    xor ebp, ebp
    mov r12d, 10
.split_mov:
    mov eax, code + 0x1000
    sub eax, r12d
    mov r13d, eax
    long_function r13, 5
    call_hot r13
    add ebp, edx
    dec r12d
    jnz .split_mov
    say "every split of a MOV", rbp
%macro every_split 3                        ; name, template, bytes of it that may be in the first page
    call fill_code
    xor ebp, ebp
    mov r12d, %3
%%split:
    mov edi, code + 0x1000
    sub edi, r12d
    mov r13d, edi
    mov rsi, %2
    mov ecx, 32
    rep movsb
    call_hot r13, 300 / (%3)
    add ebp, edx
    dec r12d
    jnz %%split
    say %1, rbp
%endmacro
    every_split "every split of a near jump", .near_jump, 4
    every_split "every split of a load", .load, 6
    every_split "every split of a conditional jump", .conditional, 5

    ; faults
    call fill_code
    long_function code + 0xffb, 7
    arena_page 0x41, 0
    mov ebx, code + 0xffb
    refused "second page absent", call rbx
    mov rax, [seen.rip]
    sub rax, code + 0xffb
    say "  at the first byte", rax
    arena_page 0x41, P | W, NX_HIGH
    refused "second page no-execute", call rbx
    arena_page 0x41, P | W | U
    cr4_bits 0, 1 << 20
    refused "second page the user's, SMEP", call rbx
    cr4_bits 1 << 20, 0
    arena_page 0x40, P | W | U
    arena_page 0x41, P | W
    attempt "CPL 3, second page the supervisor's"
    user_begin
    mov ebx, code + 0xffb
    call rbx
    user_end
    outcome
    arena_page 0x40, P | W
    arena_page 0x41, P | W
    long_function code + 0xffe, 0
    call_hot code + 0xffe
    mov esi, frame + 0x1000                 ; another second page, with another first byte of the value
    mov edi, frame + 0x2000
    mov ecx, 4096
    rep movsb
    mov byte [frame + 0x2000], 7
    mov dword [arena_entries + 0x41 * 8], frame + 0x2000 + (P | W)
    invlpg [code + 0x1000]
    call_hot code + 0xffe
    say "second page another frame, INVLPG", rdx
    arena_page 0x41, P | W
    call_hot code + 0xffe
    mov byte [alias + 0x1000], 7
    cpuid
    call_hot code + 0xffe
    say "second page written through an alias", rdx
    mov byte [frame + 0x1000], 8
    call_hot code + 0xffe
    say "second page written through the identity map", rdx
    long_function code + 0xffd, 9
    call_hot code + 0xffd
    mov byte [alias + 0xfff], 7
    call_hot code + 0xffd
    say "first page written through an alias", rdx
    ; a MOV whose immediate is another MOV and a jump: entered at its first byte, and at its second
    call fill_code
    mov edi, code + 0xffd
    mov rsi, .middle
    mov ecx, .middle_end - .middle
    rep movsb
    call_hot code + 0xffd
    mov ebp, edx
    call_hot code + 0xffe
    add edx, ebp
    say "jump into the middle of one", rdx
    call fill_code
    mov edi, code + 0xfff
    mov rsi, .locked
    mov ecx, .locked_end - .locked
    rep movsb
    mov dword [counter], 0
    call_hot code + 0xfff
    mov eax, [counter]
    say "LOCK's prefix before the boundary", rax
    mov edi, code + 0xff7
    mov rsi, .repeated
    mov ecx, .repeated_end - .repeated
    rep movsb
    call_hot code + 0xff7
    say "REP before the boundary", rdx
    call fill_code
    mov byte [code + 0xffd], 0xe8           ; CALL of what pops its return address
    mov dword [code + 0xffe], 0x100 - 2
    mov dword [code + 0x1100], 0x00c3c358   ; pop rax; ret
    call_hot code + 0xffd, 1
    sub edx, code + 0x1002
    say "call over the boundary: return address", rdx
    call fill_code
    arena_page 1, 0
    mov edi, code + 0xffd
    mov dword [rdi], 0x25048b               ; mov eax, [arena + 0x1000]
    mov dword [rdi + 3], arena + 0x1000
    mov byte [rdi + 7], 0xc3
    mov ebx, code + 0xffd
    refused "fault in the middle of two pages' instruction", call rbx
    arena_page 1, P | W
    mov rax, [seen.rip]
    sub rax, code + 0xffd
    say "  RIP", rax

    ; aliases
    call fill_code
    function code, 1
    call_hot code
    say "aliases: first", rdx
    call_hot alias
    say "aliases: second", rdx
%macro both 0                               ; 15 calls at each
    call_hot code, 15
    mov ebp, edx
    call_hot alias, 15
    add edx, ebp
%endmacro
    mov byte [code + 1], 2
    call_hot alias
    say "changed through the first, run at the second", rdx
    call_hot code
    say "and at the first", rdx
    mov byte [frame + 1], 6
    both
    say "changed through the identity map, run at both", rdx
    arena_page 0x50, 0
    mov dword [arena_entries + 0x50 * 8], frame + (P | W | U)
    invlpg [alias]
    attempt "written by CPL 3"
    user_begin
    mov byte [alias + 1], 5
    user_end
    outcome
    entry 0x50, 0x40, P | W
    invlpg [alias]
    both
    say "changed by CPL 3", rdx
    mov rbp, rsp
    mov rsp, alias + 9
    mov rax, [alias + 1]
    mov al, 6
    push rax
    mov rsp, rbp
    both
    say "changed by PUSH", rdx
    ; A frame on the alias: the flags' lowest byte in it, C3, is RET where there was more.
    mov dword [code + 0x68], 0xc3c031       ; xor eax, eax; ret
    mov byte [code + 0x100], 0xb8           ; mov eax, 7; jmp there
    mov dword [code + 0x101], 7
    mov byte [code + 0x105], 0xe9
    mov dword [code + 0x106], 0x68 - 0x10a
    call_hot code + 0x100
    call_hot alias + 0x100
    mov byte [idt + 6 * 16 + 4], 0          ; no IST
    mov rbp, rsp
    push qword 0xc3                         ; SF, ZF, CF
    popf
    mov rsp, alias + 0x80
    quietly ud2
    mov rsp, rbp
    mov byte [idt + 6 * 16 + 4], 1
    call_hot code + 0x100, 15
    mov ebp, edx
    call_hot alias + 0x100, 15
    add edx, ebp
    say "changed by an exception's frame", rdx
    function code, 1
    both
    mov rsi, .eight
    mov edi, alias + 1
    mov ecx, 4
    rep movsb
    both
    say "changed by REP MOVSB", rdx
    ; a function in what FXSAVE writes of ST0
    fxsave [image512]
    mov byte [image512 + 32], 0xb8
    mov dword [image512 + 33], 9
    mov byte [image512 + 37], 0xc3
    fxrstor [image512]
    function alias + 0x220, 1
    call_hot code + 0x220
    call_hot alias + 0x220
    fxsave [alias + 0x200]
    fninit
    call_hot code + 0x220, 15
    mov ebp, edx
    call_hot alias + 0x220, 15
    add edx, ebp
    say "changed by FXSAVE", rdx
    function code, 9
    both
    mov eax, 1
    lock xadd [alias + 1], eax
    both
    say "changed by LOCK XADD", rdx
    mov rax, [alias]
    mov rdx, [alias + 8]
    mov rbx, rax
    mov rcx, rdx
    add rbx, 0x100
    lock cmpxchg16b [alias]
    both
    say "changed by CMPXCHG16B", rdx
    mov rax, [alias]
    add rax, 0x100
    movq xmm0, rax
    movdqu [alias], xmm0
    both
    say "changed by VMOVDQU", rdx
    ; mov eax, 12 from the first page's end on; its immediate is stored over both
    call fill_code
    function code + 0xffd, 12
    call_hot code + 0xffd
    mov dword [alias + 0xffe], 13
    call_hot code + 0xffd
    say "changed by a store over two pages", rdx
    ; A descriptor in the code page: its accessed bit makes XCHG EAX, EBX of XCHG EAX, EDX; a RET follows.
    call fill_code
    mov rax, 0x00c392000000ffff
    mov [alias + 0x208], rax
    mov byte [code + 0x300], 0xba           ; mov edx, 3; mov ebx, 5; jmp there
    mov dword [code + 0x301], 3
    mov byte [code + 0x305], 0xbb
    mov dword [code + 0x306], 5
    mov byte [code + 0x30a], 0xe9
    mov dword [code + 0x30b], 0x20d - 0x30f
    call_hot code + 0x300
    call_hot alias + 0x300
    mov rax, 0x0000820000000007 | (alias + 0x208) << 16 & 0xffffff0000 | (alias + 0x208) >> 24 << 56
    mov [gdt.free], rax
    mov qword [gdt.free + 8], 0
    mov ax, free_selector
    lldt ax
    mov ax, 4                               ; the first of the local table
    mov fs, ax
    call_hot code + 0x300, 15
    mov ebp, edx
    call_hot alias + 0x300, 15
    add edx, ebp
    say "changed by the accessed bit of a descriptor", rdx
    xor eax, eax
    mov fs, ax

    ; a loop whose body another address patches
    call fill_code
    mov edi, code
    mov rsi, .patched_loop
    mov ecx, .patched_loop_end - .patched_loop
    rep movsb
    mov ebx, code
    call rbx
    say "a loop patched through an alias", rax
    call fill_code
    function code, 14
    both
    arena_page 0x50, 0
    mov dword [arena_entries + 0x50 * 8], frame + P
    invlpg [alias]
    both
    say "an alias that becomes read-only", rdx
    entry 0x50, 0x40, P | W
    invlpg [alias]
    mov edi, code
    mov rsi, .counting
    mov ecx, .counting_end - .counting
    rep movsb
    mov dword [alias + 0x100], 0
    mov ebx, code
    call rbx
    mov eax, [alias + 0x100]
    say "data in the page at the alias", rax
    ret

.near_jump:                                 ; over what would answer 2
    db 0xe9
    dd 6
    mov eax, 2
    ret
    mov eax, 1
    ret
.load:
    mov eax, [one]
    ret
.conditional:
    db 0x0f, 0x84                           ; JZ, not taken or taken: both answer 1
    dd 6
    mov eax, 1
    ret
    mov eax, 1
    ret
.middle:
    db 0xb8, 0xb0, 3, 0xeb, 0               ; mov eax, 0x00eb03b0, or: mov al, 3; jmp to what follows
    and eax, 3
    ret
.middle_end:
.locked:
    lock inc dword [counter]
    ret
.locked_end:
.repeated:                                  ; stores 2 at the counter, then loads it
    push 2
    pop rax
    mov edi, counter
    rep stosb
    ret
.repeated_end:
.eight: dd 8
.patched_loop:                              ; 1000 times 1: the constant goes up and down through the alias
    mov r8d, 1000
    xor r9d, r9d
.patched_again:
    mov byte [alias + .constant - .patched_loop + 3], 1
    cpuid
.constant:
    add r9d, byte 9
    mov byte [alias + .constant - .patched_loop + 3], 9
    dec r8d
    jnz .patched_again
    mov eax, r9d
    ret
.patched_loop_end:
.counting:
    mov ecx, 100000
    mov ebx, alias + 0x100
.count_on:
    inc dword [rbx]
    dec ecx
    jnz .count_on
    ret
.counting_end:

sum_of_calls:
    xor edx, edx
.again:
    push rcx
    push rdx
    push rbx
    call rbx
    pop rbx
    pop rdx
    pop rcx
    add edx, eax
    dec ecx
    jnz .again
    ret

fill_code:                                  ; both frames with INT3
    mov edi, frame
    mov al, 0xcc
    mov ecx, 0x2000
    rep stosb
    ret

align 16
one: dd 1
counter: dd 0
align 16
image512: times 512 db 0
image_ends
