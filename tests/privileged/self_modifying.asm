; Code that changes under the processor: the next instruction, across lines and pages, through another mapping, by string
; instructions, in loops (SDM vol. 3, ch. 8.1.3: seen at once where the linear address is the same, behind a serializing
; instruction or a jump elsewhere).
%define rounds 1              ; it changes itself, and has loops of its own
%include "environment.inc"

;| the immediate of the next instruction: 0000000000000002
;| an instruction that was just executed: 0000000000000064
;| a loop that counts in its own immediate: 0000000000001388
;| an instruction astride a line: 0000000000000005
;| an instruction astride a page, its first part: 0000000000000007
;| an instruction astride a page, its second part: 0000000000000009
;| through another mapping: 000000000000000b
;| REP STOSB over what comes next: 0000000000000000
;| REP MOVSB brings a function: 0000000000000011
;| a jump's distance: 0000000000000013
;| a page's content replaced through its entry: 0000000000000015
;| and replaced back: 0000000000000017
;| code next to data that changes: 00000000000186a0
;| LOCK CMPXCHG8B patches: 0000000000000019
;| by an x87 store: 000000000000001b
;| written before the page is mapped to run: 000000000000001d
;| every alignment in a line and over it: 0000000000000080
;| end

%macro move_eax 2                           ; address, value: mov eax, value; ret
    mov byte [%1], 0xb8
    mov dword [(%1) + 1], %2
    mov byte [(%1) + 5], 0xc3
%endmacro
%macro call_at 1
    mov ebx, %1
    call rbx
%endmacro

main:
    mov byte [.next + 1], 2
.next:
    mov eax, 1
    say "the immediate of the next instruction", rax

    xor ecx, ecx
    xor edx, edx
.again:
    mov eax, 0
    add edx, eax
    inc byte [.again + 1]
    inc ecx
    cmp ecx, 100
    jb .again
    movzx eax, byte [.again + 1]
    say "an instruction that was just executed", rax

    xor ecx, ecx
.count:
    mov eax, 0
    inc eax
    mov [.count + 1], eax
    inc ecx
    cmp ecx, 5000
    jb .count
    say "a loop that counts in its own immediate", rax

    move_eax arena + 0x3d, 4
    call_at arena + 0x3d
    mov byte [arena + 0x3e], 5              ; the immediate's first byte, in the line of the opcode
    call_at arena + 0x3d
    say "an instruction astride a line", rax

    move_eax arena + 0xffe, 6
    call_at arena + 0xffe
    mov byte [arena + 0xfff], 7
    call_at arena + 0xffe
    say "an instruction astride a page, its first part", rax
    mov dword [arena + 0xfff], 0x00000107
    call_at arena + 0xffe
    mov dword [arena + 0xfff], 0x00000009
    mov byte [arena + 0x1000], 0
    call_at arena + 0xffe
    say "an instruction astride a page, its second part", rax

    move_eax arena + 0x2000, 10
    call_at arena + 0x2000
    mov byte [arena_physical + 0x2001], 11
    mov rax, cr3
    mov cr3, rax
    call_at arena + 0x2000
    say "through another mapping", rax

    xor eax, eax
    mov rdi, .erased
    mov ecx, .erased_end - .erased
    push rax
    mov al, 0x90
    rep stosb
    mov eax, 0
.erased:
    inc eax
    inc eax
    inc eax
    inc eax
.erased_end:
    pop rcx
    say "REP STOSB over what comes next", rax

    move_eax arena + 0x3000, 16
    call_at arena + 0x3000
    mov rsi, .function
    mov edi, arena + 0x3000
    mov ecx, .function_end - .function
    rep movsb
    call_at arena + 0x3000
    say "REP MOVSB brings a function", rax

    ; jmp to one of two places
    mov word [arena + 0x3100], 0x00eb       ; jmp +0
    move_eax arena + 0x3102, 18
    move_eax arena + 0x3112, 19
    call_at arena + 0x3100
    mov byte [arena + 0x3101], 0x10
    call_at arena + 0x3100
    say "a jump's distance", rax

    move_eax arena + 0x4000, 20
    move_eax arena + 0x5000, 21
    call_at arena + 0x4000
    mov dword [arena_entries + 4 * 8], arena_physical + 0x5000 + (P | W)
    invlpg [arena + 0x4000]
    call_at arena + 0x4000
    say "a page's content replaced through its entry", rax
    arena_page 4, P | W
    mov byte [arena + 0x4001], 23
    call_at arena + 0x4000
    say "and replaced back", rax

    ; a counter beside the code that counts
    mov dword [arena + 0x6000], 0
    mov rsi, .counter
    mov edi, arena + 0x6010
    mov ecx, .counter_end - .counter
    rep movsb
    call_at arena + 0x6010
    mov eax, [arena + 0x6000]
    say "code next to data that changes", rax

    move_eax arena + 0x7000, 24
    call_at arena + 0x7000
    mov eax, [arena + 0x7000]
    mov edx, [arena + 0x7004]
    mov ebx, eax
    mov ecx, edx
    xor ebx, (24 ^ 25) << 8
    lock cmpxchg8b [arena + 0x7000]
    call_at arena + 0x7000
    say "LOCK CMPXCHG8B patches", rax

    move_eax arena + 0x7100, 26
    call_at arena + 0x7100
    fninit
    mov dword [arena + 0x7200], 27
    fild dword [arena + 0x7200]
    fistp dword [arena + 0x7101]
    call_at arena + 0x7100
    say "by an x87 store", rax

    arena_page 8, 0
    move_eax arena_physical + 0x8000, 28
    arena_page 8, P | W
    call_at arena + 0x8000
    mov byte [arena_physical + 0x8001], 29
    cpuid
    call_at arena + 0x8000
    say "written before the page is mapped to run", rax

    ; mov eax, n at each of 128 places, patched and called one after the other
    xor ebp, ebp
    mov r8d, 128
.place:
    mov rdi, r8
    add edi, arena + 0x9fc0
    mov byte [rdi], 0xb8
    mov dword [rdi + 1], 0
    mov byte [rdi + 5], 0xc3
    call rdi
    mov dword [rdi + 1], 1
    call rdi
    add ebp, eax
    dec r8d
    jnz .place
    say "every alignment in a line and over it", rbp
    ret

.function:
    mov eax, 17
    ret
.function_end:
.counter:
    mov ecx, 100000
    mov ebx, arena + 0x6000
.count_on:
    inc dword [rbx]
    dec ecx
    jnz .count_on
    ret
.counter_end:

image_ends
