; Says so, then halts with interrupts off: nothing but a stop from outside ends this.
%include "bzimage.inc"
        lea     rsi, [rel text]
        call    print
        cli
        hlt
        lea     rsi, [rel woken]
        call    print
        jmp     power_off
define_print
define_power_off
text    db "asleep", 10, 0
woken   db "woken", 10, 0
end_of_image
