; What processors send each other: INIT and SIPI, NMIs, interrupts by every kind of address, counted exactly
; (SDM vol. 3, ch. 8.4, 9.1, 10.4.7, 10.6, 10.8).
%define cpus 3
%define rounds 2
%include "environment.inc"
%include "processors.inc"

;| started: 0000000000000002
;|   CR0 but for CD and NW: 0000000000000010
;|   CR4: 0000000000000000
;|   EDX is CPUID's signature: 0000000000000000
;|   EFLAGS: 0000000000000002
;|   spurious vector, software-disabled: 00000000000000ff
;|   LINT0 masked: 0000000000010000
;| over INIT: XMM3: 0000000011223344
;|   LSTAR: 0000000012345678
;|   FS base: 0000000000000000
;|   DR7: 0000000000000400
;|   the TSC went on: 0000000000000001
;| SIPI to one that runs, starts: 0000000000000000
;| SIPI to one that sleeps, starts: 0000000000000000
;| INIT de-assert to one that runs, starts: 0000000000000000
;| INIT to one that runs, then SIPI, starts: 0000000000000001
;|   it goes on with what it did: 0000000000000000
;|   an interrupt in between came: 0000000000000000
;| INIT to one in HLT with IF=0, SIPI: 0000000000000001
;| to the second: 0000000000002000
;| to the third: 0000000000200000
;| to itself, by number: 0000000000000020
;| to itself, shorthand: 0000000000000020
;| to all, shorthand: 0000000000202020
;| to all others, shorthand: 0000000000202000
;| to all, number ff: 0000000000202020
;| logical, 101: 0000000000200020
;| logical, all: 0000000000202020
;| logical, nobody: 0000000000000000
;| to a number that nobody has: 0000000000000000
;| level-triggered says the sender: 0000000000002000
;| logical by clusters, the second: 0000000000002000
;|   the first and third: 0000000000200020
;|   another cluster: 0000000000000000
;|   all clusters: 0000000000202020
;| lowest priority, one of three each: 0000000000000020
;| lowest priority, the others are busy: 0000000000002000
;| from the second to all others: 0000000000200020
;| all to all at once: 0000000000606060
;| IF=0: five of a vector are one: 0000000000000100
;|   in IRR meanwhile: 0000000000000001
;| IF=0: two vectors, the higher one first: 0000000000001702
;| in service: three of a vector are one: 0000000000000200
;|   in ISR meanwhile: 0000000000000001
;| task priority is higher: 0000000000000000
;|   no longer: 0000000000000100
;| software-disabled: 0000000000000000
;| illegal vector: 0000000000000020
;|   none came: 0000000000000000
;| stored before, seen in the handler: 0000000000000000
;| NMI, one by one: 0000000000001000
;| NMI with IF=0: 0000000000000100
;| NMI wakes from HLT with IF=0: 0000000000000001
;| NMI to all others: 0000000000010100
;| NMI in NMI: three are one: 0000000000000200
;| NMI while software-disabled: 0000000000000100
;| NMI before SIPI: 0000000000000000
;|   nor behind it: 0000000000000000
;| end

; Eight vectors for each sender, whose stubs push their number from 0 on
first_vector equ 0x20
in_service equ apic + 0x100 + (first_vector >> 5) * 16
requested equ apic + 0x200 + (first_vector >> 5) * 16
apic_format equ apic + 0xe0
apic_error equ apic + 0x280

fixed equ 0x4000
lowest equ 0x4100
nmi equ 0x4400
logical equ 0x800
to_self equ 0x40000
to_all equ 0x80000
to_others equ 0xc0000

; Eight vectors at once, four times, each time until all came: how many does each message make?
%macro bursts 4                             ; to whom, the command, how many
    mov qword [counts], 0
    mov r8d, (%2) << 24
    mov r9d, %3
    mov r10d, %4
    sti
    call send_bursts
    call late_ones
    cli
    say %1, [counts]
%endmacro
; A loop of the second's, and what is done to it meanwhile.
%macro while_second 1-2 1                   ; what it does; it says when it has begun
    mov qword [stage], 0
    mov qword [go], 0
    mov qword [counts], 0
    work 1, %1
