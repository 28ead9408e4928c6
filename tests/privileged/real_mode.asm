; Real-address mode, entered from protected mode and left again: segments that keep their limits, the interrupt table, exceptions,
; what is allowed there (SDM vol. 3, ch. 9.9, 20.1).
%include "environment32.inc"

%include "real_mode.inc"

;| CR0 there: 00000000
;| CS: 0000ffff
;| read through DS: 00005a5a
;| base of another segment: 00001234
;| MOV of any selector: 00000000
;| far call, pushed: 0000ffec
;| INT pushes six bytes: 0000ffea
;|   flags without IF, TF: 00000002
;|   return address: 00000000
;|   and IRET: 0000fff0
;|   with IF again: 00000202
;| INT3: 00000003
;| INTO: 00000004
;| divide error: 00000000
;|   pushes no error code: 0000ffea
;|   returns to the instruction: 00000000
;| undefined: 00000006
;| word at ffff: 0000000d
;| word at ffff, stack: 0000000c
;| doubleword at fffd: 0000000d
;| 32-bit address behind 64 KiB: 0000000d
;| LLDT: 00000006
;| LTR: 00000006
;| SLDT: 00000006
;| STR: 00000006
;| LAR: 00000006
;| VERW: 00000006
;| ARPL: 00000006
;| LGDT, SGDT, SMSW, CLTS: 000000ff
;| RDMSR, WRMSR, CPUID, MOV DR: 000000ff
;| CLI, STI, IN: 000000ff
;| SYSENTER: 0000000d
;| an unknown MSR: 0000000d
;| vector behind the table: 0000000d
;| POPF takes IOPL and NT: 00007202
;| 32-bit operands: 87654321
;| unreal: read above 1 MiB: 00c0ffee
;|   limit stays when the register is loaded: 00c0ffee
;|   base does not: 00001234
;| a 32-bit stack stays one: 00007fe0
;| single step: 00000001
;|   one instruction on: 00000001
;| protected mode by LMSW: 00000011
;|   before the far jump, CS: 0000ffff
;| string in real mode: 0000abcd
;| wraps at 64 KiB: 0000fffe
;| above FFFF:0010: 00000055
;| external interrupt: 00000001
;| a bad CR0: 0000000d
;| jump behind 64 KiB: 0000000d
;| end

main:
    prepare_real_mode

    begin_real
    mov eax, cr0
    and eax, 1
    xor ecx, ecx
    mov cx, cs
    end_real
    say "CR0 there", eax
    say "CS", ecx
    begin_real
    mov ax, [v86(word_5a5a)]
    end_real
    say "read through DS", eax
    mov word [0x12340 + 0x10], 0x1234
    begin_real
    mov cx, 0x1234
    mov es, cx
    mov ax, [es:0x10]
    end_real
    say "base of another segment", eax
    begin_real
    mov cx, 3
    mov ss, cx
    mov cx, 0xfff8
    mov fs, cx
    mov cx, 0
    mov gs, cx
    mov cx, v86_stack_segment
    mov ss, cx
    end_real
    say "MOV of any selector", eax
    begin_real
    call v86_segment:v86(.far_function)
    jmp .far_returned
.far_function:
    mov ax, sp
    retf
.far_returned:
    end_real
    say "far call, pushed", eax

    ; interrupts
    begin_real
    sti
    int 33
.behind_int:
    mov [cs:v86(answers) + 16], sp
    pushf
    pop word [cs:v86(answers) + 20]
    cli
    end_real
    movzx ecx, word [answers + 24]
    say "INT pushes six bytes", ecx
    movzx ecx, word [answers + 26]
    and ecx, 0x302
    say "  flags without IF, TF", ecx
    movzx ecx, word [answers + 28]
    sub ecx, v86(.behind_int)
    say "  return address", ecx
    movzx ecx, word [answers + 16]
    say "  and IRET", ecx
    movzx ecx, word [answers + 20]
    and ecx, 0x302
    say "  with IF again", ecx
    real_exception "INT3", int3
    begin_real
    mov cx, 0xff
    mov word [v86(real_resume)], v86(.overflown)
    mov al, 0x7f
    inc al
    into
