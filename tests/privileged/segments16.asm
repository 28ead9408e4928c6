; 16-bit code that runs hot under many names: one function in thousands of segments, two functions at one offset, far pointers,
; stacks that wrap, strings that end where their segment does (SDM vol. 3, ch. 20.1; vol. 2, CALL, LES, PUSHA, MOVS).
%include "environment32.inc"
%include "real_mode.inc"

other_code equ 0x2000           ; segments in free memory
more_code equ 0x3000
far_data equ 0x4000

;| one function in 3,400 segments: 0582b7c0
;|   and once more: 0582b7c0
;| two functions at one offset: 0000003c
;|   by far pointers in memory: 0000003c
;|   CALL FAR pushed four bytes: 0000fff0
;| LES: 00000400
;| LDS, LFS, LGS: 00000600
;| RETF n: 0000ffe8
;| PUSHA over the stack's end: 0000fff8
;|   AX lies below the top: 00001111
;|   DI lies at the other end: 00002222
;|   POPA: 00002222
;| PUSHA, a word astride the end: 0000000c
;| POP, a word astride the end: 0000000c
;| REP MOVSW up to the end: 00000000
;|   SI: 00000000
;| REP MOVSW beyond it: 0000000d
;| REP STOSB, 16-bit count of ECX: 56780000
;| LOOP counts CX: 12340000
;| JCXZ looks at CX: 00000001
;| LOOPE, LOOPNE: 00000605
;| INT and IRET: 00000064
;| 32-bit stack in 16-bit code: 00000064
;| jump behind the limit, by register: 0000000d
;| end

main:
    prepare_real_mode
    mov eax, other_code * 16 + 0x100
    mov byte [eax], 0xb8                    ; mov ax, 1; retf
    mov dword [eax + 1], 0x90cb0001
    mov eax, more_code * 16 + 0x100
    mov byte [eax], 0xb8                    ; mov ax, 2; retf
    mov dword [eax + 1], 0x90cb0002
    mov dword [far_data * 16], other_code << 16 | 0x100
    mov dword [far_data * 16 + 4], more_code << 16 | 0x100
    mov word [vectors + 32 * 4], v86(.count)

%macro through_segments 1
    begin_real
    xor eax, eax
    xor esi, esi
%%next:
    push cs
    push word v86(%%back)
    mov di, v86_segment
    sub di, si
    push di                                 ; the same code under another name
    mov di, si
    shl di, 4
    add di, v86(.where_am_i)
    push di
    retf
%%back:
    movzx edx, dx
    add eax, edx
    sub eax, v86(.here)
    inc si
    cmp si, 3400
    jb %%next
    end_real
    say %1, eax
%endmacro
    through_segments "one function in 3,400 segments"
    through_segments "  and once more"

    begin_real
    xor bx, bx
    mov cx, 20
.turns:
    call other_code:0x100
    add bx, ax
    call more_code:0x100
    add bx, ax
    loop .turns
    movzx eax, bx
    end_real
    say "two functions at one offset", eax
    begin_real
    xor bx, bx
    mov cx, 20
    push word far_data
    pop es
.pointers:
    call far [es:0]
    add bx, ax
    call far [es:4]
    add bx, ax
    loop .pointers
    movzx eax, bx
    end_real
    say "  by far pointers in memory", eax
    say "  CALL FAR pushed four bytes", [answers + 12]

    begin_real
    xor ax, ax
    mov cx, 0x100
    push word far_data
    pop fs
.les:
    les bx, [fs:0]                          ; other_code:0100
    mov dx, es
    cmp dx, other_code
    jne .les_done
    cmp bx, 0x100
    jne .les_done
    add al, [es:bx + 1]
    add ax, 4
    loop .les
.les_done:
    movzx eax, ax
    end_real
    say "LES", eax
    begin_real
    xor ax, ax
    mov cx, 0x100
    mov dx, far_data
.lds:
    mov ds, dx
    lfs si, [0]
    lgs di, [4]
    lds bp, [0]
    add al, [fs:si + 1]
    adc ah, 0
    add al, [gs:di + 1]
    adc ah, 0
    add al, [ds:bp + 1]
    adc ah, 0
    add ax, 2
    loop .lds
    movzx eax, ax
    end_real
    say "LDS, LFS, LGS", eax

    begin_real
    mov cx, 20
