; Code that one processor changes while another one runs it: instructions that an aligned store replaces, functions that are replaced
; while nobody runs them, breakpoints put over what is replaced as Linux does it, pages that are replaced, counters within code
; (SDM vol. 3, ch. 4.10.5, 8.1.3).
;
; Version n of a function answers with n in each byte of EAX. An answer is wrong if it mixes versions, or if it is older than
; what was known to be in force when the call began.
%define cpus 2
%define rounds 1              ; it changes itself, and has loops of its own
%include "environment.inc"
%include "processors.inc"

;| immediate in 8 aligned bytes: places: 0000000000000050
;|   wrong answers: 0000000000000000
;| through another mapping: places: 0000000000000050
;|   wrong answers: 0000000000000000
;| by LOCK CMPXCHG8B: places: 0000000000000050
;|   wrong answers: 0000000000000000
;| by LOCK CMPXCHG16B: places: 0000000000000068
;|   wrong answers: 0000000000000000
;| target of a jump, same page: places: 0000000000000050
;|   wrong answers: 0000000000000000
;| target of a call, another page: places: 0000000000000050
;|   wrong answers: 0000000000000000
;| target of a jump, global page: places: 0000000000000050
;|   wrong answers: 0000000000000000
;| target of a short jump: places: 0000000000000080
;|   wrong answers: 0000000000000000
;| function behind a flag: places: 0000000000000080
;|   wrong answers: 0000000000000000
;| INT3, the tail, the head: places: 0000000000000040
;|   wrong answers: 0000000000000000
;|   breakpoints elsewhere: 0000000000000000
;| frames change, INVLPG there: pages: 0000000000000010
;|   wrong answers: 0000000000000000
;|   faults elsewhere: 0000000000000000
;| frames change, MOV CR3 there: pages: 0000000000000010
;|   wrong answers: 0000000000000000
;|   faults elsewhere: 0000000000000000
;| frames of global pages change, INVLPG there: pages: 0000000000000010
;|   wrong answers: 0000000000000000
;|   faults elsewhere: 0000000000000000
;| a counter beside its code, run by both: 0000000000000fa0
;| counted by the one, its code run by the other: 0000000000000fa0
;| each writes to the other's code: wrong answers: 0000000000000000
;| endless loops opened: 0000000000000010
;| end

; Place n of 128 lies n pages and n bytes behind the first: at every byte of the lines before and behind a page's boundary.
first_place equ arena + 0x70fc0
line equ arena + 0x10000
page equ arena + 0x30000        ; shows one of frames 40 and 50, the next fifteen pages the next ones
frames equ arena_physical + 0x40000
most equ 128
ones equ 0x01010101
over equ -1                     ; in `version`: the test is over

synchronize_vector equ 0x30
shootdown_vector equ 0x31

%macro begin_test 0
    mov qword [wrong], 0
    mov qword [elsewhere], 0
    mov qword [acknowledged], 0
    mov qword [version], 1
%endmacro
; The other processor ran all places' version in force.
%macro all_ran 0
    mov rax, [version]
    wait_until e, [acknowledged], rax
%endmacro
%macro end_test 2-3                         ; what there is to count
    mov qword [version], over
    finished 1
    mov eax, [places_count]
    say %1, rax
    say "  wrong answers", [wrong]
%if %2
    say %3, [elsewhere]
%endif
%endmacro
; Calls with EDI = the address of each place in turn.
%macro at_places 1
    xor r12d, r12d
%%again:
    mov edi, [places + r12 * 4]
    call %1
    inc r12d
    cmp r12d, [places_count]
    jb %%again
%endmacro
; %2 makes places, version 1 in them; %3 puts version R13D there in one store; up to version %4.
%macro patched 4
    begin_test
    mov eax, %2
    call make_places
    work 1, serializing_runner
    all_ran
    mov r13d, 2
%%version:
    at_places %3
    mov [version], r13                      ; no store passes an earlier one
    inc r13d
    cmp r13d, %4
    jbe %%version
    all_ran
    end_test %1, 0
%endmacro

