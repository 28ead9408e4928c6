; Paints the frame buffer that its loader describes: a red square at (0, 0), a green one at (100, 50), blue below. Then prints
; what keyboard and mouse send, two hexadecimal digits a byte, "k" or "m" before it. The key A (0x1e) sets another screen of
; 640 by 480 with a white square at (320, 240), B (0x30) resets the machine, Q (0x10) powers off.
%include "bzimage.inc"
screen_base equ 0x18                    ; in boot_params (struct screen_info)
screen_line equ 0x24
dispi   equ 0x1ce
data_port equ 0x60
command_port equ 0x64
        mov     ebx, [rsi + screen_base]
        movzx   ebp, word [rsi + screen_line]
        lea     rsp, [rel stack_top]
        mov     edx, com1 + 4
        mov     al, 3
        out     dx, al
        mov     eax, 0xff0000
        xor     edi, edi
        call    square
        mov     eax, 0x00ff00
        imul    edi, ebp, 50
        add     edi, 100 * 4
        call    square
        mov     eax, 0x0000ff
        imul    edi, ebp, 700
        call    square
        ; The mouse's interface on, then the mouse.
        mov     al, 0xa8
        call    command
        mov     al, 0xd4
        call    command
        mov     al, 0xf4
        call    data
        lea     rsi, [rel ready]
        call    print
next:   in      al, command_port
        test    al, 1
        jz      next
        test    al, 0x20
        mov     byte [rel kind], 'k'
        jz      .keyboard
        mov     byte [rel kind], 'm'
.keyboard:
        in      al, data_port
        mov     cl, al
        lea     rdi, [rel digits]
        shr     al, 4
        call    digit
        mov     al, cl
        and     al, 15
        call    digit
        lea     rsi, [rel kind]
        call    print
        cmp     byte [rel kind], 'k'
        jne     next
        cmp     cl, 0x1e
        je      other_screen
        cmp     cl, 0x30
        je      reset
        cmp     cl, 0x10
        je      power_off
        jmp     next

digit:  add     al, '0'
        cmp     al, '9'
        jbe     .decimal
        add     al, 'a' - '9' - 1
.decimal:
        stosb
        ret

other_screen:
        lea     rsi, [rel mode]
.set:   lodsw
        cmp     ax, -1
        je      .painted
        mov     edx, dispi
        out     dx, ax
        lodsw
        inc     edx
        out     dx, ax
        jmp     .set
.painted:
        mov     ebp, 640 * 4
        imul    edi, ebp, 240
        add     edi, 320 * 4
        mov     eax, 0xffffff
        call    square
        jmp     next

; 16 by 16 pixels of colour EAX at offset EDI of the frame buffer.
square: add     rdi, rbx
        mov     r8d, 16
.line:  mov     ecx, 16
        push    rdi
        rep     stosd
        pop     rdi
        add     rdi, rbp
        dec     r8d
        jnz     .line
        ret

command:
        mov     ah, al
.wait:  in      al, command_port
        test    al, 2
        jnz     .wait
        mov     al, ah
        out     command_port, al
        ret
data:   mov     ah, al
.wait:  in      al, command_port
        test    al, 2
        jnz     .wait
        mov     al, ah
        out     data_port, al
        ret

reset:  mov     edx, 0xcf9
        mov     al, 6
        out     dx, al
        hlt
define_print
define_power_off
; Index and value, by pairs.
mode    dw 4, 0, 1, 640, 2, 480, 3, 32, 4, 0x41, -1
ready   db "ready", 10, 0
kind    db "k"
digits  db "00", 10, 0
        align 16
        times 512 db 0
stack_top:
end_of_image
