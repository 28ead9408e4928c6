; CPUID and what it promises: a feature that is reported works, one that is not raises #UD; model-specific registers, what they keep
; and what they refuse (SDM vol. 2, CPUID, RDMSR, WRMSR; vol. 4, ch. 2).
%include "environment.inc"

%macro refused 2+
    attempt %1
    %2
    outcome
%endmacro
; name, MSR, low and high half
%macro write_refused 4
    attempt %1
    write_msr %2, %3, %4
    outcome
%endmacro
%macro write_msr 3
    mov ecx, %1
    mov eax, %2
    mov edx, %3
    wrmsr
%endmacro
; What was there before comes back afterwards.
%macro kept 4                               ; name, MSR, low and high half
    mov ecx, %2
    rdmsr
    push rax
    push rdx
    write_msr %2, %3, %4
    mov ecx, %2
    rdmsr
    shl rdx, 32
    or rdx, rax
    mov [arena], rdx
    pop rdx
    pop rax
    mov ecx, %2
    wrmsr
    say %1, [arena]
%endmacro

;| not as CPUID says:
;|   counted: 0000000000000000
;| CPUID clears the upper halves: 0000000000000000
;| CPUID by CPL 3: #BP
;| leaf 0 knows leaf D: 0000000000000001
;| extended leaves up to 80000008: 0000000000000001
;| brand string has text: 0000000000000001
;| linear addresses: 0000000000000030
;| CPUID.OSXSAVE: 0000000008000000
;| leaf D in leaf 1's eyes: 0000000004000000
;| APIC bit follows IA32_APIC_BASE: 0000000000000000
;|   and back: 0000000000000200
;| RDMSR clears the upper halves: 0000000000000000
;| RDMSR looks at ECX: none
;| STAR: 1122334455667788
;| LSTAR: ffff800012345678
;| SYSENTER_CS: 0000000000001234
;| KERNEL_GS_BASE: ffff800012345678
;| PAT: 0001040500010405
;| MTRR, base: 0000000000100006
;| MTRR, fixed: 0606060606060606
;| MTRR, default type: 0000000000000c06
;| FS base by MSR: 00000000cafebabe
;| FS base by selector loads: 0000000000000000
;| GS base and SWAPGS: 00000000cafebabe
;| WRFSBASE: 00000000cafebabe
;| WRFSBASE of 32 bits: 00000000cafebabe
;| WRFSBASE not canonical: #GP(0000)
;| WRFSBASE with FSGSBASE=0: #UD
;| RDFSBASE in compatibility mode: #UD
;| TSC goes on: 0000000000000001
;| TSC written: 0000000000000001
;| MTRR capabilities, written: #GP(0000)
;| PAT, type 2: #GP(0000)
;| PAT, type 8: #GP(0000)
;| MTRR, default type 2: #GP(0000)
;| MTRR, reserved bits: #GP(0000)
;| MTRR, mask with type: #GP(0000)
;| MTRR, behind the last: #GP(0000)
;| SYSENTER_EIP not canonical: #GP(0000)
;| SYSENTER_ESP not canonical: #GP(0000)
;| CSTAR not canonical: #GP(0000)
;| KERNEL_GS_BASE not canonical: #GP(0000)
;| GS base not canonical: #GP(0000)
;| TSC_AUX, upper half: #GP(0000)
;| APIC base, reserved bit: #GP(0000)
;| APIC base, reserved address: #GP(0000)
;| x2APIC register without x2APIC: #GP(0000)
;| x2APIC without APIC: #GP(0000)
;| EFER.LMA is not for writing: 0000000000000d01
;| VMX register: #GP(0000)
;| end

; leaf, subleaf, register (0 to 3: EAX, EBX, ECX, EDX), bit, an instruction
%macro feature 6+
%push feature
    dd %2, %3, %4, %5
    dq %$code, %$name, %$next
%$name: db %1, 0
%$code:
    %6
    ret
    align 8
%$next:
%pop
%endmacro

main:
    mov rax, cr4
    bts rax, 18
    mov cr4, rax
    xor ecx, ecx
    xor edx, edx
    mov eax, 7
    xsetbv
    lea rsi, [heading]
    call print
    mov qword [lies], 0
    lea r12, [table]