main:
    start_processors
    gate_of processor_idt, synchronize_vector, synchronizes
    gate_of processor_idt, shootdown_vector, shoots_down
    gate_of processor_idt, 3, breakpoint
    gate_of processor_idt, 14, page_fault

    patched "immediate in 8 aligned bytes: places", place_in_8, next_immediate, 20
    mov qword [mapping], arena_physical - arena
    patched "through another mapping: places", place_in_8, next_immediate, 20
    mov qword [mapping], 0
    patched "by LOCK CMPXCHG8B: places", place_in_8, next_by_cmpxchg8b, 20
    patched "by LOCK CMPXCHG16B: places", place_in_16, next_by_cmpxchg16b, 20
    patched "target of a jump, same page: places", place_of_jump, next_distance, 8
    mov qword [target_of_version], far_target
    patched "target of a call, another page: places", place_of_call, next_distance, 8
    call set_global_pages
    work 1, set_global_pages
    finished 1
    arena_page line - arena >> 12, P | W | G
    patched "target of a jump, global page: places", place_of_jump, next_distance, 8
    patched "target of a short jump: places", place_of_short_jump, next_short_distance, 8

    ; Functions: the algorithm of the manual, the other one waits at a flag.
    begin_test
    mov eax, place_anywhere
    call make_places
    mov qword [version], 0
    work 1, waiting_runner
    mov r13d, 1
.functions:
    at_places write_function
    mov [version], r13
    all_ran
    inc r13d
    cmp r13d, 8
    jbe .functions
    end_test "function behind a flag: places", 0

    ; Breakpoints: the other one runs on and on, and executes nothing that serializes but IRET, in the interrupts' handler.
    begin_test
    mov eax, place_in_middle
    call make_places
    work 1, plain_runner
    all_ran
    mov r13d, 2
.poke:
    mov eax, r13d
    imul eax, ones
    mov [poked], eax
    at_places poke_breakpoint
    call synchronize
    at_places poke_tail
    call synchronize
    at_places poke_head
    call synchronize
    mov [version], r13
    inc r13d
    cmp r13d, 3                             ; enough: on one core of the host each place is a wait for the other processor
    jbe .poke
    all_ran
    end_test "INT3, the tail, the head: places", 1, "  breakpoints elsewhere"

%macro pages 3                              ; name, rights, what forgets the pages' entries there
    mov qword [forget], %3
    mov dword [places_count], 16
    mov r13d, 1
    at_places write_frame
    begin_test
    mov r14d, P | W
    at_places map_frame
    call shoot_down
    work 1, plain_runner
    all_ran
    mov r14d, %2
    mov r13d, 2
%%version:
    at_places write_frame
    at_places unmap_frame
    call shoot_down
    at_places spoil_old_frame
    at_places map_frame
    mov [version], r13
    inc r13d
    cmp r13d, 5
    jbe %%version
    all_ran
    end_test %1, 1, "  faults elsewhere"
%endmacro
    pages "frames change, INVLPG there: pages", P | W, forget_by_invlpg
    pages "frames change, MOV CR3 there: pages", P | W, forget_by_cr3
    pages "frames of global pages change, INVLPG there: pages", P | W | G, forget_by_invlpg

    ; counters
    mov rsi, counting
    mov edi, line
    mov ecx, counting_end - counting
    rep movsb
    mov dword [line], 0
    work 1, line + 8
    mov eax, line + 8
    call rax
    finished 1
    mov eax, [line]
    say "a counter beside its code, run by both", rax
    mov dword [line], 0
    work 1, line + 8
    mov ecx, 2000
.count:
    lock inc dword [line + arena_physical - arena]
    dec ecx
    jnz .count
    finished 1
    mov eax, [line]
    say "counted by the one, its code run by the other", rax

    ; Each runs its function and changes the other's, in one line.
    begin_test
    mov edi, line + 7
    mov eax, 1
    call make_function
    mov edi, line + 23
    mov eax, 1
    call make_function
    work 1, change_first
    mov esi, line + 7
    mov edi, line + 23
    call change_and_run
    finished 1
    say "each writes to the other's code: wrong answers", [wrong]

    ; Loops, one behind the other: nop; nop, or pause; jmp to it
    xor ebp, ebp
    mov edi, line + 0x3d
