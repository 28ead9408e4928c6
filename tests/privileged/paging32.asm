; Two-level paging of 32-bit entries: rights, accessed and dirty bits, large pages and PSE-36, global pages, what is kept in the TLB
; and what must not be (SDM vol. 3, ch. 4.3, 4.6 to 4.10).
%include "environment32.inc"

P equ 1
W equ 2
U equ 4
A equ 0x20
D equ 0x40
PS equ 0x80
G equ 0x100
directory equ 0x700000
table equ 0x701000              ; of the arena's 4 MiB
other_directory equ 0x702000
frames equ 0x1000000            ; what the arena's pages show

; The arena's page n gets these rights, and the TLB forgets it.
%macro page 2
    mov dword [table + (%1) * 4], (frames + (%1) * 0x1000) | (%2)
    invlpg [arena + (%1) * 0x1000]
%endmacro
%macro entry_bits 2                         ; name, entry's address
    mov eax, [%2]
    and eax, A | D
    say %1, eax
%endmacro
%macro by_user 2+
    attempt %1
    user_begin
    %2
    user_end
    outcome
%endmacro
%macro by_user_on 3+                        ; on a stack of its own
    attempt %2
    user_begin
    mov esp, %1
    %3
    user_end
    outcome
%endmacro
%macro set_bits 2                           ; control register, bits
    mov eax, %1
    or eax, %2
    mov %1, eax
%endmacro
%macro clear_bits 2
    mov eax, %1
    and eax, ~(%2)
    mov %1, eax
%endmacro

;| absent: #PF(0000) at arena+001008
;| absent, write: #PF(0002) at arena+001008
;| absent directory entry: #PF(0000) at arena+800000
;| fetch from an absent page: #PF(0000) at arena+001000
;| read-only, WP=0: none
;| read-only, WP=1: #PF(0003) at arena+002000
;| straddling write into a read-only page: #PF(0003) at arena+002000
;|   nothing written before it: 00000000
;| user reads the supervisor's: #PF(0005) at arena+003000
;| user writes the supervisor's: #PF(0007) at arena+003000
;| user writes read-only: #PF(0007) at arena+004000
;| user reads read-only: #BP
;| user, directory says supervisor: #PF(0005) at arena+004000
;| user writes, directory says read-only: #PF(0007) at arena+005000
;| user runs the supervisor's: #PF(0005) at arena+003000
;| V86 reads the supervisor's: #PF(0005) at arena+c13000
;| V86 reads the user's: #BP
;| reserved bits are none in a small page's entry: none
;| accessed by a read: 00000020
;| dirty by a write: 00000060
;| directory's entry accessed: 00000020
;| a fault sets no D: 00000000
;| dirty cleared, written again: 00000060
;| large page: 0badf00d
;|   its A and D: 00000060
;| large page, reserved bit 21: #PF(0009) at arena+400000
;| large page by user, reserved bit 21: #PF(000d) at arena+400000
;| large page, PAT's bit 12: none
;| large page at 512 GiB: none
;| PSE=0: PS is ignored: 0badf00d
;| large page, read-only: #PF(0003) at arena+400000
;| one access over a small and a large page: 11223344
;| TLB: absent page becomes present: none
;| TLB: INVLPG shows the new page: 22222222
;| TLB: INVLPG of any byte of a large page: 22222222
;| TLB: CR3 shows the new page: 22222222
;| TLB: a global page stays: 11111111
;| TLB: but not behind INVLPG: 22222222
;| TLB: nor when PGE changes: 22222222
;| TLB: global bits without PGE: 22222222
;| TLB: a task's CR3, too: 22222222
;| TLB: CR0.PG off and on: 22222222
;| TLB: a fault looks at memory again: none
;| TLB: more rights after a fault, write: #BP
;| TLB: a directory's entry changed, CR3: 22222222
;| TLB: PSE changes: 22222222
;| self-map: 01000027
;| PF in 16-bit code: #PF(0002) at arena+001010
;| stack absent: #DF(0000)
;|   CR2: 00000ffc
;| PF in the middle of PUSHA: #PF(0006) at arena+001ffc
;|   ESP as it was: 00000000
;| PF in REP MOVS: #PF(0000) at arena+001000
;|   count left: 00000003
;| local table absent: #PF(0000) at arena+001008
;| TSS half absent: #PF(0000) at arena+002000
;| paging off: 55555555
;| end

main:
    xor ecx, ecx
.identity:                                  ; 4 MiB pages up to 64 MiB, the user's, too
    mov eax, ecx
    shl eax, 22
    or eax, P | W | U | PS
    mov [directory + ecx * 4], eax
    inc ecx
    cmp ecx, 16
    jb .identity
    xor eax, eax
