; Operands that lie in two pages whose frames are not neighbours, at every split, with LOCK and without; what an access does that may
; write one of the pages only (SDM vol. 3, ch. 4.7, 6.15, 8.1.2).
%define rounds 5              ; it does everything many times anyway
%include "environment.inc"

; The same instruction on the same bytes within a page must come to the same: memory around it, RAX, RDX and flags.
boundary equ arena + 0x21000
first_frame equ arena_physical + 0x45000
second_frame equ arena_physical + 0x35000
to_first equ first_frame - (boundary - 0x1000)
to_second equ second_frame - boundary

;| load of a word: 0000000000000000
;| load of a doubleword: 0000000000000000
;| load of a quadword: 0000000000000000
;| MOVUPS, load: 0000000000000000
;| VMOVDQU, load: 0000000000000000
;| FLD of ten bytes: 0000000000000000
;| store of a word: 0000000000000000
;| store of a quadword: 0000000000000000
;| MOVUPS, store: 0000000000000000
;| VMOVDQU, store: 0000000000000000
;| FSTP of ten bytes: 0000000000000000
;| MOVQ from MMX: 0000000000000000
;| MOVNTI: 0000000000000000
;| INC: 0000000000000000
;| ADC: 0000000000000000
;| SHLD: 0000000000000000
;| POP to memory: 0000000000000000
;| MOVSQ from there: 0000000000000000
;| MOVSQ to there: 0000000000000000
;| REP MOVSW over it: 0000000000000000
;| REP STOSQ downwards over it: 0000000000000000
;| CMPSQ: 0000000000000000
;| LOCK INC of a word: 0000000000000000
;| LOCK ADD: 0000000000000000
;| LOCK NEG: 0000000000000000
;| LOCK XADD: 0000000000000000
;| XCHG: 0000000000000000
;| LOCK CMPXCHG, equal: 0000000000000000
;| LOCK CMPXCHG, not equal: 0000000000000000
;| LOCK CMPXCHG8B, equal: 0000000000000000
;| LOCK CMPXCHG8B, not equal: 0000000000000000
;| LOCK BTS: 0000000000000000
;| LOCK BTC by a register: 0000000000000000
;| FXSAVE, FXRSTOR: 0000000000000000
;| second absent: store: #PF(0002) at arena+021000
;| second absent: ADD: #PF(0002) at arena+021000
;| second absent: LOCK ADD: #PF(0002) at arena+021000
;| second absent: XCHG: #PF(0002) at arena+021000
;| second absent: LOCK XADD: #PF(0002) at arena+021000
;| second absent: LOCK CMPXCHG: #PF(0002) at arena+021000
;| second absent: LOCK CMPXCHG8B: #PF(0002) at arena+021000
;| second absent: LOCK BTS: #PF(0002) at arena+021000
;| second absent: MOVUPS: #PF(0002) at arena+021000
;| second absent: VMOVDQU: #PF(0002) at arena+021000
;| second absent: FSTP of ten bytes: #PF(0002) at arena+021000
;| second absent: PUSH: #PF(0002) at arena+021000
;| second absent: CALL: #PF(0002) at arena+021000
;| second absent: MOVSQ: #PF(0002) at arena+021000
;|   bytes changed: 0000000000000000
;| second read-only: store: #PF(0003) at arena+021000
;| second read-only: ADD: #PF(0003) at arena+021000
;| second read-only: LOCK ADD: #PF(0003) at arena+021000
;| second read-only: XCHG: #PF(0003) at arena+021000
;| second read-only: LOCK XADD: #PF(0003) at arena+021000
;| second read-only: LOCK CMPXCHG: #PF(0003) at arena+021000
;| second read-only: LOCK CMPXCHG8B: #PF(0003) at arena+021000
;| second read-only: LOCK BTS: #PF(0003) at arena+021000
;| second read-only: MOVUPS: #PF(0003) at arena+021000
;| second read-only: VMOVDQU: #PF(0003) at arena+021000
;| second read-only: FSTP of ten bytes: #PF(0003) at arena+021000
;| second read-only: PUSH: #PF(0003) at arena+021000
;| second read-only: CALL: #PF(0003) at arena+021000
;| second read-only: MOVSQ: #PF(0003) at arena+021000
;|   bytes changed: 0000000000000000
;| first read-only: store: #PF(0003) at arena+020ffd
;| first read-only: ADD: #PF(0003) at arena+020ffd
;| first read-only: LOCK ADD: #PF(0003) at arena+020ffd
;| first read-only: XCHG: #PF(0003) at arena+020ffd
;| first read-only: LOCK XADD: #PF(0003) at arena+020ffd
;| first read-only: LOCK CMPXCHG: #PF(0003) at arena+020ffd
;| first read-only: LOCK CMPXCHG8B: #PF(0003) at arena+020ffd
;| first read-only: LOCK BTS: #PF(0003) at arena+020ffd
;| first read-only: MOVUPS: #PF(0003) at arena+020ffd
;| first read-only: VMOVDQU: #PF(0003) at arena+020ffd
;| first read-only: FSTP of ten bytes: #PF(0003) at arena+020ffd
;| first read-only: PUSH: #PF(0003) at arena+020ffd
;| first read-only: CALL: #PF(0003) at arena+020ffd
;| first read-only: MOVSQ: #PF(0003) at arena+020ffd
;|   bytes changed: 0000000000000000
;| REP MOVSB stops there: #PF(0002) at arena+021000
;|   count left: 0000000000000005
;| second the supervisor's, by CPL 3: #PF(0007) at arena+021000
;| second the user's, SMAP: #PF(0003) at arena+021000
;| both are dirty: 0000000000000040
;| both pages one frame: 1122334411223344
;| canonical end: #GP(0000)
;| canonical end, stack: #SS(0000)
;| descriptor: none
;| descriptor, second absent: #PF(0000) at arena+021000
;| gate: #UD
;| gate, first absent: #PF(0000) at arena+020ff8
;| end

