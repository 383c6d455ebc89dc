#ifndef PGLOCK_CLIBPQ_SHIM_H
#define PGLOCK_CLIBPQ_SHIM_H

#include <libpq-fe.h>

#ifdef __linux__

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

// Functions of the GNU C library, and of musl, that are hidden unless a macro was defined before the first header.
extern int ppoll(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *);
extern long syscall(long, ...);
extern int pipe2(int[2], int);

/// Like `poll`, but with a time limit in nanoseconds.
static inline int pglock_poll(struct pollfd *descriptors, nfds_t count, long nanoseconds) {
    struct timespec limit = {nanoseconds / 1000000000, nanoseconds % 1000000000};
    return ppoll(descriptors, count, &limit, 0);
}

/// A pipe that is closed on exec.
static inline int pglock_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC); }

/// A timer on the clock that runs while the machine is suspended; readable once it has fired. -1 if the process has no
/// descriptor left.
static inline int pglock_timer_create(void) {
    return timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
}

/// Has it fire once, after so many nanoseconds.
static inline int pglock_timer_arm(int timer, int64_t nanoseconds) {
    struct itimerspec when = {{0, 0}, {nanoseconds / 1000000000, nanoseconds % 1000000000}};
    // Nothing at all would disarm it.
    if (nanoseconds <= 0) when.it_value.tv_sec = 0, when.it_value.tv_nsec = 1;
    return timerfd_settime(timer, 0, &when, 0);
}

static inline int pglock_is_main_thread(void) {
    return syscall(SYS_gettid) == getpid();
}

#endif

#endif
