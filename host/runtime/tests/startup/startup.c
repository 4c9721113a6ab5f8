// What programs of wasi-libc look for when they start, C and C++ alike: each
// thing that is missing has an exit code of its own.

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static long long nanoseconds(clockid_t clock) {
    struct timespec now;
    return clock_gettime(clock, &now) ? -1 : now.tv_sec * 1000000000LL + now.tv_nsec;
}

int main(int count, char **arguments) {
    if (count != 1 || !arguments[0][0]) return 1;
    if (environ && environ[0]) return 2;
    long long began = nanoseconds(CLOCK_MONOTONIC);
    if (began <= 0 || nanoseconds(CLOCK_REALTIME) < 0) return 3;
    struct timespec second = {.tv_sec = 1};
    if (nanosleep(&second, NULL) || nanoseconds(CLOCK_MONOTONIC) < began + 1000000000) return 4;
    unsigned char random[16] = {0};
    if (getentropy(random, sizeof random)) return 5;
    if (getchar() != EOF || fopen("/etc/passwd", "r")) return 6;
    if (printf("started\n") < 0 || fflush(stdout)) return 7;
    return malloc(1 << 20) ? 0 : 8;
}