.overflown:
    end_real
    movzx ecx, cl
    say "INTO", ecx
    begin_real
    mov word [v86(real_resume)], v86(.divided)
    xor cx, cx
.divide:
    div cx
.divided:
    end_real
    movzx ecx, cl
    say "divide error", ecx
    movzx eax, word [answers + 24]
    say "  pushes no error code", eax
    movzx eax, word [answers + 28]
    sub eax, v86(.divide)
    say "  returns to the instruction", eax
    real_exception "undefined", ud2
    real_exception "word at ffff", mov ax, [0xffff]
    begin_real
    mov cx, 0xff
    mov word [v86(real_resume)], v86(.stack_read)
    mov bp, 0xffff
    mov ax, [bp]
.stack_read:
    end_real
    movzx ecx, cl
    say "word at ffff, stack", ecx
    real_exception "doubleword at fffd", mov eax, [0xfffd]
    begin_real
    mov cx, 0xff
    mov word [v86(real_resume)], v86(.far_read)
    mov ebx, 0x10000
    mov al, [ebx]
.far_read:
    end_real
    movzx ecx, cl
    say "32-bit address behind 64 KiB", ecx
    real_exception "LLDT", lldt ax
    real_exception "LTR", ltr ax
    real_exception "SLDT", sldt ax
    real_exception "STR", str ax
    real_exception "LAR", lar ax, cx
    real_exception "VERW", verw ax
    real_exception "ARPL", arpl ax, cx
    begin_real
    mov cx, 0xff
    mov word [v86(real_resume)], v86(.system_done)
    sgdt [v86(scratch)]
    o32 lgdt [v86(gdt_pointer)]
    smsw ax
    clts
.system_done:
    end_real
    movzx ecx, cl
    say "LGDT, SGDT, SMSW, CLTS", ecx
    begin_real
    mov word [v86(real_resume)], v86(.msr_done)
    xor eax, eax
    cpuid
    mov ecx, 0x10
    rdmsr
    mov ecx, 0x174                          ; SYSENTER_CS
    xor eax, eax
    xor edx, edx
    wrmsr
    mov eax, dr7
    mov cx, 0xff
.msr_done:
    end_real
    movzx ecx, cl
    say "RDMSR, WRMSR, CPUID, MOV DR", ecx
    begin_real
    mov cx, 0xff
    mov word [v86(real_resume)], v86(.io_done)
    cli
    sti
    in al, 0x80
    cli
.io_done:
    end_real
    movzx ecx, cl
    say "CLI, STI, IN", ecx
    real_exception "SYSENTER", sysenter
    begin_real
    mov word [v86(real_resume)], v86(.bad_msr)
    mov ecx, 0x40001234
    rdmsr
