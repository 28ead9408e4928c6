; A Multiboot kernel without ELF headers: says what it was booted with from 32-bit protected mode, then from real mode,
; where it waits for a tick that a BIOS would have left running, and powers off.
load_address equ 0x8000
com1    equ 0x3f8
lsr     equ com1 + 5
pm1_control equ 0x604
address_fields equ 1 << 16
magic   equ 0x1badb002

org load_address
bits 32
header: dd magic, address_fields, -(magic + address_fields)
        dd header, load_address, image_end, image_end, entry

entry:  mov     esp, load_address
        cmp     eax, 0x2badb002
        jne     stop
        mov     esi, greeting
        call    print
        mov     esi, [ebx + 16]         ; cmdline
        call    print
        mov     esi, module
        call    print
        mov     esi, [ebx + 24]         ; mods_addr
        mov     esi, [esi]              ; mod_start: the test's is text
        call    print
        lgdt    [gdt_pointer]
        jmp     8:protected_16
bits 16
protected_16:
        mov     ax, 16
        mov     ds, ax
        mov     es, ax
        mov     ss, ax
        mov     eax, cr0
        and     al, 0xfe
        mov     cr0, eax
        jmp     0:real
real:   xor     ax, ax
        mov     ds, ax
        mov     es, ax
        mov     ss, ax
        lidt    [idt_pointer]
        sti
        hlt                             ; until IRQ 0, whose handler ends it
        hlt
        mov     si, ticked
.next:  lodsb
        test    al, al
        jz      power_off
        mov     dx, com1
        out     dx, al
        jmp     .next
power_off:
        mov     dx, pm1_control
        mov     ax, 5 << 10 | 1 << 13
        out     dx, ax
stop:   hlt
        jmp     stop
bits 32
; Prints the zero-terminated text at ESI. Changes EAX, EDX, ESI.
print:  lodsb
        test    al, al
        jz      .done
        mov     ah, al
        mov     edx, lsr
.wait:  in      al, dx
        test    al, 0x20                ; transmitter holding register empty
        jz      .wait
        mov     al, ah
        mov     edx, com1
        out     dx, al
        jmp     print
.done:  ret

align 8
gdt:    dq 0
        dq 0x00009b000000ffff           ; 16-bit code
        dq 0x000093000000ffff           ; 16-bit data
gdt_pointer: dw $ - gdt - 1
        dd gdt
idt_pointer: dw 0x3ff
        dd 0
greeting db "hello, command line: ", 0
module  db "; module: ", 0
ticked  db "; two ticks", 10, 0
image_end:
