/// A scope around the current code, and what it holds.
struct EnclosingLock: Sendable {
    /// All scopes around, innermost last. Every task that is started inside inherits them, also one that outlives the scope.
    @TaskLocal static var all: [EnclosingLock] = []

    /// The scopes that have not ended. A scope that begins records only these: where each task starts its successor inside its
    /// scope, the list would grow without end.
    static var open: [EnclosingLock] { all.filter(\.state.isOpen) }

    /// Whether a scope is around this code that has not ended.
    static var isInside: Bool { all.contains { $0.state.isOpen } }

    /// The driver of the manager, or the lock on a caller's connection, that the scope is of.
    let owner: ObjectIdentifier
    let state: LockState
    let kind: Kind
    /// The task that must end before the scope does.
    var task: TaskIdentity

    enum Kind: Sendable {
        case lock
        /// With the lock that it was begun with, if there is one.
        case transaction(LockKey?)
        /// What it holds changes while it runs.
        case session(HeldModes)
        /// On a caller's connection, whose database is not known.
        case connection
    }

    /// What is held for as long as the scope lasts.
    var key: LockKey? {
        switch kind {
        case .lock: state.key
        case .transaction(let key): key
        case .session, .connection: nil
        }
    }

    /// What is held at present, as far as it is known.
    var keys: [LockKey] {
        switch kind {
        case .lock, .transaction: key.map { [$0] } ?? []
        case .session(let modes): modes.keys
        case .connection: []
        }
    }

    /// Whether the scope has a connection of its manager to itself.
    var hasSession: Bool {
        switch kind {
        case .transaction, .session: true
        case .lock, .connection: false
        }
    }

    /// Whether this code runs in the very task that must end before the lock is released: then a wait for the lock can never end.
    /// Of a task that was only started inside, this is not certain.
    ///
    /// Where one scope is inside another, the inner one's task stands for the outer one's, which waits for it: see
    /// ``ScopedBody``.
    var isHeldByThisTask: Bool {
        state.isOpen && task == .current
    }
}

/// Identifies a task.
///
/// Unchecked, because the task is only compared. An identity can be used again for another task once its own has ended, so it is only
/// valid while its task is known to run.
struct TaskIdentity: Equatable, @unchecked Sendable {
    private let task: UnsafeCurrentTask?

    static var current: TaskIdentity {
        TaskIdentity(task: withUnsafeCurrentTask { $0 })
    }

    static func == (left: TaskIdentity, right: TaskIdentity) -> Bool {
        left.task != nil && left.task == right.task
    }
}
