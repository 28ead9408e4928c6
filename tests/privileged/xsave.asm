; XSAVE and XRSTOR in the standard format, FXSAVE beside them: what is written and what is left alone, what is loaded, initialised
; and refused (SDM vol. 1, ch. 10.5, 13.3 to 13.8).
%include "environment.inc"
%include "xsave.inc"

;| sizes: enabled: 0000000000000340
;| sizes: all: 0000000000000340
;| sizes: without AVX: 0000000000000240
;| AVX: offset: 0000000000000240
;| AVX: size: 0000000000000100
;| XSAVE of all: XSTATE_BV: 0000000000000007
;|   XCOMP_BV is not written: aaaaaaaaaaaaaaaa
;|   nor the rest of the header: aaaaaaaaaaaaaaaa
;|   nor what software may use: aaaaaaaaaaaaaaaa
;|   MXCSR: 0000000000001fa0
;|   XMM15: 0000000000000f0f
;|   YMM15's upper half: 000000000000f1f1
;|   ST0: 8000000000000000
;| XSAVE of x87: XSTATE_BV keeps other bits: 0000000000000005
;|   MXCSR is not written: 00000000aaaaaaaa
;|   XMM0 is not: aaaaaaaaaaaaaaaa
;|   ST0 is: 8000000000000000
;| XSAVE of SSE: MXCSR: 0000000000001fa0
;|   FCW is not written: 000000000000aaaa
;|   YMM0's upper half is not: aaaaaaaaaaaaaaaa
;| XSAVE of AVX: MXCSR: 0000000000001fa0
;|   XMM0 is not: aaaaaaaaaaaaaaaa
;|   YMM15's upper half is: 000000000000f1f1
;| XSAVE of nothing: XSTATE_BV: aaaaaaaaaaaaaaa8
;| XSAVE of what XCR0 lacks: XSTATE_BV: aaaaaaaaaaaaaaab
;| XCR0 without AVX: XSAVE leaves it: aaaaaaaaaaaaaaaa
;|   and its bit: 0000000000000004
;| FXSAVE: bytes 464 on: aaaaaaaaaaaaaaaa
;|   XMM15: 0000000000000f0f
;|   MXCSR_MASK's low half: 000000000000ffff
;| XRSTOR: XMM15: 0000000000000f0f
;|   YMM15's upper half: 000000000000f1f1
;|   MXCSR: 0000000000001fa0
;|   FCW: 000000000000037e
;| XRSTOR of an image without anything: XMM15: 0000000000000000
;|   YMM15's upper half: 0000000000000000
;|   FCW: 000000000000037f
;|   MXCSR is the image's: 0000000000001f80
;| XRSTOR of x87 only: XMM15: 0000000000000f0f
;|   MXCSR: 0000000000001fa0
;|   FCW: 000000000000037f
;| XRSTOR of AVX only: MXCSR is the image's: 0000000000001f80
;|   XMM15: 0000000000000f0f
;|   YMM15's upper half: 0000000000000000
;| XRSTOR of nothing: YMM15's upper half: 000000000000f1f1
;| FXRSTOR leaves upper halves: 000000000000f1f1
;| reserved bit of MXCSR: #GP(0000)
;| reserved bit of MXCSR, not asked for: none
;| reserved bit of MXCSR, AVX only: #GP(0000)
;| XSTATE_BV beyond XCR0: #GP(0000)
;| XSTATE_BV beyond XCR0, not asked for: #GP(0000)
;| XCOMP_BV without its bit 63: #GP(0000)
;| header's third word: #GP(0000)
;| header's fourth word: none
;| not on 64 bytes, XSAVE: #GP(0000)
;| not on 64 bytes, XRSTOR: #GP(0000)
;| not on 64 bytes, nothing asked for: #GP(0000)
;| not canonical: #GP(0000)
;| absent page, XSAVE: #PF(0002) at arena+001000
;| absent page, XRSTOR: #PF(0000) at arena+001000
;| read-only page, XSAVE: #PF(0003) at arena+001000
;| second page absent, XSAVE: #PF(0002) at arena+001000
;| OSXSAVE=0: XRSTOR: #UD
;| TS: XRSTOR: #NM
;| LOCK XSAVE: #UD
;| register operand: #UD
;| XCR0 by CPL 3: #GP(0000)
;| XGETBV by CPL 3: #BP
;| XGETBV of register 2: #GP(0000)
;| XSETBV of 0: #GP(0000)
;| XSETBV of bit 63: #GP(0000)
;| CPUID.OSXSAVE follows CR4: 0000000000000000
;| end

main:
    enable_xsave
    mov eax, 0xd
    xor ecx, ecx
    cpuid
    mov [area], ecx
    say "sizes: enabled", rbx
    mov ebx, [area]
    say "sizes: all", rbx
    set_xcr0 3
    mov eax, 0xd
    xor ecx, ecx
    cpuid
    say "sizes: without AVX", rbx
    set_xcr0 7
    mov eax, 0xd
    mov ecx, 2
    cpuid
    mov [area], eax
    say "AVX: offset", rbx
    mov eax, [area]
    say "AVX: size", rax

    load_state
    fill_area
    save xsave, 7
    mov rax, [area + 512]
    and eax, 7
    say "XSAVE of all: XSTATE_BV", rax
    say "  XCOMP_BV is not written", [area + 520]
    say "  nor the rest of the header", [area + 568]
    say "  nor what software may use", [area + 464]
    mov eax, [area + 24]
    say "  MXCSR", rax
    say "  XMM15", [area + 160 + 15 * 16]
    say "  YMM15's upper half", [area + 576 + 15 * 16]
    say "  ST0", [area + 32]
    fill_area
    mov qword [area + 512], 4
    save xsave, 1
    say "XSAVE of x87: XSTATE_BV keeps other bits", [area + 512]
    mov eax, [area + 24]
    say "  MXCSR is not written", rax
    say "  XMM0 is not", [area + 160]
    say "  ST0 is", [area + 32]
    fill_area
    save xsave, 2
    mov eax, [area + 24]
    say "XSAVE of SSE: MXCSR", rax
    movzx eax, word [area]
    say "  FCW is not written", rax
    say "  YMM0's upper half is not", [area + 576]
    fill_area
    save xsave, 4
    mov eax, [area + 24]
    say "XSAVE of AVX: MXCSR", rax
    say "  XMM0 is not", [area + 160]
    say "  YMM15's upper half is", [area + 576 + 15 * 16]
    fill_area
    and qword [area + 512], ~7
    save xsave, 0
    say "XSAVE of nothing: XSTATE_BV", [area + 512]
    fill_area
    and qword [area + 512], ~7
    mov eax, 3 | 1 << 9 | 1 << 3
    mov edx, -1
    xsave [area]
    say "XSAVE of what XCR0 lacks: XSTATE_BV", [area + 512]
    set_xcr0 3
    fill_area
    mov qword [area + 512], 4
    save xsave, 4
    say "XCR0 without AVX: XSAVE leaves it", [area + 576]
    say "  and its bit", [area + 512]
    set_xcr0 7
    load_state
    fill_area
    fxsave [area]
    say "FXSAVE: bytes 464 on", [area + 464]
    say "  XMM15", [area + 160 + 15 * 16]
    movzx eax, word [area + 28]
    say "  MXCSR_MASK's low half", rax

    call ready_image
    destroy_state
    save xrstor, 7
    say_xmm15 "XRSTOR: XMM15"
    say_ymm15 "  YMM15's upper half"
    say_mxcsr "  MXCSR"
    say_fcw "  FCW"
    load_state
    call empty_image
    save xrstor, 7
    say_xmm15 "XRSTOR of an image without anything: XMM15"
    say_ymm15 "  YMM15's upper half"
    say_fcw "  FCW"
    say_mxcsr "  MXCSR is the image's"
    load_state
    save xrstor, 1
    say_xmm15 "XRSTOR of x87 only: XMM15"
    say_mxcsr "  MXCSR"
    say_fcw "  FCW"
    load_state
    save xrstor, 4
    say_mxcsr "XRSTOR of AVX only: MXCSR is the image's"
    say_xmm15 "  XMM15"
    say_ymm15 "  YMM15's upper half"
    load_state
    save xrstor, 0
    say_ymm15 "XRSTOR of nothing: YMM15's upper half"
    call ready_image
    fxrstor [area]
    say_ymm15 "FXRSTOR leaves upper halves"

    call empty_image
    mov dword [area + 24], 0x11f80
    refused "reserved bit of MXCSR", save xrstor, 2
    refused "reserved bit of MXCSR, not asked for", save xrstor, 1
    refused "reserved bit of MXCSR, AVX only", save xrstor, 4
    call empty_image
    mov qword [area + 512], 8
    refused "XSTATE_BV beyond XCR0", save xrstor, 7
    mov qword [area + 512], 1 << 9
    refused "XSTATE_BV beyond XCR0, not asked for", save xrstor, 1
    call empty_image
    mov qword [area + 520], 1
    refused "XCOMP_BV without its bit 63", save xrstor, 7
    call empty_image
    mov qword [area + 528], 1
    refused "header's third word", save xrstor, 7
    call empty_image
    mov qword [area + 536], 1
    refused "header's fourth word", save xrstor, 7
    call empty_image
    mov eax, 7
    refused "not on 64 bytes, XSAVE", xsave [area + 32]
    refused "not on 64 bytes, XRSTOR", xrstor [area + 32]
    xor eax, eax
    refused "not on 64 bytes, nothing asked for", xsave [area + 8]
    mov rbx, 0x800000000000
    mov eax, 7
    refused "not canonical", xsave [rbx]
    arena_page 1, 0
    refused "absent page, XSAVE", xsave [arena + 0x1000]
    refused "absent page, XRSTOR", xrstor [arena + 0x1000]
    arena_page 1, P
    refused "read-only page, XSAVE", xsave [arena + 0x1000]
    arena_page 1, 0
    refused "second page absent, XSAVE", xsave [arena + 0xdc0]
    arena_page 1, P | W
    mov rax, cr4
    btr rax, 18
    mov cr4, rax
    mov eax, 7
    refused "OSXSAVE=0: XRSTOR", xrstor [area]
    mov rax, cr4
    bts rax, 18
    mov cr4, rax
    mov rax, cr0
    bts rax, 3
    mov cr0, rax
    mov eax, 7
    refused "TS: XRSTOR", xrstor [area]
    clts
    refused "LOCK XSAVE", db 0xf0, 0x0f, 0xae, 0x27
    refused "register operand", db 0x0f, 0xae, 0xe0
    attempt "XCR0 by CPL 3"
    user_begin
    xor ecx, ecx
    xor edx, edx
    mov eax, 7
    xsetbv
    user_end
    outcome
    attempt "XGETBV by CPL 3"
    user_begin
    xor ecx, ecx
    xgetbv
    user_end
    outcome
    mov ecx, 2
    refused "XGETBV of register 2", xgetbv
    xor ecx, ecx
    xor edx, edx
    xor eax, eax
    refused "XSETBV of 0", xsetbv
    mov edx, 1 << 31
    mov eax, 7
    refused "XSETBV of bit 63", xsetbv
    mov rax, cr4
    btr rax, 18
    mov cr4, rax
    mov eax, 1
    cpuid
    mov eax, ecx
    and eax, 1 << 27
    say "CPUID.OSXSAVE follows CR4", rax
    fninit
    ret

xsave_data
image_ends