.nothing:
    mov [directory + ecx * 4], eax
    inc ecx
    cmp ecx, 1024
    jb .nothing
    mov dword [directory + (arena >> 22) * 4], table + (P | W | U)
    mov dword [directory + 1023 * 4], directory + (P | W)
    xor ecx, ecx
.small:
    mov eax, ecx
    shl eax, 12
    add eax, frames + (P | W)
    mov [table + ecx * 4], eax
    inc ecx
    cmp ecx, 0x300                          ; the rest shows itself: tables lie there
    jb .small
.same:
    mov eax, ecx
    shl eax, 12
    add eax, arena + (P | W | U)
    mov [table + ecx * 4], eax
    inc ecx
    cmp ecx, 1024
    jb .same
    mov dword [double_fault_tss + 0x1c], directory
    mov eax, directory
    mov cr3, eax
    set_bits cr4, 1 << 4                    ; PSE
    set_bits cr0, 1 << 31 | 1 << 16         ; PG, WP

    page 1, 0
    attempted "absent", mov eax, [arena + 0x1008]
    attempted "absent, write", mov [arena + 0x1008], eax
    mov dword [directory + ((arena + 0x800000) >> 22) * 4], 0
    invlpg [arena + 0x800000]
    attempted "absent directory entry", mov eax, [arena + 0x800000]
    mov eax, arena + 0x1000
    attempted "fetch from an absent page", call eax
    page 2, P
    clear_bits cr0, 1 << 16
    attempted "read-only, WP=0", mov [arena + 0x2000], eax
    set_bits cr0, 1 << 16
    attempted "read-only, WP=1", mov [arena + 0x2000], eax
    page 1, P | W
    mov dword [arena + 0x1ffc], 0
    attempted "straddling write into a read-only page", mov dword [arena + 0x1ffe], -1
    mov eax, [arena + 0x1ffc]
    say "  nothing written before it", eax
    page 4, P | U
    page 5, P | W | U
    by_user "user reads the supervisor's", mov eax, [arena + 0x3000]
    by_user "user writes the supervisor's", mov [arena + 0x3000], eax
    by_user "user writes read-only", mov [arena + 0x4000], eax
    by_user "user reads read-only", mov eax, [arena + 0x4000]
    and dword [directory + (arena >> 22) * 4], ~U
    mov eax, cr3
    mov cr3, eax
    by_user "user, directory says supervisor", mov eax, [arena + 0x4000]
    or dword [directory + (arena >> 22) * 4], U
    and dword [directory + (arena >> 22) * 4], ~W
    mov eax, cr3
    mov cr3, eax
    by_user "user writes, directory says read-only", mov [arena + 0x5000], eax
    clear_bits cr0, 1 << 16                 ; the directory itself lies there
    or dword [directory + (arena >> 22) * 4], W
    set_bits cr0, 1 << 16
    mov eax, cr3
    mov cr3, eax
    mov byte [arena + 0x3000], 0xc3
    by_user "user runs the supervisor's", call arena + 0x3000
    ; V86 mode is level 3: its first MiB as small pages, for once
    mov eax, [directory]
    push eax
    mov dword [directory], other_directory + (P | W | U)
    xor ecx, ecx
.low:
    mov eax, ecx
    shl eax, 12
    or eax, P | W | U
    mov [other_directory + ecx * 4], eax
    inc ecx
    cmp ecx, 1024
    jb .low
    and dword [other_directory + 0x13 * 4], ~U
    mov eax, cr3
    mov cr3, eax
    attempt "V86 reads the supervisor's"
    v86_begin
    mov ax, 0x1300
    mov ds, ax
    mov al, [0]
    v86_end
    outcome
    attempt "V86 reads the user's"
    v86_begin
    mov ax, 0x1400
    mov ds, ax
    mov al, [0]
    v86_end
    outcome
    pop dword [directory]
    mov eax, cr3
    mov cr3, eax
    page 6, P | W | 0xe00                   ; what software may use
    attempted "reserved bits are none in a small page's entry", mov eax, [arena + 0x6000]

    ; A and D
    page 8, P | W
    mov eax, [arena + 0x8000]
    entry_bits "accessed by a read", table + 8 * 4
    mov [arena + 0x8000], eax
    entry_bits "dirty by a write", table + 8 * 4
    entry_bits "directory's entry accessed", directory + (arena >> 22) * 4
    page 9, P
    quietly mov [arena + 0x9000], eax
    mov eax, [table + 9 * 4]
    and eax, D
    say "a fault sets no D", eax
    page 8, P | W | A
    mov [arena + 0x8000], eax
    entry_bits "dirty cleared, written again", table + 8 * 4

    ; large pages
