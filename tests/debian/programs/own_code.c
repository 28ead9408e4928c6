/* A program that writes code and runs it, as a JIT compiler does: rewritten in place, patched in the middle, through a
 * second mapping, by itself just ahead of where it runs, and thrown away and made anew. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifdef __i386__
typedef int (*function)(int) __attribute__((regparm(1)));
#define ARGUMENT 0xc0 /* eax */
#else
typedef int (*function)(int);
#define ARGUMENT 0xf8 /* edi */
#endif

/* mov eax, argument; imul eax, eax, factor; add eax, addend; ret */
static void emit(uint8_t* at, int factor, int addend) {
    const uint8_t code[] = {0x89, ARGUMENT, 0x69, 0xc0, 0, 0, 0, 0, 0x05, 0, 0, 0, 0, 0xc3};
    memcpy(at, code, sizeof code);
    memcpy(at + 4, &factor, 4);
    memcpy(at + 9, &addend, 4);
}

static function entry(void* at) {
    function result;
    memcpy(&result, &at, sizeof result);
    return result;
}

int main(void) {
    enum { size = 65536 };
    uint32_t sum = 0;
    uint8_t* code = mmap(NULL, size, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    for (int i = 0; i < 20000; ++i) { /* in place */
        emit(code, i, 7 * i);
        sum += (uint32_t)entry(code)(i ^ 5);
    }
    printf("in place: %08x\n", sum);

    emit(code, 3, 0);
    for (int i = 0; i < 100000; ++i) { /* one operand of code that has run */
        memcpy(code + 9, &i, 4);
        sum += (uint32_t)entry(code)(2);
    }
    printf("patched: %08x\n", sum);

    for (int i = 0; i < 20000; ++i) { /* page crossing, and data beside code on one page */
        uint8_t* const at = code + 4096 * (1 + i % 8) - 1 - i % 13;
        emit(at, i, 1);
        code[4096 * (i % 8) + 2000] = (uint8_t)i;
        sum += (uint32_t)entry(at)(i) + code[4096 * (i % 8) + 2000];
    }
    printf("across pages: %08x\n", sum);

    const int file = memfd_create("code", 0);
    if (ftruncate(file, 4096)) return 1;
    uint8_t* const writable = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    uint8_t* const executable = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, file, 0);
    for (int i = 0; i < 20000; ++i) { /* the write is to another address than the code */
        emit(writable, i, -i);
        sum += (uint32_t)entry(executable)(9);
    }
    printf("second mapping: %08x\n", sum);

#ifdef __i386__
    /* mov ecx, eax; call +0; pop edx; mov [edx+5], cl; mov al, 0 (the store changes this operand); movzx eax, al; ret */
    const uint8_t ahead[] = {0x89, 0xc1, 0xe8, 0, 0, 0, 0, 0x5a, 0x88, 0x4a, 0x05, 0xb0, 0x00, 0x0f, 0xb6, 0xc0, 0xc3};
#else
    /* mov byte [rip+1], dil; mov al, 0 (the store changes this operand); movzx eax, al; ret */
    const uint8_t ahead[] = {0x40, 0x88, 0x3d, 0x01, 0, 0, 0, 0xb0, 0x00, 0x0f, 0xb6, 0xc0, 0xc3};
#endif
    memcpy(code, ahead, sizeof ahead);
    for (int i = 0; i < 20000; ++i) sum = sum * 31 + (uint32_t)entry(code)(i & 0xff);
    printf("just ahead: %08x\n", sum);

    for (int i = 0; i < 500; ++i) { /* mapped, run, protected, unmapped, at the same address */
        munmap(code, size);
        code = mmap(code, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        emit(code + 100, i, i);
        mprotect(code, size, PROT_READ | PROT_EXEC);
        sum += (uint32_t)entry(code + 100)(i);
    }
    printf("made anew: %08x\n", sum);
    return 0;
}
