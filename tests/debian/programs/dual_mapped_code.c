/* Code as the compilers of .NET, V8 and HotSpot keep it: one file mapped twice, written through one view
 * while threads run it in the other; operands, calls and jumps patched as it runs; W^X flips; mapped anew.
 * Prints only sure results. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifdef __i386__
#define REGISTERS __attribute__((regparm(2)))
#define ARGUMENT 0xc0                 /* eax */
static const uint8_t move[] = {0xb8}; /* mov eax, */
#else
#define REGISTERS
#define ARGUMENT 0xf8 /* edi */
static const uint8_t move[] = {0x48, 0xb8}; /* mov rax, */
#endif
typedef int REGISTERS (*function)(int);
typedef uintptr_t (*word_function)(void);

enum { readers = 3, page = 4096, pages = 32, size = pages * page, half = 4 * sizeof(uintptr_t) };

static uint8_t *writable, *executable; /* the two views */
static atomic_int stop, wrong, started;
static uint32_t sum; /* the writer's */

static void check(int right) {
    if (!right) ++wrong;
}

static function entry(const void* at) {
    function result;
    memcpy(&result, &at, sizeof result);
    return result;
}

static int call(size_t at, int argument) { return entry(executable + at)(argument); }

/* What the manuals ask of a processor before it runs what another one has written. */
static void serialize(void) {
    unsigned a = 0, b, c = 0, d;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d)::"memory");
}

/* mov eax, argument; imul eax, eax, factor; add eax, addend; ret */
static void emit(uint8_t* at, int factor, int addend) {
    const uint8_t code[] = {0x89, ARGUMENT, 0x69, 0xc0, 0, 0, 0, 0, 0x05, 0, 0, 0, 0, 0xc3};
    memcpy(at, code, sizeof code);
    memcpy(at + 4, &factor, 4);
    memcpy(at + 9, &addend, 4);
}

/* Aligned, so whoever runs it meets the old displacement or the new one. */
static void patch_displacement(size_t at, size_t target) {
    __atomic_store_n((int32_t*)(writable + at), (int32_t)(target - (at + 4)), __ATOMIC_RELEASE);
}

static void with_readers(const char* name, void* (*read)(void*), void (*write)(void)) {
    pthread_t threads[readers];
    stop = wrong = started = 0;
    sum = 0;
    for (intptr_t i = 0; i < readers; ++i) pthread_create(&threads[i], NULL, read, (void*)i);
    while (started < readers) sched_yield();
    write();
    stop = 1;
    for (int i = 0; i < readers; ++i) pthread_join(threads[i], NULL);
    printf("%s: sum %08x, wrong %d\n", name, sum, wrong);
}

/* --- functions appended to pages whose other functions run --- */

enum { functions = 512, function_size = 32, generations = 20 };
static atomic_int written; /* generation * functions + how many */
static pthread_barrier_t between;

static void* call_functions(void* number) {
    unsigned random = 1 + (unsigned)(intptr_t)number;
    ++started;
    for (int generation = 0; generation < generations; ++generation) {
        pthread_barrier_wait(&between);
        serialize();
        for (int count = 0; count < functions;) {
            count = written - generation * functions;
            for (int i = 0; i < 16 && count; ++i) {
                random = random * 1664525 + 1013904223;
                const int which = (int)((random >> 8) % (unsigned)count), x = (int)(random >> 24);
                check(call((size_t)which * function_size, x) == x * (which + 3) + generation);
            }
            sched_yield();
        }
        pthread_barrier_wait(&between);
    }
    return NULL;
}

static void write_functions(void) {
    for (int generation = 0; generation < generations; ++generation) {
        pthread_barrier_wait(&between);
        for (int i = 0; i < functions; ++i) {
            emit(writable + i * function_size, i + 3, generation);
            ++written;
            if (i % 32 == 0) sched_yield();
            sum = sum * 31 + (uint32_t)call((size_t)i * function_size, i);
        }
        pthread_barrier_wait(&between);
    }
}

/* --- operands of a machine word, patched as the code runs --- */

enum { operands = 8, patches = 20000 };
static atomic_int patched[operands];

static size_t operand(int which) { return (size_t)(which / 2 * 3000 / 64 * 64 + which % 2 * 32 + 8); }
static uintptr_t doubled(uintptr_t n) { return n << half | n; } /* a torn one is not one */

static uintptr_t load_operand(int which) {
    const uint8_t* const at = executable + operand(which) - sizeof move;
    word_function load;
    memcpy(&load, &at, sizeof load);
    return load();
}

