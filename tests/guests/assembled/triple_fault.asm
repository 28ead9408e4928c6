; An exception without an IDT: double fault, triple fault, shutdown.
%include "bzimage.inc"
        mov     rax, 0x1122334455667788
        ud2
end_of_image
