; Memory that processors share: LOCK is atomic, the order is that of SDM vol. 3, ch. 8.2, the accessed and dirty bits of page-table
; entries are set by atomic operations, and invalidations by interrupt leave no write unseen (ch. 4.8, 4.10.5).
;
; The tests of order run without meeting: x and y are counters that grow, and what was read of them is looked at afterwards.
%define cpus 3
%define rounds 1              ; it has loops of its own
%include "environment.inc"
%include "processors.inc"

;| LOCK INC: 0000000000002710
;| LOCK INC of a byte, a word: 0000000000000020
;| LOCK ADD over two lines: 0000000000002710
;| LOCK ADD over a page's last two lines: 0000000000002710
;| LOCK SUB, ADC, DEC: 0000000000000000
;| LOCK XADD: 0000000000002710
;|   each sum once: 0000000000000000
;| LOCK CMPXCHG of 8, 16, 32, 64 bits: 0000000000000004
;| LOCK CMPXCHG8B: 0000000000002710
;| LOCK CMPXCHG16B: 0000000000002710
;|   both halves at once: 0000000000000000
;| LOCK OR, AND, XOR, NOT of own bits: 0000000000000000
;| LOCK BTS, BTR, BTC of own bits: 0000000000000000
;| LOCK NEG: 0000000000000001
;| own bytes beside another's: 0000000000000000
;| XCHG guards a counter: 0000000000002710
;| LOCK BTS guards a counter: 0000000000002710
;| tickets by LOCK XADD: 0000000000002710
;| stores of 8 bytes in a line are whole: 0000000000000000
;| message passing: 0000000000000000
;|   the last one came: 0000000000000fa0
;| through a third processor: 0000000000000000
;| loads do not pass, stores wait for loads: 0000000000000000
;| stores, MFENCE, loads: 0000000000000000
;| stores by XCHG, loads: 0000000000000000
;| stores, a LOCK elsewhere, loads: 0000000000000000
;| REP MOVSB, then a flag: 0000000000000000
;| one place is read in order: 0000000000000000
;| accessed by another: 0000000000000020
;| dirty by another: 0000000000000060
;| cleared, seen again: 0000000000000060
;| entry's own bits by LOCK XADD while A and D are set: 0000000000000020
;|   and A and D: 0000000000000060
;| entry's bit by LOCK BTC: 0000000000000000
;| written and not dirty: 0000000000000000
;|   faults elsewhere: 0000000000000000
;| made read-only: written behind it: 0000000000000000
;|   faults elsewhere: 0000000000000000
;| end

shared equ arena + 0x2000       ; words that tests share
x equ shared
y equ shared + 0x40
seen_by_0 equ arena + 0x40000   ; what each read, by its own count
seen_by_1 equ arena + 0x60000
places_of_8 equ arena + 0x8000
string equ arena + 0x80000
string_copy equ arena + 0x80fc1
page equ arena + 0x10000        ; whose entry is changed
page_entry equ arena_entries + 0x10 * 8
page_itself equ arena_physical + 0x10000
times_each equ 5000
few_times equ 40                ; where each waits for the other
turns equ 4000
shootdown_vector equ 0x31

; The same on processors 0 and 1: ECX times %1, which is a label.
%macro on_both 1-2 times_each
    mov dword [how_often], %2
    mov qword [what], %1
    work 1, repeated
    call repeated
    finished 1
%endmacro
; One of two loops here, the other one there.
%macro opposite 2
    call clear
    work 1, %2
    call %1
    finished 1
%endmacro

main:
    start_processors
    gate_of processor_idt, shootdown_vector, shoots_down
    gate_of processor_idt, 14, page_fault

    ; atomic operations
    call clear
    on_both .lock_inc
    mov rax, [x]
    say "LOCK INC", rax
    call clear
    on_both .lock_inc_small
    movzx eax, byte [x]
    xor eax, times_each * 2 & 0xff
    jnz .small_wrong
    movzx eax, word [x + 3]
    sub eax, times_each * 2 - 0x20
.small_wrong:
    say "LOCK INC of a byte, a word", rax
    call clear
    on_both .lock_over_lines
    mov eax, [x + 0x3e]
    say "LOCK ADD over two lines", rax
    call clear
    on_both .lock_at_page_end
    mov eax, [shared + 0xfbe]
    say "LOCK ADD over a page's last two lines", rax
    call clear
    mov qword [x], times_each * 2 * 3
    on_both .lock_sub
    say "LOCK SUB, ADC, DEC", [x]
    call clear
    mov edi, seen_by_0
    xor eax, eax
    mov ecx, times_each * 2
    rep stosb
    on_both .lock_xadd
    say "LOCK XADD", [x]
    mov rsi, seen_by_0
    xor ebx, ebx
    mov ecx, times_each * 2
