import LockCore

/// How long a call waits in all.
struct WaitLimit: Sendable {
    /// What its error says. It is kept small, because each task that waits for a lock keeps it.
    struct Length: Sendable {
        static let none = Length(nil, isDefault: false)

        private let nanoseconds: Int64
        /// Whether the limit is there only because the task holds other locks, and not because the caller has given a timeout.
        let isDefault: Bool

        fileprivate init(_ duration: Duration?, isDefault: Bool) {
            nanoseconds = duration?.clampedNanoseconds ?? .min
            self.isDefault = isDefault
        }

        /// `nil` for no limit.
        var duration: Duration? { nanoseconds == .min ? nil : .nanoseconds(nanoseconds) }
    }

    static let none = WaitLimit(length: .none, deadline: nil)

    let length: Length
    let deadline: Instant?

    /// `nil` for no limit.
    var duration: Duration? { length.duration }

    private init(length: Length, deadline: Instant?) {
        self.length = length
        self.deadline = deadline
    }

    /// - Parameters:
    ///   - timeout: The caller's.
    ///   - noWait: Whether the call waits for the server's answer only. A timeout that is not zero limits that.
    ///   - isNested: Whether a wait without limit could be part of a deadlock that PostgreSQL can't see.
    ///   - timeouts: The limits that apply by default.
    init(_ timeout: Duration?, noWait: Bool, isNested: Bool, _ timeouts: LockManager.Configuration.Timeouts, now: Instant) {
        let duration =
            if noWait {
                timeout.map { $0 > .zero ? min($0.bounded, timeouts.unreachable) : timeouts.unreachable } ?? timeouts.unreachable
            } else { timeout?.bounded ?? (isNested ? timeouts.nested : nil) }
        length = Length(duration, isDefault: !noWait && timeout == nil)
        deadline = duration.map { now.advanced(by: $0) }
    }
}
