import LibPQ
import LockCore

extension LockError {
    /// Tells a failure of the engine to its caller.
    ///
    /// - Parameters:
    ///   - place: Names the database, for people.
    init(_ failure: Failure, keys: [LockKey], databaseName: String) {
        let about = keys.isEmpty ? "" : " (lock \(keys.names))"
        let reason = failure.message.sentence
        let subject = databaseName.capitalizedFirst
        let code: Code
        let text: String
        switch failure.kind {
        case .unreachable:
            code = .cannotConnect
            text = "Can't connect to \(databaseName)\(about): \(reason) Check host, port, and that the server is running."
        case .stillConnecting:
            code = .noAnswer
            text = "The deadline came while \(databaseName) was still being connected to\(about). Give it more time."
        case .unanswered:
            code = .noAnswer
            text =
                "The deadline came before \(databaseName) had answered\(about). Whether the lock is free is not known. Give it more time."
        case .refusedByConfiguration:
            code = .cannotConnect
            text = "\(subject) refuses the connection\(about): \(reason) Check the database's name and the role's rights."
        case .authentication:
            code = .authenticationFailed
            text = "\(subject) refuses the login\(about): \(reason) Check user and password; it was not tried again."
        case .tooManyConnections:
            code = .tooManyConnections
            text = """
                \(subject) has no connection left\(about): \(reason) Raise the server's max_connections, or lower \
                maximumConnections in the pools that use it.
                """
        case .serverTooOld:
            code = .serverTooOld
            text = "\(reason) Upgrade the server of \(databaseName)."
        case .transactionPooling:
            code = .transactionPooling
            text = """
                \(reason) A lock would stay behind with a session of the pooler's\(about). Connect to the server itself, \
                or have the pooler pool sessions (pgbouncer: pool_mode = session). For locks of transactions alone there is configuration.transactionsOnly.
                """
        case .locksDoNotExclude:
            code = .locksDoNotExclude
            text = "\(reason) It can't be used for locks\(about); PostgreSQL can."
        case .standby:
            code = .notPrimary
            text = """
                \(reason) Connect to the primary\(about): with several hosts in the URL, target_session_attrs=read-write \
                finds it.
                """
        case .anotherServer:
            code = .anotherServer
            text = """
                \(reason) Locks on it would not exclude those on the first\(about). Name one cluster only, and \
                target_session_attrs=read-write if it has several hosts. If the move was meant, make a new lock manager.
                """
        case .connectionLost, .noAnswer:
            code = .connectionLost
            text = """
                The connection to \(databaseName) was lost\(about): \(reason) What was being done may have happened; the \
                session's locks are gone.
                """
        case .notHeld:
            code = .lockLost
            text =
                "The lock\(keys.isEmpty ? "" : " \(keys.names)") is not held any more: \(reason) It was lost, or released by other means."
        case .lockTableFull:
            code = .lockTableFull
            text = """
                The lock table of \(databaseName) is full\(about): \(reason) Hold fewer locks at a time, or raise the \
                server's max_locks_per_transaction and restart it.
                """
        case .capacity:
            code = .capacity
            text = """
                There is no room for another lock in \(databaseName)\(about): \(reason) Hold fewer locks at a time, raise the \
                server's max_locks_per_transaction and restart it, or give the manager a larger part of it \
                (configuration.capacity).
                """
        case .deadlock:
            code = .deadlock
            text = "\(subject) has broken a deadlock\(about): \(reason) Take locks in the same order everywhere, then try again."
        case .suspect:
            code = .lockLost
            text = "\(failure.message.clause)\(about). Stop, and check what was done."
        case .shutDown:
            code = .shutDown
            text = "The lock manager has been shut down\(about). Make a new one to go on."
        case .cancelled, .lockTimeout, .transactionAborted, .statement:
            code = .statementFailed
            text = "\(subject) refused a statement\(about): \(reason)"
        }
        self.init(code, text, sqlState: failure.sqlState, keys: keys)
    }
}
