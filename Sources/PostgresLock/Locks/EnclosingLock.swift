import LockCore

/// A lock that a scope around the current code holds.
struct EnclosingLock: Sendable {
    /// Those of all scopes around, innermost last. Inherited by all tasks that are started inside, also by those that
    /// outlive the scope.
    @TaskLocal static var all: [EnclosingLock] = []

    let manager: ObjectIdentifier
    let state: LeaseState
    let isTransaction: Bool
    let task: TaskIdentity

    /// Whether this code runs in the very task that must end before the lock is released: then waiting for the lock can
    /// never end. Of a task that was merely started inside, nothing of the kind is certain.
    var isHeldByThisTask: Bool {
        state.isHeld && task == .current
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