%macro every_split 3+                       ; name, bytes, instructions on [RDI]
    jmp %%over
%%work:
    %3
    ret
%%over:
    mov r13d, %%work
    mov r12d, (%2) - 1
    call look_at_splits
    say %1, rbp
%endmacro
%macro refuse 3+                            ; what is refused, why, an instruction on [RDI]
    %strcat %%name %1, ": ", %2
    call set_registers
    mov edi, boundary - 3
    attempt %%name
    %3
    outcome
%endmacro
%macro push_there 0
    lea rsp, [rdi + 8]
    push rax
%endmacro
%macro call_there 0
    lea rsp, [rdi + 8]
    call rdi
%endmacro
%macro refused_writes 1                     ; each kind, three bytes before the boundary
    call fill
    refuse %1, "store", mov [rdi], rax
    refuse %1, "ADD", add [rdi], rax
    refuse %1, "LOCK ADD", lock add [rdi], rax
    refuse %1, "XCHG", xchg [rdi], rax
    refuse %1, "LOCK XADD", lock xadd [rdi], rax
    refuse %1, "LOCK CMPXCHG", lock cmpxchg [rdi], ecx
    refuse %1, "LOCK CMPXCHG8B", lock cmpxchg8b [rdi]
    refuse %1, "LOCK BTS", lock bts dword [rdi], 31
    refuse %1, "MOVUPS", movups [rdi], xmm0
    refuse %1, "VMOVDQU", vmovdqu [rdi], ymm0
    fldpi
    refuse %1, "FSTP of ten bytes", fstp tword [rdi]
    fninit
    refuse %1, "PUSH", push_there
    refuse %1, "CALL", call_there
    mov esi, same + 16
    refuse %1, "MOVSQ", movsq
    call count_changed
    say "  bytes changed", rbp
%endmacro

