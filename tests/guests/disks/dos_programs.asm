; What programs of the DOS years did with the machine, from a disk that boots by itself: text and the graphics modes of their
; games, the timer and its interrupt made their own, errors of the x87, memory above 1 MiB by the BIOS and by real mode with 4 GiB
; segments.
; Says on the first serial port what it has done, and goes on when a key is pressed.
second_stage_sectors equ 4
%include "boot_sector.inc"

buffer equ 0x9000
crtc equ 0x3d4
sequencer equ 0x3c4
graphics equ 0x3ce

%macro report 1                 ; and wait for a key
    call wait_for_ticks
    mov si, %%text
    call say
    xor ah, ah
    int 0x16
    jmp %%on
%%text: db %1, 10, 0
%%on:
%endmacro

%macro index 3                  ; register %2 of the pair at port %1 gets %3
    mov dx, %1
    mov ax, %2 | (%3) << 8
    out dx, ax
%endmacro

second_stage:
    ; Text: a title in yellow on blue, and a red line below.
    mov ax, 3
    int 0x10
    mov ax, 0xb800
    mov es, ax
    mov di, 2 * 160
    mov si, title
    mov ah, 0x1e
.character:
    lodsb
    test al, al
    jz .titled
    stosw
    jmp .character
.titled:
    mov di, 3 * 160
    mov ax, 0x4020
    mov cx, 80
    rep stosw
    report "text"

    ; Mode 13h, 320 by 200 in 256 colours: a square in a colour of its own.
    mov ax, 0x13
    int 0x10
    mov dx, 0x3c8
    mov al, 200
    out dx, al
    inc dx
    mov al, 63
    out dx, al
    xor al, al
    out dx, al
    mov al, 32
    out dx, al
    mov ax, 0xa000
    mov es, ax
    mov di, 50 * 320 + 100
    mov bx, 10
.row:
    mov cx, 10
    mov al, 200
    rep stosb
    add di, 310
    dec bx
    jnz .row
    report "mode 13h"

    ; Mode X: the same unchained and of 240 lines. Every fourth column from 2 on has colour 4, by the map mask.
    mov ax, 0x13
    int 0x10
    index sequencer, 4, 0x06
    index sequencer, 0, 0x01
    mov dx, 0x3c2
    mov al, 0xe3
    out dx, al
    index sequencer, 0, 0x03
    index crtc, 0x11, 0x0e      ; registers 0 to 7 may be written
    mov si, mode_x
    mov cx, 10
    mov dx, crtc
.register:
    lodsw
    out dx, ax
    loop .register
    index sequencer, 2, 0x0f
    mov ax, 0xa000
    mov es, ax
    xor di, di
    xor ax, ax
    mov cx, 320 * 240 / 4 / 2
    rep stosw
    index sequencer, 2, 0x04
    xor di, di
    mov ax, 0x0404
    mov cx, 320 * 240 / 4 / 2
    rep stosw
    report "mode X"

    ; Mode 12h, 640 by 480 in planes: by set/reset and the bit mask a line of colour 12 from x = 3 to 12; by write mode 2
    ; pixels of colour 10; what is there is found by comparing colours.
    mov ax, 0x12
    int 0x10
    mov ax, 0xa000
    mov es, ax
    index graphics, 0, 12
    index graphics, 1, 0x0f
    mov di, 100 * 80
    index graphics, 8, 0x1f
    mov al, [es:di]
    stosb
    index graphics, 8, 0xf8
    mov al, [es:di]
    stosb
    index graphics, 1, 0
    index graphics, 5, 2
    index graphics, 8, 0x81
    mov di, 200 * 80 + 10
    mov al, [es:di]
    mov byte [es:di], 10
    index graphics, 5, 8        ; read mode 1
    index graphics, 2, 12
    index graphics, 7, 0x0f
    cmp byte [es:100 * 80], 0x1f
    jne wrong
    cmp byte [es:100 * 80 + 1], 0xf8
    jne wrong
    index graphics, 2, 10
    cmp byte [es:200 * 80 + 10], 0x81
    jne wrong
    report "mode 12h"
    mov ax, 3
    int 0x10

    ; The timer at 1 kHz with an interrupt handler of our own, for a quarter of a second.
    xor ax, ax
    mov es, ax
    cli
    push dword [8 * 4]
    mov word [8 * 4], tick
    mov [8 * 4 + 2], cs
    mov al, 0x34                ; counter 0: both bytes, mode 2
    out 0x43, al
    mov al, 1193 & 0xff
    out 0x40, al
    mov al, 1193 >> 8
    out 0x40, al
    sti
.ticking:
    hlt
    cmp word [ticks], 250
    jb .ticking
    ; Masked at the interrupt controller it is silent; counter 2 measures 20 ms meanwhile.
    in al, 0x21
    or al, 1
    out 0x21, al
    mov bx, [ticks]
    in al, 0x61
    and al, 0xfc
    or al, 1                    ; its gate on, the speaker off
    out 0x61, al
    mov al, 0xb0                ; counter 2: both bytes, mode 0
    out 0x43, al
    mov al, 23863 & 0xff
    out 0x42, al
    mov al, 23863 >> 8
    out 0x42, al
.counting:
    in al, 0x61
    test al, 0x20
    jz .counting
    cmp bx, [ticks]
    jne wrong
    mov al, 0x0a                ; the interrupt has been requested meanwhile
    out 0x20, al
    in al, 0x20
    test al, 1
    jz wrong
    cli
    pop dword [8 * 4]
    mov al, 0x34
    out 0x43, al
    xor al, al
    out 0x40, al
    out 0x40, al
    in al, 0x21
    and al, 0xfe
    out 0x21, al
    sti
    report "timer"

    ; A division of 0 by 0 with that exception unmasked: IRQ 13, of which the BIOS makes an NMI's vector.
    cli
    push dword [2 * 4]
    mov word [2 * 4], numeric_error
    mov [2 * 4 + 2], cs
    sti
    fninit
    fldcw [unmasked]
    fldz
    fdiv st0, st0
    fwait
    fninit
    cmp word [errors], 1
    jne wrong
    cli
    pop dword [2 * 4]
    sti
    report "x87 error"

    ; Memory above 1 MiB: its size, a block moved there and back.
    mov ah, 0x88
    int 0x15
    jc wrong
    cmp ax, 1024
    jb wrong
    mov di, buffer
    mov cx, 512
    mov ax, 0x55aa
.fill:
    stosw
    rol ax, 1
    loop .fill
    mov dword [source], buffer
    mov dword [target], 0x120000
    call move_block
    mov dword [source], 0x120000
    mov dword [target], buffer + 1024
    call move_block
    mov si, buffer
    mov di, buffer + 1024
    mov cx, 512
    repe cmpsw
    jne wrong
    report "extended memory"

    ; Real mode with segments of 4 GiB: a limit that protected mode has loaded stays.
    in al, 0x92
    or al, 2
    out 0x92, al
    cli
    lgdt [table_register]
    mov eax, cr0
    or al, 1
    mov cr0, eax
    mov bx, 8
    mov fs, bx
    and al, 0xfe
    mov cr0, eax
    xor bx, bx
    mov fs, bx
    sti
    mov esi, 0x180000
    mov dword [fs:esi], 0x600df00d
    mov eax, [fs:esi]
    cmp eax, 0x600df00d
    jne wrong
    cmp word [fs:0x7dfe], 0xaa55
    jne wrong
    report "large segments"

    ; The clock as the BIOS tells it, BCD.
    mov ah, 2
    int 0x1a
    jc wrong
    cmp ch, 0x23
    ja wrong
    cmp cl, 0x59
    ja wrong
    int 0x12
    cmp ax, 600
    jb wrong
    mov si, message_end
    call say
    mov dx, 0x604               ; PM1 control: S5
    mov ax, 0x3400
    out dx, ax
    jmp $

wrong:
    mov ax, 3
    int 0x10
    xor ax, ax
    mov ds, ax
    mov si, message_wrong
    call say
    jmp $

tick:
    inc word [cs:ticks]
    push ax
    mov al, 0x20
    out 0x20, al
    pop ax
    iret

numeric_error:
    inc word [cs:errors]
    fnclex
    iret

; 1024 bytes from `source` to `target` by the BIOS.
move_block:
    mov eax, [source]
    mov [descriptors + 0x12], eax
    mov byte [descriptors + 0x15], 0x93
    mov eax, [target]
    mov [descriptors + 0x1a], eax
    mov byte [descriptors + 0x1d], 0x93
    xor ax, ax
    mov es, ax
    mov si, descriptors
    mov cx, 512
    mov ah, 0x87
    int 0x15
    jc wrong
    ret

title db "DOS years", 0
message_end db "end", 10, 0
message_wrong db "wrong", 10, 0
align 2
ticks dw 0
errors dw 0
unmasked dw 0x37e
; Abrash, Graphics Programming Black Book, ch. 47: 480 lines, doubled; bytes in sequence.
mode_x dw 0x0d06, 0x3e07, 0x4109, 0xea10, 0xac11, 0xdf12, 0x0014, 0xe715, 0x0616, 0xe317
align 4
source dd 0
target dd 0
table:
    dq 0
    dq 0x00cf93000000ffff
table_register:
    dw 15
    dd table
align 8
descriptors:                    ; for INT 15h, AH = 87h
    times 16 db 0
    dw 0xffff, 0, 0x9300, 0
    dw 0xffff, 0, 0x9300, 0
    times 16 db 0

times 512 * (1 + second_stage_sectors) - ($ - $$) db 0
