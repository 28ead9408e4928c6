; Page-level protection: present, writable, user, no-execute, CR0.WP, SMEP, SMAP, reserved bits, accessed and dirty
; (SDM vol. 3, ch. 4.6 to 4.8).
%include "environment.inc"

;| absent, read: #PF(0000) at arena+001008
;| absent, write: #PF(0002) at arena+001008
;| read-only, read: none
;| read-only, supervisor write, WP=1: #PF(0003) at arena+002ffc
;| read-only, supervisor write, WP=0: none
;| straddles into an absent page: #PF(0000) at arena+001000
;| straddling write into a read-only page: #PF(0003) at arena+002000
;| the first page of it is unchanged: 0000000000001111
;| user reads the supervisor's: #PF(0005) at arena+003000
;| user writes the supervisor's: #PF(0007) at arena+003000
;| user reads the user's: #BP
;| user writes read-only, WP=0: #PF(0007) at arena+004000
;| user runs the supervisor's: #PF(0015) at arena+003000
;| fetch from an absent page: #PF(0010) at arena+001000
;| fetch from a no-execute page: #PF(0011) at arena+005000
;| read from a no-execute page: none
;| reserved bit set: #PF(0009) at arena+006000
;| no-execute bit set with NXE=0: #PF(0009) at arena+005000
;| absent entry with reserved bits: #PF(0000) at arena+006000
;| SMEP, supervisor runs the user's: #PF(0011) at arena+007000
;| SMAP, supervisor reads the user's, AC=0: #PF(0001) at arena+007000
;| SMAP, supervisor reads the user's, AC=1: none
;| SMAP, implicit access ignores AC: #PF(0001) at arena+007000
;| accessed by a read: 0000000000000020
;| dirty by a write: 0000000000000060
;| not accessed by a fault: 0000000000000000
;| dirty page made clean, written again: 0000000000000060
;| LOCK CMPXCHG that does not write makes dirty: 0000000000000060
;| accessed by a fetch: 0000000000000020
;| CPL 3 reads: #BP
;| accessed by CPL 3: 0000000000000020
;| accessed by a descriptor's load: 0000000000000020
;| not by REP MOVSB of none: 0000000000000000
;| tables above it accessed, none dirty: 0000000000000020
;| large page, accessed by a read: 0000000000000020
;|   dirty by a write: 0000000000000060
;| read-only by its table, written: D: 0000000000000000
;| not canonical, read: #GP(0000)
;| not canonical, through RSP: #SS(0000)
;| not canonical, push: #SS(0000)
;| not canonical jump: #GP(0000)
;| end

main:
    arena_page 1, 0
    attempt "absent, read"
    mov rax, [arena + 0x1008]
    outcome
    attempt "absent, write"
    mov [arena + 0x1008], rax
    outcome
    arena_page 2, P
    attempt "read-only, read"
    mov eax, [arena + 0x2ffc]
    outcome
    attempt "read-only, supervisor write, WP=1"
    mov [arena + 0x2ffc], eax
    outcome
    mov rax, cr0
    btr rax, 16
    mov cr0, rax
    attempt "read-only, supervisor write, WP=0"
    mov [arena + 0x2ffc], eax
    outcome
    mov rax, cr0
    bts rax, 16
    mov cr0, rax

    attempt "straddles into an absent page"
    mov rax, [arena + 0xffc]
    outcome
    arena_page 1, P | W
    arena_page 2, P
    mov qword [arena + 0x1ff8], 0x1111
    attempt "straddling write into a read-only page"
    mov dword [arena + 0x1ffe], -1
    outcome
    say "the first page of it is unchanged", [arena + 0x1ff8]

    ; CPL 3
    attempt "user reads the supervisor's"
    user_begin
    mov eax, [arena + 0x3000]
    user_end
    outcome
    attempt "user writes the supervisor's"
    user_begin
    mov [arena + 0x3000], eax
    user_end
    outcome
    arena_page 4, P | U
    attempt "user reads the user's"
    user_begin
    mov eax, [arena + 0x4000]
    user_end
    outcome
    mov rax, cr0
    btr rax, 16
    mov cr0, rax
    attempt "user writes read-only, WP=0"
    user_begin
    mov [arena + 0x4000], eax
    user_end
    outcome
    mov rax, cr0
    bts rax, 16
    mov cr0, rax
    mov byte [arena + 0x3000], 0xc3
    attempt "user runs the supervisor's"
    user_begin
    mov eax, arena + 0x3000
    call rax
    user_end
    outcome

    ; fetches
    arena_page 1, 0
    attempt "fetch from an absent page"
    mov eax, arena + 0x1000
    call rax
    outcome
    arena_page 5, P | W
    mov byte [arena + 0x5000], 0xc3
    arena_page 5, P | W, NX_HIGH
    attempt "fetch from a no-execute page"
    mov eax, arena + 0x5000
    call rax
    outcome
    attempt "read from a no-execute page"
    mov eax, [arena + 0x5000]
    outcome

    ; reserved bits: 51, above the widths of physical addresses that processors here have
    arena_page 6, P | W, 1 << 19
    attempt "reserved bit set"
    mov eax, [arena + 0x6000]
    outcome
    mov ecx, 0xc0000080
    rdmsr
    btr eax, 11
    wrmsr
    arena_page 5, P | W, NX_HIGH
    attempt "no-execute bit set with NXE=0"
    mov eax, [arena + 0x5000]
    outcome
    mov ecx, 0xc0000080
    rdmsr
    bts eax, 11
    wrmsr
    arena_page 6, W, 1 << 19
    attempt "absent entry with reserved bits"
    mov eax, [arena + 0x6000]
    outcome

    ; SMEP, SMAP
    arena_page 7, P | W
    mov byte [arena + 0x7000], 0xc3
    arena_page 7, P | W | U
    mov rax, cr4
    bts rax, 20
    mov cr4, rax
    attempt "SMEP, supervisor runs the user's"
    mov eax, arena + 0x7000
    call rax
    outcome
    mov rax, cr4
    btr rax, 20
    bts rax, 21
    mov cr4, rax
    attempt "SMAP, supervisor reads the user's, AC=0"
    mov eax, [arena + 0x7000]
    outcome
    attempt "SMAP, supervisor reads the user's, AC=1"
    stac
    mov eax, [arena + 0x7000]
    outcome
    clac
    ; A descriptor is read on the supervisor's behalf, whatever AC says.
    mov rax, 0x0000820000000000 | 0xffff | (arena + 0x7000) << 16
    mov [gdt.free], rax
    mov ax, free_selector
    lldt ax
    attempt "SMAP, implicit access ignores AC"
    stac
    mov ax, 4                               ; the first of the local table
    mov fs, ax
    outcome
    clac
    mov rax, cr4
    btr rax, 21
    mov cr4, rax

    ; A and D
    arena_page 8, P | W
    mov eax, [arena + 0x8000]
    mov rax, [arena_entries + 8 * 8]
    and eax, A | D
    say "accessed by a read", rax
    mov [arena + 0x8000], eax
    mov rax, [arena_entries + 8 * 8]
    and eax, A | D
    say "dirty by a write", rax
    arena_page 9, P
    mov qword [seen.vector], -1
    mov qword [resume.rip], .faulted
    mov [resume.rsp], rsp
    mov [arena + 0x9000], eax
