/* Integer, floating-point, sorting and text work whose printed results depend on every step. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t state = 88172645463325252u;
static uint64_t next(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static int compare(const void* left, const void* right) {
    const double a = *(const double*)left, b = *(const double*)right;
    return (a > b) - (a < b);
}

int main(void) {
    enum { limit = 2000000, count = 200000, n = 96 };
    char* composite = calloc(limit, 1);
    unsigned primes = 0;
    for (uint64_t i = 2; i < limit; ++i) {
        if (composite[i]) continue;
        ++primes;
        for (uint64_t j = i * i; j < limit; j += i) composite[j] = 1;
    }
    printf("primes below %d: %u\n", limit, primes);

    double* values = malloc(count * sizeof *values);
    for (int i = 0; i < count; ++i) values[i] = (double)(int64_t)next() / 1e15;
    qsort(values, count, sizeof *values, compare);
    printf("quartiles: %.17g %.17g %.17g\n", values[count / 4], values[count / 2], values[count * 3 / 4]);

    static double a[n][n], b[n][n], c[n][n];
    for (int i = 0; i < n; ++i)
        for (int j = 0; j < n; ++j) a[i][j] = sin(i + 0.1 * j), b[i][j] = cos(j - 0.3 * i);
    for (int i = 0; i < n; ++i)
        for (int k = 0; k < n; ++k)
            for (int j = 0; j < n; ++j) c[i][j] += a[i][k] * b[k][j];
    double trace = 0;
    for (int i = 0; i < n; ++i) trace += c[i][i];
    printf("trace: %a\n", trace);

    long double series = 0; /* the x87 unit */
    for (int i = 1; i < 100000; ++i) series += 1.0L / i / i;
    printf("series: %.20Lg\n", series);

#ifdef __SIZEOF_INT128__
    unsigned __int128 product = 1;
    for (int i = 0; i < 1000; ++i) product = product * (next() | 1) + next() / ((next() >> 40) | 1);
    printf("product: %016" PRIx64 "%016" PRIx64 "\n", (uint64_t)(product >> 64), (uint64_t)product);
#endif

    char text[4096] = "";
    for (int i = 0; i < 200; ++i) snprintf(text + strlen(text), sizeof text - strlen(text), "%x.", (unsigned)next() & 0xffff);
    uint32_t hash = 2166136261u;
    for (const char* at = text; (at = strchr(at, '.')); ++at) hash = (hash ^ (uint32_t)(at - text)) * 16777619u;
    printf("hash: %08" PRIx32 "\n", hash);
    return 0;
}
