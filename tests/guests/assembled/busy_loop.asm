; Says so, then runs for ever with interrupts off.
%include "bzimage.inc"
        lea     rsi, [rel text]
        call    print
        cli
.again: inc     rax
        jmp     .again
define_print
text    db "busy", 10, 0
end_of_image
