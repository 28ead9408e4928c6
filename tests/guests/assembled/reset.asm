; Resets the machine by the reset control register, as the FADT says.
%include "bzimage.inc"
        mov     edx, 0xcf9
        mov     al, 6
        out     dx, al
.wait:  hlt
        jmp     .wait
end_of_image
