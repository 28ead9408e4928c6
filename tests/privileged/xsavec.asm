; The compacted format: XSAVEC's layout and init optimisation, XRSTOR of such images, what they refuse
; (SDM vol. 1, ch. 13.4.2, 13.8.2, 13.10).
%include "environment.inc"
%include "xsave.inc"

%macro compact_image 2                      ; XSTATE_BV, components it has room for
    call empty_image
    mov qword [area + 512], %1
    mov rax, (1 << 63) | (%2)
    mov [area + 520], rax
%endmacro

;| of all: XSTATE_BV: 0000000000000007
;|   XCOMP_BV: 8000000000000007
;|   the rest of the header is not written: aaaaaaaaaaaaaaaa
;|   nor what software may use: aaaaaaaaaaaaaaaa
;|   YMM15's upper half: 000000000000f1f1
;| of x87: XSTATE_BV: 0000000000000001
;|   XCOMP_BV: 8000000000000001
;|   MXCSR is not written: 00000000aaaaaaaa
;| of AVX: XSTATE_BV: 0000000000000004
;|   MXCSR is not written: 00000000aaaaaaaa
;|   legacy area is not: aaaaaaaaaaaaaaaa
;|   YMM15's upper half: 000000000000f1f1
;| of x87 and AVX: AVX follows the header: 0000000000000303
;| of SSE: MXCSR: 0000000000001fa0
;| of nothing: XCOMP_BV: 8000000000000000
;|   XSTATE_BV: 0000000000000000
;| SSE is in use by MXCSR alone: 0000000000000002
;| XCOMP_BV has what XCR0 has: 8000000000000003
;| XRSTOR: XMM15: 0000000000000f0f
;|   YMM15's upper half: 000000000000f1f1
;|   MXCSR: 0000000000001fa0
;|   FCW: 000000000000037e
;| XRSTOR without anything: XMM15: 0000000000000000
;|   YMM15's upper half: 0000000000000000
;|   MXCSR is initial: 0000000000001f80
;|   whatever the image says: 0000000000001f80
;| XRSTOR of AVX only: MXCSR stays: 0000000000001fa0
;|   XMM15: 0000000000000f0f
;|   YMM15's upper half: 0000000000000000
;| XRSTOR of x87 and AVX: YMM15's upper half, behind the header: 000000000000f1f1
;|   XMM15, not in it: 0000000000000000
;|   FCW: 000000000000037e
;| XRSTOR of x87 of it: YMM15's upper half: 0000000000000000
;|   FCW: 000000000000037e
;| XRSTOR of what there is no room for: YMM15's upper half: 0000000000000000
;| XRSTOR, MXCSR with a reserved bit, SSE in the image: #GP(0000)
;| XRSTOR, MXCSR with a reserved bit, SSE not in it: none
;| XRSTOR, XSTATE_BV beyond XCOMP_BV: #GP(0000)
;| XRSTOR, XCOMP_BV beyond XCR0: #GP(0000)
;| XRSTOR, header's third word: #GP(0000)
;| XRSTOR, header's last word: #GP(0000)
;| not on 64 bytes: #GP(0000)
;| absent page: #PF(0002) at arena+001000
;| TS: #NM
;| OSXSAVE=0: #UD
;| end

main:
    enable_xsave
    load_state
    fill_area
    save xsavec, 7
    say "of all: XSTATE_BV", [area + 512]
    say "  XCOMP_BV", [area + 520]
    say "  the rest of the header is not written", [area + 568]
    say "  nor what software may use", [area + 464]
    say "  YMM15's upper half", [area + 576 + 15 * 16]
    fill_area
    save xsavec, 1
    say "of x87: XSTATE_BV", [area + 512]
    say "  XCOMP_BV", [area + 520]
    mov eax, [area + 24]
    say "  MXCSR is not written", rax
    fill_area
    save xsavec, 4
    say "of AVX: XSTATE_BV", [area + 512]
    mov eax, [area + 24]
    say "  MXCSR is not written", rax
    say "  legacy area is not", [area + 160]
    say "  YMM15's upper half", [area + 576 + 15 * 16]
    fill_area
    save xsavec, 5
    say "of x87 and AVX: AVX follows the header", [area + 576]
    fill_area
    save xsavec, 2
    mov eax, [area + 24]
    say "of SSE: MXCSR", rax
    fill_area
    save xsavec, 0
    say "of nothing: XCOMP_BV", [area + 520]
    say "  XSTATE_BV", [area + 512]
    destroy_state
    ldmxcsr [mxcsr_unusual]
    fill_area
    save xsavec, 2
    say "SSE is in use by MXCSR alone", [area + 512]
    set_xcr0 3
    fill_area
    save xsavec, 7
    say "XCOMP_BV has what XCR0 has", [area + 520]
    set_xcr0 7

    call empty_image
    load_state
    save xsavec, 7
    destroy_state
    save xrstor, 7
    say_xmm15 "XRSTOR: XMM15"
    say_ymm15 "  YMM15's upper half"
    say_mxcsr "  MXCSR"
    say_fcw "  FCW"
    load_state
    compact_image 0, 7
    save xrstor, 7
    say_xmm15 "XRSTOR without anything: XMM15"
    say_ymm15 "  YMM15's upper half"
    say_mxcsr "  MXCSR is initial"
    load_state
    mov dword [area + 24], 0x1fbf
    save xrstor, 7
    say_mxcsr "  whatever the image says"
    load_state
    save xrstor, 4
    say_mxcsr "XRSTOR of AVX only: MXCSR stays"
    say_xmm15 "  XMM15"
    say_ymm15 "  YMM15's upper half"
    load_state
    call empty_image
    save xsavec, 5
    destroy_state
    save xrstor, 7
    say_ymm15 "XRSTOR of x87 and AVX: YMM15's upper half, behind the header"
    say_xmm15 "  XMM15, not in it"
    say_fcw "  FCW"
    destroy_state
    save xrstor, 1
    say_ymm15 "XRSTOR of x87 of it: YMM15's upper half"
    say_fcw "  FCW"
    load_state
    compact_image 0, 3
    save xrstor, 7
    say_ymm15 "XRSTOR of what there is no room for: YMM15's upper half"
    compact_image 2, 7
    mov dword [area + 24], 0x11f80
    refused "XRSTOR, MXCSR with a reserved bit, SSE in the image", save xrstor, 7
    compact_image 0, 7
    mov dword [area + 24], 0x11f80
    refused "XRSTOR, MXCSR with a reserved bit, SSE not in it", save xrstor, 7
    compact_image 4, 3
    refused "XRSTOR, XSTATE_BV beyond XCOMP_BV", save xrstor, 3
    compact_image 0, 1 << 9
    refused "XRSTOR, XCOMP_BV beyond XCR0", save xrstor, 7
    compact_image 0, 7
    mov byte [area + 512 + 16], 1
    refused "XRSTOR, header's third word", save xrstor, 7
    compact_image 0, 7
    mov byte [area + 512 + 63], 1
    refused "XRSTOR, header's last word", save xrstor, 7
    mov eax, 7
    xor edx, edx
    refused "not on 64 bytes", xsavec [area + 16]
    arena_page 1, 0
    refused "absent page", xsavec [arena + 0x1000]
    arena_page 1, P | W
    mov rax, cr0
    bts rax, 3
    mov cr0, rax
    mov eax, 7
    refused "TS", xsavec [area]
    clts
    mov rax, cr4
    btr rax, 18
    mov cr4, rax
    mov eax, 7
    refused "OSXSAVE=0", xsavec [area]
    fninit
    ldmxcsr [mxcsr_usual]
    ret

xsave_data
image_ends
