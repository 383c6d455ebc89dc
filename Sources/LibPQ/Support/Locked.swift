#if canImport(Darwin)
    package import Darwin
#elseif canImport(Glibc)
    package import Glibc
#elseif canImport(Musl)
    package import Musl
#endif

/// A value behind a mutex, for the few places that are reached from any thread.
///
/// The standard library's `Mutex` would do, but on Linux the Thread Sanitizer does not see it, and reports a race at every
/// use; what it can't see it can't check either. A POSIX mutex it knows.
///
/// Unchecked, because the value is only ever touched between locking and unlocking.
package final class Locked<Value>: @unchecked Sendable {
    package let mutex: UnsafeMutablePointer<pthread_mutex_t>
    package var value: Value

    /// - Parameter value: At the beginning. A closure is best put into a struct: a bare one is wrapped once more whenever
    ///   it is lent out and written back.
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

    /// Lends the value to one caller at a time. `body` must be short, and not call back.
    @inlinable package func withLock<Result>(_ body: (inout Value) -> sending Result) -> sending Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return body(&value)
    }
}
