package import LibPQ
import LockCore

extension LockError {
    /// - Parameter databaseName: Names the database, for people.
    init(_ failure: Failure, keys: [LockKey], databaseName: String) {
        let about = keys.isEmpty ? "" : " (lock \(keys.names))"
        let statement = failure.statement(databaseName, about: about)
        self.init(
            failure.kind.code,
            [statement, failure.advice].compactMap(\.self).joined(separator: " "),
            sqlState: failure.sqlState,
            keys: keys
        )
    }
}

extension ConnectionFailure {
    /// What to do about it.
    package var advice: String? { Failure(self).advice }
}

extension Failure {
    /// What to do, in sentences.
    fileprivate var advice: String? {
        switch kind {
        case .unreachable: adviceForUnreachable
        case .authentication: adviceForLogin
        default: kind.advice
        }
    }

    /// What has happened, in sentences, if only its cause is to be told.
    var message: String { cause.text }

    /// What has happened, in sentences.
    ///
    /// - Parameter about: Names the locks, in brackets, or is empty.
    fileprivate func statement(_ database: String, about: String) -> String {
        let reason = message.sentence
        let subject = database.capitalizedFirst
        return switch kind {
        case .unreachable: "Can't connect to \(database)\(about): \(reason)"
        case .stillConnecting: "The deadline came while \(database) was still being connected to\(about)."
        case .unanswered: "The deadline came before \(database) had answered\(about). Whether the lock is free is not known."
        case .refusedByConfiguration: "\(subject) refuses the connection\(about): \(reason)"
        case .authentication: "\(subject) refuses the login\(about), which was not tried again: \(reason)"
        case .tooManyConnections: "\(subject) has no connection left\(about): \(reason)"
        case .serverTooOld, .transactionPooling, .locksDoNotExclude, .standby, .anotherServer:
            "\(subject) can't be used for locks\(about): \(reason)"
        case .connectionLost, .noAnswer:
            """
            The connection to \(database) was lost\(about): \(reason) What was being done may have happened; the session's locks are \
            gone.
            """
        case .notHeld: "The lock is not held any more\(about): \(reason) It was lost, or released by other means."
        case .suspect: "\(message.clause)\(about)."
        case .lockTableFull: "The lock table of \(database) is full\(about): \(reason)"
        case .capacity: "There is no room for another lock in \(database)\(about): \(reason)"
        case .deadlock: "\(subject) has broken a deadlock\(about): \(reason)"
        case .shutDown: "The lock manager has been shut down\(about)."
        case .cancelled, .lockTimeout, .transactionAborted, .statement: "\(subject) refused a statement\(about): \(reason)"
        }
    }
}

extension Failure.Kind {
    fileprivate var code: LockError.Code {
        switch self {
        case .unreachable, .refusedByConfiguration: .cannotConnect
        case .stillConnecting, .unanswered: .noAnswer
        case .authentication: .authenticationFailed
        case .tooManyConnections: .tooManyConnections
        case .serverTooOld: .serverTooOld
        case .transactionPooling: .transactionPooling
        case .locksDoNotExclude: .locksDoNotExclude
        case .standby: .notPrimary
        case .anotherServer: .anotherServer
        case .connectionLost, .noAnswer: .connectionLost
        case .notHeld, .suspect: .lockLost
        case .lockTableFull: .lockTableFull
        case .capacity: .capacity
        case .deadlock: .deadlock
        case .shutDown: .shutDown
        case .cancelled, .lockTimeout, .transactionAborted, .statement: .statementFailed
        }
    }

    /// What to do, in sentences, if the kind alone says it.
    fileprivate var advice: String? {
        switch self {
        case .stillConnecting, .unanswered: "Give it more time."
        case .refusedByConfiguration: "Check the database's name and the role's rights."
        case .tooManyConnections: "Raise the server's max_connections, or lower the limits of the pools that use it (maximumConnections)."
        case .serverTooOld: "Upgrade the server."
        case .transactionPooling:
            """
            A lock would stay behind with a session of the pooler's. Connect to the server itself, or have the pooler pool sessions \
            (pgbouncer: pool_mode = session). If all locks end with transactions, use a TransactionLockManager.
            """
        case .locksDoNotExclude:
            "Connect to one PostgreSQL server, the primary, and not through an address that leads to several servers."
        case .standby: "Connect to the primary: with several hosts in the URL, target_session_attrs=read-write finds it."
        case .anotherServer:
            """
            Locks on it would not exclude those on the first. Name the hosts of one cluster only, with \
            target_session_attrs=read-write if there are several. If the server was moved on purpose, make a new lock manager.
            """
        case .lockTableFull: "Hold fewer locks at a time, or raise the server's max_locks_per_transaction and restart it."
        case .capacity:
            """
            Hold fewer locks at a time, raise the server's max_locks_per_transaction and restart it, or give the manager a larger part \
            of the lock table (configuration.capacity).
            """
        case .deadlock: "Take locks in the same order everywhere, then try again."
        case .suspect: "Stop, and check what was done."
        case .shutDown: "Make a new one to go on."
        case .unreachable, .authentication, .connectionLost, .noAnswer, .notHeld, .cancelled, .lockTimeout, .transactionAborted, .statement:
            nil
        }
    }
}

extension Failure.Cause {
    fileprivate var text: String {
        switch self {
        case .said(let text): text
        case .stillConnecting: "The connection was still being made."
        case .unanswered: "The server had not answered."
        case .noAnswer: "The server did not answer in time, so the connection was closed."
        case .silent: "The server did not answer for so long that it may have given the lock to others."
        case .gone: "The connection is gone."
        case .shutDown: "The lock manager has been shut down."
        case .unexpectedAnswer: "The server's answer did not fit what was asked."
        case .unexpectedToken: "The server's answer did not fit what was asked for a fencing token."
        case .noAnswerToCommit: "The server did not answer COMMIT."
        case .unknownHold(nil, let cause): "Whether a lock is held can't be found out: \(cause.text)"
        case .unknownHold(let key?, let cause): "Whether the lock \(key) is held can't be found out: \(cause.text)"
        case .unknownRollback: "Which locks a rollback has released can't be found out."
        case .unknownWait: "Which lock the session has waited for can't be found out."
        case .notHeld: "The lock is not held."
        case .notHeldAtServer(nil): "The server says that its session did not hold the lock."
        case .notHeldAtServer(let key?): "The server says that its session did not hold the lock \(key)."
        case .modeIsChanging: "The lock's mode is being changed already."
        case .releasedWithoutToken: "The lock was released before it had its token."
        case .endedBySQL: "The body's SQL has ended the transaction, and its locks with it."
        case .full(let fullness): fullness.text
        case .impossibleSession(let what): "A fault of this library: \(what), which is impossible for a session."
        case .impossibleLock(let what): "A fault of this library: \(what), which is impossible for a lock."
        }
    }
}

extension Failure.Fullness {
    fileprivate var text: String {
        let reason =
            switch capacity {
            case .fraction(let fraction):
                """
                \(isAll ? "at least " : "")\(fraction) of the \(lockTableSize ?? count) that the server's lock table has room for \
                (max_locks_per_transaction × (max_connections + max_prepared_transactions))
                """
            case .keys, .unlimited: "the configured limit"
            }
        let subject = isAll ? "All sessions of the server together hold or ask for" : "This manager holds or asks for"
        return "\(subject) \(count) locks already, which is \(reason)"
    }
}