.next:
    mov eax, [r12]
    mov ecx, [r12 + 4]
    mov edx, [r12 + 8]
    mov r8d, edx
    cpuid
    cmp r8d, 1
    cmovb ebx, eax
    cmova ebx, ecx
    cmp r8d, 3
    cmove ebx, edx
    mov ecx, [r12 + 12]
    bt ebx, ecx
    sbb r9d, r9d
    mov [promised], r9d
    mov qword [resume.rip], .back
    mov [resume.rsp], rsp
    mov qword [seen.vector], -1
    lea rdx, [area]
    mov rdi, rdx
    xor ecx, ecx
    xor eax, eax
    call [r12 + 16]
.back:
    mov qword [resume.rip], unexpected
    mov ax, kernel_data
    mov ds, ax
    mov es, ax
    vzeroall
    fninit
    cmp qword [seen.vector], 6
    sete al
    movzx eax, al
    dec eax                                 ; -1: it works
    cmp eax, [promised]
    je .honest
    inc qword [lies]
    mov al, ' '
    call put_character
    mov rsi, [r12 + 24]
    call print
.honest:
    mov r12, [r12 + 32]
    cmp dword [r12], -1
    jne .next
    lea rsi, [line_end]
    call print
    say "  counted", [lies]

    mov rax, 0xffffffff00000001
    mov rbx, -1
    mov rcx, -1
    mov rdx, -1
    cpuid
    or rax, rbx
    or rax, rcx
    or rax, rdx
    shr rax, 32
    say "CPUID clears the upper halves", rax
    attempt "CPUID by CPL 3"
    user_begin
    mov eax, 1
    cpuid
    user_end
    outcome
    xor eax, eax
    cpuid
    cmp eax, 0xd
    setae al
    movzx eax, al
    say "leaf 0 knows leaf D", rax
    mov eax, 0x80000000
    cpuid
    cmp eax, 0x80000008
    setae al
    movzx eax, al
    say "extended leaves up to 80000008", rax
    mov eax, 0x80000002
    cpuid
    or eax, ebx
    setne al
    movzx eax, al
    say "brand string has text", rax
    mov eax, 0x80000008
    cpuid
    movzx eax, ah
    say "linear addresses", rax
    mov eax, 1
    cpuid
    mov eax, ecx
    and eax, 1 << 27
    say "CPUID.OSXSAVE", rax
    and ecx, 1 << 26
    say "leaf D in leaf 1's eyes", rcx
    mov ecx, 0x1b
    rdmsr
    push rax
    and eax, ~(1 << 11)
    wrmsr
    mov eax, 1
    cpuid
    and edx, 1 << 9
    mov [area], rdx
    pop rax
    mov ecx, 0x1b
    xor edx, edx
    wrmsr
    say "APIC bit follows IA32_APIC_BASE", [area]
    mov eax, 1
    cpuid
    and edx, 1 << 9
    say "  and back", rdx

    mov rax, -1
    mov rdx, -1
    mov ecx, 0x174
    rdmsr
    or rax, rdx
    shr rax, 32
    say "RDMSR clears the upper halves", rax
    mov rcx, 0xffffffff00000174
    refused "RDMSR looks at ECX", rdmsr
    kept "STAR", 0xc0000081, 0x55667788, 0x11223344
    kept "LSTAR", 0xc0000082, 0x12345678, 0xffff8000
    kept "SYSENTER_CS", 0x174, 0x1234, 0
    kept "KERNEL_GS_BASE", 0xc0000102, 0x12345678, 0xffff8000
    kept "PAT", 0x277, 0x00010405, 0x00010405
    kept "MTRR, base", 0x200, 0x100006, 0
    kept "MTRR, fixed", 0x250, 0x06060606, 0x06060606
    kept "MTRR, default type", 0x2ff, 0xc06, 0
    mov qword [arena], 0
    write_msr 0xc0000100, arena, 0
    mov eax, 0xcafebabe
    mov [arena + 0x10], rax
    mov rax, [fs:0x10]
    say "FS base by MSR", rax
    mov ax, kernel_data
    mov fs, ax
    mov ecx, 0xc0000100
    rdmsr
    say "FS base by selector loads", rax
    write_msr 0xc0000102, arena, 0
    swapgs
    mov rax, [gs:0x10]
    swapgs
    say "GS base and SWAPGS", rax
    write_msr 0xc0000102, 0, 0
    mov rax, cr4
    bts rax, 16
    mov cr4, rax
    mov ebx, arena
    wrfsbase rbx
    mov rax, [fs:0x10]
    say "WRFSBASE", rax
    mov rbx, 0xffffffff00000000 + arena
    wrfsbase ebx
    mov rax, [fs:0x10]
    say "WRFSBASE of 32 bits", rax
    mov rbx, 0x800000000000
    refused "WRFSBASE not canonical", wrfsbase rbx
    mov rax, cr4
    btr rax, 16
    mov cr4, rax
    refused "WRFSBASE with FSGSBASE=0", wrfsbase rbx
    mov rax, cr4
    bts rax, 16
    mov cr4, rax
    attempt "RDFSBASE in compatibility mode"
    push kernel_code32
    push .compatible
    o64 retf