%if %2
    wait_until ae, qword [stage], 1
%endif
%endmacro
%macro go_on 1
    mov qword [go], %1
%endmacro
%macro new_starts 1
    mov eax, [processor_starts + 4]
    sub eax, r13d
    say %1, rax
%endmacro

main:
    mov qword [processor_starts + 4], 0
    start_processors
    mov eax, [processor_starts + 4]
    add eax, [processor_starts + 8]
    say "started", rax
    gate_of processor_idt, 2, counts_nmi
    xor ecx, ecx
.vector:
    imul eax, ecx, 16
    add eax, stubs
    lea edx, [rcx + first_vector]
    shl edx, 4
%macro stub_gate 1
    mov [%1 + rdx], ax
    mov word [%1 + rdx + 2], kernel_code
    mov word [%1 + rdx + 4], 0x8e00
    mov ebx, eax
    shr ebx, 16
    mov [%1 + rdx + 6], bx
    mov qword [%1 + rdx + 8], 0
%endmacro
    stub_gate idt
    stub_gate processor_idt
    inc ecx
    cmp ecx, 24
    jb .vector

    ; as INIT leaves it
    mov eax, [initial_cr0 + 4]
    and eax, ~0x60000000
    say "  CR0 but for CD and NW", rax
    mov eax, [initial_cr4 + 4]
    say "  CR4", rax
    mov eax, 1
    cpuid
    xor eax, [initial_edx + 4]
    say "  EDX is CPUID's signature", rax
    mov eax, [initial_flags + 4]
    say "  EFLAGS", rax
    mov eax, [initial_spurious + 4]
    say "  spurious vector, software-disabled", rax
    mov eax, [initial_lint0 + 4]
    say "  LINT0 masked", rax
    work 1, leave_traces
    finished 1
    mov ebp, 1
    call start_processor
    work 1, look_for_traces
    finished 1
    say "over INIT: XMM3", [traces]
    say "  LSTAR", [traces + 8]
    say "  FS base", [traces + 16]
    say "  DR7", [traces + 24]
    mov rax, [traces + 40]
    cmp rax, [traces + 32]
    seta al
    movzx eax, al
    say "  the TSC went on", rax

    ; SIPI and INIT
    mov r13d, [processor_starts + 4]
%macro goes_on 0                            ; it still does what it did
    mov rax, [progress]
    wait_until ne, [progress], rax
