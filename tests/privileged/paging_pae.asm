; PAE paging in 32-bit mode: the four PDPTE registers and when they are loaded, 64-bit entries, 2 MiB pages, no-execute
; (SDM vol. 3, ch. 4.4, 4.6 to 4.8).
%include "environment32.inc"

P equ 1
W equ 2
U equ 4
A equ 0x20
D equ 0x40
PS equ 0x80
G equ 0x100
pointers equ 0x1000020          ; PDPTEs need 32 bytes of alignment, no more
directory equ 0x1001000         ; of the first GiB
table equ 0x1002000             ; of the arena's 2 MiB
second_directory equ 0x1003000
bad_pointers equ 0x1000040
frames equ 0x800000
second equ 0x40000000           ; the second GiB
large equ 0x600000
large_entry equ directory + (large >> 21) * 8

%macro page 2-3 0                           ; number in the arena, rights, upper half of the entry
    mov dword [table + (%1) * 8], (frames + (%1) * 0x1000) | (%2)
    mov dword [table + (%1) * 8 + 4], %3
    invlpg [arena + (%1) * 0x1000]
%endmacro
%macro by_user 2+
    attempt %1
    user_begin
    %2
    user_end
    outcome
%endmacro
%macro set_bits 2
    mov eax, %1
    or eax, %2
    mov %1, eax
%endmacro
%macro clear_bits 2
    mov eax, %1
    and eax, ~(%2)
    mov %1, eax
%endmacro
%macro reload_cr3 0
    mov eax, cr3
    mov cr3, eax
%endmacro
%macro bad_pdpte 3                          ; name, low, high
    mov dword [bad_pointers + 24], %2
    mov dword [bad_pointers + 28], %3
    attempt %1
    mov eax, bad_pointers
    mov cr3, eax
    mov eax, pointers
    mov cr3, eax
    outcome
%endmacro
%macro no_execute 1                         ; EFER.NXE
    mov ecx, 0xc0000080
    rdmsr
    and eax, ~(1 << 11)
    or eax, (%1) << 11
    wrmsr
%endmacro

;| absent: #PF(0000) at arena+001000
;| absent, user writes: #PF(0006) at arena+001000
;| read-only: #PF(0003) at arena+002000
;| user reads the supervisor's: #PF(0005) at arena+003000
;| user reads the user's: #BP
;| directory says supervisor: #PF(0005) at arena+004000
;| directory says read-only: #PF(0007) at arena+004000
;| absent PDPTE: #PF(0000) at arena+c00000
;| a PDPTE in memory only: #PF(0000) at arena+c00000
;| INVLPG does not load it: #PF(0000) at arena+c00000
;| CR3 does: none
;|   what it shows: 5ec0de00
;| and gone from memory only: none
;| gone with CR3: #PF(0000) at arena+c00000
;| PDPTE, bit 1: #GP(0000)
;| PDPTE, bit 2: #GP(0000)
;| PDPTE, bit 5: #GP(0000)
;| PDPTE, bit 8: #GP(0000)
;| PDPTE, bit 63: #GP(0000)
;| PDPTE, bit 52: #GP(0000)
;| PDPTE, PWT and PCD: none
;| PDPTE, what software may use: none
;| PDPTE absent, reserved bits: none
;| CR3 as before: 01000020
;| bad PDPTE, CR4.PGE: #GP(0000)
;|   CR4.PGE: 00000000
;| bad PDPTE, CR4.TSD: none
;| bad PDPTE, CR0.CD: #GP(0000)
;| bad PDPTE, CR0.WP: none
;| bad PDPTE, CR0.PG: #GP(0000)
;|   CR0.PG: 00000000
;| bit 52 of a table's entry: #PF(0009) at arena+006000
;| bit 51 of a table's entry: #PF(0009) at arena+006000
;| bit 62 of a table's entry: #PF(0009) at arena+006000
;| bit 62, user: #PF(000d) at arena+006000
;| bit 62 of a directory's: #PF(0009) at arena+200000
;| bits 9 to 11: none
;| 2 MiB: 0badf00d
;|   A and D: 00000060
;| 2 MiB, bit 13: #PF(0009) at arena+200000
;| 2 MiB, bit 20: #PF(0009) at arena+200000
;| 2 MiB, PAT's bit 12: none
;| 2 MiB, PSE=0: none
;| 2 MiB, read-only: #PF(0003) at arena+200000
;| 4 KiB before it and 2 MiB: 11223344
;| NXE=0, bit 63: #PF(0009) at arena+007000
;| NXE=1, bit 63, read: none
;| NXE=1, bit 63, fetch: #PF(0011) at arena+007000
;| NXE=1, bit 63, user's fetch: #PF(0015) at arena+008000
;| NXE=1, fetch from an absent page: #PF(0010) at arena+001000
;| NXE=1, bit 63 in the directory: #PF(0011) at arena+009000
;| fetch over two pages, the second no-execute: #PF(0011) at arena+007000
;| SMEP: #PF(0011) at arena+00a000
;| SMAP: #PF(0001) at arena+00a000
;| SMAP, AC: none
;| INVLPG of a 2 MiB page: 22222222
;| global page and CR3: 22222222
;| accessed by a read: 00000020
;| dirty by a write: 00000060
;| end

