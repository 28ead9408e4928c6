; When the floating-point and vector units may be used: CR0.TS, EM, MP, NE, CR4.OSFXSR, OSXMMEXCPT, OSXSAVE and XCR0; pending
; exceptions; what the state images refuse (SDM vol. 3, ch. 2.5, 6.15, 13; vol. 1, ch. 13).
%include "environment.inc"

%macro refused 2+
    attempt %1
    %2
    outcome
%endmacro
%macro cr0_bits 2                           ; to clear, to set
    mov rax, cr0
    and rax, ~(%1)
    or rax, %2
    mov cr0, rax
%endmacro
%macro cr4_bits 2
    mov rax, cr4
    and rax, ~(%1)
    or rax, %2
    mov cr4, rax
%endmacro
MP equ 2
EM equ 4
TS equ 8
NE equ 32
OSFXSR equ 1 << 9
OSXMMEXCPT equ 1 << 10
OSXSAVE equ 1 << 18

;| TS: x87: #NM
;| TS: MMX: #NM
;| TS: SSE: #NM
;| TS: FXSAVE: #NM
;| TS: LDMXCSR: #NM
;| TS, MP: WAIT: #NM
;| TS, MP=0: WAIT: none
;| TS: PREFETCH, MOVNTI, fences: none
;| CLTS: none
;| EM: x87: #NM
;| EM: MMX: #UD
;| EM: SSE: #UD
;| EM, MP, TS=0: WAIT: none
;| EM: FXSAVE: #NM
;| OSFXSR=0: SSE: #UD
;| OSFXSR=0: SSE2 on MMX registers: none
;| OSFXSR=0: MMX: none
;| OSXSAVE=0: AVX: #UD
;| OSXSAVE=0: XSAVE: #UD
;| XCR0 without AVX: AVX: #UD
;| XCR0 without AVX: SSE: none
;| XCR0 with AVX: AVX: none
;| TS: AVX: #NM
;| TS: XSAVE: #NM
;| AVX behind 66: #UD
;| AVX behind LOCK: #UD
;| x87 exception pending: WAIT: #MF
;| x87 exception pending: FLD1: #MF
;| x87 exception pending: FNSTSW: none
;| x87 exception pending: MMX: #MF
;| x87 exception pending: FXSAVE: none
;| x87 exception pending: SSE: none
;| SSE exception, unmasked: #XM
;| SSE exception, OSXMMEXCPT=0: #UD
;| SSE exception, masked: none
;| LDMXCSR of a reserved bit: #GP(0000)
;| FXRSTOR of a reserved bit: #GP(0000)
;| FXSAVE, not aligned: #GP(0000)
;| XSAVE, not on 64 bytes: #GP(0000)
;| XRSTOR of a component not enabled: #GP(0000)
;| XRSTOR with a reserved byte set: #GP(0000)
;| XRSTOR of compact format, XSTATE_BV beyond it: #GP(0000)
;| FNSTSW says which: 0000000000008081
;| FXSAVE's abridged tags: 00000000000000c0
;| XSAVE writes of XSTATE_BV what was asked: 0000000000000004
;| YMM comes back: 1122334455667788
;| XRSTOR initializes what the image lacks: 0000000000000000
;| VZEROUPPER's upper half: 0000000000000000
;| an SSE write keeps the upper half: 1122334455667788
;| end

main:
    cr0_bits 0, TS | MP
    refused "TS: x87", fld1
    refused "TS: MMX", movd mm0, eax
    refused "TS: SSE", xorps xmm0, xmm0
    refused "TS: FXSAVE", fxsave [area]
    refused "TS: LDMXCSR", ldmxcsr [mxcsr]
    refused "TS, MP: WAIT", fwait
    cr0_bits MP, 0
    refused "TS, MP=0: WAIT", fwait
    attempt "TS: PREFETCH, MOVNTI, fences"
    prefetcht0 [area]
    movnti [area], eax
    sfence
    lfence
    mfence
    outcome
    attempt "CLTS"
    clts
    fld1
    fninit
    outcome
    cr0_bits TS, EM | MP
    refused "EM: x87", fld1
    refused "EM: MMX", movd mm0, eax
    refused "EM: SSE", xorps xmm0, xmm0
    refused "EM, MP, TS=0: WAIT", fwait
    refused "EM: FXSAVE", fxsave [area]
    cr0_bits EM, 0
    cr4_bits OSFXSR, 0
    refused "OSFXSR=0: SSE", xorps xmm0, xmm0
    refused "OSFXSR=0: SSE2 on MMX registers", paddq mm0, mm1
    refused "OSFXSR=0: MMX", paddb mm0, mm1
    emms
    cr4_bits 0, OSFXSR
    refused "OSXSAVE=0: AVX", vxorps xmm0, xmm0, xmm0
    refused "OSXSAVE=0: XSAVE", xsave [area]
    cr4_bits 0, OSXSAVE
    xor ecx, ecx
    xor edx, edx
    mov eax, 3
    xsetbv
    refused "XCR0 without AVX: AVX", vxorps xmm0, xmm0, xmm0
    refused "XCR0 without AVX: SSE", xorps xmm0, xmm0
    mov eax, 7
    xsetbv
    refused "XCR0 with AVX: AVX", vxorps xmm0, xmm0, xmm0
    cr0_bits 0, TS
    refused "TS: AVX", vxorps xmm0, xmm0, xmm0
    refused "TS: XSAVE", xsave [area]
    cr0_bits TS, 0
    attempt "AVX behind 66"
    db 0x66, 0xc5, 0xf8, 0x57, 0xc0
    outcome
    attempt "AVX behind LOCK"
    db 0xf0, 0xc5, 0xf8, 0x57, 0xc0
    outcome

    ; an invalid operation, unmasked, waits for the next instruction