large equ arena + 0x400000
large_entry equ directory + (large >> 22) * 4
    mov dword [frames + 0x400000 + 0x123450], 0x0badf00d
    mov dword [large_entry], (frames + 0x400000) | (P | W | PS)
    invlpg [large]
    mov eax, [large + 0x123450]
    mov [large], eax
    say "large page", eax
    entry_bits "  its A and D", large_entry
    mov dword [large_entry], (frames + 0x400000) | (P | W | PS | 1 << 21)
    invlpg [large]
    attempted "large page, reserved bit 21", mov eax, [large]
    mov dword [large_entry], (frames + 0x400000) | (P | W | U | PS | 1 << 21)
    invlpg [large]
    by_user "large page by user, reserved bit 21", mov eax, [large]
    mov dword [large_entry], (frames + 0x400000) | (P | W | PS | 1 << 12)
    invlpg [large]
    attempted "large page, PAT's bit 12", mov eax, [large]
    mov dword [large_entry], (frames + 0x400000) | (P | W | PS | 1 << 20)
    invlpg [large]
    attempted "large page at 512 GiB", mov eax, [large] ; where there is no memory
    ; without PSE the entry is a table's
    mov dword [frames + 0x400000], (frames + 0x100000) | (P | W)
    mov dword [frames + 0x100000], 0x0badf00d
    mov dword [large_entry], (frames + 0x400000) | (P | W | PS)
    mov dword [directory], 0x703000 | (P | W)           ; so are those that this runs from
    xor ecx, ecx
.table:
    mov eax, ecx
    shl eax, 12
    or eax, P | W
    mov [0x703000 + ecx * 4], eax
    inc ecx
    cmp ecx, 1024
    jb .table
    clear_bits cr4, 1 << 4
    mov ebx, [large]
    set_bits cr4, 1 << 4
    mov dword [directory], P | W | U | PS
    mov eax, cr3
    mov cr3, eax
    say "PSE=0: PS is ignored", ebx
    mov dword [large_entry], (frames + 0x400000) | (P | PS)
    invlpg [large]
    attempted "large page, read-only", mov [large], eax
    mov dword [table + 0x3ff * 4], (frames + 0x3ff000) | (P | W)
    invlpg [large - 0x1000]
    mov word [frames + 0x3ffffe], 0x3344
    mov word [frames + 0x400000], 0x1122
    mov eax, [large - 2]
    say "one access over a small and a large page", eax
    mov dword [table + 0x3ff * 4], (arena + 0x3ff000) | (P | W)
    invlpg [large - 0x1000]

    ; what may be stale, and what not
    mov dword [frames + 0x20000], 0x11111111
    mov dword [frames + 0x21000], 0x22222222
%macro first_page 1                         ; page 20 shows the first frame, and the TLB knows
    mov dword [table + 0x20 * 4], (frames + 0x20000) | (P | W | (%1))
    invlpg [arena + 0x20000]
    mov eax, [arena + 0x20000]
    mov dword [table + 0x20 * 4], (frames + 0x21000) | (P | W | (%1))
%endmacro
    page 0x20, 0
    quietly mov eax, [arena + 0x20000]
    mov dword [table + 0x20 * 4], (frames + 0x20000) | (P | W)
    attempted "TLB: absent page becomes present", mov eax, [arena + 0x20000]
    first_page 0
    invlpg [arena + 0x20abc]
    mov eax, [arena + 0x20000]
    say "TLB: INVLPG shows the new page", eax
    mov dword [frames + 0x400000], 0x11111111
    mov dword [frames + 0x800000], 0x22222222
    mov dword [large_entry], (frames + 0x400000) | (P | W | PS)
    invlpg [large]
    mov eax, [large]
    mov eax, [large + 0x5000]
    mov dword [large_entry], (frames + 0x800000) | (P | W | PS)
    invlpg [large + 0x345678]
    mov eax, [large]
    say "TLB: INVLPG of any byte of a large page", eax
    first_page 0
    mov eax, cr3
    mov cr3, eax
    mov eax, [arena + 0x20000]
    say "TLB: CR3 shows the new page", eax
    set_bits cr4, 1 << 7                    ; PGE
    first_page G
    mov eax, cr3
    mov cr3, eax
    mov eax, [arena + 0x20000]
    say "TLB: a global page stays", eax
    invlpg [arena + 0x20000]
    mov eax, [arena + 0x20000]
    say "TLB: but not behind INVLPG", eax
    first_page G
    clear_bits cr4, 1 << 7
    mov eax, [arena + 0x20000]
    say "TLB: nor when PGE changes", eax
    first_page G
    mov eax, cr3
    mov cr3, eax
    mov eax, [arena + 0x20000]
    say "TLB: global bits without PGE", eax
    first_page 0
    descriptor 0, 0x0000890000000067, arena + 0x310000
    mov edi, arena + 0x310000
    mov eax, .task
    mov edx, stack_top - 0x2000
    call fill_tss
    mov dword [edi + 0x1c], directory
    mov dword [tss + 0x1c], directory
    call slot(0):0
    jmp .task_done
