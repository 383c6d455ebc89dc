package import CLibPQ

/// A value behind a mutex.
///
/// The Thread Sanitizer on Linux does not know the standard library's `Mutex`, and reports a race at each use. It knows a POSIX mutex.
///
/// Unchecked, because the value is only ever touched between locking and unlocking.
package final class Locked<Value>: @unchecked Sendable {
    package let mutex: UnsafeMutablePointer<pthread_mutex_t>
    /// Without the runtime's check for overlapping accesses: the mutex excludes them.
    @exclusivity(unchecked) package var value: Value

    /// - Parameter value: The initial value. A closure should be inside a struct: a bare one is wrapped once more at each access.
    package init(_ value: sending Value) {
        mutex = .allocate(capacity: 1)
        mutex.initialize(to: pthread_mutex_t())
        pthread_mutex_init(mutex, nil)
        self.value = value
    }

    deinit {
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
    }

    /// Gives one caller at a time access to the value. `body` must be short, and must not lock anything else.
    @inlinable package func withLock<Result>(_ body: (inout Value) -> sending Result) -> sending Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return body(&value)
    }

    /// Runs `body`, which must be short, under the mutexes of all. Two threads that do that have to name them in the same order.
    package static func withAll<Result>(_ all: [Locked], _ body: () -> Result) -> Result {
        for locked in all { pthread_mutex_lock(locked.mutex) }
        defer { for locked in all.reversed() { pthread_mutex_unlock(locked.mutex) } }
        return body()
    }
}
