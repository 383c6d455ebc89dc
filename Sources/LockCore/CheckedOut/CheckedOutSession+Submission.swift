extension CheckedOutSession {
    package struct Settings: Sendable {
        /// Whether locks are given out only if the session lives for certain.
        package var isLeased = false
        package var answerLimit = Duration.seconds(30)
        package var commitLimit = Duration.seconds(30)
        /// Whether a session's locks get fencing tokens.
        package var isFencing = false
        /// Whether the session has our settings, which a pooler of transactions would give to others.
        package var hasSettings = true
        /// Whether the role or the database has settings for others that our own statements don't run with.
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
        /// Gives the session the settings that its role or database has for others than us.
        case roleSettings
        /// The body's value of `default_transaction_deferrable`.
        case setDeferrable(String)
        case showDeferrable
        /// Has our own statements wait for no other transactions.
        case doNotDefer
        case begin
        /// Our settings until the end of the transaction, where the session has none of ours.
        case settingsInTransaction
        case tryLock(AdvisoryKey, Mode)
        /// Waits for the lock; an error ends the wait.
        case lock(AdvisoryKey, Mode)
        /// Sets the key of the ``wait(_:_:)`` that follows.
        case setAwaited(AdvisoryKey)
        /// Waits, and says itself what has ended the wait.
        case wait(AdvisoryKey.Space, Mode)
        case setSavepoint(Savepoint)
        case rollBackToSavepoint(Savepoint)
        case releaseSavepoint(Savepoint)
        /// Which of these the transaction holds. Answered by a Boolean per lock. One look at the server's lock table for all, as that is as
        /// long as the locks of all sessions are many, and is closed to them meanwhile.
        case areHeld([Lock])
        /// Answered by a Boolean per key.
        case unlock(Engine.Batch)
        case unlockAll
        /// Writes a record for a fencing token, and says where.
        case position
        /// Runs nothing, and proves that the session lives.
        case nothing
        /// What the scope's body has asked for.
        case body
        case rollBack
        case commit
        /// Makes the session as good as new.
        ///
        /// - Parameters:
        ///   - isThorough: Whether it may differ from a new one in more than its locks.
        ///   - mayDefer: Whether its transactions may be deferrable.
        case reset(isThorough: Bool, mayDefer: Bool)
    }

    /// A lock as the server has it: a session may hold a key in both modes.
    package struct Lock: Hashable, Sendable {
        package let key: AdvisoryKey
        package let mode: Mode
    }

    /// Their names are constant, as `pg_stat_statements` keeps an entry for each text.
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
        /// A ``Statement/wait(_:_:)`` has said itself what has ended it.
        package var hasSaidOutcome: Bool
        /// What the server calls what it has done, as `COMMIT`.
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

    /// What the session's transaction was like after a statement.
    package enum TransactionState: Hashable, Sendable {
        case none
        case open
        /// By an error: it can only be rolled back, to a savepoint or as a whole.
        case aborted
        /// More was sent behind the statement.
        case unknown
    }

    /// Statements that are sent together.
    package struct Submission: Hashable, Sendable {
        package var statements: [Statement]
        /// Sent behind them, and answered on their own: if the session is lost in between, the answers to the others are there.
        package var further: [Statement] = []
        /// When they are cancelled.
        package var deadline: Instant?
        /// When the session counts as dead without an answer.
        package var answerBy: Instant?
        /// The key that the last statement waits for.
        package var lockWait: AdvisoryKey?
        /// How often this wait was begun anew already, if it may be.
        package var renewals: Int?
        /// Whether the caller can cancel them.
        package var isCancellable = true
        /// Whether what they do is taken back if they fail: then a cancellation or a deadline counts also if they have outrun it.
        var isUndone = false
    }
}
