import LibPQ
import LockCore

// What a lent session has for settings: the borrower's while its statements run, ours while our own do.
extension LockManager {
    /// Gives a borrower's statements the settings that its role or database has, and our own have not.
    func roleStatements(_ state: LentConnection) -> [Statement] {
        let names = connections[state.id]?.session.roleSettings ?? []
        guard !state.hasRoleSettings, let restoring = SessionSettings.restoring(names) else { return [] }
        state.hasRunSQL = true
        state.mayDefer = SessionSettings.mayDefer(names)
        return [LockStatements.command(restoring)]
    }

    /// Gives a session what its borrower's statement is to run with.
    func prepareForBorrower(_ state: LentConnection) async throws {
        let deferring = state.deferrable.map { LockStatements.command("SET default_transaction_deferrable = \($0)") }
        let statements = roleStatements(state) + (deferring.map { [$0] } ?? [])
        guard !statements.isEmpty else { return }
        let failure = await settle(statements, on: state).replies.lazy.compactMap(\.error).first
        if let failure { throw LockError(Failure(failure), keys: [], place: place) }
        state.hasRoleSettings = true
        state.deferrable = nil
    }

    /// Lets our own statements in a session wait for nobody's transactions, whatever the borrower's do.
    func prepareForOwn(_ state: LentConnection) async {
        guard state.mayDefer, state.deferrable == nil else { return }
        let statements = ["SHOW default_transaction_deferrable", SessionSettings.doesNotDefer].map(LockStatements.command)
        let value = await settle(statements, on: state).replies.first?.result
        state.deferrable = value.flatMap { $0.rowCount == 1 ? $0.text(row: 0, column: 0) : nil } == "on" ? "on" : "off"
    }

    /// What makes the connection as good as new, once its transaction is over.
    func resetStatements(_ state: LentConnection) -> [Statement] {
        // Behind a pooler, the session is somebody else's by then.
        guard !configuration.transactionsOnly else { return [] }
        let settings = configuration.sessionSettings.staying(connections[state.id]?.session.isPassedOn == true)
        let statements = state.hasRunSQL ? settings.reset(mayDefer: state.mayDefer) : ["SELECT pg_catalog.pg_advisory_unlock_all()"]
        return statements.map(LockStatements.command)
    }

    /// - Parameter replies: Those to ``resetStatements(_:)``.
    func isReset(_ replies: some Collection<Reply>, _ state: LentConnection) -> Bool {
        let isComplete = replies.count == resetStatements(state).count
        let needed = state.hasRunSQL ? replies.dropLast() : replies.dropLast(0)
        return isComplete && needed.allSatisfy { $0.error == nil }
    }
}
