import Synchronization

/// One attempt to connect, which can be abandoned.
package final class ConnectAttempt: Sendable {
    /// A part of an attempt with a limit of its own.
    package enum Stage: Sendable {
        /// Names are looked up and hosts are connected to.
        case dialing
        /// The server is asked what it is, and the session is prepared.
        case checking
    }

    private let abandoned = Atomic(false)
    /// Called when the attempt is abandoned.
    private let onAbandon = Locked<(@Sendable () -> Void)?>(nil)
    private let onStage: @Sendable (Stage, Duration) -> Void

    /// - Parameter onStage: Called on some thread when a stage begins, with the time that it may take.
    package init(onStage: @escaping @Sendable (Stage, Duration) -> Void = { _, _ in }) {
        self.onStage = onStage
    }

    package func abandon() {
        abandoned.store(true, ordering: .relaxed)
        onAbandon.withLock { $0 }?()
    }

    /// - Parameter onAbandon: Called when the attempt is abandoned, at once if that is so already.
    package func whenAbandoned(_ onAbandon: @escaping @Sendable () -> Void) {
        self.onAbandon.withLock { $0 = onAbandon }
        if isAbandoned { onAbandon() }
    }

    package var isAbandoned: Bool { abandoned.load(ordering: .relaxed) }

    package func begin(_ stage: Stage, within limit: Duration) { onStage(stage, limit) }
}

extension ConnectionFailure {
    package static let abandoned = ConnectionFailure(.abandoned, "The attempt was abandoned.")
}