static void* call_operands(void* unused) {
    (void)unused;
    uintptr_t last[operands] = {0};
    ++started;
    for (unsigned round = 0; !stop; ++round) {
        for (int which = 0; which < operands; ++which) {
            const uintptr_t before = (uintptr_t)patched[which];
            if (round % 32 == 0) serialize();
            const uintptr_t value = load_operand(which), n = value >> half;
            check(value == doubled(n) && n >= last[which] && (round % 32 || n >= before));
            last[which] = n;
        }
        if (round % 8 == 0) sched_yield();
    }
    serialize();
    for (int which = 0; which < operands; ++which)
        check(load_operand(which) == doubled((uintptr_t)patched[which]));
    return NULL;
}

static void patch_operands(void) {
    for (int n = 1; n <= patches; ++n) {
        const int which = n % operands;
        __atomic_store_n((uintptr_t*)(writable + operand(which)), doubled((uintptr_t)n), __ATOMIC_RELEASE);
        patched[which] = n;
        if (n % 16 == 0) sched_yield();
        sum = sum * 31 + (uint32_t)load_operand(which);
    }
}

static void make_operands(void) {
    for (int which = 0; which < operands; ++which) {
        memcpy(writable + operand(which) - sizeof move, move, sizeof move);
        memset(writable + operand(which), 0, sizeof(uintptr_t));
        writable[operand(which) + sizeof(uintptr_t)] = 0xc3;
    }
}

/* --- targets of calls --- */

enum { sites = 4, targets = 8, target_area = 16 * page };
static size_t site(int which) { return (size_t)(which * 1024 + 8); } /* of the displacement */
static size_t target(int which) { return (size_t)(target_area + which * 160); }

static void* call_targets(void* unused) {
    (void)unused;
    ++started;
    for (unsigned round = 0; !stop; ++round) {
        for (int which = 0; which < sites; ++which) {
            const int before = patched[which];
            serialize();
            const int value = call(site(which) - 1, 5) - 15, after = patched[which] + sites;
            /* One more may have been patched in than was announced. */
            int expected = before;
            while (expected <= after && value != expected / sites % targets) expected += sites;
            check(expected <= after);
        }
        sched_yield();
    }
    return NULL;
}

static void patch_targets(void) {
    for (int n = sites; n < patches; ++n) {
        const int which = n % sites;
        patch_displacement(site(which), target(n / sites % targets));
        patched[which] = n;
        if (n % 16 == 0) sched_yield();
        sum = sum * 31 + (uint32_t)call(site(which) - 1, n);
    }
}

static void make_targets(void) {
    for (int which = 0; which < targets; ++which) emit(writable + target(which), 3, which);
    for (int which = 0; which < sites; ++which) { /* call target 0; ret */
        writable[site(which) - 1] = 0xe8;
        patch_displacement(site(which), target(0));
        writable[site(which) + 4] = 0xc3;
        patched[which] = which;
    }
}

/* --- stubs whose jump goes to the compiler until the first call, then to what that made --- */

enum { stubs = 64, rounds = 40, stub_area = 0, to_compiler_area = page, body_area = 2 * page };
static pthread_mutex_t compiling = PTHREAD_MUTEX_INITIALIZER;
static int compiled[stubs], compilations, current_round;

static size_t stub(int which) { return (size_t)(stub_area + which * 16 + 4); } /* of the displacement */
static size_t to_compiler(int which) { return (size_t)(to_compiler_area + which * 32); }
static size_t body(int which, int tier) { return (size_t)(body_area + tier * 2 * page + which * 48); }

static int REGISTERS compile(int argument, int which) {
    pthread_mutex_lock(&compiling);
    if (!compiled[which]) {
        emit(writable + body(which, 0), which + 1, current_round);
        patch_displacement(stub(which), body(which, 0));
        compiled[which] = 1;
        ++compilations;
    }
    pthread_mutex_unlock(&compiling);
    serialize();
    return call(body(which, 0), argument);
}

static void make_stubs(void) {
    int REGISTERS (*const compiler)(int, int) = compile;
    for (int which = 0; which < stubs; ++which) {
        uint8_t* at = writable + to_compiler(which);
#ifdef __i386__ /* mov edx, which; mov ecx, compiler; jmp ecx */
        *at++ = 0xba;
        memcpy(at, &which, 4);
        at[4] = 0xb9;
        memcpy(at + 5, &compiler, 4);
        memcpy(at + 9, "\xff\xe1", 2);
#else /* mov esi, which; mov rax, compiler; jmp rax */
        *at++ = 0xbe;
        memcpy(at, &which, 4);
        memcpy(at + 4, "\x48\xb8", 2);
        memcpy(at + 6, &compiler, 8);
        memcpy(at + 14, "\xff\xe0", 2);
#endif
        writable[stub(which) - 1] = 0xe9;
    }
}