%endmacro
    while_second works
    send 1, 0x4600 | trampoline_at >> 12
    send 1, 0x4600 | trampoline_at >> 12
    call late_ones
    goes_on
    go_on 1
    finished 1
    new_starts "SIPI to one that runs, starts"
    send 1, 0x4600 | trampoline_at >> 12
    call late_ones
    work 1, nothing
    finished 1
    new_starts "SIPI to one that sleeps, starts"
    while_second works
    send 1, 0x8500
    call late_ones
    goes_on
    go_on 1
    finished 1
    new_starts "INIT de-assert to one that runs, starts"
    while_second works
    send 1, 0x4500
    call late_ones
    send 1, fixed | first_vector
    call late_ones
    mov ebp, 1
    call send_startup
    new_starts "INIT to one that runs, then SIPI, starts"
    mov rbx, [progress]
    call late_ones
    mov rax, [progress]
    sub rax, rbx
    say "  it goes on with what it did", rax
    say "  an interrupt in between came", [counts]
    while_second halts_for_ever
    call late_ones
    mov r13d, [processor_starts + 4]
    mov ebp, 1
    call start_processor
    new_starts "INIT to one in HLT with IF=0, SIPI"

    ; by address
    bursts "to the second", 1, fixed, 1
    bursts "to the third", 2, fixed, 1
    bursts "to itself, by number", 0, fixed, 1
    bursts "to itself, shorthand", 1, fixed | to_self, 1
    bursts "to all, shorthand", 1, fixed | to_all, 3
    bursts "to all others, shorthand", 1, fixed | to_others, 2
    bursts "to all, number ff", 0xff, fixed, 3
    bursts "logical, 101", 5, fixed | logical, 2
    bursts "logical, all", 0xff, fixed | logical, 3
    bursts "logical, nobody", 0x80, fixed | logical, 0
    bursts "to a number that nobody has", 0x40, fixed, 0
    bursts "level-triggered says the sender", 1, fixed | 0x8000, 1
    call by_clusters
    work 1, by_clusters
    finished 1
    work 2, by_clusters
    finished 2
    bursts "logical by clusters, the second", 0x12, fixed | logical, 1
    bursts "  the first and third", 0x15, fixed | logical, 2
    bursts "  another cluster", 0x27, fixed | logical, 0
    bursts "  all clusters", 0xff, fixed | logical, 3
    call flat
    work 1, flat
    finished 1
    work 2, flat
    finished 2
    mov qword [counts], 0
    mov r8d, 7 << 24
    mov r9d, lowest | logical
    mov r10d, 1
    sti
    call send_bursts
    call late_ones
    cli
    movzx eax, byte [counts]
    add al, [counts + 1]
    add al, [counts + 2]
    say "lowest priority, one of three each", rax
    mov qword [stage], 0
    mov qword [go], 0
    work 2, is_busy
    wait_until ae, qword [stage], 1
    mov eax, 15
    mov cr8, rax
    bursts "lowest priority, the others are busy", 7, lowest | logical, 1
    xor eax, eax
    mov cr8, rax
    sti
    call late_ones
    cli
    go_on 1
    finished 2
    mov qword [counts], 0
    sti
    work 1, bursts_to_others
    finished 1
    call late_ones
    cli
    say "from the second to all others", [counts]
    mov qword [counts], 0
    sti
    work 1, bursts_to_all
    work 2, bursts_to_all
    call bursts_to_all
    finished 1
    finished 2
    call late_ones
    cli
    say "all to all at once", [counts]

    ; when
    while_second looks_at_requests
    mov ecx, 5
.five:
    send 1, fixed | first_vector
    dec ecx
    jnz .five
    go_on 1
    finished 1
    say "IF=0: five of a vector are one", [counts]
    say "  in IRR meanwhile", [bits_seen]
    mov qword [order], 0
    while_second looks_at_requests
    send 1, fixed | first_vector + 2
    send 1, fixed | first_vector + 0x17     ; of a higher class
    go_on 1
    finished 1
    mov rax, [order]
    say "IF=0: two vectors, the higher one first", rax
    gate_of processor_idt, first_vector, stays_in_service
    while_second takes_interrupts
    send 1, fixed | first_vector
    wait_until ae, qword [stage], 2
    send 1, fixed | first_vector
    send 1, fixed | first_vector
    send 1, fixed | first_vector
    go_on 1
    wait_until ae, qword [stage], 3
    go_on 2
    finished 1
    say "in service: three of a vector are one", [counts]
    say "  in ISR meanwhile", [bits_seen]
    mov eax, stubs
    mov [processor_idt + first_vector * 16], ax
    shr eax, 16
    mov [processor_idt + first_vector * 16 + 6], ax
    while_second lowers_task_priority
    send 1, fixed | first_vector
    call late_ones
    say "task priority is higher", [counts]
    go_on 1
    wait_until e, byte [counts + 1], 1
    go_on 2
    finished 1
    say "  no longer", [counts]
    while_second disables_apic
    send 1, fixed | first_vector
    call late_ones
    go_on 1
    finished 1
    say "software-disabled", [counts]
    gate_of processor_idt, 5, comes
    mov qword [counts], 0
    mov dword [apic_error], 0
    mov dword [apic_error], 0
    send 1, fixed | 5
    mov dword [apic_error], 0
    mov eax, [apic_error]
    say "illegal vector", rax
    mov dword [apic_error], 0
    call late_ones
    say "  none came", [counts]
    ; Each message says what was stored before it.
    gate_of processor_idt, first_vector, looks_at_message
    mov qword [message], 0
    mov qword [seen_message], 0
    mov qword [wrong], 0
    mov ebx, 32