.loop:
    mov dword [rdi], 0xfeeb9090
    test ebp, 1
    jz .without_pause
    mov dword [rdi], 0xfceb90f3
.without_pause:
    add edi, 4
    inc ebp
    cmp ebp, 16
    jb .loop
    mov byte [rdi], 0xc3
    work 1, line + 0x3d
    xor ebp, ebp
.open:
    mov ecx, 50000
    call for_ticks
    mov byte [line + 0x3d + rbp * 4 + 3], 0 ; the distance: to what comes next
    inc ebp
    cmp ebp, 16
    jb .open
    finished 1
    say "endless loops opened", rbp
    ret

; --- what the first processor writes

make_function:                              ; mov eax, four times AL; ret at RDI
    imul eax, ones
    mov byte [rdi], 0xb8
    mov [rdi + 1], eax
    mov byte [rdi + 5], 0xc3
    ret

make_places:                                ; EAX: a function that takes the place at RDI, or refuses by CF
    mov dword [places_count], 0
    mov edi, first_place
.again:
    push rax
    push rdi
    call rax
    pop rdi
    pop rax
    jc .next
    mov ecx, [places_count]
    mov [places + rcx * 4], edi
    inc dword [places_count]
.next:
    add edi, 0x1001
    cmp edi, first_place + most * 0x1001
    jb .again
    ret

place_in_middle:                            ; every byte of a line, and a page's boundary among them
    lea eax, [rdi - first_place - 32 * 0x1001]
    cmp eax, 64 * 0x1001
    cmc
    jc place_anywhere.end
    jmp place_anywhere
; Those whose four bytes behind the first are within 8 or 16 aligned ones.
place_in_8:
    mov ecx, 7
    jmp place_within
place_in_16:
    mov ecx, 15
place_within:
    lea eax, [rdi + 1]
    and eax, ecx
    sub ecx, 3
    cmp ecx, eax
    jb place_anywhere.end
place_anywhere:
    mov eax, 1
    call make_function
    clc
.end:
    ret
place_of_call:
    mov bl, 0xe8
    jmp place_of_near_jump
place_of_jump:
    mov bl, 0xe9
place_of_near_jump:
    call place_in_8
    jc .end
    mov [rdi], bl
    mov r13d, 8
.target:                                    ; from the last version to the first
    call [target_of_version]
    push rdi
    mov edi, eax
    mov eax, r13d
    call make_function
    pop rdi
    call distance
    mov [rdi + 1], eax
    dec r13d
    jnz .target
    clc
.end:
    ret
place_of_short_jump:
    mov byte [rdi], 0xeb
    mov byte [rdi + 1], 6                   ; to the next multiple of 8 bytes from here
    push rdi
    mov r13d, 1
.target:
    add edi, 8
    mov eax, r13d
    call make_function
    inc r13d
    cmp r13d, 8
    jbe .target
    pop rdi
    clc
    ret

; Of version R13D of the jump at RDI the target, EAX.
near_target:
    mov eax, edi
    and eax, ~0xfff
    jmp add_version
far_target:
    mov eax, line
add_version:
    mov ecx, r13d
    shl ecx, 4
    lea eax, [rax + rcx + 0x800]
    ret
distance:
    call [target_of_version]
    sub eax, edi
    sub eax, 5
    ret

; Version R13D of what is at RDI.
next_immediate:
    mov eax, r13d
    imul eax, ones
store_in_8:                                 ; EAX becomes the four bytes behind the first
    call with_new_bytes
    add rdi, [mapping]
    mov [rdi], rbx
    ret
next_distance:
    call distance
    jmp store_in_8
next_by_cmpxchg8b:
    mov eax, r13d
    imul eax, ones
    call with_new_bytes
    mov rcx, rbx
    shr rcx, 32
    mov eax, [rdi]
    mov edx, [rdi + 4]
    lock cmpxchg8b [rdi]
    ret