.sums:
    lodsb
    xor al, 1
    or bl, al
    dec ecx
    jnz .sums
    say "  each sum once", rbx
    call clear
    on_both .lock_cmpxchg
    xor ebx, ebx
    cmp byte [x], times_each * 2 & 0xff
    sete al
    movzx eax, al
    add ebx, eax
    cmp word [x + 8], times_each * 2
    sete al
    add ebx, eax
    cmp dword [x + 16], times_each * 2
    sete al
    add ebx, eax
    cmp qword [x + 24], times_each * 2
    sete al
    add ebx, eax
    say "LOCK CMPXCHG of 8, 16, 32, 64 bits", rbx
    call clear
    on_both .lock_cmpxchg8b
    mov eax, [x]
    cmp eax, [x + 4]
    je .whole
    xor eax, eax
.whole:
    say "LOCK CMPXCHG8B", rax
    call clear
    on_both .lock_cmpxchg16b
    say "LOCK CMPXCHG16B", [x]
    mov rax, [x]
    sub rax, [x + 8]
    or rax, [wrong]
    say "  both halves at once", rax
    call clear
    on_both .own_bits
    mov rax, [wrong]
    or rax, [x]
    or rax, [y]
    say "LOCK OR, AND, XOR, NOT of own bits", rax
    call clear
    on_both .own_bits_by_number
    mov rax, [wrong]
    or rax, [x]
    say "LOCK BTS, BTR, BTC of own bits", rax
    call clear
    mov dword [x], 1
    on_both .lock_neg
    mov eax, [x]
    say "LOCK NEG", rax
    call clear
    on_both .own_bytes
    movzx eax, word [x + 16]
    xor eax, (times_each & 0xff) * 0x101
    or rax, [wrong]
    say "own bytes beside another's", rax
    call clear
    on_both .by_xchg
    say "XCHG guards a counter", [y]
    call clear
    on_both .by_bts
    say "LOCK BTS guards a counter", [y]
    call clear
    on_both .by_ticket, few_times
    mov rax, [y]
    imul rax, times_each / few_times
    say "tickets by LOCK XADD", rax
    opposite stores_whole, loads_whole
    say "stores of 8 bytes in a line are whole", [wrong]

    ; order
    opposite writes_both, reads_both
    say "message passing", [wrong]
    say "  the last one came", [y]
    call clear
    work 1, passes_on
    work 2, reads_passed_on
    call writes_x
    finished 1
    finished 2
    say "through a third processor", [wrong]
    opposite loads_y_stores_x, loads_x_stores_y
    call look_at_loads
    say "loads do not pass, stores wait for loads", [wrong]
%macro store_buffer 3
    opposite %2, %3
    call look_at_stores
    say %1, [wrong]
%endmacro
    store_buffer "stores, MFENCE, loads", stores_x_mfence, stores_y_mfence
    store_buffer "stores by XCHG, loads", stores_x_xchg, stores_y_xchg
    store_buffer "stores, a LOCK elsewhere, loads", stores_x_lock, stores_y_lock
    opposite moves_string, reads_string
    say "REP MOVSB, then a flag", [wrong]
    opposite counts_x, reads_x
    say "one place is read in order", [wrong]

    ; page-table entries
%macro say_bits 1
    mov rax, [page_entry]
    and eax, A | D
    say %1, rax
%endmacro
    arena_page 0x10, P | W
    work 1, .reads_page
    finished 1
    say_bits "accessed by another"
    work 1, .writes_page
    finished 1
    say_bits "dirty by another"
    lock and qword [page_entry], ~(A | D)
    work 1, .invalidates_and_writes_page
    finished 1
    say_bits "cleared, seen again"
    ; Bits 52 to 58 are software's: each XADD counts there, while the other one makes the processor set A and D.
    arena_page 0x10, P | W
    mov qword [stop], 0
    work 1, .uses_page
    mov ecx, 2000
.count_in_entry:
    mov rax, 1 << 52
    lock xadd [page_entry], rax
    lock and qword [page_entry], ~(A | D)
    dec ecx
    jnz .count_in_entry
    mov qword [stop], 1
    finished 1
    mov rax, [page_entry]
    shr rax, 52
    and eax, 0x7f
    xor eax, (2000 & 0x7f) ^ 0x20
    say "entry's own bits by LOCK XADD while A and D are set", rax
    say_bits "  and A and D"
    arena_page 0x10, P | W
    mov qword [stop], 0
    work 1, .uses_page
    mov ecx, 2000
    xor ebx, ebx
.flip_in_entry:
    lock btc qword [page_entry], 9
    setc al
    movzx eax, al
    mov edx, ecx                            ; was set every second time
    and edx, 1
    xor eax, edx
    or ebx, eax
    lock btr qword [page_entry], 5
    lock btr qword [page_entry], 6
    dec ecx
    jnz .flip_in_entry
    mov qword [stop], 1
    finished 1
    say "entry's bit by LOCK BTC", rbx

    ; The entry is taken away, as systems do it: a write that came before is to be seen in D.
    arena_page 0x10, P | W
    call shoot_down
    mov qword [stop], 0
    mov qword [page_itself], 0
    mov qword [wrong], 0
    mov qword [elsewhere], 0
    xor r12d, r12d                          ; what was there when the page was clean
    mov r13d, 20
    work 1, .writes_counts
.take:
    mov ecx, 2000
    call for_ticks
    xor eax, eax
    xchg [page_entry], rax
    mov rbx, rax
    call shoot_down
    mov rax, [page_itself]
    cmp rax, r12
    je .unwritten
    test ebx, D
    jnz .unwritten
    inc qword [wrong]
.unwritten:
    mov r12, rax
    mov qword [page_entry], page_itself | P | W
    dec r13d
    jnz .take
    mov qword [stop], 1
    finished 1
    say "written and not dirty", [wrong]
    say "  faults elsewhere", [elsewhere]
    ; And write-protected, as for a copy: nothing is written behind the other's answer.
    arena_page 0x10, P | W
    mov qword [stop], 0
    mov qword [wrong], 0
    mov qword [elsewhere], 0
    mov r13d, 20
    work 1, .writes_counts
.protect:
    mov ecx, 2000
    call for_ticks
    lock btr qword [page_entry], 1
    call shoot_down
    mov rbx, [page_itself]
    mov ecx, 2000
    call for_ticks
    cmp [page_itself], rbx
    je .unchanged
    inc qword [wrong]
.unchanged:
    lock bts qword [page_entry], 1
    dec r13d
    jnz .protect
    mov qword [stop], 1
    finished 1
    say "made read-only: written behind it", [wrong]
    say "  faults elsewhere", [elsewhere]
    ret

; --- on both processors; EBX is the processor's number, R8 counts down

.lock_inc:
    lock inc qword [x]
    ret
.lock_inc_small:
    lock inc byte [x]
    lock inc word [x + 3]
    ret
.lock_over_lines:
    lock add dword [x + 0x3e], 1
    ret
.lock_at_page_end:
    lock add dword [shared + 0xfbe], 1
    ret
.lock_sub:
    lock sub qword [x], 2
    stc
    lock adc qword [x], 0
    lock sub dword [x], 1
    lock dec qword [x]
    ret
.lock_xadd:
    mov eax, 1
    lock xadd [x], rax
    inc byte [seen_by_0 + rax]
    ret
.lock_cmpxchg:
    mov al, [x]
.again8:
    lea ecx, [rax + 1]
    lock cmpxchg [x], cl
    jne .again8
    mov ax, [x + 8]
.again16:
    lea ecx, [rax + 1]
    lock cmpxchg [x + 8], cx
    jne .again16
    mov eax, [x + 16]
.again32:
    lea ecx, [rax + 1]
    lock cmpxchg [x + 16], ecx
    jne .again32
    mov rax, [x + 24]
.again64:
    lea rcx, [rax + 1]
    lock cmpxchg [x + 24], rcx
    jne .again64
    ret
.lock_cmpxchg8b:
    push rbx
    mov eax, [x]
    mov edx, [x + 4]
.again8b:
    lea ebx, [rax + 1]
    lea ecx, [rdx + 1]
    lock cmpxchg8b [x]
    jne .again8b
    pop rbx
    ret
.lock_cmpxchg16b:
    push rbx
    mov rax, [x]
    mov rdx, [x + 8]
.again16b:
    lea rbx, [rax + 1]
    lea rcx, [rdx + 1]
    lock cmpxchg16b [x]
    jne .again16b
    cmp rax, rdx
    je .one
    inc qword [wrong]
.one:
    pop rbx
    ret