.released:
    push word 1
    push word 2
    call v86_segment:v86(.returns)
    sub sp, 4
    add sp, 4
    loop .released
    mov ax, sp
    push ax
    push ax
    push ax
    push ax
    mov ax, sp
    add sp, 8
    movzx eax, ax
    end_real
    say "RETF n", eax

    begin_real
    mov ax, 0x1111
    mov di, 0x2222
    mov sp, 8
    pusha
    mov cx, sp
    mov ax, [ss:6]
    mov dx, [ss:0xfff8]
    mov [cs:v86(scratch)], ax
    mov [cs:v86(scratch) + 2], dx
    xor di, di
    popa
    movzx edx, di
    movzx eax, cx
    mov sp, v86_stack
    mov ax, 0xfff8
    cmp cx, 0
    end_real
    say "PUSHA over the stack's end", eax
    movzx eax, word [scratch]
    say "  AX lies below the top", eax
    movzx eax, word [scratch + 2]
    say "  DI lies at the other end", eax
    say "  POPA", edx
    begin_real
    mov cx, 0xff
    mov word [v86(real_resume)], v86(.astride)
    mov sp, 9
    pusha
.astride:
    mov sp, v86_stack
    end_real
    movzx ecx, cl
    say "PUSHA, a word astride the end", ecx
    begin_real
    mov cx, 0xff
    mov word [v86(real_resume)], v86(.popped)
    mov sp, 0xffff
    pop ax
.popped:
    mov sp, v86_stack
    end_real
    movzx ecx, cl
    say "POP, a word astride the end", ecx

    begin_real
    push word far_data
    pop es
    mov ax, 0x5000
    mov ds, ax
    mov si, 0xff00
    mov di, 0x100
    mov cx, 0x80
    rep movsw
    movzx eax, cx
    movzx ecx, si
    end_real
    say "REP MOVSW up to the end", eax
    say "  SI", ecx
    begin_real
    push word far_data
    pop es
    mov word [v86(real_resume)], v86(.beyond)
    mov ax, 0x5000
    mov ds, ax
    mov si, 0xff01
    mov di, 0x100
    mov cx, 0x80
    rep movsw
    mov cl, 0xff
.beyond:
    end_real
    movzx eax, cl
    say "REP MOVSW beyond it", eax
    begin_real
    push word far_data
    pop es
    mov ecx, 0x56780040
    mov di, 0x200
    rep stosb
    mov eax, ecx
    end_real
    say "REP STOSB, 16-bit count of ECX", eax
    begin_real
    mov ecx, 0x12340100
.loop:
    loop .loop
    mov eax, ecx
    end_real
    say "LOOP counts CX", eax
    begin_real
    mov ecx, 0x12340000
    xor eax, eax
    jcxz .is_zero
    inc ax
.is_zero:
    inc ax
    end_real
    say "JCXZ looks at CX", eax
    begin_real
    mov cx, 10
    xor ax, ax
.loope:
    inc al
    cmp al, 5
    loopne .loope
    mov cx, 6
.loopne:
    inc ah
    cmp ah, 0
    loopne .loopne
    movzx eax, ax
    end_real
    say "LOOPE, LOOPNE", eax

    begin_real
    xor bx, bx
    mov cx, 100
.interrupts:
    int 32
    loop .interrupts
    movzx eax, bx
    end_real
    say "INT and IRET", eax
    begin_real
    xor eax, eax
    mov cx, 100
.wide:
    push dword 0x10000
    pushad
    popad
    pop edx
    call dword .wide_call
    shr edx, 16
    add ax, dx
    loop .wide
    end_real
    say "32-bit stack in 16-bit code", eax
    begin_real
    mov cx, 0xff
    mov word [v86(real_resume)], v86(.behind)
    mov ebx, 0x12345
    mov dx, 12
.again:
    dec dx
    jnz .again
    call ebx
.behind:
    mov sp, v86_stack
    end_real
    movzx ecx, cl
    say "jump behind the limit, by register", ecx
    ret

bits 16
.where_am_i:
    call .here
.here:
    pop dx
    retf
.returns:
    retf 4
.wide_call:
    o32 ret
.count:
    inc bx
    iret
real_mode_parts
image_ends