main:
    mov edi, 0x1000000
    mov ecx, 0x3000 / 4
    xor eax, eax
    rep stosd
    xor ecx, ecx
.identity:                                  ; 2 MiB pages up to 64 MiB
    mov eax, ecx
    shl eax, 21
    or eax, P | W | U | PS
    mov [directory + ecx * 8], eax
    inc ecx
    cmp ecx, 32
    jb .identity
    mov dword [directory + (arena >> 21) * 8], table + (P | W | U)
    xor ecx, ecx
.small:
    mov eax, ecx
    shl eax, 12
    add eax, frames + (P | W)
    mov [table + ecx * 8], eax
    mov dword [table + ecx * 8 + 4], 0
    inc ecx
    cmp ecx, 512
    jb .small
    mov dword [second_directory], frames | (P | W | PS)
    mov dword [second_directory + 4], 0
    mov dword [pointers], directory + P
    mov dword [bad_pointers], directory + P
    mov dword [double_fault_tss + 0x1c], pointers
    no_execute 1
    mov eax, pointers
    mov cr3, eax
    set_bits cr4, 1 << 5                    ; PAE
    set_bits cr0, 1 << 31 | 1 << 16         ; PG, WP

    page 1, 0
    attempted "absent", mov eax, [arena + 0x1000]
    by_user "absent, user writes", mov [arena + 0x1000], eax
    page 2, P
    attempted "read-only", mov [arena + 0x2000], eax
    page 4, P | W | U
    by_user "user reads the supervisor's", mov eax, [arena + 0x3000]
    by_user "user reads the user's", mov eax, [arena + 0x4000]
    and dword [directory + (arena >> 21) * 8], ~U
    reload_cr3
    by_user "directory says supervisor", mov eax, [arena + 0x4000]
    mov dword [directory + (arena >> 21) * 8], table + (P | U)
    reload_cr3
    by_user "directory says read-only", mov [arena + 0x4000], eax
    mov dword [directory + (arena >> 21) * 8], table + (P | W | U)
    reload_cr3

    ; the PDPTE registers
    mov dword [frames], 0x5ec0de00
    attempted "absent PDPTE", mov eax, [second]
    mov dword [pointers + 8], second_directory + P
    attempted "a PDPTE in memory only", mov eax, [second]
    invlpg [second]
    attempted "INVLPG does not load it", mov eax, [second]
    reload_cr3
    xor ebx, ebx
    attempted "CR3 does", mov ebx, [second]
    say "  what it shows", ebx
    mov dword [pointers + 8], 0
    invlpg [second]
    attempted "and gone from memory only", mov eax, [second]
    reload_cr3
    attempted "gone with CR3", mov eax, [second]
    bad_pdpte "PDPTE, bit 1", second_directory + P + 2, 0
    bad_pdpte "PDPTE, bit 2", second_directory + P + 4, 0
    bad_pdpte "PDPTE, bit 5", second_directory + P + 0x20, 0
    bad_pdpte "PDPTE, bit 8", second_directory + P + 0x100, 0
    bad_pdpte "PDPTE, bit 63", second_directory + P, 1 << 31
    bad_pdpte "PDPTE, bit 52", second_directory + P, 1 << 20
    bad_pdpte "PDPTE, PWT and PCD", second_directory + P + 0x18, 0
    bad_pdpte "PDPTE, what software may use", second_directory + P + 0xe00, 0
    bad_pdpte "PDPTE absent, reserved bits", second_directory + 0x1e6, 1 << 31
    mov eax, cr3
    say "CR3 as before", eax
    mov dword [pointers + 24], second_directory + P + 2
    attempt "bad PDPTE, CR4.PGE"
    set_bits cr4, 1 << 7
    outcome
    mov eax, cr4
    and eax, 1 << 7
    say "  CR4.PGE", eax
    attempt "bad PDPTE, CR4.TSD"
    set_bits cr4, 1 << 2
    outcome
    clear_bits cr4, 1 << 2
    attempt "bad PDPTE, CR0.CD"
    set_bits cr0, 1 << 30
    outcome
    attempt "bad PDPTE, CR0.WP"
    clear_bits cr0, 1 << 16
    set_bits cr0, 1 << 16
    outcome
    clear_bits cr0, 1 << 31
    attempt "bad PDPTE, CR0.PG"
    set_bits cr0, 1 << 31
    outcome
    mov eax, cr0
    and eax, 1 << 31
    say "  CR0.PG", eax
    mov dword [pointers + 24], 0
    set_bits cr0, 1 << 31

    ; reserved bits
    page 6, P | W, 1 << 20
    attempted "bit 52 of a table's entry", mov eax, [arena + 0x6000]
    page 6, P | W, 1 << 19
    attempted "bit 51 of a table's entry", mov eax, [arena + 0x6000]
    page 6, P | W, 1 << 30
    attempted "bit 62 of a table's entry", mov eax, [arena + 0x6000]
    page 6, P | W | U, 1 << 30
    by_user "bit 62, user", mov eax, [arena + 0x6000]
    mov dword [large_entry + 4], 1 << 30
    invlpg [large]
    attempted "bit 62 of a directory's", mov eax, [large]
    mov dword [large_entry + 4], 0
    page 6, P | W | 0xe00
    attempted "bits 9 to 11", mov eax, [arena + 0x6000]

    ; 2 MiB
