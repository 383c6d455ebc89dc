import CLibPQ

/// A few mutexes that many objects share: the address of an object says which of them is its own.
///
/// An object with a mutex of its own takes two more allocations, and there may be a hundred thousand of them.
package struct MutexStripes: Sendable {
    /// The values are not used. They are not empty, because an empty one has the mutex's own address, and the Thread Sanitizer takes one for
    /// the other.
    private let stripes: [Locked<Bool>]

    package init() {
        stripes = (0..<16).map { _ in Locked(false) }
    }

    /// Runs `body`, which must be short, and must not lock anything else.
    package func withLock<Result>(of object: AnyObject, _ body: () -> Result) -> Result {
        let stripe = stripes[Int(bitPattern: Unmanaged.passUnretained(object).toOpaque()) >> 5 & 15]
        pthread_mutex_lock(stripe.mutex)
        defer { pthread_mutex_unlock(stripe.mutex) }
        return body()
    }

    /// The same under the mutexes of all objects.
    package func withAll<Result>(_ body: () -> Result) -> Result { Locked.withAll(stripes, body) }
}
