; Says "ready", then sends back what comes in over the serial port. Q powers off, R resets, T makes a triple fault,
; X writes 5 to the debug exit port, F prints for ever.
%include "bzimage.inc"
        mov     edx, com1 + 4           ; modem control
        mov     al, 3                   ; DTR and RTS: a port without RTS is not listening
        out     dx, al
        lea     rsi, [rel ready]
        call    print
next:   mov     edx, lsr
.wait:  in      al, dx
        test    al, 1                   ; a byte has come
        jz      .wait
        mov     edx, com1
        in      al, dx
        cmp     al, 'Q'
        je      power_off
        cmp     al, 'R'
        je      reset
        cmp     al, 'T'
        je      triple_fault
        cmp     al, 'X'
        je      exit
        cmp     al, 'F'
        je      flood
        mov     [rel text], al
        lea     rsi, [rel text]
        call    print
        jmp     next
flood:  lea     rsi, [rel line]
        call    print
        jmp     flood
exit:   mov     al, 5
        out     0xf4, al                ; where --debug-exit has put its port
        jmp     next
reset:  mov     edx, 0xcf9
        mov     al, 6
        out     dx, al
        hlt
triple_fault:
        lidt    [rel no_table]
        ud2
define_print
define_power_off
ready   db "ready", 10, 0
line    db "0123456789abcdefghijklmnopqrstuvwxyz", 10, 0
text    db 0, 0
no_table:
        dw 0
        dq 0
end_of_image