bits 32
.compatible:
    db 0xf3, 0x0f, 0xae, 0xc0
bits 64
    outcome
    mov rax, cr4
    btr rax, 16
    mov cr4, rax
    mov ax, kernel_data
    mov fs, ax
    rdtsc
    mov ebx, eax
    mov esi, edx
    mov ecx, 1000
.while:
    dec ecx
    jnz .while
    rdtsc
    sub eax, ebx
    sbb edx, esi
    shl rdx, 32
    or rax, rdx
    test rax, rax
    setg al
    movzx eax, al
    say "TSC goes on", rax
    write_msr 0x10, 0, 0x10000
    rdtsc
    cmp edx, 0x10000
    sete al
    movzx eax, al
    say "TSC written", rax

    write_refused "MTRR capabilities, written", 0xfe, 0, 0
    write_refused "PAT, type 2", 0x277, 0x0200, 0
    write_refused "PAT, type 8", 0x277, 0, 0x08000000
    write_refused "MTRR, default type 2", 0x2ff, 2, 0
    write_refused "MTRR, reserved bits", 0x200, 0x100, 0
    write_refused "MTRR, mask with type", 0x201, 6, 0
    write_refused "MTRR, behind the last", 0x220, 0, 0
    write_refused "SYSENTER_EIP not canonical", 0x176, 0, 0x8000
    write_refused "SYSENTER_ESP not canonical", 0x175, 0, 0x8000
    write_refused "CSTAR not canonical", 0xc0000083, 0, 0x8000
    write_refused "KERNEL_GS_BASE not canonical", 0xc0000102, 0, 0x8000
    write_refused "GS base not canonical", 0xc0000101, 0, 0x8000
    write_refused "TSC_AUX, upper half", 0xc0000103, 0, 1
    write_refused "APIC base, reserved bit", 0x1b, 0xfee00801, 0
    write_refused "APIC base, reserved address", 0x1b, 0xfee00800, 1 << 31
    mov ecx, 0x802
    refused "x2APIC register without x2APIC", rdmsr
    write_refused "x2APIC without APIC", 0x1b, 0xfee00400, 0
    mov ecx, 0xc0000080
    rdmsr
    and eax, ~(1 << 10)
    quietly wrmsr                           ; AMD's processors refuse it, Intel's ignore it
    mov ecx, 0xc0000080
    rdmsr
    and eax, 0xfff
    say "EFER.LMA is not for writing", rax
    mov ecx, 0x480
    refused "VMX register", rdmsr
    mov rax, cr4
    btr rax, 18
    mov cr4, rax
    ret
heading: db "not as CPUID says:", 0
line_end: db 10, 0

