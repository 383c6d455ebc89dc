/// A scope around the current code, and what it holds.
struct EnclosingLock: Sendable {
    /// Those of all scopes around, innermost last. Inherited by all tasks that are started inside, also by those that
    /// outlive the scope.
    @TaskLocal static var all: [EnclosingLock] = []

    /// Those that have not ended. A scope that begins remembers no others: where each task starts its successor inside its
    /// scope, they would grow without end.
    static var open: [EnclosingLock] { all.filter(\.state.isOpen) }

    /// Whether a scope is around this code that has not ended.
    static var isInside: Bool { all.contains { $0.state.isOpen } }

    /// The driver of the manager, or the lock on a caller's connection, that it was taken by.
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
        /// On a connection of the caller's. Of which database, nobody knows.
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

    /// Whether this code runs in the very task that must end before the lock is released: then waiting for the lock can
    /// never end. Of a task that was merely started inside, nothing of the kind is certain.
    ///
    /// Where one scope is inside another, the inner one's task stands for the outer one's, which waits for it: see
    /// ``ScopedBody``.
    var isHeldByThisTask: Bool {
        state.isOpen && task == .current
    }
}

/// Tells tasks apart.
///
/// Unchecked, because the task is only ever compared, never looked into. An identity can be used again for another task
/// once its own is gone; so it says something only while its task is known to live.
struct TaskIdentity: Equatable, @unchecked Sendable {
    private let task: UnsafeCurrentTask?

    static var current: TaskIdentity {
        TaskIdentity(task: withUnsafeCurrentTask { $0 })
    }

    static func == (left: TaskIdentity, right: TaskIdentity) -> Bool {
        left.task != nil && left.task == right.task
    }
}