.message:
    inc qword [message]
    mov rax, [message]
    send 1, fixed | first_vector
    wait_until e, [seen_message], rax
    dec ebx
    jnz .message
    say "stored before, seen in the handler", [wrong]

    ; NMIs
    mov qword [counts], 0
    mov ebx, 16
.nmi:
    mov al, [counts + 1]
    inc al
    send 1, nmi
    wait_until e, [counts + 1], al
    dec ebx
    jnz .nmi
    say "NMI, one by one", [counts]
    while_second waits
    send 1, nmi
    wait_until e, byte [counts + 1], 1
    go_on 1
    finished 1
    say "NMI with IF=0", [counts]
    while_second halts_once
.wake:                                      ; one may come before HLT
    send 1, nmi
    call late_ones
    cmp qword [processor_work + 8], 0
    jne .wake
    say "NMI wakes from HLT with IF=0", [stage]
    mov qword [counts], 0
    send 0, nmi | to_others
    wait_until e, byte [counts + 1], 1
    wait_until e, byte [counts + 2], 1
    call late_ones
    say "NMI to all others", [counts]
    gate_of processor_idt, 2, stays_in_nmi
    while_second waits
    send 1, nmi
    wait_until ae, qword [stage], 2
    send 1, nmi
    send 1, nmi
    send 1, nmi
    call late_ones
    go_on 1
    wait_until e, byte [counts + 1], 2
    go_on 2
    finished 1
    call late_ones
    say "NMI in NMI: three are one", [counts]
    gate_of processor_idt, 2, counts_nmi
    while_second disables_apic
    send 1, nmi
    wait_until e, byte [counts + 1], 1
    go_on 1
    finished 1
    say "NMI while software-disabled", [counts]
    mov qword [counts], 0
    send 1, 0x4500
    call late_ones
    send 1, nmi
    call late_ones
    say "NMI before SIPI", [counts]
    mov ebp, 1
    call send_startup
    work 1, takes_interrupts_for_a_while
    finished 1
    say "  nor behind it", [counts]
    ret

late_ones:                                  ; a while for what should not come
    mov ecx, 1 << 20
    jmp for_ticks

; R8 = the destination register, R9 = the command, R10 = how many times each message comes. It takes interrupts meanwhile. Where they do
; not come, it ends.
send_bursts:
    mov ebx, [apic_id]
    shr ebx, 24
    lea r11d, [rbx * 8 + first_vector]
    or r11d, r9d
    mov ebp, 4
.burst:
    rdtsc
    shl rdx, 32
    lea r14, [rax + rdx]
    mov rax, patience / 3
    add r14, rax
    lea r12, [r10 * 8]
    add r12, [sums + rbx * 8]
    mov [apic_destination], r8d
    xor ecx, ecx
.message:
    lea eax, [r11 + rcx]
    mov [apic_command], eax
    inc ecx
    cmp ecx, 8
    jb .message
.wait:
    cmp [sums + rbx * 8], r12
    jae .came
    pause
    rdtsc
    shl rdx, 32
    or rax, rdx
    cmp rax, r14
    jb .wait
    ret
.came:
    dec ebp
    jnz .burst
    ret

; --- handlers

    align 16
stubs:
%assign number 0
%rep 24
    align 16
    push number
    jmp near received
%assign number number + 1
%endrep
received:
    push rax
    push rcx
    mov rax, [rsp + 16]
    mov rcx, [order]
    shl rcx, 8
    or rcx, rax
    mov [order], rcx
    mov ecx, [apic_id]
    shr ecx, 24
    lock inc byte [counts + rcx]
    shr eax, 3
    lock inc qword [sums + rax * 8]
    mov dword [apic_eoi], 0
    pop rcx
    pop rax
    add rsp, 8
    iretq
comes:
    mov dword [apic_eoi], 0
counts_nmi:
    push rcx
    mov ecx, [apic_id]
    shr ecx, 24
    lock inc byte [counts + rcx]
    pop rcx
    iretq
stays_in_nmi:
    inc byte [counts + 1]
    mov qword [stage], 2
    spin_until ae, qword [go], 1
    iretq
stays_in_service:
    push rax
    inc byte [counts + 1]
    inc qword [stage]
    spin_until ae, qword [go], 1
    mov eax, [in_service]
    and eax, 1
    mov [bits_seen], rax
    mov dword [apic_eoi], 0
    pop rax
    iretq
looks_at_message:
    push rax
    mov rax, [seen_message]
    inc rax
    cmp rax, [message]
    je .right
    inc qword [wrong]
.right:
    mov dword [apic_eoi], 0
    mov [seen_message], rax
    pop rax
    iretq

; --- what the others do

nothing:
    ret
works:
    mov qword [stage], 1
.again:
    inc qword [progress]
    pause
    cmp qword [go], 0
    je .again
    ret
waits:
    mov qword [stage], 1
    spin_until ae, qword [go], 1
    ret
takes_interrupts:
    sti
    mov qword [stage], 1
    spin_until ae, qword [go], 2
    ret
takes_interrupts_for_a_while:
    sti
    mov ecx, 1 << 16
    jmp for_ticks
halts_for_ever:
    mov qword [stage], 1
.again:
    cli
    hlt
    jmp .again
halts_once:
    mov qword [stage], 1
    hlt
    ret
is_busy:
    mov eax, 15
    mov cr8, rax
    mov qword [stage], 1
    spin_until ae, qword [go], 1
    xor eax, eax
    mov cr8, rax
    ret
leave_traces:
    mov eax, 0x11223344
    movd xmm3, eax
    mov ecx, 0xc0000082
    mov eax, 0x12345678
    xor edx, edx
    wrmsr
    mov ecx, 0xc0000100
    wrmsr
    mov eax, 0x700
    mov dr7, rax
    rdtsc
    mov [traces + 32], eax
    mov [traces + 36], edx
    ret
look_for_traces:
    movd eax, xmm3
    mov [traces], rax
    mov ecx, 0xc0000082
    rdmsr
    mov [traces + 8], eax
    mov [traces + 12], edx
    mov ecx, 0xc0000100
    rdmsr
    mov [traces + 16], eax
    mov [traces + 20], edx
    mov rax, dr7
    mov [traces + 24], rax
    rdtsc
    mov [traces + 40], eax
    mov [traces + 44], edx
    ret
by_clusters:                                ; in cluster 1
    mov eax, [apic_logical]
    or eax, 0x10000000
    mov [apic_logical], eax
    mov dword [apic_format], 0x0fffffff
    ret
flat:
    mov eax, [apic_logical]
    and eax, ~0x10000000
    mov [apic_logical], eax
    mov dword [apic_format], -1
    ret
bursts_to_others:
    mov r9d, fixed | to_others
    mov r10d, 2
    jmp burst_with_interrupts
bursts_to_all:
    mov r9d, fixed | to_all
    mov r10d, 3
burst_with_interrupts:
    sti
    jmp send_bursts
looks_at_requests:                          ; before it lets them in
    mov qword [stage], 1
    spin_until ae, qword [go], 1
    mov eax, [requested]
    and eax, 1
    mov [bits_seen], rax
    sti
    mov ecx, 64
.while:
    dec ecx
    jnz .while
    ret
lowers_task_priority:
    mov eax, 3                              ; the vector is of class 2
    mov cr8, rax
    sti
    mov qword [stage], 1
    spin_until ae, qword [go], 1
    xor eax, eax
    mov cr8, rax
    spin_until ae, qword [go], 2
    ret
disables_apic:
    mov dword [apic_spurious], 0xff
    sti
    mov qword [stage], 1
    spin_until ae, qword [go], 1
    mov dword [apic_spurious], 0x1ff
    ret

    align 8
counts: dq 0                                ; a byte for each processor
sums: times cpus dq 0                       ; by sender
order: dq 0
stage: dq 0
go: dq 0
progress: dq 0
bits_seen: dq 0
message: dq 0
seen_message: dq 0
wrong: dq 0
traces: times 6 dq 0
image_ends
