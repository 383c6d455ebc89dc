#ifndef PGLOCK_CLIBPQ_SHIM_H
#define PGLOCK_CLIBPQ_SHIM_H

#include <libpq-fe.h>

// What LibPQ calls of the system. The module exports it, so that few files have to import the system's module, whose name differs
// from system to system.
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifdef __linux__

#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>

// Functions of the GNU C library, and of musl, that are hidden unless a macro was defined before the first header.
extern long syscall(long, ...);
extern int pipe2(int[2], int);
extern int pthread_setname_np(pthread_t, const char *);

/// A pipe that does not block and is closed on exec, from the start, since another thread may start a program between two calls.
static inline int pglock_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC | O_NONBLOCK); }

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

/// Asks the system once per thread. (After a fork without exec, which the library does not support, the answer would be out of date.)
static inline int pglock_is_main_thread(void) {
    static _Thread_local signed char is_main = -1;
    if (is_main < 0) is_main = syscall(SYS_gettid) == getpid();
    return is_main;
}

static const uint32_t pglock_epoll_readable = EPOLLIN | EPOLLRDHUP;
static const uint32_t pglock_epoll_writable = EPOLLOUT;
static const uint32_t pglock_epoll_broken = EPOLLERR | EPOLLHUP;
static const uint32_t pglock_epoll_once = EPOLLONESHOT;

/// Whether a signal has interrupted the last system call that failed.
static inline int pglock_was_interrupted(void) { return errno == EINTR; }

/// Names this thread.
static inline void pglock_name_thread(const char *name) { pthread_setname_np(pthread_self(), name); }

#else

/// Names this thread.
static inline void pglock_name_thread(const char *name) { pthread_setname_np(name); }

/// A pipe that does not block and is closed on exec.
static inline int pglock_pipe(int ends[2]) {
    if (pipe(ends) != 0) return -1;
    for (int end = 0; end < 2; end++) {
        fcntl(ends[end], F_SETFD, FD_CLOEXEC);
        fcntl(ends[end], F_SETFL, O_NONBLOCK);
    }
    return 0;
}

static inline int pglock_is_main_thread(void) {
    return pthread_main_np();
}

#endif

#endif