main:
    mov rax, cr4
    bts rax, 18
    mov cr4, rax
    xor ecx, ecx
    xor edx, edx
    mov eax, 7
    xsetbv
    mov dword [arena_entries + 0x20 * 8], first_frame + (P | W)
    mov dword [arena_entries + 0x21 * 8], second_frame + (P | W)
    mov rax, cr3
    mov cr3, rax

    every_split "load of a word", 2, movzx eax, word [rdi]
    every_split "load of a doubleword", 4, mov eax, [rdi]
    every_split "load of a quadword", 8, mov rax, [rdi]
%macro two_halves 0                         ; of XMM0
    movq rax, xmm0
    movhlps xmm1, xmm0
    movq rdx, xmm1
%endmacro
    jmp .loads
.movups:
    movups xmm0, [rdi]
    two_halves
    ret
.vmovdqu:
    vmovdqu ymm2, [rdi]
    vextracti128 xmm0, ymm2, 1
    vpxor xmm0, xmm0, xmm2
    two_halves
    ret
.fld:
    fld tword [rdi]
    fstp tword [place]
    mov rax, [place]
    movzx edx, word [place + 8]
    ret
.fstp:
    fldpi
    fstp tword [rdi]
    ret
.movq:
    movq mm0, rax
    movq [rdi], mm0
    emms
    ret
.pop:
    push rcx
    pop qword [rdi]
    ret
.movsq_from:
    mov esi, edi
    mov edi, place
    movsq
    mov rax, [place]
    ret
.movsq_to:
    mov [place], rcx
    mov esi, place
    movsq
    ret
.rep_movsw:
    mov [place], rax
    mov [place + 8], rcx
    mov esi, place
    mov ecx, 8
    rep movsw
    ret
.rep_stosq:
    std
    lea rdi, [rdi + 8]
    mov ecx, 2
    rep stosq
    cld
    ret
.cmpsq:
    mov [place], rax
    mov esi, place
    cmpsq
    ret
.cmpxchg:
    mov rax, [rdi]
    lock cmpxchg [rdi], rcx
    ret
.cmpxchg8b:
    mov eax, [rdi]
    mov edx, [rdi + 4]
    lock cmpxchg8b [rdi]
    ret
.btc:
    and ecx, 63
    lock btc [rdi], rcx
    ret
.loads:
%macro split_of 3
    mov r13d, %3
    mov r12d, (%2) - 1
    call look_at_splits
    say %1, rbp
%endmacro
    split_of "MOVUPS, load", 16, .movups
    split_of "VMOVDQU, load", 32, .vmovdqu
    split_of "FLD of ten bytes", 10, .fld
    every_split "store of a word", 2, mov [rdi], ax
    every_split "store of a quadword", 8, mov [rdi], rax
    every_split "MOVUPS, store", 16, movups [rdi], xmm3
    every_split "VMOVDQU, store", 32, vmovdqu [rdi], ymm3
    split_of "FSTP of ten bytes", 10, .fstp
    split_of "MOVQ from MMX", 8, .movq
    every_split "MOVNTI", 8, movnti [rdi], rax
    every_split "INC", 8, inc qword [rdi]
    every_split "ADC", 4, adc [rdi], eax
    every_split "SHLD", 8, shld [rdi], rax, 13
    split_of "POP to memory", 8, .pop
    split_of "MOVSQ from there", 8, .movsq_from
    split_of "MOVSQ to there", 8, .movsq_to
    split_of "REP MOVSW over it", 16, .rep_movsw
    split_of "REP STOSQ downwards over it", 16, .rep_stosq
    split_of "CMPSQ", 8, .cmpsq
    every_split "LOCK INC of a word", 2, lock inc word [rdi]
    every_split "LOCK ADD", 8, lock add [rdi], rax
    every_split "LOCK NEG", 4, lock neg dword [rdi]
    every_split "LOCK XADD", 8, lock xadd [rdi], rax
    every_split "XCHG", 8, xchg [rdi], rax
    split_of "LOCK CMPXCHG, equal", 8, .cmpxchg
    every_split "LOCK CMPXCHG, not equal", 8, lock cmpxchg [rdi], rcx
    split_of "LOCK CMPXCHG8B, equal", 8, .cmpxchg8b
    every_split "LOCK CMPXCHG8B, not equal", 8, lock cmpxchg8b [rdi]
    every_split "LOCK BTS", 4, lock bts dword [rdi], 21
    split_of "LOCK BTC by a register", 8, .btc
    ; The image is aligned to 16, so it has 31 splits.
    fninit
    movups xmm0, [same + 16]
    xor ebp, ebp
    mov edi, boundary - 496
