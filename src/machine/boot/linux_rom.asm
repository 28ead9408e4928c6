; The boot program that firmware runs for a Linux image which is to be entered in real mode: it has the parts copied to
; their places by the firmware configuration device (QEMU: docs/specs/fw_cfg.rst) and jumps to the image's own setup code
; (Linux Documentation/arch/x86/boot.rst). Both checksums are the loader's to set (linux_rom.cpp).
bits 16

selector_port   equ 0x510
data_port       equ 0x511
dma_low_port    equ 0x518
dma_read        equ 1 << 1
dma_select      equ 1 << 3
dma_error       equ 1 << 24             ; bit 0 of a big-endian number

key_kernel_address  equ 0x07
key_kernel_size     equ 0x08
key_initrd_address  equ 0x0a
key_initrd_size     equ 0x0b
key_kernel_data     equ 0x11
key_initrd_data     equ 0x12
key_command_address equ 0x13
key_command_size    equ 0x14
key_command_data    equ 0x15
key_setup_address   equ 0x16
key_setup_size      equ 0x17
key_setup_data      equ 0x18

ramdisk_image   equ 0x218               ; in the setup header
entry_paragraph equ 0x20                ; the setup code, behind the boot sector

section .rodata align=16
global softmetal_linux_rom, softmetal_linux_rom_end
softmetal_linux_rom:
rom:
        dw      0xaa55
        db      (rom_end - rom) / 512
        xor     ax, ax                  ; nothing to initialize
        retf
        times 0x1a - ($ - rom) db 0
        dw      plug_and_play - rom

        align 16, db 0
plug_and_play:                          ; Plug and Play BIOS Specification 1.0A, ch. 3.2
        db      "$PnP", 1, 2            ; revision, length in paragraphs
        dw      0                       ; no further header
        db      0, 0                    ; the second is the checksum
        dd      0
        dw      manufacturer - rom, product - rom
        db      0, 0, 0                 ; no type of device
        db      0x44                    ; shadowable, boots
        dw      0, 0, boot - rom        ; connection, disconnect and bootstrap entry
        dw      0, 0

manufacturer:
        db      "Softmetal", 0
product: db     "Linux kernel", 0

; What is loaded as it is: the keys of its address, its size and its bytes.
parts:
        db      key_setup_address, key_setup_size, key_setup_data
        db      key_command_address, key_command_size, key_command_data
        db      key_kernel_address, key_kernel_size, key_kernel_data
parts_end:

boot:
        cld
        mov     si, parts - rom
.next:  call    next_number
        mov     edi, eax
        call    next_number
        mov     ecx, eax
        cs lodsb
        call    copy
        cmp     si, parts_end - rom
        jb      .next
        call    load_initrd

        ; The stack lies between the setup code's heap and the command line, as the protocol's example has it.
        mov     al, key_command_address
        call    number
        mov     ebx, eax
        mov     al, key_setup_address
        call    number
        sub     ebx, eax
        shr     eax, 4
        cli
        mov     ss, ax
        mov     sp, bx
        mov     ds, ax
        mov     es, ax
        mov     fs, ax
        mov     gs, ax
        add     ax, entry_paragraph
        push    ax
        push    word 0
        retf

; At its own address, or lower where firmware has kept the end of the memory for itself.
load_initrd:
        mov     al, key_initrd_address
        call    number
        mov     edi, eax
        mov     al, key_initrd_size
        call    number
        test    eax, eax
        jz      .done
        push    eax
        call    memory_end
        pop     ecx
        jc      .place
        sub     eax, ecx
        and     eax, ~0xfff
        cmp     eax, edi
        ja      .place
        mov     edi, eax
.place: mov     al, key_setup_address
        call    number
        shr     eax, 4
        mov     es, ax
        mov     [es:ramdisk_image], edi
        mov     al, key_initrd_data
        jmp     copy
.done:  ret

; EAX = where the memory that begins at 1 MiB ends; carry where firmware does not say. Changes EBX, ECX, EDX.
memory_end:
        push    edi
        xor     cx, cx
        xor     dx, dx
        mov     ax, 0xe801              ; KiB up to 16 MiB, and units of 64 KiB from there on, twice
        int     0x15
        jc      .done
        jcxz    .first
        mov     ax, cx
        mov     bx, dx
.first: movzx   eax, ax
        shl     eax, 10
        add     eax, 0x100000
        movzx   ebx, bx
        shl     ebx, 16
        jz      .known
        lea     eax, [ebx + 0x1000000]
.known: clc
.done:  pop     edi
        ret

; EAX = the number behind the key at CS:SI, or in AL. Changes EDX.
next_number:
        cs lodsb
number:
        xor     ah, ah
        mov     dx, selector_port
        out     dx, ax
        inc     dx                      ; the data port
%rep 4
        in      al, dx
        ror     eax, 8
%endrep
        ret

; Has the ECX bytes behind the key AL copied to EDI. Changes EAX, EBX, ECX, EDX, EDI, BP.
copy:
        movzx   eax, al
        shl     eax, 16
        mov     al, dma_read | dma_select
        bswap   edi
        push    edi
        push    dword 0
        bswap   ecx
        push    ecx
        bswap   eax
        push    eax
        mov     bp, sp
        xor     eax, eax
        mov     ax, ss
        shl     eax, 4
        movzx   ebx, sp
        add     eax, ebx
        bswap   eax
        mov     dx, dma_low_port
        out     dx, eax
.wait:  mov     eax, [bp]
        test    eax, eax
        jz      .done
        test    eax, dma_error
        jz      .wait
        int     0x18                    ; could not be booted: firmware tries what comes next
.done:  add     sp, 16
        ret

        align 512, db 0
rom_end:
softmetal_linux_rom_end:

section .note.GNU-stack noalloc noexec nowrite progbits