.own_bits:                                  ; every second one is mine
    mov rdx, 0x5555555555555555
    mov ecx, ebx
    shl rdx, cl
    lock or [x], rdx
    mov rax, [x]
    and rax, rdx
    cmp rax, rdx
    jne .lost
    mov rax, rdx
    not rax
    lock and [x], rax
    test [x], rdx
    jnz .lost
    lock xor [x], rdx
    mov rax, [x]
    and rax, rdx
    cmp rax, rdx
    jne .lost
    lock xor [x], rdx
    lock not dword [y]
    ret
.own_bits_by_number:
    lea eax, [rbx * 8 + 3]
    lock bts dword [x], eax
    jc .lost
    lock btc dword [x], eax
    jnc .lost
    lock btc dword [x], eax
    jc .lost
    lock btr dword [x], eax
    jnc .lost
    bt dword [x], eax
    jc .lost
    ret
.lost:
    lock inc qword [wrong]
    ret
.lock_neg:
    lock neg dword [x]
    ret
.own_bytes:                                 ; without LOCK
    mov [x + rbx], r8b
    mov al, [x + rbx]
    cmp al, r8b
    jne .lost
    mov [x + 8 + rbx * 2], r8w
    cmp [x + 8 + rbx * 2], r8w
    jne .lost
    inc byte [x + 16 + rbx]
    ret
.by_xchg:
    mov eax, 1
    xchg [x], eax
    test eax, eax
    jz .enter_by_xchg
    pause
    jmp .by_xchg
.enter_by_xchg:
    inc qword [y]
    mov dword [x], 0
    ret
.by_bts:
    lock bts dword [x], 17
    jnc .enter_by_bts
    pause
    jmp .by_bts
.enter_by_bts:
    inc qword [y]
    mov byte [x + 2], 0
    ret
.by_ticket:
    mov eax, 1
    lock xadd [x], eax
.my_turn:
    cmp [x + 8], eax
    je .enter_by_ticket
    pause
    jmp .my_turn
.enter_by_ticket:
    inc qword [y]
    inc dword [x + 8]
    ret

; --- the other one's use of the page

.reads_page:
    mov eax, [page]
    ret
.invalidates_and_writes_page:
    invlpg [page]
.writes_page:
    mov [page], eax
    ret
.uses_page:                                 ; at the end once more, so that A and D are set
    mov rbx, [stop]
    invlpg [page]
    mov eax, [page]
    invlpg [page]
    mov [page], eax
    test ebx, ebx
    jz .uses_page
    ret
.writes_counts:
    sti
    mov r8d, 1
.write:
    mov [page], r8
    inc r8
    cmp qword [stop], 0
    je .write
    ret

repeated:
    mov ebx, [apic_id]
    shr ebx, 24
    mov r8d, [how_often]
.again:
    call [what]
    dec r8d
    jnz .again
    ret

clear:
    mov edi, shared
    xor eax, eax
    mov ecx, 0x1100
    rep stosb
    mov qword [wrong], 0
    mov qword [stop], 0
    ret

; Pattern n in 8 bytes at each place of a line, each in a line of its own.
stores_whole:
    mov r8d, turns / 20
.again:
    movzx eax, r8b
    mov rdx, 0x0101010101010101
    imul rax, rdx
    xor ecx, ecx
.place:
    mov [places_of_8 + rcx], rax
    add ecx, 64 + 1
    cmp ecx, 57 * 65
    jb .place
    dec r8d
    jnz .again
    mov qword [stop], 1
    ret
loads_whole:
    xor ecx, ecx
.place:
    mov rax, [places_of_8 + rcx]
    mov rdx, rax
    rol rdx, 8
    cmp rax, rdx
    jne .torn
    add ecx, 64 + 1
    cmp ecx, 57 * 65
    jb .place
    cmp qword [stop], 0
    je loads_whole
    ret
.torn:
    inc qword [wrong]
    ret

writes_both:
    mov ecx, 1
.again:
    mov [x], ecx
    mov [y], ecx
    inc ecx
    cmp ecx, turns
    jbe .again
    ret
reads_both:
reads_passed_on:
    mov ecx, [y]
    mov eax, [x]
    cmp eax, ecx
    jae .right
    inc qword [wrong]
.right:
    cmp ecx, turns
    jb reads_both
    ret
writes_x:
counts_x:
    mov ecx, 1
.again:
    mov [x], ecx
    inc ecx
    cmp ecx, turns
    jbe .again
    ret
passes_on:
    mov eax, [x]
    mov [y], eax
    cmp eax, turns
    jb passes_on
    ret
