; Who may execute system instructions, and what control registers and model-specific registers refuse
; (SDM vol. 3, ch. 2.5, 5.9; vol. 2).
%include "environment.inc"

%macro user_refused 2+
    attempt %1
    user_begin 0x0002                       ; IOPL 0
    %2
    user_end
    outcome
%endmacro
%macro refused 2+
    attempt %1
    %2
    outcome
%endmacro
; MSR, low, high
%macro write_msr 3
    mov ecx, %1
    mov eax, %2
    mov edx, %3
    wrmsr
%endmacro

;| user HLT: #GP(0000)
;| user CLI: #GP(0000)
;| user STI: #GP(0000)
;| user IN: #GP(0000)
;| user OUTSB: #GP(0000)
;| user MOV from CR0: #GP(0000)
;| user MOV from DR7: #GP(0000)
;| user RDMSR: #GP(0000)
;| user WRMSR: #GP(0000)
;| user INVLPG: #GP(0000)
;| user WBINVD: #GP(0000)
;| user CLTS: #GP(0000)
;| user LTR: #GP(0000)
;| user LMSW: #GP(0000)
;| user SWAPGS: #GP(0000)
;| user SYSRET: #GP(0000)
;| user RDTSC, TSD=1: #GP(0000)
;| user RDTSC, TSD=0: #BP
;| user SGDT, UMIP=1: #GP(0000)
;| user SMSW, UMIP=1: #GP(0000)
;| user SGDT, UMIP=0: #BP
;| CLI with IOPL 3: #BP
;| CR0: PG without PE: #GP(0000)
;| CR0: NW without CD: #GP(0000)
;| CR0: bit 32: #GP(0000)
;| CR0: PG=0 in 64-bit mode: #GP(0000)
;| CR4: PAE=0 in long mode: #GP(0000)
;| CR4: a reserved bit: #GP(0000)
;| CR8: 16: #GP(0000)
;| CR8: 15: none
;| CR1: #UD
;| EFER: a reserved bit: #GP(0000)
;| EFER: LME=0 while paging: #GP(0000)
;| an unknown MSR, read: #GP(0000)
;| an unknown MSR, written: #GP(0000)
;| LSTAR not canonical: #GP(0000)
;| FS base not canonical: #GP(0000)
;| SYSCALL with SCE=0: #UD
;| XGETBV with OSXSAVE=0: #UD
;| XSETBV without x87: #GP(0000)
;| XSETBV of AVX without SSE: #GP(0000)
;| XSETBV of register 1: #GP(0000)
;| DR7 with a high bit: #GP(0000)
;| DR4 with DE=1: #UD
;| DR4 with DE=0: none
;| LMSW cannot clear PE: 0000000000000001
;| end

main:
    user_refused "user HLT", hlt
    user_refused "user CLI", cli
    user_refused "user STI", sti
    user_refused "user IN", in al, 0x80
    user_refused "user OUTSB", outsb
    user_refused "user MOV from CR0", mov rax, cr0
    user_refused "user MOV from DR7", mov rax, dr7
    user_refused "user RDMSR", rdmsr
    user_refused "user WRMSR", wrmsr
    user_refused "user INVLPG", invlpg [rax]
    user_refused "user WBINVD", wbinvd
    user_refused "user CLTS", clts
    user_refused "user LTR", ltr ax
    user_refused "user LMSW", lmsw ax
    user_refused "user SWAPGS", swapgs
    user_refused "user SYSRET", o64 sysret
    mov rax, cr4
    bts rax, 2
    mov cr4, rax
    user_refused "user RDTSC, TSD=1", rdtsc
    mov rax, cr4
    btr rax, 2
    mov cr4, rax
    user_refused "user RDTSC, TSD=0", rdtsc
    mov rax, cr4
    bts rax, 11
    mov cr4, rax
    user_refused "user SGDT, UMIP=1", sgdt [rsp - 64]
    user_refused "user SMSW, UMIP=1", smsw eax
    mov rax, cr4
    btr rax, 11
    mov cr4, rax
    user_refused "user SGDT, UMIP=0", sgdt [rsp - 64]
    attempt "CLI with IOPL 3"
    user_begin
    cli
    user_end
    outcome

    attempt "CR0: PG without PE"
    mov rax, cr0
    btr rax, 0
    mov cr0, rax
    outcome
    attempt "CR0: NW without CD"
    mov rax, cr0
    btr rax, 30
    bts rax, 29
    mov cr0, rax
    outcome
    attempt "CR0: bit 32"
    mov rax, cr0
    bts rax, 32
    mov cr0, rax
    outcome
    attempt "CR0: PG=0 in 64-bit mode"
    mov rax, cr0
    btr rax, 31
    mov cr0, rax
    outcome
    attempt "CR4: PAE=0 in long mode"
    mov rax, cr4
    btr rax, 5
    mov cr4, rax
    outcome
    attempt "CR4: a reserved bit"
    mov rax, cr4
    bts rax, 31
    mov cr4, rax
    outcome
    attempt "CR8: 16"
    mov eax, 16
    mov cr8, rax
    outcome
    attempt "CR8: 15"
    mov eax, 15
    mov cr8, rax
    xor eax, eax
    mov cr8, rax
    outcome
    refused "CR1", db 0x0f, 0x20, 0xc8      ; mov rax, cr1
    attempt "EFER: a reserved bit"
    mov ecx, 0xc0000080
    rdmsr
    bts eax, 2
    wrmsr
    outcome
    attempt "EFER: LME=0 while paging"
    mov ecx, 0xc0000080
    rdmsr
    btr eax, 8
    wrmsr
    outcome
    attempt "an unknown MSR, read"
    mov ecx, 0x40001234
    rdmsr
    outcome
    attempt "an unknown MSR, written"
    write_msr 0x40001234, 0, 0
    outcome
    attempt "LSTAR not canonical"
    write_msr 0xc0000082, 0, 0x8000
    outcome
    attempt "FS base not canonical"
    write_msr 0xc0000100, 0, 0x8000
    outcome
    mov ecx, 0xc0000080
    rdmsr
    btr eax, 0
    wrmsr
    refused "SYSCALL with SCE=0", syscall
    attempt "XGETBV with OSXSAVE=0"
    xor ecx, ecx
    xgetbv
    outcome
    mov rax, cr4
    bts rax, 18
    mov cr4, rax
    attempt "XSETBV without x87"
    xor ecx, ecx
    xor edx, edx
    mov eax, 2
    xsetbv
    outcome
    attempt "XSETBV of AVX without SSE"
    xor ecx, ecx
    xor edx, edx
    mov eax, 5
    xsetbv
    outcome
    attempt "XSETBV of register 1"
    mov ecx, 1
    xor edx, edx
    mov eax, 1
    xsetbv
    outcome
    attempt "DR7 with a high bit"
    mov rax, 1 << 32 | 0x400
    mov dr7, rax
    outcome
    mov rax, cr4
    bts rax, 3
    mov cr4, rax
    refused "DR4 with DE=1", db 0x0f, 0x21, 0xe0    ; mov rax, dr4
    mov rax, cr4
    btr rax, 3
    mov cr4, rax
    refused "DR4 with DE=0", db 0x0f, 0x21, 0xe0
    smsw eax
    and eax, ~1
    lmsw ax
    smsw eax
    and eax, 1
    say "LMSW cannot clear PE", rax
    mov ecx, 0xc0000080
    rdmsr
    bts eax, 0
    wrmsr
    mov rax, cr4
    btr rax, 18
    mov cr4, rax
    ret

image_ends