next_by_cmpxchg16b:
    lea edx, [rdi + 1]
    and edx, 15
    lea edi, [rdi + 1]
    and edi, ~15
    mov rax, [rdi]
    mov [words], rax
    mov rax, [rdi + 8]
    mov [words + 8], rax
    mov eax, r13d
    imul eax, ones
    mov [words + rdx], eax
    mov rbx, [words]
    mov rcx, [words + 8]
    mov rax, [rdi]
    mov rdx, [rdi + 8]
    lock cmpxchg16b [rdi]
    ret
with_new_bytes:                             ; RBX, for the aligned RDI: what is there with EAX behind the first byte
    lea ecx, [rdi + 1]
    and ecx, 7
    lea edi, [rdi + 1]
    and edi, ~7
    mov rbx, [rdi]
    mov [words], rbx
    mov [words + rcx], eax
    mov rbx, [words]
    ret
next_short_distance:
    lea eax, [r13 * 8 - 2]
    mov [rdi + 1], al
    ret

write_function:                             ; of 11 bytes, in one of four ways
    mov eax, r13d
    mov rcx, 0x0101010101010101
    imul rax, rcx
    mov [words + 2], rax
    mov word [words], 0xb848                ; mov rax, n
    mov byte [words + 10], 0xc3
    mov ecx, r13d
    and ecx, 3
    jz .quadwords
    dec ecx
    jz .bytes
    dec ecx
    jz .vectors
    mov eax, [words]                        ; doublewords, the last one first
    mov ecx, [words + 4]
    mov edx, [words + 7]
    mov [rdi + 7], edx
    mov [rdi + 4], ecx
    mov [rdi], eax
    ret
.quadwords:
    mov rax, [words]
    mov ecx, [words + 7]
    mov [rdi], rax
    mov [rdi + 7], ecx
    ret
.bytes:
    mov rsi, words
    mov ecx, 11
    rep movsb
    ret
.vectors:
    movq xmm0, [words]
    movd xmm1, [words + 7]
    movd [rdi + 7], xmm1
    movq [rdi], xmm0
    ret

poke_breakpoint:
    mov byte [rdi], 0xcc
    ret
poke_tail:
    mov eax, [poked]
    mov [rdi + 1], eax
    ret
poke_head:
    mov byte [rdi], 0xb8
    ret

; Page R12's frames, for odd and for even versions.
frame_of_version:                           ; EDI, of version EAX
    and eax, 1
    shl eax, 16
    mov edi, r12d
    shl edi, 12
    lea edi, [rdi + rax + frames]
    ret
write_frame:
    mov eax, r12d
    shl eax, 12
    add eax, page
    mov [places + r12 * 4], eax
    mov eax, r13d
    call frame_of_version
    mov eax, r13d
    jmp make_function
map_frame:
    mov eax, r13d
    call frame_of_version
    or edi, r14d
    mov [arena_entries + 0x30 * 8 + r12 * 8], edi
    ret
unmap_frame:
    mov dword [arena_entries + 0x30 * 8 + r12 * 8], 0
    ret
spoil_old_frame:                            ; whoever runs it now gives a wrong answer
    lea eax, [r13 - 1]
    call frame_of_version
    mov dword [rdi + 1], 0x0000eeee
    ret

; The other processor has executed an IRET behind everything that was done before.
synchronize:
    mov rax, [synchronized]
    inc rax
    send 1, 0x4000 | synchronize_vector
    wait_until e, [synchronized], rax
    ret
shoot_down:                                 ; it has forgotten the pages, as we have
    call [forget]
    mov rax, [synchronized]
    inc rax
    send 1, 0x4000 | shootdown_vector
    wait_until e, [synchronized], rax
    ret

; --- what the other one does

; Calls all places, again and again, with interrupts. What is in `version` when it looks there is the least that may be answered.
serializing_runner:
    mov r10d, 1
    jmp runner
plain_runner:
    xor r10d, r10d
runner:
    sti
.round:
    mov r9, [version]
    xor r12d, r12d
