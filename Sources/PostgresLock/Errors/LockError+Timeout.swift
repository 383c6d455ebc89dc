import LibPQ
import LockCore

extension LockError {
    /// The error of a call whose deadline has passed.
    ///
    /// - Parameters:
    ///   - uncertainty: Why it is not known whether the locks are taken; `nil` if they certainly are.
    ///   - limit: The call's timeout.
    ///   - isNested: Whether the limit applies because the task is inside a scope.
    ///   - own: The keys that a scope around this task holds.
    static func timeout(
        _ uncertainty: Failure?,
        keys: [LockKey],
        databaseName: String,
        limit: Duration?,
        isNested: Bool,
        own: [LockKey] = []
    ) -> LockError {
        let waited = limit.map { "Waited \($0)" } ?? "Waited"
        let subject = keys.isEmpty ? "a connection to \(databaseName)" : "\(keys.described) in \(databaseName)"
        let them = keys.count > 1 ? "they are" : "it is"
        let order =
            isNested && limit != nil
            ? """
             The limit applies because the task holds another lock (timeouts.nested): two tasks that take two locks in opposite \
            order would wait for each other without end. Take locks in one order everywhere, or give a timeout.
            """
            : nil
        guard let uncertainty else {
            let which = keys.count > 1 ? "which are taken" : "which is taken"
            let advice =
                holder(own) ?? order
                ?? " The view pg_locks on the server shows which session holds \(keys.count > 1 ? "them" : "it")."
            return LockError(.timedOut, "\(waited) for \(subject), \(which).\(advice)", keys: keys)
        }
        switch uncertainty.kind {
        case .stillConnecting:
            return LockError(
                .noAnswer,
                "\(waited) for \(subject), which was still being connected to. Give it more time.",
                keys: keys
            )
        case .unanswered:
            return LockError(
                .noAnswer,
                """
                \(waited) for \(subject). The server has not said in that time whether \(them) free. Give it more time, or check \
                whether the server answers.
                """,
                keys: keys
            )
        default:
            return LockError(uncertainty, keys: keys, databaseName: databaseName)
        }
    }
}

extension LockError {
    /// The error of a call that does not wait, for a lock that is taken.
    ///
    /// - Parameter own: The keys that a scope around this task holds.
    static func taken(_ keys: [LockKey], databaseName: String, own: [LockKey]) -> LockError {
        let verb = keys.count > 1 ? "are" : "is"
        let advice = holder(own) ?? " Give it time, or try again later."
        return LockError(
            .timedOut,
            "\(keys.described.capitalizedFirst) in \(databaseName) \(verb) taken, and a timeout of zero does not wait.\(advice)",
            keys: keys
        )
    }

    private static func holder(_ own: [LockKey]) -> String? {
        guard !own.isEmpty else { return nil }
        return """
             A scope that this task was started in holds \(own.described): if the scope waits for the task, neither can end. Use the \
            lock that it holds, or another key.
            """
    }
}