%macro large_page 1
    mov dword [large_entry], (frames + 0x200000) | (%1)
    invlpg [large]
%endmacro
    large_page P | W | PS
    mov dword [frames + 0x200000 + 0x123450], 0x0badf00d
    mov ebx, [large + 0x123450]
    mov [large], ebx
    say "2 MiB", ebx
    mov eax, [large_entry]
    and eax, A | D
    say "  A and D", eax
    large_page P | W | PS | 1 << 13
    attempted "2 MiB, bit 13", mov eax, [large]
    large_page P | W | PS | 1 << 20
    attempted "2 MiB, bit 20", mov eax, [large]
    large_page P | W | PS | 1 << 12
    attempted "2 MiB, PAT's bit 12", mov eax, [large]
    clear_bits cr4, 1 << 4
    large_page P | W | PS
    attempted "2 MiB, PSE=0", mov eax, [large]
    large_page P | PS
    attempted "2 MiB, read-only", mov [large], eax
    page 511, P | W
    mov word [frames + 0x1ffffe], 0x3344
    mov word [frames + 0x200000], 0x1122
    mov eax, [large - 2]
    say "4 KiB before it and 2 MiB", eax

    ; no-execute
    page 7, P | W
    mov byte [arena + 0x7000], 0xc3
    mov byte [arena + 0x8000], 0xc3
    page 9, P | W
    mov byte [arena + 0x9000], 0xc3
    page 7, P | W, 1 << 31
    no_execute 0
    attempted "NXE=0, bit 63", mov eax, [arena + 0x7000]
    no_execute 1
    attempted "NXE=1, bit 63, read", mov eax, [arena + 0x7000]
    mov ebx, arena + 0x7000
    attempted "NXE=1, bit 63, fetch", call ebx
    page 8, P | W | U, 1 << 31
    by_user "NXE=1, bit 63, user's fetch", call arena + 0x8000
    page 1, 0
    mov ebx, arena + 0x1000
    attempted "NXE=1, fetch from an absent page", call ebx
    mov dword [directory + (arena >> 21) * 8 + 4], 1 << 31
    reload_cr3
    mov ebx, arena + 0x9000
    attempted "NXE=1, bit 63 in the directory", call ebx
    mov dword [directory + (arena >> 21) * 8 + 4], 0
    reload_cr3
    page 6, P | W
    mov byte [arena + 0x6fff], 0xb8         ; MOV EAX, imm32
    mov ebx, arena + 0x6fff
    attempted "fetch over two pages, the second no-execute", call ebx
    page 10, P | W
    mov byte [arena + 0xa000], 0xc3
    page 10, P | W | U
    mov ebx, arena + 0xa000
    and dword [directory], ~U               ; what this runs from must be the supervisor's then, and its stack
    and dword [directory + 8], ~U
    reload_cr3
    set_bits cr4, 1 << 20
    attempted "SMEP", call ebx
    clear_bits cr4, 1 << 20
    set_bits cr4, 1 << 21
    attempted "SMAP", mov eax, [ebx]
    attempt "SMAP, AC"
    stac
    mov eax, [ebx]
    clac
    outcome
    clear_bits cr4, 1 << 21

    ; the TLB
    mov dword [frames + 0x200000], 0x11111111
    mov dword [frames + 0x400000], 0x22222222
    large_page P | W | PS
    mov eax, [large]
    mov dword [large_entry], (frames + 0x400000) | (P | W | PS)
    invlpg [large + 0x1fffff]
    mov eax, [large]
    say "INVLPG of a 2 MiB page", eax
    page 0x20, P | W | G
    mov dword [arena + 0x20000], 0x11111111
    mov dword [arena + 0x21000], 0x22222222
    mov dword [table + 0x20 * 8], (frames + 0x21000) | (P | W | G)
    reload_cr3                              ; PGE is clear
    mov eax, [arena + 0x20000]
    say "global page and CR3", eax
    page 11, P | W
    mov eax, [arena + 0xb000]
    mov eax, [table + 11 * 8]
    and eax, A | D
    say "accessed by a read", eax
    mov [arena + 0xb000], eax
    mov eax, [table + 11 * 8]
    and eax, A | D
    say "dirty by a write", eax
    clear_bits cr0, 1 << 31
    clear_bits cr4, 1 << 5
    ret

image_ends
