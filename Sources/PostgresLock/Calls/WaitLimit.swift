import LockCore

/// How long a call waits in all.
struct WaitLimit: Sendable {
    static let none = WaitLimit(duration: nil, deadline: nil, isDefault: false)

    /// `nil` for no limit.
    let duration: Duration?
    let deadline: Instant?
    /// Whether the limit is there only because the task holds other locks, and not because the caller has given a timeout.
    let isDefault: Bool

    private init(duration: Duration?, deadline: Instant?, isDefault: Bool) {
        self.duration = duration
        self.deadline = deadline
        self.isDefault = isDefault
    }

    /// - Parameters:
    ///   - timeout: The caller's.
    ///   - noWait: Whether the call waits for the server's answer only, whatever the timeout.
    ///   - isNested: Whether a wait without limit could be part of a deadlock that PostgreSQL can't see.
    init(_ timeout: Duration?, noWait: Bool, isNested: Bool, _ timeouts: LockManager.Configuration.Timeouts) {
        isDefault = !noWait && timeout == nil
        duration = noWait ? timeouts.unreachable : timeout?.bounded ?? (isNested ? timeouts.nested : nil)
        deadline = duration.map { MonotonicTime.now.advanced(by: $0) }
    }
}
