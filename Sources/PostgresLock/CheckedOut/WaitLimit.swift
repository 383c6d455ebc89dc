import LockCore

/// How long an acquire may take, all in all.
struct WaitLimit: Sendable {
    /// Waits for as long as it takes.
    static let none = WaitLimit(duration: nil, deadline: nil, isDefault: false)

    let duration: Duration?
    let deadline: Instant?
    /// Whether the caller did not name it: then it is there because the task holds something else already.
    let isDefault: Bool
}

extension LockDriver {
    /// That of what does not wait for others, but for the server's answer.
    var tryLimit: WaitLimit { waitLimit(configuration.timeouts.unreachable, isNested: false) }

    /// - Parameters:
    ///   - timeout: What the caller has named.
    ///   - isNested: Whether waiting without a limit could be one half of a deadlock that nobody sees.
    func waitLimit(_ timeout: Duration?, isNested: Bool) -> WaitLimit {
        let duration = (timeout ?? (isNested ? configuration.timeouts.nested : nil))?.bounded
        return WaitLimit(duration: duration, deadline: duration.map { now.advanced(by: $0) }, isDefault: timeout == nil)
    }
}