.call:
    mov r8, [version]
    cmp r8, over
    je .end
    test r10d, r10d
    jz .serialized
    xor eax, eax
    cpuid
.serialized:
    mov ebp, [places + r12 * 4]
    call rbp
    mov edx, r8d
    call look_at_answer
    inc r12d
    cmp r12d, [places_count]
    jb .call
    mov [acknowledged], r9
    jmp .round
.end:
    ret

look_at_answer:                             ; EAX, of version EDX at least
    movzx ecx, al
    cmp ecx, edx
    jb .wrong
    imul ecx, ones
    cmp ecx, eax
    jne .wrong
    ret
.wrong:
    inc qword [wrong]
    ret

; Runs all once in each version, behind the flag and an instruction that serializes.
waiting_runner:
    mov r8d, 1
.version:
    spin_until ae, [version], r8
    mov ecx, r8d
    and ecx, 3
    jz .by_cr3
    dec ecx
    jz .by_iret
    dec ecx
    jz .by_invlpg
    xor eax, eax
    cpuid
    jmp .serialized
.by_cr3:
    mov rax, cr3
    mov cr3, rax
    jmp .serialized
.by_iret:
    mov rax, rsp
    push kernel_data
    push rax
    push 2
    push kernel_code
    push .serialized
    iretq
.by_invlpg:
    invlpg [arena]
.serialized:
    mov rcx, 0x0101010101010101
    mov rdx, r8
    imul rdx, rcx
    xor r12d, r12d
.call:
    mov ebp, [places + r12 * 4]
    call rbp
    cmp rax, rdx
    je .right
    inc qword [wrong]
.right:
    inc r12d
    cmp r12d, [places_count]
    jb .call
    mov [acknowledged], r8
    inc r8d
    cmp r8d, 8
    jbe .version
    ret

breakpoint:                                 ; in place of the instruction that will be there
    lea rax, [rbp + 1]
    cmp [rsp], rax
    je .expected
    inc qword [elsewhere]
.expected:
    add qword [rsp], 4
    mov eax, [poked]
    iretq

page_fault:                                 ; MOV or RET is fetched again until the page is there
    push rax
    mov rax, cr2
    sub rax, rbp
    jz .mov
    cmp rax, 5
    jne .elsewhere
.mov:
    cmp qword [rsp + 8], 0x10               ; absent, fetch
    je .expected
.elsewhere:
    inc qword [elsewhere]
.expected:
    pop rax
    add rsp, 8
    pause
    iretq

shoots_down:
    push rax
    push rcx
    call [forget]
    pop rcx
    pop rax
synchronizes:
    mov dword [apic_eoi], 0
    inc qword [synchronized]
    iretq
forget_by_invlpg:
    mov eax, page
    mov ecx, 16
.again:
    invlpg [rax]
    add eax, 0x1000
    dec ecx
    jnz .again
    ret
forget_by_cr3:
    mov rax, cr3
    mov cr3, rax
    ret
set_global_pages:
    mov rax, cr4
    bts rax, 7
    mov cr4, rax
    ret

counting:                                   ; the counter, and its code behind it
    times 8 db 0
    mov ecx, 2000
.again:
    lock inc dword [rel counting]
    dec ecx
    jnz .again
    ret
counting_end:

change_first:
    mov esi, line + 23
    mov edi, line + 7
change_and_run:                             ; RSI = own function, RDI = the other's
    mov r8d, 2
    mov r9d, 1                              ; what one's own answered last
.again:
    mov eax, r8d
    imul eax, ones
    mov [rdi + 1], eax                      ; within 8 aligned bytes
    xor eax, eax
    cpuid
    call rsi
    mov edx, r9d
    call look_at_answer
    movzx r9d, al
    inc r8d
    cmp r8d, 200
    jbe .again
    ret

    align 16
words: times 2 dq 0
version: dq 0
acknowledged: dq 0
synchronized: dq 0
forget: dq 0
wrong: dq 0
elsewhere: dq 0
mapping: dq 0
target_of_version: dq near_target
places_count: dd 0
poked: dd 0
places: times most dd 0
image_ends
