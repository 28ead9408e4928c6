; 16-bit code and stacks in protected mode: operand and address sizes and their prefixes, what is pushed, 16-bit gates, handlers and
; tables (SDM vol. 1, ch. 3.6; vol. 3, ch. 21).
%include "environment32.inc"

code16 equ slot(0)              ; 64 KiB from the image on
data16 equ slot(1)
stack16 equ slot(2)             ; 64 KiB from 64 KiB on, of 16 bits

; Runs what lies up to `end16` in 16-bit code, with DS and ES the image, SS 16-bit; then answers are in the registers.
%macro begin16 0
%push code16
    mov [resume.esp], esp
    mov ax, data16
    mov ds, ax
    mov es, ax
    mov ax, stack16
    mov ss, ax
    mov esp, 0x7777f000
    jmp code16:image(%$there)
bits 16
%$there:
%endmacro
%macro end16 0
    jmp dword kernel_code:%$flat
bits 32
%$flat:
    push kernel_data
    pop ds
    mov [saved_esp], esp
    push kernel_data
    pop es
    push kernel_data
    pop ss
    mov esp, [resume.esp]
%pop
%endmacro

;| 16-bit operands: 1111fffe
;| 66 makes them 32-bit: 22222222
;| 16-bit address: 00001234
;| 67 makes it 32-bit: 00001234
;| BX + SI wraps: 00005a5a
;| BP means SS: 0000beef
;| disp16 wraps: 00005a5a
;| CALL pushes a word: 0000effe
;|   ESP's upper half: 77770000
;| 66 CALL pushes a doubleword: 0000effc
;| RET of a word: 0000f000
;| 66 RET: 0000f000
;| jump distance wraps IP: 00000001
;| 66 jump: 00000001
;| indirect jump of 16 bits: 00000001
;| JCXZ looks at CX: 00000001
;| 67 JCXZ at ECX: 00000000
;| LOOP counts CX: 77770000
;| LODSB by SI: 00000061
;|   SI only moves: 77770001
;| REP counts CX: 99990000
;| 67 REP by ESI, ECX: 00000000
;| PUSHA takes 16 bytes: 0000eff0
;| 66 PUSHA takes 32: 0000efe0
;| PUSH imm8: 0000fff0
;| PUSHF, POPF: 00000cd5
;| ENTER with a frame: 0000effe
;|   SP: 0000efee
;| ENTER level 2: 0000efec
;| LEAVE takes SP from BP: 0000f000
;| XLAT by BX: 00000062
;| MOV moffs16: 00001234
;| LEA of 16 bits: 1111fffd
;| 67 LEA: 11110002
;| MUL, DX: 0000fffe
;| CWD: 0000ffff
;| 66 CWD is CDQ: ffffffff
;| far call in 16 bits: 0000effc
;|   returns: 0000f000
;| far call by pointer: 0000effc
;| LES of 16 bits: 00004321
;| LGDT of 16 bits takes 24 bits of base: 00123456
;| 66 LGDT takes 32: 7f123456
;| SGDT stores 32 of them: 7f123456
;| LIDT of 16 bits: 00123456
;| MOV from CR0 is of 32 bits: 00000001
;| SMSW: 11110001
;| 32-bit gate from 16-bit code, IP: 00000000
;|   ESP moved by: 0000000c
;| 16-bit gate to 16-bit handler, IP: 00000000
;|   SP moved by: 00000006
;|   and IRET: 0000f000
;| 66 IRET: 00000001
;| divide error in 16-bit code: #DE
;|   at: 00000000
;| word at ffff: #GP(0000)
;| 32-bit address behind 64 KiB: #GP(0000)
;| 16-bit code on a 32-bit stack: 0000fffe
;|   ESP moves as a whole: 0002fffe
;| 32-bit code on a 16-bit stack: 77770ffc
;| from CPL 3, 16-bit code: #BP
;|   SP: 0000f000
;|   and what IRET leaves above it: #BP
;|   differs from the kernel's by: 00000000
;| 16-bit TSS, call gate's stack: 00000010
;|   pointer: 00005678
;| a loop in 16-bit code: 000186a0
;| it changes itself: 00000009
;| end