align 8
table:
    feature "SSE3", 1, 0, 2, 0, haddps xmm0, xmm0
    feature "PCLMULQDQ", 1, 0, 2, 1, pclmulqdq xmm0, xmm0, 0
    feature "MONITOR", 1, 0, 2, 3, monitor
    feature "SSSE3", 1, 0, 2, 9, pabsb xmm0, xmm0
    feature "FMA", 1, 0, 2, 12, vfmadd132ps xmm0, xmm0, xmm0
    feature "CMPXCHG16B", 1, 0, 2, 13, cmpxchg16b [rdi]
    feature "SSE4.1", 1, 0, 2, 19, ptest xmm0, xmm0
    feature "SSE4.2", 1, 0, 2, 20, pcmpgtq xmm0, xmm0
    feature "MOVBE", 1, 0, 2, 22, movbe eax, [rdi]
    feature "POPCNT", 1, 0, 2, 23, popcnt eax, eax
    feature "AES", 1, 0, 2, 25, aesenc xmm0, xmm0
    feature "XSAVE", 1, 0, 2, 26, xsave [rdi]
    feature "AVX", 1, 0, 2, 28, vaddps ymm0, ymm0, ymm0
    feature "F16C", 1, 0, 2, 29, vcvtph2ps xmm0, xmm0
    feature "RDRAND", 1, 0, 2, 30, rdrand eax
    feature "x87", 1, 0, 3, 0, fld1
    feature "TSC", 1, 0, 3, 4, rdtsc
    feature "CMPXCHG8B", 1, 0, 3, 8, cmpxchg8b [rdi]
    feature "CMOV", 1, 0, 3, 15, cmovz eax, eax
    feature "CLFLUSH", 1, 0, 3, 19, clflush [rdi]
    feature "MMX", 1, 0, 3, 23, movd mm0, eax
    feature "FXSR", 1, 0, 3, 24, fxsave [rdi]
    feature "SSE", 1, 0, 3, 25, addps xmm0, xmm0
    feature "SSE2", 1, 0, 3, 26, addpd xmm0, xmm0
    feature "BMI1", 7, 0, 1, 3, andn eax, eax, eax
    feature "AVX2", 7, 0, 1, 5, vpaddb ymm0, ymm0, ymm0
    feature "BMI2", 7, 0, 1, 8, pdep eax, eax, eax
    feature "INVPCID", 7, 0, 1, 10, db 0x66, 0x0f, 0x38, 0x82, 0x07
    feature "RTM", 7, 0, 1, 11, db 0xc7, 0xf8, 0, 0, 0, 0
    feature "AVX-512", 7, 0, 1, 16, db 0x62, 0xf1, 0x7c, 0x48, 0x58, 0xc0
    feature "RDSEED", 7, 0, 1, 18, rdseed eax
    feature "ADX", 7, 0, 1, 19, adcx eax, eax
    feature "SMAP", 7, 0, 1, 20, clac
    feature "CLFLUSHOPT", 7, 0, 1, 23, clflushopt [rdi]
    feature "CLWB", 7, 0, 1, 24, clwb [rdi]
    feature "SHA", 7, 0, 1, 29, sha1msg1 xmm0, xmm0
    feature "WAITPKG", 7, 0, 2, 5, db 0x66, 0x0f, 0xae, 0xf1
    feature "GFNI", 7, 0, 2, 8, db 0x66, 0x0f, 0x38, 0xcf, 0xc0
    feature "VAES", 7, 0, 2, 9, db 0xc4, 0xe2, 0x7d, 0xdc, 0xc0
    feature "VPCLMULQDQ", 7, 0, 2, 10, db 0xc4, 0xe3, 0x7d, 0x44, 0xc0, 0
    feature "RDPID", 7, 0, 2, 22, db 0xf3, 0x0f, 0xc7, 0xf8
    feature "MOVDIRI", 7, 0, 2, 27, db 0x0f, 0x38, 0xf9, 0x07
    feature "MOVDIR64B", 7, 0, 2, 28, db 0x66, 0x0f, 0x38, 0xf8, 0x07
    feature "SERIALIZE", 7, 0, 3, 14, db 0x0f, 0x01, 0xe8
    feature "XSAVEOPT", 0xd, 1, 0, 0, xsaveopt [rdi]
    feature "XSAVEC", 0xd, 1, 0, 1, xsavec [rdi]
    feature "XSAVES", 0xd, 1, 0, 3, xsaves [rdi]
    feature "RDTSCP", 0x80000001, 0, 3, 27, rdtscp
    feature "3DNow!", 0x80000001, 0, 3, 31, pfadd mm0, mm0
    feature "LAHF", 0x80000001, 0, 2, 0, lahf
    feature "SSE4a", 0x80000001, 0, 2, 6, extrq xmm0, xmm0
    feature "CLZERO", 0x80000008, 0, 1, 0, db 0x0f, 0x01, 0xfc
    dd -1

lies: dq 0
promised: dd 0
align 64
area: times 1024 db 0
image_ends
