; Alignment checks at CPL 3 and what must be aligned at any level (SDM vol. 3, ch. 6.15, "Alignment Check Exception").
%include "environment.inc"

%macro user_checked 2+                      ; AC set, IOPL 3
    attempt %1
    user_begin 0x43002
    mov ebx, user_view + 0x180000
    %2
    user_end
    outcome
%endmacro

;| CR0.AM=0: #BP
;| aligned word: #BP
;| misaligned word: #AC(0000)
;| misaligned doubleword: #AC(0000)
;| doubleword on a word boundary: #AC(0000)
;| misaligned quadword: #AC(0000)
;| misaligned byte: #BP
;| misaligned write: #AC(0000)
;| misaligned push: #AC(0000)
;| misaligned string: #AC(0000)
;| misaligned XCHG: #AC(0000)
;| misaligned doubleword of MMX's: #AC(0000)
;| misaligned MOVUPS: #AC(0000)
;| misaligned x87 double: #AC(0000)
;| misaligned MOVAPS: #GP(0000)
;| misaligned ADDPS: #GP(0000)
;| misaligned FXSAVE: #GP(0000)
;| misaligned CMPXCHG16B: #GP(0000)
;| misaligned, AC=0: #BP
;| misaligned at CPL 0 with AC: none
;| misaligned MOVAPS at CPL 0: #GP(0000)
;| a page fault on the way comes first: #PF(0004) at arena+001ffe
;| end

main:
    user_checked "CR0.AM=0", mov eax, [rbx + 1]
    mov rax, cr0
    bts rax, 18
    mov cr0, rax
    user_checked "aligned word", mov ax, [rbx + 2]
    user_checked "misaligned word", mov ax, [rbx + 1]
    user_checked "misaligned doubleword", mov eax, [rbx + 1]
    user_checked "doubleword on a word boundary", mov eax, [rbx + 2]
    user_checked "misaligned quadword", mov rax, [rbx + 4]
    user_checked "misaligned byte", mov al, [rbx + 1]
    user_checked "misaligned write", mov [rbx + 1], eax
    attempt "misaligned push"
    user_begin 0x43002
    mov rsp, user_view + 0x180001
    push rax
    user_end
    outcome
    attempt "misaligned string"
    user_begin 0x43002
    mov esi, user_view + 0x180001
    lodsd
    user_end
    outcome
    user_checked "misaligned XCHG", xchg [rbx + 1], eax
    user_checked "misaligned doubleword of MMX's", movd mm0, [rbx + 1]
    user_checked "misaligned MOVUPS", movups xmm0, [rbx + 1]
    user_checked "misaligned x87 double", fld qword [rbx + 1]
    user_checked "misaligned MOVAPS", movaps xmm0, [rbx + 8]
    user_checked "misaligned ADDPS", addps xmm0, [rbx + 4]
    user_checked "misaligned FXSAVE", fxsave [rbx + 8]
    user_checked "misaligned CMPXCHG16B", cmpxchg16b [rbx + 8]
    attempt "misaligned, AC=0"
    user_begin 0x3002
    mov eax, [user_view + 0x180001]
    user_end
    outcome
    attempt "misaligned at CPL 0 with AC"
    pushf
    or qword [rsp], 0x40000
    popf
    mov eax, [arena + 1]
    pushf
    and qword [rsp], ~0x40000
    popf
    outcome
    attempt "misaligned MOVAPS at CPL 0"
    movaps xmm0, [arena + 8]
    outcome
    arena_page 1, 0
    attempt "a page fault on the way comes first"
    user_begin 0x43002
    mov ax, [arena + 0x1ffe]
    mov eax, [arena + 0x1ffe]
    user_end
    outcome
    mov rax, cr0
    btr rax, 18
    mov cr0, rax
    ret

image_ends
