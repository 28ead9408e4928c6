; Floating-point and vector state that changes hands when it is first used: CR0.TS, #NM, CLTS and the images of two tasks, as old
; systems do it (SDM vol. 3, ch. 13.4.1). Hot code meets TS set and clear by turns.
%include "environment.inc"

;| x87, first task: 00000000000001f4
;| x87, second task: 00000000000007d0
;|   changes of hands: 00000000000003e8
;| SSE, first task: 00000000000001f4
;| SSE, second task: 00000000000007d0
;| AVX's upper halves, first task: 00000000000001f4
;| AVX's upper halves, second task: 00000000000007d0
;| CPL 3, first task: 00000000000001f4
;| CPL 3, second task: 00000000000007d0
;| within a loop: 0000000000002710
;|   once: 0000000000000001
;| MMX after x87: 0000000000000007
;| end

%macro give_to 1                            ; the processor; the state stays with whom it belongs
    mov r15d, %1
    mov rax, cr0
    bts rax, 3
    mov cr0, rax
%endmacro
; 500 turns: the first task adds 1 a turn, the second 4.
%macro turns 1                              ; which work
    call .new_tasks
    mov r14d, 500
%%turn:
    give_to 0
    mov ebx, 1
    call %1
    give_to 1
    mov ebx, 4
    call %1
    dec r14d
    jnz %%turn
%endmacro

main:
    mov rax, cr4
    bts rax, 18
    mov cr4, rax
    xor ecx, ecx
    xor edx, edx
    mov eax, 7
    xsetbv
    mov eax, .not_available
    mov [idt + 7 * 16], ax
    shr eax, 16
    mov [idt + 7 * 16 + 6], ax

    turns .add_x87
    give_to 0
    fistp qword [look]
    say "x87, first task", [look]
    give_to 1
    fistp qword [look]
    say "x87, second task", [look]
    mov rax, [changes]
    sub rax, 2
    say "  changes of hands", rax
    turns .add_sse
    give_to 0
    movq rax, xmm5
    say "SSE, first task", rax
    give_to 1
    movq rax, xmm5
    say "SSE, second task", rax
    turns .add_avx
    give_to 0
    vextracti128 xmm0, ymm6, 1
    vmovq rax, xmm0
    say "AVX's upper halves, first task", rax
    give_to 1
    vextracti128 xmm0, ymm6, 1
    vmovq rax, xmm0
    say "AVX's upper halves, second task", rax
    turns .add_by_user
    give_to 0
    movq rax, xmm5
    say "CPL 3, first task", rax
    give_to 1
    movq rax, xmm5
    say "CPL 3, second task", rax

    call .new_tasks
    give_to 1
    mov qword [changes], 0
    mov ecx, 10000
    mov eax, 1
    movq xmm3, rax
    pxor xmm4, xmm4
.loop:
    paddq xmm4, xmm3
    dec ecx
    jnz .loop
    movq rax, xmm4
    say "within a loop", rax
    say "  once", [changes]
    fninit
    fld1
    give_to 0
    mov eax, 7
    movd mm0, eax
    movd eax, mm0
    emms
    say "MMX after x87", rax

    clts
    mov eax, exception_entries + 7 * exception_entry_size
    mov [idt + 7 * 16], ax
    shr eax, 16
    mov [idt + 7 * 16 + 6], ax
    mov rax, cr4
    btr rax, 18
    mov cr4, rax
    ret

.new_tasks:                                 ; both images: an empty stack but for a zero, registers of zero
    clts
    vzeroall
    fninit
    fldz
    mov eax, 7
    xor edx, edx
    xsave [images]
    xsave [images + 1024]
    mov dword [owner], 0
    mov qword [changes], 0
    ret

.not_available:                             ; R15 is whose turn it is
    push rax
    push rbx
    push rdx
    clts
    inc qword [changes]
    mov ebx, [owner]
    shl ebx, 10
    mov eax, 7
    xor edx, edx
    xsave [images + rbx]
    mov [owner], r15d
    mov ebx, r15d
    shl ebx, 10
    xrstor [images + rbx]
    pop rdx
    pop rbx
    pop rax
    iretq

.add_x87:
    mov [look], ebx
    fiadd dword [look]
    ret
.add_sse:
    movd xmm1, ebx
    paddq xmm5, xmm1
    ret
.add_avx:
    vmovd xmm1, ebx
    vinserti128 ymm1, ymm1, xmm1, 1
    vpaddq ymm6, ymm6, ymm1
    ret
.add_by_user:
    mov qword [resume.rip], .user_done
    mov [resume.rsp], rsp
    user_begin
    movd xmm1, ebx
    paddq xmm5, xmm1
    user_end
.user_done:
    mov qword [resume.rip], unexpected
    mov ax, kernel_data
    mov ds, ax
    mov es, ax
    ret

align 8
look: dq 0
owner: dq 0
changes: dq 0
align 64
images: times 2048 db 0
image_ends
