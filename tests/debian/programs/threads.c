/* Threads that share a queue while timer signals, directed signals and faults interrupt them; prints only sure results. */
#define _GNU_SOURCE
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

enum { workers = 6, items = 200000, faults = 20000 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int queue[64], head, tail, finished;
static uint64_t sum;
static atomic_int ticks, pokes, counter;
static _Thread_local sigjmp_buf escape;
static char* forbidden;

static void on_tick(int number) { (void)number, ++ticks; }
static void on_poke(int number) { (void)number, ++pokes; }
static void on_fault(int number, siginfo_t* info, void* context) {
    (void)context;
    if (number == SIGSEGV && info->si_addr != forbidden + 123) _exit(3);
    siglongjmp(escape, number);
}

static void* consume(void* unused) {
    (void)unused;
    for (;;) {
        pthread_mutex_lock(&lock);
        while (head == tail && !finished) pthread_cond_wait(&changed, &lock);
        if (head == tail) {
            pthread_mutex_unlock(&lock);
            return NULL;
        }
        sum += (uint64_t)queue[head++ % 64] * 3;
        pthread_cond_broadcast(&changed);
        pthread_mutex_unlock(&lock);
        ++counter;
    }
}

static void* fault_repeatedly(void* result) {
    volatile int zero = 0, kept = 0;
    volatile double precious = 1.25; /* must survive the signal frames */
    for (volatile int i = 0; i < faults; ++i) {
        const int number = sigsetjmp(escape, 1);
        if (number == 0) {
            if (i % 2) forbidden[123] = 1;
            kept = i / zero;
        } else {
            kept += number == (i % 2 ? SIGSEGV : SIGFPE);
            precious = precious * 1.5 - precious * 0.5;
        }
    }
    *(int*)result = kept == faults && precious == 1.25;
    return NULL;
}

int main(void) {
    struct sigaction action = {.sa_handler = on_tick, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &action, NULL);
    action.sa_handler = on_poke;
    sigaction(SIGUSR1, &action, NULL);
    struct sigaction fault = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &fault, NULL);
    sigaction(SIGFPE, &fault, NULL);
    forbidden = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const struct itimerval period = {{0, 2000}, {0, 2000}};
    setitimer(ITIMER_REAL, &period, NULL);

    pthread_t threads[workers], faulting;
    int faults_were_right = 0;
    for (int i = 0; i < workers; ++i) pthread_create(&threads[i], NULL, consume, NULL);
    pthread_create(&faulting, NULL, fault_repeatedly, &faults_were_right);
    for (int i = 0; i < items; ++i) {
        pthread_mutex_lock(&lock);
        while (tail - head == 64) pthread_cond_wait(&changed, &lock);
        queue[tail++ % 64] = i;
        pthread_cond_broadcast(&changed);
        pthread_mutex_unlock(&lock);
        if (i % 1000 == 0) pthread_kill(threads[i / 1000 % workers], SIGUSR1);
    }
    pthread_mutex_lock(&lock);
    finished = 1;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    for (int i = 0; i < workers; ++i) pthread_join(threads[i], NULL);
    pthread_join(faulting, NULL);
    while (ticks < 5) pause();
    printf("sum %llu, consumed %d, faults %s, timer %s, directed signals %s\n", (unsigned long long)sum, counter,
           faults_were_right ? "right" : "wrong", ticks >= 5 ? "ran" : "stood", pokes > 0 ? "came" : "lost");
    return 0;
}
