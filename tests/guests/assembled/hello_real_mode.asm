; A bzImage whose only entry is the one in real mode (Linux Documentation/arch/x86/boot.rst): says what it was started with
; on COM1, looks at its protected-mode part from where it is, and powers off.
bits 16
org 0
header  equ 0x1f1
        times header - ($ - $$) db 0
        db 1                            ; setup_sects
        dw 0
        dd (payload_end - payload) / 16 ; syssize
        dw 0, 0xffff, 0                 ; ram_size, vid_mode, root_dev
        dw 0xaa55                       ; boot_flag
        jmp short start
        db "HdrS"
        dw 0x0207                       ; version: cmdline_size, but no preferred address
        times 0x211 - ($ - $$) db 0
        db 1                            ; loadflags: LOADED_HIGH
        times 0x22c - ($ - $$) db 0
        dd 0x7fffffff                   ; initrd_addr_max
        times 0x238 - ($ - $$) db 0
        dd 255                          ; cmdline_size
        times 0x268 - ($ - $$) db 0

com1    equ 0x3f8
lsr     equ com1 + 5

start:
        mov     si, hello
        call    print
        mov     esi, [0x228]            ; cmd_line_ptr
        call    print_far
        mov     si, initrd
        call    print
        mov     esi, [0x218]            ; ramdisk_image
        call    print_far
        mov     si, stack
        call    print
        mov     ax, ss
        mov     dx, ds
        cmp     ax, dx
        jne     .odd
        cmp     sp, [0x224]             ; heap_end_ptr lies below it
        jbe     .odd
        mov     al, [0x1fa]             ; vid_mode
        cmp     al, 0x17
        jne     .odd
        mov     si, good
        call    print
        ; The BIOS is there: it copies from where real mode does not reach.
.odd:   push    ds
        pop     es
        mov     esi, 0x100000
        call    print_far
        mov     si, end
        call    print
        mov     dx, 0x604               ; PM1 control
        mov     ax, 5 << 10 | 1 << 13
        out     dx, ax
.stop:  hlt
        jmp     .stop

; The zero-terminated text at DS:SI.
print:  lodsb
        test    al, al
        jz      .done
        call    put
        jmp     print
.done:  ret

; The zero-terminated text of at most 64 bytes at linear address ESI.
print_far:
        mov     [source], si
        shr     esi, 16
        mov     eax, esi
        mov     [source + 2], al
        mov     [source + 5], ah
        mov     ax, ds
        movzx   eax, ax
        shl     eax, 4
        add     eax, buffer
        mov     [target], ax
        shr     eax, 16
        mov     [target + 2], al
        push    ds
        pop     es
        mov     si, table
        mov     cx, 32
        mov     ah, 0x87                ; INT 15h: move a block
        int     0x15
        mov     si, buffer
        jmp     print

put:    mov     ah, al
        mov     dx, lsr
.wait:  in      al, dx
        test    al, 0x20
        jz      .wait
        mov     dx, com1
        mov     al, ah
        out     dx, al
        ret

hello   db "real mode, command line: ", 0
initrd  db "; initrd: ", 0
stack   db "; ", 0
good    db "stack, heap and video mode; ", 0
end     db 10, 0

align 8, db 0
table:  times 16 db 0
        dw 0xffff                       ; the source: limit, base, access rights
source: times 3 db 0
        db 0x93
        dw 0
        dw 0xffff                       ; the target
target: times 3 db 0
        db 0x93
        dw 0
        times 16 db 0
buffer:
        times 1024 - ($ - $$) db 0

payload:
        db "the payload", 0
        align 64, db 0
payload_end:
