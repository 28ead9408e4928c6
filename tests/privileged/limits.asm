; What segments allow: limits in bytes and pages, expand-down segments, types, the stack's size; where an instruction that is refused
; leaves the registers (SDM vol. 3, ch. 3.4.5, 5.3, 5.5).
%include "environment32.inc"

%macro through_fs 2+                        ; name, one instruction
    attempt %1
    push slot(0)
    pop fs
    %2
    outcome
%endmacro
; A stack of CPL 3's in slot 0: name, descriptor, its pointer, one instruction
%macro on_stack 4+
    descriptor 0, %2, arena
    attempt %1
    user_begin
    mov ax, slot(0) | 3
    mov ss, ax
    mov esp, %3
    %4
    user_end
    outcome
%endmacro
; Code in slot 1, which begins at `code` and is 4 KiB long.
%macro in_short_code 1
    attempt %1
    jmp slot(1):%%there - code
%%there:
%endmacro

;| limit in bytes: byte at it: none
;| limit in bytes: byte behind it: #GP(0000)
;| limit in bytes: doubleword up to it: none
;| limit in bytes: doubleword over it: #GP(0000)
;| limit in bytes: write over it: #GP(0000)
;|   nothing was written: 00000000
;| limit 0: its only byte: none
;| limit 0: a word: #GP(0000)
;| limit in pages: the last: none
;| limit in pages: behind it: #GP(0000)
;| offset near 4 GiB: #GP(0000)
;| quadword of MMX: #GP(0000)
;| MOVUPS up to it: none
;| MOVUPS over it: #GP(0000)
;| x87 ten bytes: #GP(0000)
;| CMPXCHG8B over it: #GP(0000)
;| LOCK XADD over it: #GP(0000)
;| BT's bit behind it: #GP(0000)
;| BT's bit in front of it: none
;| FXSAVE over it: #GP(0000)
;| BOUND's second word behind it: #GP(0000)
;| far pointer's selector behind it: #GP(0000)
;| LGDT's base behind it: #GP(0000)
;| LEA knows no limits: none
;| PREFETCH knows no limits: none
;| INVLPG knows no limits: none
;| CLFLUSH does: #GP(0000)
;| expand-down: at the limit: #GP(0000)
;| expand-down: above: none
;| expand-down, 64 KiB: last byte: none
;| expand-down, 64 KiB: over the end: #GP(0000)
;| expand-down, 64 KiB: behind the end: #GP(0000)
;| expand-down, 4 GiB: high above: none
;| expand-down, limit ffff of 64 KiB: #GP(0000)
;| read-only: read: none
;| read-only: write: #GP(0000)
;| read-only: XCHG: #GP(0000)
;| read-only: CMPXCHG that does not write: #GP(0000)
;| read-only: RCL: #GP(0000)
;| code: read: none
;| code: write: #GP(0000)
;| code: write through CS: #GP(0000)
;| execute-only: read through CS: #GP(0000)
;| null: #GP(0000)
;| REP MOVS: source ends: #GP(0000)
;|   count left: 00000003
;| REP STOS: destination ends: #GP(0000)
;|   count left: 00000006
;| REP STOS downwards: #GP(0000)
;|   count left: 00000001
;| REP with count 0 touches nothing: none
;| push below the stack: #SS(0000)
;| push to its first bytes: #BP
;| pop behind it: #SS(0000)
;| through EBP: #SS(0000)
;| through ESP: #SS(0000)
;| DS through EBP: #BP
;| CALL without room: #SS(0000)
;| PUSHA half of which has room: #SS(0000)
;| POPA: #SS(0000)
;| ENTER: #SS(0000)
;| LEAVE: #SS(0000)
;| RET: #SS(0000)
;| POP to memory by ESP: #SS(0000)
;| far CALL without room: #SS(0000)
;| INT without room: #DF(0000)
;| expand-down stack: push to the limit: #BP
;| expand-down stack: push below: #SS(0000)
;| 16-bit stack: push at 0: 5555fffe
;| 16-bit stack: ENTER, LEAVE: 55550100
;| 16-bit stack: word at SP = 1: #SS(0000)
;| 16-bit stack: PUSHA wraps: #BP
;| code: jump behind the limit: #GP(0000)
;|   before it happened: 00000000
;| code: call behind the limit: #GP(0000)
;|   nothing pushed: 00000000
;| code: return behind the limit: #GP(0000)
;|   nothing popped: 00000000
;| code: jump through memory: #GP(0000)
;| code: conditional jump: #GP(0000)
;| code: LOOP behind the limit: #GP(0000)
;|   counted: 00000005
;| code: an instruction over the limit: #GP(0000)
;|   at its first byte: 00000ffe
;| code: runs into the limit: #GP(0000)
;|   behind the last: 00001000
;| code with a base: CALL, RET: 00000077
;| accessed: 00000093
;| CS cannot be loaded by MOV: #UD
;| segment register 6: #UD
;| LDS of a register: #UD
;| LSS: none
;| POP SS: #GP(0018)
;|   nothing popped: 00000000
;| end

