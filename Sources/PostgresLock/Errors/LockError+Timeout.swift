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
        let waited = limit.map { "Waited \($0.shown)" } ?? "Waited"
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
                ?? Self.adviceToLook(keys)
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
    private static func adviceToLook(_ keys: [LockKey]) -> String {
        " `pglock who`, or the view pg_locks on the server, shows which session holds \(keys.count > 1 ? "them" : "it")."
    }

    /// The same error, which says which sessions hold what was waited for.
    ///
    /// - Parameters:
    ///   - own: The processes of the manager's own sessions.
    ///   - ring: Those that wait for each other, and for what this task holds.
    ///   - inside: What this task holds.
    func explained(by holders: [LockHolder], own: Set<Int32>, ring: WaitRing?, inside: [LockKey]) -> LockError {
        let advice = Self.adviceToLook(keys)
        let start = message.hasSuffix(advice) ? String(message.dropLast(advice.count)) : message
        let names = holders.prefix(3).map { holder in
            let process = holder.processID.map({ own.contains($0) }) ?? false ? "this process, " : ""
            return keys.count > 1 ? "\(holder.key) by \(process)\(holder)" : "\(process)\(holder)"
        }
        let more = holders.count > 3 ? " and \(holders.count - 3) more" : ""
        let held =
            holders.isEmpty
            ? " When the server was asked, no session held \(keys.count > 1 ? "them" : "it") any more."
            : " Held by \(names.joined(separator: "; "))\(more)."
        let circle = ring.map { Self.words(for: $0, inside) } ?? ""
        return LockError(
            code,
            start + held + circle,
            sqlState: sqlState,
            keys: keys,
            underlying: underlying,
            holders: holders
        )
    }

    private static func words(for ring: WaitRing, _ held: [LockKey]) -> String {
        let names = ring.steps.map { step in
            let session = step.holder.session
            let process = session.processID.map { "process \($0) of the server" } ?? "a prepared transaction"
            return session.name.isEmpty ? process : "\(session.name) (\(process))"
        }
        let waits = ring.steps.indices.map { index in
            let key = ring.steps[index].wanted
            let holder = index + 1 < names.count ? "\(names[index + 1]) holds" : "this task holds"
            return "\(names[index]) waits for \(held.first { $0.advisory == key } ?? LockKey(key)), which \(holder)"
        }
        let all = names.count == 1 ? "the two wait for each other" : "they wait for each other in a ring"
        return " \(waits.joined(separator: "; ")): \(all)."
    }

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