main:
    descriptor 0, 0x00009b000000ffff, 0x100000
    descriptor 1, 0x000093000000ffff, 0x100000
    descriptor 2, 0x000093000000ffff, 0x10000

    begin16
    mov eax, 0x11110001
    sub ax, 3
    end16
    say "16-bit operands", eax
    begin16
    mov eax, 0x22222222
    end16
    say "66 makes them 32-bit", eax
    begin16
    xor eax, eax
    mov ebx, 0x55550000 + image(word_1234)
    mov ax, [bx]
    end16
    say "16-bit address", eax
    begin16
    xor eax, eax
    mov ebx, image(word_1234)
    mov ax, [ebx]
    end16
    say "67 makes it 32-bit", eax
    begin16
    xor eax, eax
    mov bx, 0xffff
    mov si, image(word_5a5a) + 1
    mov ax, [bx + si]
    end16
    say "BX + SI wraps", eax
    mov word [0x10000 + 0x100], 0xbeef
    begin16
    xor eax, eax
    mov bp, 0x100
    mov ax, [bp]
    end16
    say "BP means SS", eax
    begin16
    xor eax, eax
    mov bx, image(word_5a5a) + 0x10
    mov ax, [bx - 0x10]
    end16
    say "disp16 wraps", eax

    begin16
    call .near
.near:
    mov eax, esp
    end16
    movzx ecx, ax
    say "CALL pushes a word", ecx
    and eax, 0xffff0000
    say "  ESP's upper half", eax
    sub eax, eax
    begin16
    call dword .near32
.near32:
    mov eax, esp
    end16
    movzx eax, ax
    say "66 CALL pushes a doubleword", eax
    begin16
    push word image(.returned)
    ret
.returned:
    mov eax, esp
    end16
    movzx eax, ax
    say "RET of a word", eax
    begin16
    push dword image(.returned32)
    o32 ret
.returned32:
    mov eax, esp
    end16
    movzx eax, ax
    say "66 RET", eax
    begin16
    xor eax, eax
    jmp .forward
.back:
    inc ax
    jmp .there
.forward:
    db 0xe9                                 ; JMP rel16, the long way round
    dw .back - ($ + 2)
.there:
    end16
    say "jump distance wraps IP", eax
    begin16
    xor eax, eax
    jmp dword .there32
    dec ax
.there32:
    inc ax
    end16
    say "66 jump", eax
    begin16
    xor eax, eax
    mov ebx, 0x44440000 + image(.there_indirect)
    jmp bx
.there_indirect:
    inc ax
    end16
    say "indirect jump of 16 bits", eax
    begin16
    xor eax, eax
    mov ecx, 0x10000
    jcxz .zero
    dec ax
.zero:
    inc ax
    end16
    say "JCXZ looks at CX", eax
    begin16
    xor eax, eax
    mov ecx, 0x10000
    a32 jecxz .zero32
    dec ax
.zero32:
    inc ax
    end16
    say "67 JCXZ at ECX", eax
    begin16
    mov ecx, 0x77770003
