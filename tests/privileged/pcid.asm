; Address spaces with identifiers: what a load of CR3 keeps, what INVPCID takes, what it refuses, for data and for code that is hot
; (SDM vol. 3, ch. 4.10.1, 4.10.4; vol. 2, INVPCID, MOV CR). Nothing here expects a stale translation.
%include "environment.inc"
%include "translations.inc"

PCIDE equ 1 << 17
; A second address space: its own tables for the arena, in the identity-mapped part.
other_pml4 equ 0xa00000
other_pdpt equ 0xa01000
other_directory equ 0xa02000
other_entries equ 0xa03000

%macro space 2-3 0                          ; PML4, PCID, 1: keep what is known of it
    mov rax, (%1) + (%2) + ((%3) << 63)
    mov cr3, rax
%endmacro
%macro invpcid_of 3                         ; kind, PCID, address
    mov rax, %3
    mov qword [descriptor], %2
    mov [descriptor + 8], rax
    mov eax, %1
    invpcid rax, [descriptor]
%endmacro

;| PCIDE with a PCID in CR3: #GP(0000)
;| CR3 bit 63 without PCIDE: #GP(0000)
;| two spaces: 0000000022222222
;|   back, kept: 0000000011111111
;|   back, flushed: 0000000033333333
;| another space's entry is no business of a flush here: 0000000022222222
;| INVPCID 0: 0000000033333333
;| INVPCID 0, of this space: 0000000033333333
;| INVPCID 1: 0000000033333333
;| INVPCID 1, of this space: 0000000033333333
;| INVPCID 2: 0000000033333333
;| INVPCID 2, global: 0000000033333333
;| INVPCID 3: 0000000033333333
;| global in both spaces, INVLPG: 0000000033333333
;| PGE changes, other space: 0000000033333333
;| PCIDE cleared: 0000000033333333
;| INVPCID 4: #GP(0000)
;| INVPCID, reserved bits: #GP(0000)
;| INVPCID 0, not canonical: #GP(0000)
;| INVPCID 1, not canonical: none
;| INVPCID 2, reserved bits: none
;| INVPCID by CPL 3: #GP(0000)
;| INVPCID of an absent page: #PF(0000) at arena+001000
;| INVPCID, not canonical operand: #GP(0000)
;| PCID 1 without PCIDE: #GP(0000)
;| PG=0 with PCIDE: #GP(0000)
;| code: two spaces, kept: 0000000000001e00
;| code: two spaces, flushed: 0000000000001e00
;| code: two spaces, CPL 3: 0000000000001e00
;| code: one changes, INVPCID: 0000000000000190
;| code: hot and global, INVPCID 2: 0000000000000190
;| end

main:
    fill_frames
    ; the other space is the same but for its arena
    mov rsi, pml4
    mov edi, other_pml4
    mov ecx, 512
    rep movsq
    mov rsi, pdpt
    mov ecx, 512
    rep movsq
    mov rsi, directory
    mov ecx, 512
    rep movsq
    mov rsi, arena_entries
    mov ecx, 512
    rep movsq
    mov dword [other_pml4], other_pdpt + (P | W | U)
    mov dword [other_pdpt], other_directory + (P | W | U)
    mov dword [other_directory + (arena >> 21) * 8], other_entries + (P | W | U)

    ; PCIDs
    mov rax, pml4 + 0x18                    ; PWT and PCD, which are a PCID's bits then
    mov cr3, rax
    attempt "PCIDE with a PCID in CR3"
    cr4_bits 0, PCIDE
    outcome
    mov rax, pml4
    mov cr3, rax
    refused "CR3 bit 63 without PCIDE", space pml4, 0, 1
    cr4_bits 0, PCIDE
%macro two_spaces 0-1 P | W                 ; in the first, page 20 shows frame 20; in PCID 1's, frame 21; both are known
    entry 0x20, 0x20, %1
    entry 0x20, 0x21, %1, other_entries
    invpcid_of 2, 0, 0
    space other_pml4, 1
    read
    space pml4, 0
    read
