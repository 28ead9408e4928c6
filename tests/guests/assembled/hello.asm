; Says hello and what it was booted with, and powers off.
%include "bzimage.inc"
        mov     rbx, rsi
        lea     rsi, [rel greeting]
        call    print
        mov     esi, [rbx + 0x228]      ; cmd_line_ptr
        call    print
        lea     rsi, [rel initrd]
        call    print
        mov     esi, [rbx + 0x218]      ; ramdisk_image: the test's is text
        call    print
        lea     rsi, [rel newline]
        call    print
        jmp     power_off
define_print
define_power_off
greeting db "hello, command line: ", 0
initrd  db "; initrd: ", 0
newline db 10, 0
end_of_image