.fxsave:
    mov rbx, rdi
    xor eax, eax
    mov ecx, 512
    rep stosb
    mov edi, place
    mov ecx, 512
    rep stosb
    mov rdi, rbx
    fxsave [place]
    fxsave [rdi]
    mov esi, place
    mov ecx, 416
    repe cmpsb
    setne al
    movzx eax, al
    add ebp, eax
    fxrstor [rbx]
    lea rdi, [rbx + 16]
    cmp edi, boundary - 16
    jb .fxsave
    say "FXSAVE, FXRSTOR", rbp

    arena_page 0x21, 0
    refused_writes "second absent"
    mov dword [arena_entries + 0x21 * 8], second_frame + P
    invlpg [boundary]
    refused_writes "second read-only"
    mov dword [arena_entries + 0x21 * 8], second_frame + (P | W)
    invlpg [boundary]
    mov dword [arena_entries + 0x20 * 8], first_frame + P
    invlpg [boundary - 1]
    refused_writes "first read-only"
    mov dword [arena_entries + 0x20 * 8], first_frame + (P | W)
    invlpg [boundary - 1]

    arena_page 0x21, 0
    attempt "REP MOVSB stops there"
    mov esi, same
    mov edi, boundary - 7
    mov ecx, 12
    rep movsb
    outcome
    say "  count left", rcx
    mov dword [arena_entries + 0x20 * 8], first_frame + (P | W | U)
    invlpg [boundary - 1]
    mov dword [arena_entries + 0x21 * 8], second_frame + (P | W)
    attempt "second the supervisor's, by CPL 3"
    user_begin
    mov edi, boundary - 3
    lock add [rdi], rax
    user_end
    outcome
    mov dword [arena_entries + 0x20 * 8], first_frame + (P | W)
    invlpg [boundary - 1]
    mov dword [arena_entries + 0x21 * 8], second_frame + (P | W | U)
    invlpg [boundary]
    mov rax, cr4
    bts rax, 21
    mov cr4, rax
    attempt "second the user's, SMAP"
    mov edi, boundary - 3
    lock add [rdi], rax
    outcome
    mov rax, cr4
    btr rax, 21
    mov cr4, rax
    mov dword [arena_entries + 0x21 * 8], second_frame + (P | W)
    invlpg [boundary]
    mov dword [arena_entries + 0x20 * 8], first_frame + (P | W)
    invlpg [boundary - 1]
    lock add dword [boundary - 3], 1
    mov rax, [arena_entries + 0x20 * 8]
    and rax, [arena_entries + 0x21 * 8]
    and eax, D
    say "both are dirty", rax
    mov dword [arena_entries + 0x21 * 8], first_frame + (P | W)
    invlpg [boundary]
    mov rax, 0x1122334411223344
    mov [boundary - 4], rax
    mov eax, [boundary]
    shl rax, 32
    mov ecx, [boundary + 0xffc]
    or rax, rcx
    say "both pages one frame", rax
    mov dword [arena_entries + 0x21 * 8], second_frame + (P | W)
    invlpg [boundary]
    mov rdi, 0x7ffffffffffc
    attempt "canonical end"
    mov rax, [rdi]
    outcome
    attempt "canonical end, stack"
    mov rsp, 0x800000000004
    push rax
    outcome

    ; a table that lies astride
    mov rax, 0x00cf92000000ffff
    mov [gdt.free], rax
    mov rsi, gdt
    mov edi, boundary - free_selector - 4
    mov ecx, gdt_end - gdt
    rep movsb
    mov qword [table + 2], boundary - free_selector - 4
    mov word [table], gdt_end - gdt - 1
    lgdt [table]
    attempt "descriptor"
    mov ecx, free_selector
    mov fs, cx
    outcome
    arena_page 0x21, 0
    mov ecx, free_selector
    attempt "descriptor, second absent"
    mov fs, cx
    outcome
    lgdt [gdt_pointer]
    mov dword [arena_entries + 0x21 * 8], second_frame + (P | W)
    invlpg [boundary]
    xor ecx, ecx
    mov fs, cx
    mov rsi, idt
    mov edi, boundary - 6 * 16 - 8
    mov ecx, 32 * 16
    rep movsb
    mov qword [table + 2], boundary - 6 * 16 - 8
    mov word [table], 32 * 16 - 1
    lidt [table]
    attempt "gate"
    ud2
    outcome
    arena_page 0x20, 0
    attempt "gate, first absent"
    ud2
    outcome
    lidt [idt_pointer]
    mov dword [arena_entries + 0x20 * 8], first_frame + (P | W)
    invlpg [boundary - 1]
    mov rax, cr4
    btr rax, 18
    mov cr4, rax
    ret