.loop:
    loop .loop
    end16
    say "LOOP counts CX", ecx

    begin16
    xor eax, eax
    mov al, 'a'
    xchg al, [0]
    mov bl, al
    xor eax, eax
    mov esi, 0x77770000
    cld
    lodsb
    mov [0], bl
    end16
    say "LODSB by SI", eax
    say "  SI only moves", esi
    begin16
    mov ecx, 0x99990005
    mov edi, 0x44440000 + arena16
    cld
    rep stosw
    end16
    say "REP counts CX", ecx
    begin16
    mov ecx, 5
    mov edi, arena16
    cld
    a32 rep stosw
    end16
    say "67 REP by ESI, ECX", ecx
    begin16
    pusha
    mov eax, esp
    end16
    movzx eax, ax
    say "PUSHA takes 16 bytes", eax
    begin16
    pushad
    mov eax, esp
    end16
    movzx eax, ax
    say "66 PUSHA takes 32", eax
    begin16
    xor eax, eax
    push byte -16
    pop ax
    end16
    say "PUSH imm8", eax
    begin16
    xor eax, eax
    push word 0x0cd7
    popf
    pushf
    pop ax
    push word 2
    popf
    end16
    and eax, 0x0cd5
    say "PUSHF, POPF", eax
    begin16
    mov bp, 0x1234
    enter 0x10, 0
    mov eax, ebp
    mov ecx, esp
    leave
    end16
    movzx eax, ax
    say "ENTER with a frame", eax
    movzx ecx, cx
    say "  SP", ecx
    begin16
    mov bp, 0xe000
    enter 0xe, 2
    mov eax, esp
    leave
    end16
    movzx eax, ax
    say "ENTER level 2", eax
    begin16
    mov ebp, 0x8888effe
    leave
    mov eax, esp
    end16
    movzx eax, ax
    say "LEAVE takes SP from BP", eax
    begin16
    mov ebx, 0x33330000 + image(letters)
    mov eax, 1
    xlatb
    end16
    say "XLAT by BX", eax
    begin16
    xor eax, eax
    mov ax, [image(word_1234)]
    end16
    say "MOV moffs16", eax
    begin16
    mov eax, 0x11110000
    mov bx, 0xfffe
    lea ax, [bx - 1]
    end16
    say "LEA of 16 bits", eax
    begin16
    mov eax, 0x11110000
    mov ebx, 1
    lea ax, [ebx + ebx]
    end16
    say "67 LEA", eax
    begin16
    xor edx, edx
    mov ax, 0xffff
    mov bx, ax
    mul bx
    end16
    say "MUL, DX", edx
    begin16
    xor edx, edx
    mov eax, 0x8000
    cwd
    end16
    say "CWD", edx
    begin16
    mov eax, 0x80000000
    cdq
    end16
    say "66 CWD is CDQ", edx

    begin16
    call code16:image(.far)
    jmp .far_returned
.far:
    mov ax, sp
    mov [arena16], ax
    retf
.far_returned:
    mov eax, esp
    end16
    movzx ecx, word [0x100000 + arena16]
    say "far call in 16 bits", ecx
    movzx eax, ax
    say "  returns", eax
    begin16
    mov word [arena16], image(.far_indirect)
    mov word [arena16 + 2], code16
    call far [arena16]
.far_indirect:
    mov eax, esp
    end16
    movzx eax, ax
    say "far call by pointer", eax
    begin16
    mov dword [arena16], data16 << 16 | 0x4321
    xor eax, eax
    les ax, [arena16]
    end16
    say "LES of 16 bits", eax

    begin16
    sgdt [arena16 + 16]
    mov word [arena16], 0x17f
    mov dword [arena16 + 2], 0x7f123456
    lgdt [arena16]
    sgdt [arena16 + 8]
    mov eax, [arena16 + 10]
    o32 lgdt [arena16]
    sgdt [arena16 + 8]
    mov ecx, [arena16 + 10]
    mov edx, ecx
    o32 lgdt [arena16 + 16]
    end16
    say "LGDT of 16 bits takes 24 bits of base", eax
    say "66 LGDT takes 32", ecx
    say "SGDT stores 32 of them", edx
    begin16
    sidt [arena16 + 16]
    mov word [arena16], 0x17f
    mov dword [arena16 + 2], 0x7f123456
    lidt [arena16]
    sidt [arena16 + 8]
    mov eax, [arena16 + 10]
    o32 lidt [arena16 + 16]
    end16
    say "LIDT of 16 bits", eax
    begin16
    mov eax, cr0
    and eax, 0x80000001
    mov ecx, 0x11110000
    smsw cx
    and cx, 1
    end16
    say "MOV from CR0 is of 32 bits", eax
    say "SMSW", ecx

    ; interrupts
    mov eax, .handler32
    mov edi, idt + 32 * 8
    call write_interrupt_gate
    begin16
    int 32
.behind32:
    end16
    sub eax, image(.behind32)
    say "32-bit gate from 16-bit code, IP", eax
    neg ecx
    add ecx, 0x7777f000
    say "  ESP moved by", ecx
    mov eax, image(.handler16)
    mov [idt + 32 * 8], ax
    mov word [idt + 32 * 8 + 2], code16
    mov word [idt + 32 * 8 + 4], 0x8600
    mov word [idt + 32 * 8 + 6], 0
    begin16
    int 32
.behind16:
    end16
    movzx eax, ax
    sub eax, image(.behind16)
    say "16-bit gate to 16-bit handler, IP", eax
    neg ecx
    add ecx, 0x7777f000
    say "  SP moved by", ecx
    movzx eax, word [saved_esp]
    say "  and IRET", eax
    begin16
    xor eax, eax
    pushfd
    push dword code16
    push dword image(.by_iretd)
    iretd