.bad_msr:
    end_real
    movzx ecx, cl
    say "an unknown MSR", ecx
    real_exception "vector behind the table", int 0x30

    begin_real
    push word 0x7202
    popf
    pushf
    pop ax
    push word 2
    popf
    end_real
    movzx eax, ax
    say "POPF takes IOPL and NT", eax
    begin_real
    mov eax, 0x12345678
    bswap eax
    mov eax, 0x87654321
    end_real
    say "32-bit operands", eax

    ; limits that stay
    mov dword [arena + 0x10], 0x00c0ffee
    begin_real
    mov eax, cr0
    or al, 1
    mov cr0, eax
    mov bx, kernel_data
    mov ds, bx                              ; 4 GiB
    and al, ~1
    mov cr0, eax
    mov ebx, arena + 0x10
    mov ecx, [ebx]
    mov ax, 0x1234
    mov ds, ax
    mov edx, [ebx - 0x12340]
    mov ax, [0x10]
    and eax, 0xffff
    mov [cs:v86(scratch)], eax
    mov eax, cr0                            ; and 64 KiB again
    or al, 1
    mov cr0, eax
    mov bx, slot(1)
    mov ds, bx
    and al, ~1
    mov cr0, eax
    end_real
    say "unreal: read above 1 MiB", ecx
    say "  limit stays when the register is loaded", edx
    say "  base does not", [scratch]
    begin_real
    mov eax, cr0
    or al, 1
    mov cr0, eax
    mov bx, kernel_data
    mov ss, bx                              ; with B set
    and al, ~1
    mov cr0, eax
    mov esp, 0x200000 + 0x7fe4              ; from 1 MiB on
    xor bx, bx
    mov ss, bx
    push dword 0
    mov ecx, esp
    sub ecx, 0x200000
    mov eax, cr0
    or al, 1
    mov cr0, eax
    mov bx, slot(1)
    mov ss, bx
    and al, ~1
    mov cr0, eax
    mov bx, v86_stack_segment
    mov ss, bx
    mov esp, v86_stack
    end_real
    say "a 32-bit stack stays one", ecx

    begin_real
    mov cx, 0xff
    mov word [v86(real_resume)], v86(.stepped)
    push word 0x102
    popf
.step:
    nop
    nop
.stepped:
    end_real
    movzx ecx, cl
    say "single step", ecx
    movzx eax, word [answers + 28]
    sub eax, v86(.step)
    say "  one instruction on", eax
    begin_real
    smsw ax
    or al, 1
    lmsw ax
    mov edx, cr0
    xor ecx, ecx
    mov cx, cs
    mov eax, edx
    and al, ~1
    mov cr0, eax
    end_real
    and edx, 0x11
    say "protected mode by LMSW", edx
    say "  before the far jump, CS", ecx
    begin_real
    mov si, v86(word_abcd)
    mov di, v86(scratch)
    mov cx, 1
    cld
    rep movsw
    mov ax, [v86(scratch)]
    end_real
    movzx eax, ax
    say "string in real mode", eax
    begin_real
    xor cx, cx
    mov sp, cx
    push cx
    mov ax, sp
    mov sp, v86_stack
    end_real
    movzx eax, ax
    say "wraps at 64 KiB", eax
    mov byte [0x10ffef], 0x55
    begin_real
    mov cx, 0xffff
    mov es, cx
    mov al, [es:0xffff]
    end_real
    movzx eax, al
    say "above FFFF:0010", eax

    ; the timer's interrupt
    mov al, 0x11
    out 0x20, al
    mov al, 0x20                            ; vectors from 32
    out 0x21, al
    mov al, 4
    out 0x21, al
    mov al, 1
    out 0x21, al
    mov al, 0xfe
    out 0x21, al
    mov al, 0x30                            ; channel 0, mode 0
    out 0x43, al
    mov al, 0xff
    out 0x40, al
    out 0x40, al
    mov word [vectors + 32 * 4], v86(.timer)
    begin_real
    mov word [v86(scratch)], 0
    sti
.wait:
    cmp word [v86(scratch)], 0
    je .wait
    cli
    mov ax, [v86(scratch)]
    end_real
    movzx eax, ax
    say "external interrupt", eax
    begin_real
    mov cx, 0xff
    mov word [v86(real_resume)], v86(.bad_cr0)
    mov eax, cr0
    or eax, 1 << 31                         ; paging without protection
    mov cr0, eax
.bad_cr0:
    end_real
    movzx ecx, cl
    say "a bad CR0", ecx
    begin_real
    mov cx, 0xff
    mov word [v86(real_resume)], v86(.far_jump)
    mov ebx, 0x10000
    jmp ebx
.far_jump:
    end_real
    movzx ecx, cl
    say "jump behind 64 KiB", ecx
    ret

bits 16
.timer:
    push ax
    inc word [cs:v86(scratch)]
    mov al, 0xff
    out 0x21, al
    mov al, 0x20
    out 0x20, al
    pop ax
    iret

real_mode_parts
word_5a5a: dw 0x5a5a
word_abcd: dw 0xabcd
image_ends