static void* call_stubs(void* number) {
    const int first = (int)(intptr_t)number * 21;
    ++started;
    for (int round = 0; round < rounds; ++round) {
        pthread_barrier_wait(&between);
        serialize();
        for (int i = 0; i < 8 * stubs; ++i) {
            const int which = (first + i * 5) % stubs;
            check(call(stub(which) - 1, i) == i * (which + 1) + round);
            if (i % 16 == 0) sched_yield();
        }
        pthread_barrier_wait(&between);
    }
    return NULL;
}

static void reset_stubs(void) {
    for (current_round = 0; current_round < rounds; ++current_round) {
        for (int which = 0; which < stubs; ++which) {
            compiled[which] = 0;
            patch_displacement(stub(which), to_compiler(which));
        }
        pthread_barrier_wait(&between);
        for (int i = 0; i < stubs; ++i) { /* the optimizing tier overtakes them */
            emit(writable + body(i, 1), i + 1, current_round);
            sum = sum * 31 + (uint32_t)call(stub(i) - 1, i);
            patch_displacement(stub(i), body(i, 1));
            sum = sum * 31 + (uint32_t)call(stub(i) - 1, i);
            if (i % 8 == 0) sched_yield();
        }
        pthread_barrier_wait(&between);
    }
    check(compilations == rounds * stubs);
}

/* --- pages that change beside pages that run --- */

enum { bystanders = 4, flips = 1000 };

/* They rest: each flip waits for every processor that runs one, on a busy computer until it has its turn. */
static void* call_bystanders(void* unused) {
    (void)unused;
    ++started;
    while (!stop) {
        for (int which = 0; which < bystanders; ++which)
            for (int i = 0; i < 16; ++i) check(call((size_t)(which * 2 * page), i) == i * (which + 2) + 1);
        usleep(200);
    }
    return NULL;
}

static void make_bystanders(void) {
    for (int which = 0; which < bystanders; ++which) emit(writable + which * 2 * page, which + 2, 1);
}

/* The odd pages are closed, written and opened again in the view that runs. */
static void flip_protection(void) {
    for (int n = 0; n < flips; ++n) {
        uint8_t* const at = executable + (n % bystanders * 2 + 1) * page;
        mprotect(at, page, PROT_READ | PROT_WRITE);
        emit(at + n % 7 * 16, n, 3);
        mprotect(at, page, PROT_READ | PROT_EXEC);
        sum = sum * 31 + (uint32_t)entry(at + n % 7 * 16)(n);
        if (n % 16 == 0) sched_yield();
    }
}

static int file;

/* Other pages of the file come to the same address, sometimes rewritten while nothing was there. */
static void map_anew(void) {
    uint8_t* const at = executable + page;
    for (int n = 0; n < 4; ++n) emit(writable + (16 + n) * page, n + 2, n);
    for (int n = 0; n < flips; ++n) {
        const int shown = n % 4;
        if (n % 3 == 0) munmap(at, page);
        if (n % 5 == 0) emit(writable + (16 + shown) * page, shown + 2, n);
        if (mmap(at, page, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED, file, (16 + shown) * page) != at)
            ++wrong;
        sum = sum * 31 + (uint32_t)entry(at)(n);
        if (n % 16 == 0) sched_yield();
    }
}

int main(void) {
    file = memfd_create("code", 0);
    if (ftruncate(file, size)) return 1;
    writable = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    executable = mmap(NULL, size, PROT_READ | PROT_EXEC, MAP_SHARED, file, 0);
    if (writable == MAP_FAILED || executable == MAP_FAILED) return 1;
    pthread_barrier_init(&between, NULL, readers + 1);

    with_readers("functions written beside others", call_functions, write_functions);
    make_operands();
    with_readers("operands patched", call_operands, patch_operands);
    make_targets();
    with_readers("calls patched", call_targets, patch_targets);
    make_stubs();
    with_readers("stubs patched by their first callers", call_stubs, reset_stubs);
    make_bystanders();
    with_readers("protection flipped", call_bystanders, flip_protection);
    with_readers("mapped anew", call_bystanders, map_anew);
    return 0;
}