.by_iretd:
    inc ax
    end16
    say "66 IRET", eax

    attempt "divide error in 16-bit code"
    begin16
    xor cx, cx
.divide:
    div cx
    end16
    outcome
    mov eax, [seen.eip]
    sub eax, image(.divide)
    say "  at", eax
    attempt "word at ffff"
    begin16
    mov ax, [0xffff]
    end16
    outcome
    attempt "32-bit address behind 64 KiB"
    begin16
    mov ebx, 0x10000
    mov al, [ebx]
    end16
    outcome

    ; stacks of the other size
    mov [resume.esp], esp
    jmp code16:image(.on_32)
bits 16
.on_32:
    mov esp, 0x30000
    push ax
    mov ecx, esp
    mov bp, sp
    jmp dword kernel_code:.from_32
bits 32
.from_32:
    mov esp, [resume.esp]
    movzx eax, bp
    say "16-bit code on a 32-bit stack", eax
    say "  ESP moves as a whole", ecx
    mov ax, stack16
    mov ss, ax
    mov esp, 0x77771000
    push eax
    mov ecx, esp
    mov ax, kernel_data
    mov ss, ax
    mov esp, [resume.esp]
    say "32-bit code on a 16-bit stack", ecx

    ; CPL 3 in 16-bit code on a 16-bit stack
    descriptor 3, 0x0000fb000000ffff, 0x100000
    descriptor 4, 0x0000f3000000ffff, 0x10000
    attempt "from CPL 3, 16-bit code"
    push slot(4) | 3
    push 0xf000
    push 0x3002
    push slot(3) | 3
    push image(.user16)
    iretd
bits 16
.user16:
    int3
bits 32
    outcome
    movzx eax, word [seen.esp]
    say "  SP", eax
    ; What the stack pointer's upper half is then is nobody's but the kernel's: it stays.
    attempt "  and what IRET leaves above it"
    push slot(4) | 3
    push 0xf000
    push 0x3002
    push slot(3) | 3
    push image(.user_upper)
    mov [arena], esp
    iretd
bits 16
.user_upper:
    mov eax, esp
    int3
bits 32
    outcome
    mov eax, [arena]
    xor eax, [seen.eax]
    shr eax, 16
    say "  differs from the kernel's by", eax

    ; A 16-bit TSS has its inner stack pointers elsewhere.
    mov word [task16 + 2], 0x5678           ; SP0
    mov word [task16 + 4], kernel_data
    descriptor 5, 0x000081000000002b, task16
    mov ax, slot(5)
    ltr ax
    mov eax, .gate16
    mov [gdt + slot(6)], ax
    mov word [gdt + slot(6) + 2], kernel_code
    mov word [gdt + slot(6) + 4], 0xec00
    shr eax, 16
    mov [gdt + slot(6) + 6], ax
    mov [resume.esp], esp
    user_begin
    call slot(6):0
    user_end
.gate16:
    call load_flat_segments_but_stack
    mov ecx, ss
    mov edx, esp
    mov esp, [resume.esp]
    and byte [gdt + task_segment + 5], ~2
    mov ax, task_segment
    ltr ax
    say "16-bit TSS, call gate's stack", ecx
    add edx, 16
    say "  pointer", edx

    begin16
    xor eax, eax
    mov ecx, 100000
.counts:
    inc eax
    dec ecx
    jnz .counts
    end16
    say "a loop in 16-bit code", eax
    begin16
    mov cx, 9
    xor eax, eax
.changes:
    mov byte [image(.number) + 1], cl
.number:
    mov ax, 0
    mov dx, ax
    mov byte [image(.number) + 1], 9
    mov ax, dx
    loop .once
.once:
    end16
    say "it changes itself", eax
    ret

.handler32:
    pop eax
    push eax
    mov ecx, esp
    iretd
bits 16
.handler16:
    pop ax
    push ax
    mov ecx, esp
    iret
bits 32

word_1234: dw 0x1234
word_5a5a: dw 0x5a5a
letters: db "abc"
saved_esp: dd 0
task16: times 44 db 0
arena16 equ 0xc000              ; within the image's 64 KiB
image_ends