%macro pending 2+
    attempt %1
    fninit
    fldcw [unmasked]
    fldz
    fdiv st0, st0
    %2
    outcome
    fnclex
    fninit
%endmacro
    pending "x87 exception pending: WAIT", fwait
    pending "x87 exception pending: FLD1", fld1
    pending "x87 exception pending: FNSTSW", fnstsw ax
    pending "x87 exception pending: MMX", movd mm0, eax
    pending "x87 exception pending: FXSAVE", fxsave [area]
    pending "x87 exception pending: SSE", xorps xmm0, xmm0
    xorps xmm0, xmm0
    ldmxcsr [mxcsr_unmasked]
    refused "SSE exception, unmasked", divps xmm0, xmm0
    cr4_bits OSXMMEXCPT, 0
    ldmxcsr [mxcsr_unmasked]
    refused "SSE exception, OSXMMEXCPT=0", divps xmm0, xmm0
    cr4_bits 0, OSXMMEXCPT
    ldmxcsr [mxcsr]
    refused "SSE exception, masked", divps xmm0, xmm0
    refused "LDMXCSR of a reserved bit", ldmxcsr [mxcsr_reserved]
    fxsave [area]
    mov dword [area + 24], 0x10000
    refused "FXRSTOR of a reserved bit", fxrstor [area]
    refused "FXSAVE, not aligned", fxsave [area + 8]
    mov eax, 7
    xor edx, edx
    refused "XSAVE, not on 64 bytes", xsave [area + 16]
    call clear_area
    mov dword [area + 24], 0x1f80
    mov qword [area + 512], 8
    mov eax, 7
    refused "XRSTOR of a component not enabled", xrstor [area]
    mov qword [area + 512], 1
    mov byte [area + 512 + 16], 1
    refused "XRSTOR with a reserved byte set", xrstor [area]
    mov byte [area + 512 + 16], 0
    mov rbx, 1 << 63 | 2
    mov [area + 520], rbx
    mov qword [area + 512], 7
    refused "XRSTOR of compact format, XSTATE_BV beyond it", xrstor [area]

    fninit
    fldcw [unmasked]
    fldz
    fdiv st0, st0
    xor eax, eax
    fnstsw ax
    and eax, 0x80ff
    say "FNSTSW says which", rax
    fnclex
    fninit
    fld1
    fld1
    fxsave [area]
    movzx eax, byte [area + 4]
    say "FXSAVE's abridged tags", rax
    fninit

    call clear_area
    mov rax, 0x1122334455667788
    movq xmm1, rax
    vinsertf128 ymm1, ymm1, xmm1, 1
    mov eax, 4
    xor edx, edx
    xsave [area]
    mov rax, [area + 512]
    say "XSAVE writes of XSTATE_BV what was asked", rax
    vxorps ymm1, ymm1, ymm1
    mov dword [area + 24], 0x1f80
    mov eax, 4
    xrstor [area]
    vextractf128 xmm2, ymm1, 1
    movq rax, xmm2
    say "YMM comes back", rax
    mov qword [area + 512], 0
    mov eax, 4
    xor edx, edx
    xrstor [area]
    vextractf128 xmm2, ymm1, 1
    movq rax, xmm2
    say "XRSTOR initializes what the image lacks", rax
    mov rax, 0x1122334455667788
    movq xmm1, rax
    vinsertf128 ymm1, ymm1, xmm1, 1
    vinsertf128 ymm3, ymm3, xmm1, 1
    vzeroupper
    vextractf128 xmm2, ymm1, 1
    movq rax, xmm2
    say "VZEROUPPER's upper half", rax
    mov rax, 0x1122334455667788
    movq xmm1, rax
    vinsertf128 ymm3, ymm3, xmm1, 1
    xorps xmm3, xmm3
    vextractf128 xmm2, ymm3, 1
    movq rax, xmm2
    say "an SSE write keeps the upper half", rax
    cr4_bits OSXSAVE, 0
    ret

clear_area:
    mov edi, area
    xor eax, eax
    mov ecx, 1024
    rep stosb
    ret

align 16
mxcsr: dd 0x1f80
mxcsr_unmasked: dd 0x1f00
mxcsr_reserved: dd 0x11f80
unmasked: dw 0x37e
align 64
area: times 1024 db 0

image_ends