set_registers:
    mov rax, 0x1122334455667788
    mov rcx, 0x99aabbccddeeff13
    mov rdx, 0x1234123412341234
    mov rbx, 0x5678567856785678
    vmovdqu ymm3, [pattern]
    cmp rcx, rcx
    ret

; The work at R13, on the same bytes within a page and R12 to 1 bytes before the boundary: RBP counts differences.
look_at_splits:
    xor ebp, ebp
.split:
    call fill
    mov edi, same + 16
    mov r14d, results
    call .run
    mov edi, boundary
    sub edi, r12d
    mov r14d, results + 32
    call .run
    mov esi, results
    mov edi, results + 32
    mov ecx, 3
    repe cmpsq
    setne al
    movzx eax, al
    add ebp, eax
    call compare
    add ebp, eax
    dec r12d
    jnz .split
    ret
.run:
    call set_registers
    call r13
    pushf
    mov [r14], rax
    mov [r14 + 8], rdx
    pop rax
    and eax, 0xcd5
    mov [r14 + 16], rax
    ret

; Bytes 1 to 64, at `same` and from 16 bytes before the place on, there by way of the frames.
fill:
    mov ecx, 64
.byte:
    mov [same - 1 + rcx], cl
    lea edi, [rcx + boundary - 17]
    sub edi, r12d
    call frame_of
    mov [rdi], cl
    dec ecx
    jnz .byte
    ret
compare:                                    ; EAX = how many differ
    xor eax, eax
    mov ecx, 64
.byte:
    lea edi, [rcx + boundary - 17]
    sub edi, r12d
    call frame_of
    mov dl, [rdi]
    cmp dl, [same - 1 + rcx]
    je .same
    inc eax
.same:
    dec ecx
    jnz .byte
    ret
count_changed:
    mov ecx, 64
    xor ebp, ebp
.byte:
    lea edi, [rcx + boundary - 17]
    sub edi, r12d
    call frame_of
    cmp [rdi], cl
    je .same
    inc ebp
.same:
    dec ecx
    jnz .byte
    ret
frame_of:                                   ; RDI
    cmp edi, boundary
    jae .second
    add rdi, to_first
    ret
.second:
    add rdi, to_second
    ret

    align 16
pattern: dq 0xf1f2f3f4f5f6f7f8, 0xe1e2e3e4e5e6e7e8, 0xd1d2d3d4d5d6d7d8, 0xc1c2c3c4c5c6c7c8
table: dq 0, 0
results: times 8 dq 0
place: times 512 db 0
same: times 80 db 0
image_ends