main:
    descriptor 0, 0x0040930000000fff, arena
    through_fs "limit in bytes: byte at it", mov al, [fs:0xfff]
    through_fs "limit in bytes: byte behind it", mov al, [fs:0x1000]
    through_fs "limit in bytes: doubleword up to it", mov eax, [fs:0xffc]
    through_fs "limit in bytes: doubleword over it", mov eax, [fs:0xffd]
    mov dword [arena + 0xffd], 0
    through_fs "limit in bytes: write over it", mov dword [fs:0xffd], -1
    mov eax, [arena + 0xffd]
    say "  nothing was written", eax
    descriptor 0, 0x0040930000000000, arena
    through_fs "limit 0: its only byte", mov al, [fs:0]
    through_fs "limit 0: a word", mov ax, [fs:0]
    descriptor 0, 0x00c0930000000000, arena
    through_fs "limit in pages: the last", mov eax, [fs:0xffc]
    through_fs "limit in pages: behind it", mov eax, [fs:0xffd]
    through_fs "offset near 4 GiB", mov eax, [fs:0xfffffffe]
    mov eax, cr4
    or eax, 1 << 9                          ; OSFXSR
    mov cr4, eax
    mov eax, cr0
    and eax, ~4                             ; EM
    mov cr0, eax
    through_fs "quadword of MMX", movq mm0, [fs:0xff9]
    emms
    through_fs "MOVUPS up to it", movups xmm0, [fs:0xff0]
    through_fs "MOVUPS over it", movups xmm0, [fs:0xff1]
    through_fs "x87 ten bytes", fld tword [fs:0xff7]
    fninit
    through_fs "CMPXCHG8B over it", cmpxchg8b [fs:0xffc]
    through_fs "LOCK XADD over it", lock xadd [fs:0xffd], eax
    mov ecx, 32
    through_fs "BT's bit behind it", bt [fs:0xffc], ecx
    mov ecx, -1
    through_fs "BT's bit in front of it", bt [fs:0x1000], ecx
    through_fs "FXSAVE over it", fxsave [fs:0xe10]
    mov ax, 0
    through_fs "BOUND's second word behind it", bound ax, [fs:0xffe]
    through_fs "far pointer's selector behind it", les eax, [fs:0xffc]
    through_fs "LGDT's base behind it", lgdt [fs:0xffc]
    through_fs "LEA knows no limits", lea eax, [fs:0x2000]
    through_fs "PREFETCH knows no limits", prefetcht0 [fs:0x2000]
    through_fs "INVLPG knows no limits", invlpg [fs:0x2000]
    through_fs "CLFLUSH does", clflush [fs:0x2000]

    descriptor 0, 0x0040970000000fff, arena
    through_fs "expand-down: at the limit", mov al, [fs:0xfff]
    through_fs "expand-down: above", mov al, [fs:0x1000]
    descriptor 0, 0x0000970000000fff, arena
    through_fs "expand-down, 64 KiB: last byte", mov al, [fs:0xffff]
    through_fs "expand-down, 64 KiB: over the end", mov ax, [fs:0xffff]
    through_fs "expand-down, 64 KiB: behind the end", mov al, [fs:0x10000]
    descriptor 0, 0x0040970000000fff, arena
    through_fs "expand-down, 4 GiB: high above", mov al, [fs:0x100000]
    descriptor 0, 0x000097000000ffff, arena
    through_fs "expand-down, limit ffff of 64 KiB", mov al, [fs:0xffff]

    descriptor 0, 0x00cf91000000ffff, arena
    through_fs "read-only: read", mov eax, [fs:0]
    through_fs "read-only: write", mov [fs:0], eax
    through_fs "read-only: XCHG", xchg [fs:0], eax
    mov dword [arena], 5
    mov eax, 6
    through_fs "read-only: CMPXCHG that does not write", cmpxchg [fs:0], ecx
    through_fs "read-only: RCL", rcl dword [fs:0], 1
    descriptor 0, 0x00cf9b000000ffff, arena
    through_fs "code: read", mov eax, [fs:0]
    through_fs "code: write", mov [fs:0], eax
    through_fs "code: write through CS", mov [cs:arena], eax
    descriptor 1, 0x00cf99000000ffff
    attempt "execute-only: read through CS"
    jmp slot(1):.execute_only
.execute_only:
    mov eax, [cs:arena]
    outcome
    attempt "null"
    push 0
    pop fs
    mov eax, [fs:0]
    outcome

    ; strings stop where they fault
%macro say_count 0
    mov eax, [seen.ecx]
    say "  count left", eax
%endmacro
    descriptor 0, 0x0040930000000fff, arena
    attempt "REP MOVS: source ends"
    mov ax, slot(0)
    mov ds, ax
    mov esi, 0xff8
    mov edi, arena + 0x2000
    mov ecx, 5
    rep movsd
    outcome
    call load_flat_segments_but_stack
    say_count
    attempt "REP STOS: destination ends"
    mov ax, slot(0)
    mov es, ax
    mov edi, 0xff0
    mov ecx, 10
    rep stosd
    outcome
    call load_flat_segments_but_stack
    say_count
    descriptor 0, 0x0040970000000fff, arena
    attempt "REP STOS downwards"
    mov ax, slot(0)
    mov es, ax
    mov edi, 0x1004
    mov ecx, 3
    std
    rep stosd
    outcome
    cld
    call load_flat_segments_but_stack
    say_count
    attempt "REP with count 0 touches nothing"
    xor eax, eax
    mov es, ax
    xor ecx, ecx
    rep stosd
    outcome
    call load_flat_segments_but_stack

    ; stacks of 4 KiB; CPL 3's, since the fault needs one, too
    on_stack "push below the stack", 0x0040f30000000fff, 0x2000, push eax
    on_stack "push to its first bytes", 0x0040f30000000fff, 4, push eax
    on_stack "pop behind it", 0x0040f30000000fff, 0xffd, pop eax
    on_stack "through EBP", 0x0040f30000000fff, 0x800, mov eax, [ebp + 0x1000]
    on_stack "through ESP", 0x0040f30000000fff, 0x800, mov eax, [esp + 0x7fd]
    on_stack "DS through EBP", 0x0040f30000000fff, 0x800, mov eax, [ds:ebp + 0x1000]
    on_stack "CALL without room", 0x0040f30000000fff, 0x1004, call .never
    on_stack "PUSHA half of which has room", 0x0040f30000000fff, 0x1010, pushad
    on_stack "POPA", 0x0040f30000000fff, 0xff0, popad
    on_stack "ENTER", 0x0040f30000000fff, 0x1004, enter 0x10, 0
    descriptor 0, 0x0040f30000000fff, arena
    attempt "LEAVE"
    user_begin
    mov ax, slot(0) | 3
    mov ss, ax
    mov ebp, 0xffe
    leave
    user_end
    outcome
    on_stack "RET", 0x0040f30000000fff, 0xffd, ret
    on_stack "POP to memory by ESP", 0x0040f30000000fff, 0xff8, pop dword [esp + 4]
    on_stack "far CALL without room", 0x0040f30000000fff, 0x1008, call user_code:.never
    descriptor 0, 0x0040930000000fff, arena
    attempt "INT without room"
    mov ax, slot(0)
    mov ss, ax
    mov esp, 8
    int3
    outcome
    on_stack "expand-down stack: push to the limit", 0x0040f70000000fff, 0x1004, push eax
    on_stack "expand-down stack: push below", 0x0040f70000001fff, 0x1800, push eax
    descriptor 0, 0x000093000000ffff, arena
    mov edx, esp
    mov ax, slot(0)
    mov ss, ax
    mov esp, 0x55550000
    push ax
    mov ecx, esp
    mov esp, 0x55550100
    mov ebp, 0x11110000
    enter 8, 0
    leave
    mov ebx, esp
    mov ax, kernel_data
    mov ss, ax
    mov esp, edx
    say "16-bit stack: push at 0", ecx
    say "16-bit stack: ENTER, LEAVE", ebx
    on_stack "16-bit stack: word at SP = 1", 0x0000f3000000ffff, 1, push ax
    on_stack "16-bit stack: PUSHA wraps", 0x0000f3000000ffff, 0x10, pushad

    ; code
    descriptor 1, 0x00409b0000000fff, code
    descriptor 2, 0x00409b0000000fff, arena + 0x8000
    jmp code