.faulted:
    mov rax, [arena_entries + 9 * 8]
    and eax, D
    say "not accessed by a fault", rax
    arena_page 8, P | W | A
    mov [arena + 0x8000], eax
    mov rax, [arena_entries + 8 * 8]
    and eax, A | D
    say "dirty page made clean, written again", rax
    arena_page 8, P | W
    mov dword [arena + 0x8000], 1
    arena_page 8, P | W
    mov eax, 2
    mov ecx, 3
    lock cmpxchg [arena + 0x8000], ecx
    mov rax, [arena_entries + 8 * 8]
    and eax, A | D
    say "LOCK CMPXCHG that does not write makes dirty", rax

%macro say_bits 2                           ; entry
    mov eax, %2
    and eax, A | D
    say %1, rax
%endmacro
    arena_page 9, P | W
    mov byte [arena + 0x9000], 0xc3
    arena_page 9, P | W
    mov eax, arena + 0x9000
    call rax
    say_bits "accessed by a fetch", [arena_entries + 9 * 8]
    arena_page 9, P | W | U
    attempt "CPL 3 reads"
    user_begin
    mov eax, [arena + 0x9000]
    user_end
    outcome
    say_bits "accessed by CPL 3", [arena_entries + 9 * 8]
    arena_page 9, P | W
    mov rax, 0x00cf93000000ffff             ; accessed already: it is read only
    mov [arena + 0x9000], rax
    arena_page 9, P | W
    mov rax, 0x0000820000000000 | 0xffff | (arena + 0x9000) << 16
    mov [gdt.free], rax
    mov ax, free_selector
    lldt ax
    mov ax, 4
    mov fs, ax
    say_bits "accessed by a descriptor's load", [arena_entries + 9 * 8]
    xor eax, eax
    mov fs, ax
    lldt ax
    arena_page 9, P | W
    mov esi, arena + 0x9000
    mov edi, esi
    xor ecx, ecx
    rep movsb
    say_bits "not by REP MOVSB of none", [arena_entries + 9 * 8]
above equ directory + (arena >> 21) * 8
    and byte [above], ~(A | D)
    and byte [pdpt], ~(A | D)
    and byte [pml4], ~(A | D)
    mov rax, cr3
    mov cr3, rax
    mov [arena + 0x9000], eax
    mov al, [above]
    mov ah, [pdpt]
    mov cl, [pml4]
    mov edx, eax
    and al, ah
    and al, cl
    and eax, A
    or dl, dh
    or dl, cl
    and edx, D
    or eax, edx
    say "tables above it accessed, none dirty", rax
large equ directory + (0x3000000 >> 21) * 8
    and byte [large], ~(A | D)
    invlpg [0x3000000]
    mov eax, [0x3000000]
    say_bits "large page, accessed by a read", [large]
    mov [0x3000000], eax
    say_bits "  dirty by a write", [large]
    arena_page 9, P | W
    and byte [above], ~W
    invlpg [arena + 0x9000]
    quietly mov [arena + 0x9000], eax
    or byte [above], W
    invlpg [arena + 0x9000]
    mov eax, [arena_entries + 9 * 8]
    and eax, D
    say "read-only by its table, written: D", rax

    ; canonical addresses
    mov rbx, 0x800000000000
    attempt "not canonical, read"
    mov eax, [rbx]
    outcome
    attempt "not canonical, through RSP"
    mov rcx, rsp
    mov rsp, rbx
    mov eax, [rsp]
    outcome
    attempt "not canonical, push"
    mov rsp, 0x800000000008
    push rax
    outcome
    attempt "not canonical jump"
    jmp rbx
    outcome
    ret

image_ends
