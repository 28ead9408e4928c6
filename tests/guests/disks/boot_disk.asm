; A disk that boots by itself, floppy or hard disk, and tries what programs of the DOS years did: INT 13h by cylinder, head
; and sector, writing, the A20 gate, the tick, the memory map, BIOS teletype and the bare serial port.
; The test writes every sector's number into its first four bytes, from sector 8 on.
second_stage_sectors equ 4
buffer equ 0x9000

%include "boot_sector.inc"

second_stage:
    mov si, message_teletype
.teletype:
    lodsb
    test al, al
    jz .said
    mov ah, 0x0e
    mov bx, 7
    int 0x10
    jmp .teletype
.said:
    call wait_for_ticks
    ; The geometry, as the BIOS tells it.
    mov ah, 8
    mov dl, [drive]
    xor di, di
    int 0x13
    push ds
    pop es
    jc wrong
    mov al, cl
    and ax, 0x3f
    mov [sectors], ax
    movzx ax, dh
    inc ax
    mov [heads], ax
    movzx ax, ch
    mov ah, cl
    shr ah, 6
    mov [cylinders], ax         ; the last one's number
    mov si, message_geometry
    call say

    ; The last sector of the last cylinder but one (a hard disk's last is the BIOS'), and one in the middle.
    mov ax, [cylinders]
    dec ax
    mov [cylinder], ax
    mov ax, [heads]
    dec ax
    mov [head], ax
    mov ax, [sectors]
    mov [sector], ax
    call read_and_check
    shr word [cylinder], 1
    mov word [sector], 3
    call read_and_check
    mov si, message_read
    call say

    ; Four sectors turned around: written, read back.
    mov di, buffer
    mov cx, 1024
    mov ax, 0x1357
.fill:
    stosw
    add ax, 0x2468
    loop .fill
    mov ax, 0x0304
    call position
    mov bx, buffer
    int 0x13
    jc wrong
    mov ax, 0x0204
    call position
    mov bx, buffer + 2048
    int 0x13
    jc wrong
    mov si, buffer
    mov di, buffer + 2048
    mov cx, 1024
    repe cmpsw
    jne wrong
    mov si, message_written
    call say

    ; A sector that is not there.
    mov ax, 0x0201
    call position
    mov cl, 0x3f
    mov bx, buffer
    cmp byte [drive], 0x80
    jae .no_such_sector         ; a hard disk has 63
    int 0x13
    jnc wrong
.no_such_sector:

    ; A20: closed, 0x100500 is 0x500; open, it is not. The keyboard controller's gate would keep it open, so that goes
    ; down first; then the BIOS' way and the port's.
    cli
    call keyboard_controller_ready
    mov al, 0xd1
    out 0x64, al
    call keyboard_controller_ready
    mov al, 0xdd
    out 0x60, al
    call keyboard_controller_ready
    sti
    mov ax, 0x2400
    int 0x15
    call wraps
    jne wrong
    mov ax, 0x2401
    int 0x15
    call wraps
    je wrong
    in al, 0x92
    and al, 0xfc
    out 0x92, al
    call wraps
    jne wrong
    or al, 2
    out 0x92, al
    call wraps
    je wrong
    mov si, message_a20
    call say

    call wait_for_ticks

    ; The memory map has some RAM above 1 MiB.
    xor ebx, ebx
.entry:
    mov eax, 0xe820
    mov edx, 'PAMS'
    mov ecx, 20
    mov di, buffer
    int 0x15
    jc wrong
    cmp dword [buffer], 0x100000
    jne .next
    cmp dword [buffer + 16], 1
    je .found
.next:
    test ebx, ebx
    jnz .entry
    jmp wrong
.found:
    mov si, message_end
    call say
    mov dx, 0x604               ; PM1 control: S5
    mov ax, 0x3400
    out dx, ax
    jmp $

wrong:
    mov si, message_wrong
    call say
    jmp $

keyboard_controller_ready:
    in al, 0x64
    test al, 2
    jnz keyboard_controller_ready
    ret

; CH, CL, DH, DL for INT 13h.
position:
    push ax
    mov ax, [cylinder]
    mov ch, al
    mov cl, ah
    shl cl, 6
    or cl, [sector]
    mov dh, [head]
    mov dl, [drive]
    pop ax
    ret

read_and_check:
    mov ax, 0x0201
    call position
    mov bx, buffer
    int 0x13
    jc wrong
    movzx eax, word [cylinder]
    movzx ecx, word [heads]
    mul ecx
    movzx ecx, word [head]
    add eax, ecx
    movzx ecx, word [sectors]
    mul ecx
    movzx ecx, word [sector]
    lea eax, [eax + ecx - 1]
    cmp eax, [buffer]
    jne wrong
    ret

; ZF: memory wraps at 1 MiB. Keeps AX.
wraps:
    push es
    push word 0xffff
    pop es
    mov word [0x500], 0x1234
    mov word [es:0x510], 0x4321
    cmp word [0x500], 0x4321
    pop es
    ret

message_teletype db "teletype", 13, 10, 0
message_geometry db "geometry", 10, 0
message_read db "read", 10, 0
message_written db "written", 10, 0
message_a20 db "a20", 10, 0
message_end db "end", 10, 0
message_wrong db "wrong", 10, 0
align 2
sectors dw 0
heads dw 0
cylinders dw 0
cylinder dw 0
head dw 0
sector dw 0

times 512 * (1 + second_stage_sectors) - ($ - $$) db 0