.task:
    mov ebx, [arena + 0x20000]
    mov [arena + 0x10000], ebx
    iretd
.task_done:
    clts
    mov eax, [arena + 0x10000]
    say "TLB: a task's CR3, too", eax
    first_page 0
    clear_bits cr0, 1 << 31
    set_bits cr0, 1 << 31
    mov eax, [arena + 0x20000]
    say "TLB: CR0.PG off and on", eax
    page 0x20, P
    mov eax, [arena + 0x20000]
    mov dword [table + 0x20 * 4], (frames + 0x20000) | (P | W)
    attempted "TLB: a fault looks at memory again", mov [arena + 0x20000], eax
    page 0x20, P | W
    mov dword [table + 0x20 * 4], (frames + 0x20000) | (P | W | U)
    by_user "TLB: more rights after a fault, write", mov [arena + 0x20000], eax
    mov dword [frames + 0x20000], 0x11111111
    page 0x20, P | W
    mov eax, [arena + 0x20000]
    xor ecx, ecx
.copy:
    mov eax, [table + ecx * 4]
    mov [other_directory + ecx * 4], eax
    inc ecx
    cmp ecx, 1024
    jb .copy
    mov dword [other_directory + 0x20 * 4], (frames + 0x21000) | (P | W)
    mov dword [directory + (arena >> 22) * 4], other_directory + (P | W | U)
    mov eax, cr3
    mov cr3, eax
    mov eax, [arena + 0x20000]
    say "TLB: a directory's entry changed, CR3", eax
    mov dword [directory + (arena >> 22) * 4], table + (P | W | U)
    mov eax, cr3
    mov cr3, eax
    first_page 0
    mov dword [directory], 0x703000 | (P | W)
    clear_bits cr4, 1 << 4
    mov ebx, [arena + 0x20000]
    set_bits cr4, 1 << 4
    mov dword [directory], P | W | U | PS
    mov eax, cr3
    mov cr3, eax
    say "TLB: PSE changes", ebx
    page 0, P | W | U
    mov eax, [arena]
    mov eax, [0xffc00000 + (arena >> 12) * 4]           ; the table, through the directory that is its own table
    say "self-map", eax

    ; faults on the way of others
    page 1, 0
    descriptor 1, 0x00009b000000ffff, 0x100000
    attempt "PF in 16-bit code"
    jmp slot(1):image(.code16)
bits 16
.code16:
    mov ebx, arena + 0x1010
    mov [ebx], ax
bits 32
    outcome
    attempt "stack absent"
    mov esp, arena + 0x2000
    mov dword [arena + 0x2000], 0
    push eax
    outcome
    mov eax, cr2
    sub eax, arena + 0x1000
    say "  CR2", eax
    page 2, P | W | U
    by_user_on arena + 0x2010, "PF in the middle of PUSHA", pushad
    mov eax, [seen.esp]
    sub eax, arena + 0x2010
    say "  ESP as it was", eax
    attempt "PF in REP MOVS"
    mov esi, arena + 0xff8
    mov edi, arena + 0x5000
    mov ecx, 5
    rep movsd
    outcome
    say "  count left", [seen.ecx]
    descriptor 2, 0x000082000000ffff, arena + 0x1000
    mov ax, slot(2)
    lldt ax
    mov eax, 8 | 4
    attempted "local table absent", mov fs, ax
    xor eax, eax
    lldt ax
    ; A TSS whose selector for level 1 lies on an absent page.
    page 1, P | W
    page 2, 0
    mov eax, [tss + 4]
    mov [arena + 0x1ff4], eax
    mov dword [arena + 0x1ff8], kernel_data
    descriptor 3, 0x0000890000000067, arena + 0x1ff0    ; ESP1 on the present page, SS1 on the other
    descriptor 4, 0x00cfbb000000ffff
    mov dword [gdt + slot(5)], slot(4) << 16
    mov dword [gdt + slot(5) + 4], 0xec00
    mov ax, slot(3)
    ltr ax
    by_user "TSS half absent", call slot(5):0
    and byte [gdt + task_segment + 5], ~2
    mov ax, task_segment
    ltr ax
    mov dword [frames + 0x30000], 0x11111111
    mov dword [arena + 0x30000], 0x22222222
    clear_bits cr0, 1 << 31
    mov dword [arena + 0x30000], 0x33333333
    mov ebx, [arena + 0x30000]
    add ebx, [frames + 0x30000]
    clear_bits cr4, 1 << 4
    say "paging off", ebx
    ret

image_ends