.never:
    ud2
code:
    in_short_code "code: jump behind the limit"
.jump:
    jmp $ + 0x2000
    outcome
    mov eax, [seen.eip]
    sub eax, .jump - code
    say "  before it happened", eax
    attempt "code: call behind the limit"
    mov [arena], esp
    jmp slot(1):.call - code
.call:
    call $ + 0x2000
    outcome
    mov eax, [seen.esp_at_fault]
    sub eax, [arena]
    say "  nothing pushed", eax
    attempt "code: return behind the limit"
    push 0x2000
    mov [arena], esp
    jmp slot(1):.return - code
.return:
    ret
    outcome
    mov eax, [seen.esp_at_fault]
    sub eax, [arena]
    say "  nothing popped", eax
    mov dword [arena], 0x1000
    in_short_code "code: jump through memory"
    jmp dword [arena]
    outcome
    in_short_code "code: conditional jump"
    cmp eax, eax
    je $ + 0x2000
    outcome
    attempt "code: LOOP behind the limit"
    mov word [page_end - 34], 0x30e2        ; loop, 48 bytes on
    mov ecx, 6
    jmp slot(2):0xfde
    outcome
    mov eax, [seen.ecx]
    dec eax
    say "  counted", eax
    mov word [page_end - 2], 0x01b8               ; a MOV of five bytes
    attempt "code: an instruction over the limit"
    jmp slot(2):0xffe
    outcome
    say "  at its first byte", [seen.eip]
    mov word [page_end - 2], 0x9090
    attempt "code: runs into the limit"
    jmp slot(2):0xffe
    outcome
    say "  behind the last", [seen.eip]
    xor eax, eax
    jmp slot(1):.based - code
.based:
    call .function
    jmp kernel_code:.flat
.function:
    mov eax, 0x77
    ret
.flat:
    say "code with a base: CALL, RET", eax

    descriptor 0, 0x00cf92000000ffff, arena
    push slot(0)
    pop fs
    movzx eax, byte [gdt + slot(0) + 5]
    say "accessed", eax
    attempted "CS cannot be loaded by MOV", db 0x8e, 0xc8
    attempted "segment register 6", db 0x8e, 0xf0
    attempted "LDS of a register", db 0xc5, 0xc0
    mov dword [arena], stack_top - 0x1000
    mov word [arena + 4], kernel_data
    mov ebx, esp
    attempted "LSS", lss esp, [arena]
    mov esp, ebx
    attempt "POP SS"
    push user_code & ~3
    mov [arena], esp
    pop ss
    outcome
    mov eax, [seen.esp_at_fault]
    sub eax, [arena]
    say "  nothing popped", eax
    ret
page_end equ arena + 0x9000

image_ends
