extension LockError {
    /// The kind of an error. New codes may be added.
    public struct Code: Hashable, Sendable {
        private let name: String

        private init(_ name: String) {
            self.name = name
        }

        /// The server can't be reached, or refuses the connection for another reason than those below.
        public static let cannotConnect = Code("cannotConnect")
        /// The server refuses the user or the password. Not retried.
        public static let authenticationFailed = Code("authenticationFailed")
        /// The server has no connection left (SQLSTATE 53300).
        public static let tooManyConnections = Code("tooManyConnections")
        /// The server is older than version 12.
        public static let serverTooOld = Code("serverTooOld")
        /// A pooler gives every transaction another server session, with which no lock could stay.
        public static let transactionPooling = Code("transactionPooling")
        /// The server grants the same lock twice.
        public static let locksDoNotExclude = Code("locksDoNotExclude")
        /// The server is a standby. Its locks are not those of the primary.
        public static let notPrimary = Code("notPrimary")
        /// The server is not the one that the manager has connected to before: another cluster, or one from before a promotion.
        public static let anotherServer = Code("anotherServer")
        /// The configuration makes no sense.
        public static let badConfiguration = Code("badConfiguration")
        /// An argument makes no sense, or something is used beyond its scope, or by two tasks where one is allowed.
        public static let invalidArgument = Code("invalidArgument")
        /// The lock is taken, and the deadline came, or is zero. The server has said that it is taken, or this process holds it or
        /// has asked for it before. Never said of a server that is silent.
        public static let timedOut = Code("timedOut")
        /// The deadline came before the server had said whether the lock is free: it did not answer, it was still being connected
        /// to, or it could not be asked yet. The lock may be free, and is not held by the caller.
        public static let noAnswer = Code("noAnswer")
        /// The deadline came, or is zero, while other tasks had all the connections that the pool may open for transactions and
        /// sessions. Nothing is known of the lock, which the server was not asked for.
        public static let poolExhausted = Code("poolExhausted")
        /// The task, its session or its connection holds already what is asked for: the one would wait for ever, the others would get it
        /// although it is held.
        public static let alreadyHeld = Code("alreadyHeld")
        /// PostgreSQL has broken a deadlock by this error (SQLSTATE 40P01).
        public static let deadlock = Code("deadlock")
        /// The connection went away in the middle of something.
        public static let connectionLost = Code("connectionLost")
        /// The lock was held, and is not any more.
        public static let lockLost = Code("lockLost")
        /// A lock on the caller's own connection (``ConnectionLock``) could not be released; the message says what state it is in.
        public static let notReleased = Code("notReleased")
        /// The server's lock table is full (SQLSTATE 53200).
        public static let lockTableFull = Code("lockTableFull")
        /// More is asked for than the configuration allows, above all more keys at a time than ``LockManager/Configuration/capacity``.
        public static let capacity = Code("capacity")
        /// The connection went away during COMMIT, or COMMIT was not answered in time: the transaction may or may not have been committed.
        public static let commitOutcomeUnknown = Code("commitOutcomeUnknown")
        /// The lock manager has been shut down.
        public static let shutDown = Code("shutDown")
        /// The server refuses a statement.
        public static let statementFailed = Code("statementFailed")
        /// A column does not hold what was asked for, or there is no such row or column.
        public static let decodingFailed = Code("decodingFailed")
    }
}

extension LockError.Code: CustomStringConvertible {
    /// The code's name.
    public var description: String { name }
}
