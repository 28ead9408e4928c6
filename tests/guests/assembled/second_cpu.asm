; Starts the application processor by INIT and SIPI (SDM vol. 3, ch. 9.4.4); each says hello in turn.
%include "bzimage.inc"
local_apic equ 0xfee00000
trampoline_page equ 0x8
said    equ 0x20000                     ; set by the second processor, in real mode
        mov     edi, local_apic
        mov     dword [rdi + 0xf0], 0x1ff
        mov     byte [said], 0
        lea     rsi, [rel trampoline]
        mov     edi, trampoline_page << 12
        mov     ecx, trampoline_end - trampoline
        rep movsb
        lea     rsi, [rel first]
        call    print
        mov     edi, local_apic
        mov     dword [rdi + 0x310], 1 << 24            ; to APIC id 1
        mov     dword [rdi + 0x300], 0x4500             ; INIT, assert
        mov     dword [rdi + 0x300], 0x4600 | trampoline_page   ; start-up
.wait:  pause
        cmp     byte [said], 1
        jne     .wait
        lea     rsi, [rel done]
        call    print
        jmp     power_off
define_print
define_power_off
first   db "first processor", 10, 0
done    db "both processors", 10, 0

bits 16
trampoline:
        mov     ax, cs
        mov     ds, ax
        mov     si, second - trampoline
        mov     dx, com1
.next:  lodsb
        test    al, al
        jz      .said
        out     dx, al
        jmp     .next
.said:  mov     ax, said >> 4
        mov     ds, ax
        mov     byte [0], 1
.halt:  cli
        hlt
        jmp     .halt
second  db "second processor", 10, 0
trampoline_end:
end_of_image
