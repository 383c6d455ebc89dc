extension LockManager.Configuration {
    /// What happens when another process asks for the release of a lock: by ``LockManager/requestRelease(of:from:timeout:)``, or by
    /// `pglock kick`.
    ///
    /// While a manager holds locks, it asks the server once a second whether there are requests, which takes the server some 10 µs for each session
    /// that holds something. A lock is released by its holder only, when the body has returned. What there is no body of, such as a lock of a
    /// ``LockHandle``, has to watch ``HeldLock/waitForReleaseRequest()``.
    public struct ReleaseRequestHandling: Hashable, Sendable {
        let cancelsBody: Bool
        private let isHeeded: Bool

        /// The body is cancelled, if a loss of the lock would cancel it (``LockManager/Configuration/cancelsBodyOnLoss``). If it ends by that, the
        /// call throws ``LockError/Code/releaseRequested``.
        public static let cancelBody = ReleaseRequestHandling(cancelsBody: true, isHeeded: true)
        /// The body goes on, and watches ``HeldLock/isReleaseRequested`` or ``HeldLock/waitForReleaseRequest()``.
        public static let tellBody = ReleaseRequestHandling(cancelsBody: false, isHeeded: true)
        /// The manager never asks for requests.
        public static let ignore = ReleaseRequestHandling(cancelsBody: false, isHeeded: false)
    }
}

/// A request to release a lock, as its holders see it.
struct ReleaseRequestState: Hashable, Sendable {
    /// Whether the bodies of the lock's scopes are cancelled.
    let cancelsBody: Bool
}
