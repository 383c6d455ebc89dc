extension CheckedOutSession {
    package struct Settings: Sendable {
        /// Whether locks are given out only while the session certainly lives.
        package var isLeased = false
        package var answerLimit = Duration.seconds(30)
        package var commitLimit = Duration.seconds(30)
        /// Whether the locks of an explicit session get fencing tokens.
        package var isFencing = false
        /// Whether the session has the library's settings. Behind a pooler of transactions it has not, since other clients would get them.
        package var hasSettings = true
        /// Whether the role or the database has settings with which the library's own statements don't run.
        package var hasRoleSettings = false
        /// Whether they make transactions deferrable.
        package var mayDefer = false

        package init() {}
    }

    /// What a session is checked out for.
    package enum Scope: String, Hashable, Sendable {
        case transaction
        case session
    }

    /// A statement, by what it is for. Each is a transaction of its own, unless one is open.
    package enum Statement: Hashable, Sendable {
        /// Gives the session the settings of its role and database.
        case roleSettings
        /// The body's value of `default_transaction_deferrable`.
        case setDeferrable(String)
        case showDeferrable
        /// Keeps the library's own statements from waiting for other transactions.
        case doNotDefer
        case begin
        /// The library's settings until the end of the transaction, where the session has none.
        case settingsInTransaction
        case tryLock(AdvisoryKey, Mode)
        /// Waits for the lock; an error ends the wait.
        case lock(AdvisoryKey, Mode)
        /// Sets the key of the ``wait(_:_:)`` that follows.
        case setAwaited(AdvisoryKey)
        /// Waits, and reports what has ended the wait.
        case wait(AdvisoryKey.Space, Mode)
        case setSavepoint(Savepoint)
        case rollBackToSavepoint(Savepoint)
        case releaseSavepoint(Savepoint)
        /// Which of these the transaction holds. Answered by a Boolean per lock. All are asked about at once, since the server goes through
        /// the locks of all sessions, and locks its table meanwhile.
        case areHeld([Lock])
        /// Answered by a Boolean per key.
        case unlock(Engine.Batch)
        case unlockAll
        /// Writes a record for a fencing token, and returns its position.
        case position
        /// Runs nothing. Its answer shows that the session lives.
        case nothing
        /// The statement of the body.
        case body
        case rollBack
        case commit
        /// Brings the session into the state of a new one.
        ///
        /// - Parameters:
        ///   - isThorough: Whether the session may differ from a new one in more than its locks.
        ///   - mayDefer: Whether its transactions may be deferrable.
        case reset(isThorough: Bool, mayDefer: Bool)
    }

    /// A lock at the server: a session may hold a key in both modes.
    package struct Lock: Hashable, Sendable {
        package let key: AdvisoryKey
        package let mode: Mode
    }

    /// The names are constant, since `pg_stat_statements` keeps an entry for each text.
    package enum Savepoint: String, Hashable, Sendable {
        /// Below all of the body's: see ``Savepoints``.
        case base = "swift_postgres_lock_base"
        /// Around a further lock.
        case step = "swift_postgres_lock_step"
    }

    /// What the server has answered to one statement.
    package struct Reply: Hashable, Sendable {
        /// The Booleans among the rows, also those before an error.
        package var rows: [Bool]
        package var failure: Failure?
        /// A ``Statement/wait(_:_:)`` has reported what has ended it.
        package var hasSaidOutcome: Bool
        /// The command tag of the server, for example `COMMIT`.
        package var tag: String?
        /// The first value, as text.
        package var text: String?
        package var position: WALPosition?
        package var transaction: TransactionState

        package init(
            rows: [Bool] = [],
            failure: Failure? = nil,
            hasSaidOutcome: Bool = false,
            tag: String? = nil,
            text: String? = nil,
            position: WALPosition? = nil,
            transaction: TransactionState = .unknown
        ) {
            self.rows = rows
            self.failure = failure
            self.hasSaidOutcome = hasSaidOutcome
            self.tag = tag
            self.text = text
            self.position = position
            self.transaction = transaction
        }
    }

    /// The state of the session's transaction after a statement.
    package enum TransactionState: Hashable, Sendable {
        case none
        case open
        /// An error has aborted it: it can only be rolled back, to a savepoint or as a whole.
        case aborted
        /// Further statements were sent behind this one.
        case unknown
    }

    /// Statements that are sent together.
    package struct Submission: Hashable, Sendable {
        package var statements: [Statement]
        /// Sent behind them, and answered separately: if the session is lost in between, the answers to the first ones are there.
        package var further: [Statement] = []
        /// When they are cancelled.
        package var deadline: Instant?
        /// When the session counts as dead without an answer.
        package var answerBy: Instant?
        /// The key that the last statement waits for.
        package var lockWait: AdvisoryKey?
        /// How often this wait was begun anew, if it is renewable.
        package var renewals: Int?
        /// Whether the caller can cancel them.
        package var isCancellable = true
        /// Whether their effect is undone if they fail: then a cancellation or a deadline counts also if they have ended before it.
        var isUndone = false
    }
}
