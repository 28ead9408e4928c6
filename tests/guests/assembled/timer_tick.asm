; Counts ten ticks of the PIT through the 8259 in HLT, then ten through the I/O APIC and the local APIC.
%include "bzimage.inc"
idt     equ 0x20000
pic_vector equ 0x20
apic_vector equ 0x30
local_apic equ 0xfee00000
io_apic equ 0xfec00000
        lea     rax, [rel pic_tick]
        mov     edi, idt + pic_vector * 16
        call    set_gate
        lea     rax, [rel spurious]
        mov     edi, idt + (pic_vector + 7) * 16        ; a tick that is masked just as it comes
        call    set_gate
        lea     rax, [rel apic_tick]
        mov     edi, idt + apic_vector * 16
        call    set_gate
        lidt    [rel idt_register]

        mov     al, 0x11                ; ICW1: edge triggered, cascade, ICW4 follows
        out     0x20, al
        out     0xa0, al
        mov     al, pic_vector
        out     0x21, al
        mov     al, pic_vector + 8
        out     0xa1, al
        mov     al, 4                   ; ICW3: secondary on IRQ 2
        out     0x21, al
        mov     al, 2
        out     0xa1, al
        mov     al, 1                   ; ICW4: 8086 mode
        out     0x21, al
        out     0xa1, al
        mov     al, 0xff
        out     0xa1, al
        mov     al, 0xfe                ; all masked but the timer
        out     0x21, al

        mov     al, 0x34                ; channel 0, both bytes, mode 2
        out     0x43, al
        mov     al, 1193182 / 1000 & 0xff
        out     0x40, al
        mov     al, 1193182 / 1000 >> 8
        out     0x40, al

        xor     ebx, ebx
        call    wait_for_ten
        lea     rsi, [rel pic_text]
        call    print

        mov     al, 0xff
        out     0x21, al
        mov     edi, local_apic
        mov     dword [rdi + 0xf0], 0x1ff       ; spurious vector register: enabled
        mov     edi, io_apic
        mov     dword [rdi], 0x10 + 2 * 2 + 1   ; input 2, the timer's: destination 0
        mov     dword [rdi + 0x10], 0
        mov     dword [rdi], 0x10 + 2 * 2
        mov     dword [rdi + 0x10], apic_vector ; edge, fixed, unmasked
        xor     ebx, ebx
        call    wait_for_ten
        lea     rsi, [rel apic_text]
        call    print
        jmp     power_off

wait_for_ten:
        sti
        hlt
        cmp     ebx, 10
        jb      wait_for_ten
        cli
        ret

pic_tick:
        inc     ebx
        push    rax
        mov     al, 0x20                ; end of interrupt
        out     0x20, al
        pop     rax
        iretq

spurious:
        iretq                           ; without an end of interrupt (8259A datasheet, "Spurious interrupts")

apic_tick:
        inc     ebx
        push    rax
        mov     eax, local_apic
        mov     dword [rax + 0xb0], 0
        pop     rax
        iretq

; Interrupt gate at RDI for the handler at RAX (below 4 GiB). Boot memory is not cleared for us.
set_gate:
        mov     [rdi], ax
        mov     [rdi + 2], cs
        mov     word [rdi + 4], 0x8e00
        shr     eax, 16
        mov     [rdi + 6], ax
        mov     qword [rdi + 8], 0
        ret

define_print
define_power_off
idt_register:
        dw      0xfff
        dq      idt
pic_text db "ten ticks by the 8259", 10, 0
apic_text db "ten ticks by the I/O APIC", 10, 0
end_of_image
