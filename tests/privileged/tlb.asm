; What the TLB may keep and what must go: INVLPG, CR3, global pages, for data and for code that is hot
; (SDM vol. 3, ch. 4.10). Nothing here expects a stale translation; none may be used behind its invalidation.
%include "environment.inc"
%include "translations.inc"

other_table equ 0xa03000

;| INVLPG: 0000000022222222
;| INVLPG within the page: 0000000022222222
;| INVLPG of a non-canonical address: none
;| CR3: 0000000022222222
;| global, INVLPG: 0000000022222222
;| global, PGE cleared: 0000000022222222
;| global, PGE set: 0000000022222222
;| G without PGE, CR3: 0000000022222222
;| a page of 2 MiB, INVLPG: 0000000022222222
;| it becomes 4 KiB pages: 0000000033333333
;| a page of 1 GiB, INVLPG: 0000000022222222
;| a higher table changes, INVLPG: 0000000022222222
;| a higher table changes, CR3: 0000000011111111
;| absent becomes present: 0000000011111111
;| rights grow: none
;| rights shrink, INVLPG: #PF(0003) at arena+020000
;| user's right: #BP
;| user's right shrinks, INVLPG: #PF(0005) at arena+020000
;| execute right shrinks, INVLPG: #PF(0011) at arena+030000
;| code: hot, INVLPG: 0000000000000190
;| code: hot, CR3: 0000000000000190
;| code: hot and global, INVLPG: 0000000000000190
;| code: hot and global, PGE: 0000000000000190
;| code: jump to a global page, INVLPG: 0000000000000190
;| code: jump to a global page, PGE: 0000000000000190
;| code: jump to a page, CR3: 0000000000000190
;| code: it becomes absent: #PF(0010) at arena+030000
;| code: jump to what becomes absent: #PF(0010) at arena+031000
;| end

main:
    fill_frames
    ; data, one space
%macro stale 1                              ; page 20 shows frame 20 with rights, is read, and then would show frame 21
    entry 0x20, 0x20, %1
    invlpg [arena + 0x20000]
    read
    entry 0x20, 0x21, %1
%endmacro
    stale P | W
    invlpg [arena + 0x20000]
    read
    say "INVLPG", rax
    stale P | W
    invlpg [arena + 0x20fff]
    read
    say "INVLPG within the page", rax
    mov rbx, 0x800000000000
    refused "INVLPG of a non-canonical address", invlpg [rbx]
    stale P | W
    mov rax, cr3
    mov cr3, rax
    read
    say "CR3", rax
    cr4_bits 0, PGE
    stale P | W | G
    invlpg [arena + 0x20000]
    read
    say "global, INVLPG", rax
    stale P | W | G
    cr4_bits PGE, 0
    read
    say "global, PGE cleared", rax
    stale P | W | G
    cr4_bits 0, PGE
    read
    say "global, PGE set", rax
    cr4_bits PGE, 0
    stale P | W | G
    mov rax, cr3
    mov cr3, rax
    read
    say "G without PGE, CR3", rax

    ; larger pages and tables
large equ 0x3000000
large_entry equ directory + (large >> 21) * 8
    mov dword [0x3000000], first
    mov dword [0x3200000], 2 * first
    mov eax, [large]
    mov eax, [large + 0x5000]
    mov dword [large_entry], 0x3200000 | P | W | PS
    invlpg [large + 0x123456]
    mov eax, [large]
    say "a page of 2 MiB, INVLPG", rax
    mov eax, [large + 0x3000]
    mov dword [large_entry], arena_entries + (P | W)
    entry 0, 0x22, P | W
    invlpg [large + 0x7000]
    mov eax, [large]
    say "it becomes 4 KiB pages", rax
    entry 0, 0, P | W
    mov dword [large_entry], large | P | W | PS
    invlpg [large]
    mov rax, cr3
    mov cr3, rax
    mov rbx, 0x80000000
    mov dword [pdpt + 16], P | W | PS
    mov eax, [rbx + large]
    mov ecx, [rbx + arena_physical]
    mov dword [pdpt + 16], directory + (P | W)
    entry 0, 0x21, P | W
    lea rcx, [rbx + arena]
    invlpg [rbx + 0x12345678]
    mov eax, [rcx]
    say "a page of 1 GiB, INVLPG", rax
    entry 0, 0x20, P | W
    mov dword [other_table], arena_physical + 0x21000 + (P | W)
    mov rax, cr3
    mov cr3, rax
    mov eax, [arena]
    mov dword [directory + (arena >> 21) * 8], other_table + (P | W | U)
    invlpg [arena]
    mov eax, [arena]
    say "a higher table changes, INVLPG", rax
    mov dword [directory + (arena >> 21) * 8], arena_entries + (P | W | U)
    mov rax, cr3
    mov cr3, rax
    mov eax, [arena]
    say "a higher table changes, CR3", rax
    entry 0, 0, P | W
    invlpg [arena]

    ; rights
    arena_page 0x20, 0
    quietly mov eax, [arena + 0x20000]
    entry 0x20, 0x20, P | W
    read
    say "absent becomes present", rax
    arena_page 0x20, P
    read
    entry 0x20, 0x20, P | W
    refused "rights grow", mov [arena + 0x20000], eax
    arena_page 0x20, P
    refused "rights shrink, INVLPG", mov [arena + 0x20000], eax
    arena_page 0x20, P | W | U
    attempt "user's right"
    user_begin
    mov eax, [arena + 0x20000]
    user_end
    outcome
    arena_page 0x20, P | W
    attempt "user's right shrinks, INVLPG"
    user_begin
    mov eax, [arena + 0x20000]
    user_end
    outcome
    arena_page 0x30, P | W
    calls 20
    arena_page 0x30, P | W, NX_HIGH
    mov ebx, arena + 0x30000
    refused "execute right shrinks, INVLPG", call rbx
    arena_page 0x30, P | W

    ; hot code
    hot P | W, invlpg [arena + 0x30000]
    say "code: hot, INVLPG", rdx
    hot P | W, reload_cr3
    say "code: hot, CR3", rdx
    cr4_bits 0, PGE
    hot P | W | G, invlpg [arena + 0x30000]
    say "code: hot and global, INVLPG", rdx
    hot P | W | G, cr4_bits PGE, 0
    say "code: hot and global, PGE", rdx
    cr4_bits 0, PGE

    ; page 30 jumps to page 31
    mov byte [arena_physical + 0x32000], 0xe9
    mov dword [arena_physical + 0x32001], 0x1000 - 5
    function arena_physical + 0x33000, 1
%macro jumping 2+
    entry 0x30, 0x32, %1
    entry 0x31, 0x33, %1
    invlpg [arena + 0x30000]
    invlpg [arena + 0x31000]
    calls 200
    entry 0x31, 0x31, %1
    %2
    calls 200
%endmacro
    jumping P | W | G, invlpg [arena + 0x31000]
    say "code: jump to a global page, INVLPG", rdx
    jumping P | W | G, cr4_bits PGE, 0
    say "code: jump to a global page, PGE", rdx
    jumping P | W, reload_cr3
    say "code: jump to a page, CR3", rdx
    mov ebx, arena + 0x30000
    arena_page 0x30, 0
    refused "code: it becomes absent", call rbx
    entry 0x30, 0x32, P | W
    invlpg [arena + 0x30000]
    calls 20
    arena_page 0x31, 0
    mov ebx, arena + 0x30000
    refused "code: jump to what becomes absent", call rbx
    arena_page 0x30, P | W
    arena_page 0x31, P | W
    arena_page 1, P | W
    cr4_bits PGE, 0
    ret

image_ends