reads_x:                                    ; at two addresses by turns
    xor ecx, ecx
.again:
    mov eax, [x]
    mov edx, [x + arena_physical - arena]
    cmp eax, ecx
    jb .wrong
    cmp edx, eax
    jb .wrong
    mov ecx, edx
    cmp ecx, turns
    jb .again
    ret
.wrong:
    inc qword [wrong]
    ret

; R8 goes from 1 to `turns`: R9 = own counter, R10 = the other's, R11 = where to keep what was read.
%macro on_x 1
    mov r9d, x
    mov r10d, y
    mov r11d, seen_by_0
    jmp %1
%endmacro
%macro on_y 1
    mov r9d, y
    mov r10d, x
    mov r11d, seen_by_1
    jmp %1
%endmacro
%macro each_turn 1+
    mov r8d, 1
%%again:
    %1
    inc r8d
    cmp r8d, turns
    jbe %%again
    ret
%endmacro
loads_y_stores_x: on_x load_and_store
loads_x_stores_y: on_y load_and_store
stores_x_mfence: on_x store_mfence_load
stores_y_mfence: on_y store_mfence_load
stores_x_xchg: on_x xchg_load
stores_y_xchg: on_y xchg_load
stores_x_lock: on_x store_lock_load
stores_y_lock: on_y store_lock_load

%macro load_then_store 0
    mov eax, [r10]
    mov [r9], r8d
    mov [r11 + r8 * 4], eax
%endmacro
%macro store_fence_load 0
    mov [r9], r8d
    mfence
    mov eax, [r10]
    mov [r11 + r8 * 4], eax
%endmacro
%macro exchange_then_load 0
    mov eax, r8d
    xchg [r9], eax
    mov eax, [r10]
    mov [r11 + r8 * 4], eax
%endmacro
%macro store_locked_load 0
    mov [r9], r8d
    lock or dword [rsp - 64], 0
    mov eax, [r10]
    mov [r11 + r8 * 4], eax
%endmacro
load_and_store: each_turn load_then_store
store_mfence_load: each_turn store_fence_load
xchg_load: each_turn exchange_then_load
store_lock_load: each_turn store_locked_load

; x was stored behind the load that saw y = j, so the other one's load before y = j did not see it.
look_at_loads:
    mov ecx, 1
.again:
    mov eax, [seen_by_0 + rcx * 4]
    test eax, eax
    jz .right
    cmp [seen_by_1 + rax * 4], ecx
    jb .right
    inc qword [wrong]
.right:
    inc ecx
    cmp ecx, turns
    jbe .again
    ret
; Behind x = i, y = j was not seen: then x = i is seen behind y = j.
look_at_stores:
    mov ecx, 1
.again:
    mov eax, [seen_by_0 + rcx * 4]
    inc eax
    cmp eax, turns
    ja .right
    cmp [seen_by_1 + rax * 4], ecx
    jae .right
    inc qword [wrong]
.right:
    inc ecx
    cmp ecx, turns
    jbe .again
    ret

moves_string:
    mov r8d, 1
.again:
    mov edi, string
    mov eax, r8d
    mov ecx, 300
    rep stosb
    mov esi, string
    mov edi, string_copy
    mov ecx, 300
    rep movsb
    mov [y], r8d
    inc r8d
    cmp r8d, 250
    jbe .again
    ret
reads_string:
    mov edx, [y]
    mov ecx, 300
.byte:
    cmp [string_copy - 1 + rcx], dl
    jb .wrong
    dec ecx
    jnz .byte
    cmp edx, 250
    jb reads_string
    ret
.wrong:
    inc qword [wrong]
    ret

; --- the page

shoot_down:
    push rax
    mov rax, [answered]
    inc rax
    send 1, 0x4000 | shootdown_vector
    wait_until e, [answered], rax
    pop rax
    ret
shoots_down:
    invlpg [page]
    mov dword [apic_eoi], 0
    inc qword [answered]
    iretq
page_fault:                                 ; until it may be written
    push rax
    mov rax, [rsp + 8]
    and eax, ~1
    cmp eax, W
    jne .elsewhere
    mov rax, cr2
    cmp rax, page
    je .expected
.elsewhere:
    inc qword [elsewhere]
.expected:
    pop rax
    add rsp, 8
    pause
    iretq

    align 8
what: dq 0
wrong: dq 0
elsewhere: dq 0
answered: dq 0
stop: dq 0
how_often: dd 0
image_ends
