extension Failure {
    /// Why something has failed, as far as more is known than the failure's kind. PostgresLock makes the sentences for people.
    package enum Cause: Hashable, Sendable {
        /// In the words of the server, of libpq, or of the server checks.
        case said(String)

        // The server, or the way to it.
        case stillConnecting
        /// The server had not answered a question by the deadline.
        case unanswered
        /// The server has not answered in time, and the connection was given up.
        case noAnswer
        /// The server has not answered for so long that it may have given the lock to others.
        case silent
        case gone
        case shutDown

        // What a session's answers leave open.
        case unexpectedAnswer
        case unexpectedToken
        case noAnswerToCommit
        /// Whether the key is held, or any key if there is none.
        indirect case unknownHold(AdvisoryKey?, Cause)
        case unknownRollback
        case unknownWait

        // Locks that are not held.
        case notHeld
        /// The server says that its session does not hold the lock.
        case notHeldAtServer(AdvisoryKey?)
        case modeIsChanging
        case releasedWithoutToken
        /// The body's SQL has ended the transaction.
        case endedBySQL

        /// There is no room for another lock.
        indirect case full(Fullness)

        // Faults of this library.
        case impossibleSession(String)
        case impossibleLock(String)
    }

    /// How many locks there are, and how many there may be.
    package struct Fullness: Hashable, Sendable {
        package let count: Int
        /// Whether those of all sessions of the server are counted, and not only the manager's.
        package let isAll: Bool
        package let capacity: Engine.Capacity
        package let lockTableSize: Int?

        package init(count: Int, isAll: Bool, capacity: Engine.Capacity, lockTableSize: Int?) {
            self.count = count
            self.isAll = isAll
            self.capacity = capacity
            self.lockTableSize = lockTableSize
        }
    }
}