%endmacro
    two_spaces
    space other_pml4, 1, 1
    read
    say "two spaces", rax
    space pml4, 0, 1
    read
    say "  back, kept", rax
    space other_pml4, 1, 1
    entry 0x20, 0x22, P | W
    space pml4, 0
    read
    say "  back, flushed", rax
    two_spaces
    space pml4, 0
    space other_pml4, 1, 1
    read
    say "another space's entry is no business of a flush here", rax
    space pml4, 0, 1
    two_spaces
    entry 0x20, 0x22, P | W, other_entries
    invpcid_of 0, 1, arena + 0x20000
    space other_pml4, 1, 1
    read
    say "INVPCID 0", rax
    space pml4, 0, 1
    two_spaces
    entry 0x20, 0x22, P | W
    invpcid_of 0, 0, arena + 0x20000
    read
    say "INVPCID 0, of this space", rax
    two_spaces
    entry 0x20, 0x22, P | W, other_entries
    invpcid_of 1, 1, 0
    space other_pml4, 1, 1
    read
    say "INVPCID 1", rax
    space pml4, 0, 1
    two_spaces
    entry 0x20, 0x22, P | W
    invpcid_of 1, 0, 0
    read
    say "INVPCID 1, of this space", rax
    two_spaces
    entry 0x20, 0x22, P | W, other_entries
    invpcid_of 2, 0, 0
    space other_pml4, 1, 1
    read
    say "INVPCID 2", rax
    space pml4, 0, 1
    cr4_bits 0, PGE
    entry 0x20, 0x20, P | W | G
    invlpg [arena + 0x20000]
    read
    entry 0x20, 0x22, P | W | G
    invpcid_of 2, 0, 0
    read
    say "INVPCID 2, global", rax
    two_spaces
    entry 0x20, 0x22, P | W, other_entries
    invpcid_of 3, 0, 0
    space other_pml4, 1, 1
    read
    say "INVPCID 3", rax
    space pml4, 0, 1
    entry 0x20, 0x20, P | W | G
    entry 0x20, 0x20, P | W | G, other_entries
    invpcid_of 2, 0, 0
    read
    entry 0x20, 0x22, P | W | G
    entry 0x20, 0x22, P | W | G, other_entries
    space other_pml4, 1, 1
    invlpg [arena + 0x20000]
    read
    say "global in both spaces, INVLPG", rax
    space pml4, 0, 1
    two_spaces
    entry 0x20, 0x22, P | W, other_entries
    cr4_bits PGE, 0
    space other_pml4, 1, 1
    read
    say "PGE changes, other space", rax
    space pml4, 0, 1
    two_spaces
    entry 0x20, 0x22, P | W
    cr4_bits PCIDE, 0
    read
    say "PCIDE cleared", rax
    cr4_bits 0, PCIDE
    refused "INVPCID 4", invpcid_of 4, 0, 0
    refused "INVPCID, reserved bits", invpcid_of 1, 0x1000, 0
    mov rbx, 0x800000000000
    refused "INVPCID 0, not canonical", invpcid_of 0, 0, rbx
    refused "INVPCID 1, not canonical", invpcid_of 1, 0, rbx
    refused "INVPCID 2, reserved bits", invpcid_of 2, 0x1000, 0
    attempt "INVPCID by CPL 3"
    user_begin
    mov eax, 4
    invpcid rax, [user_view]
    user_end
    outcome
    arena_page 1, 0
    mov eax, 2
    refused "INVPCID of an absent page", invpcid rax, [arena + 0x1000]
    refused "INVPCID, not canonical operand", invpcid rax, [rbx]
    cr4_bits PCIDE, 0
    refused "PCID 1 without PCIDE", invpcid_of 1, 1, 0
    cr4_bits 0, PCIDE
    ; Compatibility mode is where PG could be cleared.
    attempt "PG=0 with PCIDE"
    push kernel_code32
    push .compatible
    o64 retf
bits 32
.compatible:
    mov eax, cr0
    btr eax, 31
    mov cr0, eax
bits 64
    outcome

    ; hot code
%macro code_spaces 1
    entry 0x30, 0x30, %1
    entry 0x30, 0x31, %1, other_entries
    invpcid_of 2, 0, 0
%endmacro
%macro alternate 1                          ; kept or not
    xor ebp, ebp
    mov r8d, 256
%%again:
    space pml4, 0, %1
    calls 10
    add ebp, edx
    space other_pml4, 1, %1
    calls 10
    add ebp, edx
    dec r8d
    jnz %%again
    space pml4, 0, 1
%endmacro
    code_spaces P | W
    alternate 1
    say "code: two spaces, kept", rbp
    alternate 0
    say "code: two spaces, flushed", rbp
    code_spaces P | W | U
    xor ebp, ebp
    mov r8d, 256
.user_again:
    space pml4, 0, 1
    call .user_calls
    space other_pml4, 1, 1
    call .user_calls
    dec r8d
    jnz .user_again
    space pml4, 0, 1
    say "code: two spaces, CPL 3", rbp
    jmp .one_changes
.user_calls:
    mov qword [resume.rip], .user_called
    mov [resume.rsp], rsp
    user_begin
    calls 10
    user_end
.user_called:
    mov ax, kernel_data
    mov ds, ax
    mov es, ax
    add ebp, edx
    ret
.one_changes:
    code_spaces P | W
    space other_pml4, 1
    calls 200
    space pml4, 0, 1
    entry 0x30, 0x31, P | W
    entry 0x30, 0x31, P | W, other_entries
    invpcid_of 0, 1, arena + 0x30000
    space other_pml4, 1, 1
    calls 200
    space pml4, 0
    say "code: one changes, INVPCID", rdx

    cr4_bits 0, PGE
    hot P | W | G, invpcid_of 2, 0, 0
    say "code: hot and global, INVPCID 2", rdx
    cr4_bits PGE | PCIDE, 0
    ret

align 16
descriptor: dq 0, 0

image_ends
